"""A `torch.autograd.Function`: called through ``apply``, its backward pass checked."""

from __future__ import annotations

from typing import Any

from autograder.judging.call import Call, Give, Observation
from autograder.judging.foreign import is_stub, run_quietly
from autograder.judging.kinds.function import Adapted, FunctionKind
from autograder.judging.values import hand_over, is_tensor


class AutogradFunctionKind(FunctionKind):
    """A subclass of `torch.autograd.Function`.  Fact: ``gradcheck``, empty or what it complained of."""

    has_device = False
    measures_backward = True

    def refuse(self, answer: Any, call: Call) -> Observation | None:
        """Refuse what is no such class, or is still as it was released."""
        import torch

        if not isinstance(answer, type) or not issubclass(answer, torch.autograd.Function):
            return wrong_class(answer, "torch.autograd.Function")
        if any(is_stub(getattr(answer, name)) for name in ("forward", "backward")):
            return Observation(facts={"not_attempted": True})
        return None

    def adapt(self, answer: Any, call: Call) -> Adapted:
        """Return the class's ``apply``."""
        return answer.apply, {}

    def look_again(self, seen: Observation, answer: Any, call: Call, give: Give | None) -> None:
        """Add PyTorch's own check of the gradients in the first case."""
        super().look_again(seen, answer, call, give)
        if not call.repeat or not call.upstream:
            return
        import torch

        arguments = hand_over(call, give)
        checked = [v.double() if is_tensor(v) and v.is_floating_point() else v for v in arguments.values()]
        run = run_quietly(lambda: torch.autograd.gradcheck(answer.apply, tuple(checked)), call.wall_limit_s)
        seen.facts["gradcheck"] = "" if run.error is None else str(run.error["message"])[:300]


def wrong_class(answer: Any, base: str) -> Observation:
    """Return the observation of something that isn't a subclass of what was asked for."""
    shown = f"the class {answer.__name__}" if isinstance(answer, type) else f"a {type(answer).__name__}"
    message = f"The check needs a class derived from {base}, but got {shown}."
    return Observation(error={"type": "WrongForm", "message": message})
