"""Functions that are elsewhere: a stand-in that calls back, and what answers it.

Theory of operation
-------------------
When an answer is given a function that it must not be able to read, its process gets a stand-in.
Each call of it sends arrays over the pipe and waits for the result's; in PyTorch a backward pass
through it sends the upstream gradient along and gets the arguments' gradients.  `stand_in` is
used where the answer runs, `Answering` where the functions are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograder.judging.values import is_tensor, to_array

CallBack = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Sends a function's name and {"arguments": [...], "upstream": array or None}; returns
{"result": array, "gradients": [...]} or {"error": text}.  All are trees for `tree.split`."""

MAX_CALLS = 20_000


def stand_in(call_back: CallBack, name: str, framework: str) -> Callable[..., Any]:
    """Return a function that is computed at the other end."""

    def ask(arguments: Sequence[Any], upstream: Any = None) -> Mapping[str, Any]:
        plain = [_sendable(a) for a in arguments]
        reply = call_back(name, {"arguments": plain, "upstream": _sendable(upstream)})
        if "error" in reply:
            raise ValueError(str(reply["error"]))
        return reply

    def function(*arguments: Any) -> Any:
        result = ask(arguments)["result"]
        return float(result) if np.ndim(result) == 0 else result

    return _differentiable(ask) if framework == "torch" else function


def _differentiable(ask: Callable[..., Mapping[str, Any]]) -> Callable[..., Any]:
    import torch

    class Elsewhere(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *arguments: Any) -> Any:
            ctx.save_for_backward(*arguments)
            return torch.from_numpy(np.asarray(ask(arguments)["result"]))

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            gradients = ask(ctx.saved_tensors, upstream)["gradients"]
            return tuple(None if g is None else torch.from_numpy(g) for g in gradients)

    def function(*arguments: Any) -> Any:
        return Elsewhere.apply(*[torch.as_tensor(a) for a in arguments])  # type: ignore[no-untyped-call]

    return function


def _sendable(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    array, problem = to_array(value)
    if array is None:
        raise TypeError(f"the function takes arrays of numbers; this one cannot be read ({problem})")
    return array


class Answering:
    """Answers the calls of stand-ins, with functions that stay here; never raises."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], framework: str) -> None:
        self.functions, self.framework = functions, framework
        self.calls = 0
        if functions and framework == "torch":
            # Before any limit on time runs: an import that is interrupted leaves half a library behind.
            import torch  # noqa: F401

    def __call__(self, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result, or the error as text; what is asked comes from foreign code."""
        self.calls += 1
        try:
            if self.calls > MAX_CALLS:
                raise ValueError(f"the function was called more than {MAX_CALLS} times")
            arguments = list(request["arguments"])
            with np.errstate(all="ignore"):
                if self.framework == "torch":
                    return self._torch(name, arguments, request.get("upstream"))
                return {"result": np.asarray(self.functions[name](*arguments)), "gradients": []}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"[:300]}

    def _torch(self, name: str, arguments: list[Any], upstream: Any) -> dict[str, Any]:
        import torch

        tensors = [torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a for a in arguments]
        if upstream is None:
            with torch.no_grad():
                return {"result": self.functions[name](*tensors).numpy(), "gradients": []}
        leaves = [t.requires_grad_() for t in tensors if is_tensor(t) and t.is_floating_point()]
        with torch.enable_grad():
            result = self.functions[name](*tensors)
            found = torch.autograd.grad(result, leaves, torch.from_numpy(upstream.copy()), allow_unused=True)
        by_leaf = {id(leaf): gradient for leaf, gradient in zip(leaves, found, strict=True)}
        gradients = [by_leaf.get(id(t)) for t in tensors]
        return {
            "result": result.detach().numpy(),
            "gradients": [None if g is None else g.numpy() for g in gradients],
        }
