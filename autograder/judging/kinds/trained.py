"""A function that trains a model: the callable that it returns embeds images that it hasn't seen."""

from __future__ import annotations

import contextlib
from typing import Any

from autograder.judging.call import Call, Give, Observation, WrongForm
from autograder.judging.kinds.function import Adapted, FunctionKind


class TrainedKind(FunctionKind):
    """A training function.  Option: ``held_out``, the argument that only the trained model sees."""

    has_device = False

    def takes(self, call: Call) -> list[str]:
        """Return the arguments without the held-out images."""
        return [name for name in call.arguments if name != call.options["held_out"]]

    def adapt(self, answer: Any, call: Call) -> Adapted:
        """Return a function that trains, then embeds the held-out images."""

        def run(*values: Any) -> Any:
            named = dict(zip(call.arguments, values, strict=True))
            held_out = named.pop(call.options["held_out"])
            model = answer(*named.values())
            if not callable(model):
                raise WrongForm(
                    f"Training returned a {type(model).__name__}; return the trained embedding, a callable."
                )
            with _without_gradients(call):
                return model(held_out)

        return run, {}

    def look_again(self, seen: Observation, answer: Any, call: Call, give: Give | None) -> None:
        """Do nothing: one training is enough."""


def _without_gradients(call: Call) -> contextlib.AbstractContextManager[Any]:
    if call.framework != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
