"""Whether an answer follows its arguments to another device, on a machine that may have only one.

Theory of operation
-------------------
PyTorch's "meta" device has no data: an answer that makes a tensor on the CPU and mixes it with
its arguments, or returns it, fails or shows there.  But most operations take long on it, for
they are written in Python.  So a call on the CPU is watched first.  Where every operation's
tensors come from the arguments, and none names a device or gives plain numbers, the same
operations would have run wherever the arguments are, and the call on "meta" can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from autograder.judging.cost import place, tensors_in
from autograder.judging.foreign import Run
from autograder.judging.values import is_tensor

Outputs = Callable[[Run], Iterable[Any]]
"""From a call's run to those of its outputs that must be tensors."""


def watched(arguments: Mapping[str, Any], action: Callable[[], Run], outputs: Outputs) -> tuple[Run, bool]:
    """Run an action on tensors of the CPU; also return whether it follows its arguments for certain."""
    from torch.utils._python_dispatch import TorchDispatchMode

    known = {place(tensor) for tensor in tensors_in(arguments.values())}
    # What an operation made is kept alive: else its place could be another tensor's soon.
    made: list[Any] = []
    strays: list[str] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            result = func(*args, **kwargs)
            given = list(tensors_in((*args, *kwargs.values())))
            results = list(tensors_in((result,)))
            derived = given and results and kwargs.get("device") is None
            if not derived or any(place(tensor) not in known for tensor in given):
                strays.append(str(func))
            made.extend(results)
            known.update(map(place, results))
            return result

    with Watch():  # type: ignore[no-untyped-call]
        run = action()
    follows = run.error is None and not strays
    return run, follows and all(is_tensor(v) and place(v) in known for v in outputs(run))


def on_meta(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with their tensors on the "meta" device."""
    return {n: v.detach().to("meta") if is_tensor(v) else v for n, v in arguments.items()}


def told_by(run: Run, outputs: Outputs) -> str:
    """Judge a call on the "meta" device: a tensor made on the CPU shows there."""
    if run.error is not None:
        words = ("on the same device", "found at least two devices", "is not on the expected device")
        return "mixed" if any(w in run.error["message"] for w in words) else "unknown"
    return "kept" if all(is_tensor(v) and v.device.type == "meta" for v in outputs(run)) else "lost"
