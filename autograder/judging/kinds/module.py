"""An `nn.Module` class: built from a configuration, given its parameters, run on a batch and step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autograder.judging.call import Call, Observation, WrongForm
from autograder.judging.foreign import is_stub
from autograder.judging.kinds.autograd import wrong_class
from autograder.judging.kinds.function import Adapted, FunctionKind
from autograder.judging.kinds.step import stack


class ModuleKind(FunctionKind):
    """A subclass of `torch.nn.Module`.

    Options: ``build`` and ``inputs``, the arguments that it is built from and called with; the others
    are parameters by name.  ``steps``: also run ``initial_state`` and ``step`` over the first input's
    second axis, for the output "steps".  Fact: ``state_sizes``, after the first step and the last.
    """

    has_device = False

    def refuse(self, answer: Any, call: Call) -> Observation | None:
        """Refuse what is no such class, or is still as it was released."""
        import torch

        if not isinstance(answer, type) or not issubclass(answer, torch.nn.Module):
            return wrong_class(answer, "torch.nn.Module")
        if is_stub(answer.__init__) or is_stub(answer.forward):
            return Observation(facts={"not_attempted": True})
        return None

    def adapt(self, answer: Any, call: Call) -> Adapted:
        """Return a function that builds the module and runs it with the case's parameters."""
        from torch.func import functional_call

        facts: dict[str, Any] = {}
        options = call.options

        def run(*values: Any) -> Any:
            named = dict(zip(call.arguments, values, strict=True))
            inputs = [named.pop(name) for name in options["inputs"]]
            module = answer(*[named.pop(name) for name in options["build"]])
            module = module.to(inputs[0].dtype).eval()
            _check_parameters(module, named)
            whole = _whole(module, bool(options.get("steps")), facts)
            return functional_call(whole, {f"module.{name}": v for name, v in named.items()}, tuple(inputs))

        return run, facts


def _check_parameters(module: Any, given: Mapping[str, Any]) -> None:
    has = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, value in given.items():
        if name not in has:
            raise WrongForm(f"The module has no parameter {name}; it has {', '.join(has) or 'none'}.")
        if has[name] != tuple(value.shape):
            raise WrongForm(f"The parameter {name} has shape {has[name]}; it should be {tuple(value.shape)}.")


def _whole(module: Any, steps: bool, facts: dict[str, Any]) -> Any:
    """Return a module that runs the given one as a whole and, if asked, step by step."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: Any) -> Any:
            outputs = self.module(*inputs)
            if not steps:
                return outputs
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            return (*outputs, _step_by_step(self.module, inputs[0], facts))

    return Whole()


def _step_by_step(module: Any, x: Any, facts: dict[str, Any]) -> Any:
    state = module.initial_state(x.shape[0])
    outputs, sizes = [], []
    for i in range(x.shape[1]):
        result = module.step(x[:, i], state)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise WrongForm("step returns a tuple of two: the output and the new state.")
        output, state = result
        outputs.append(output)
        sizes.append(_size(state))
    facts["state_sizes"] = [sizes[0], sizes[-1]] if sizes else []
    return stack(outputs, axis=1)


def _size(state: Any) -> int:
    if isinstance(state, Mapping):
        return sum(_size(item) for item in state.values())
    if isinstance(state, (tuple, list)):
        return sum(_size(item) for item in state)
    return int(state.numel()) if hasattr(state, "numel") else 1
