"""A step function: a state and one row in, the new state and one output out, run over a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.judging.call import Call, WrongForm
from autograder.judging.kinds.function import Adapted, FunctionKind
from autograder.judging.values import copy, is_tensor, unchanged


class StepKind(FunctionKind):
    """A step function.

    Options: ``state`` and ``over``, the arguments that make up the state and the rows; ``step_returns``,
    the names of a step's outputs.  The outputs are those of all steps, stacked, and the last state.
    """

    has_device = False

    def takes(self, call: Call) -> list[str]:
        """Return "state" and the names of the rows."""
        return ["state", *call.options["over"]]

    def adapt(self, answer: Any, call: Call) -> Adapted:
        """Return a function that runs the answer over all rows."""
        facts: dict[str, Any] = {}
        count = len(call.options["state"])
        names = list(call.options["step_returns"])

        def run(*values: Any) -> Any:
            state: Any = tuple(values[:count]) if count > 1 else values[0]
            steps = []
            for rows in zip(*values[count:], strict=True):
                given, before = state, copy(state)
                state, output = _pair(answer(given, *rows), names)
                if not unchanged(before, given):
                    facts["changed"] = ["state"]
                steps.append(output)
            outputs = [stack([step[i] for step in steps]) for i in range(len(names))]
            return (*outputs, *_parts(state, count))

        return run, facts


def _pair(value: Any, names: list[str]) -> tuple[Any, list[Any]]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise WrongForm("A step returns a tuple of two: the new state and the output.")
    outputs = [value[1]] if len(names) == 1 else list(value[1])
    if len(outputs) != len(names):
        raise WrongForm(f"A step's outputs are {', '.join(names)}; got {len(outputs)} of them.")
    return value[0], outputs


def _parts(state: Any, count: int) -> list[Any]:
    if count == 1:
        return [state]
    if not isinstance(state, (tuple, list)) or len(state) != count:
        raise WrongForm(f"The state is a tuple of {count}, like the one that was given.")
    return list(state)


def stack(values: list[Any], axis: int = 0) -> Any:
    """Stack arrays or tensors along a new axis."""
    if values and is_tensor(values[0]):
        import torch

        return torch.stack(values, dim=axis)
    return np.stack([np.asarray(value) for value in values], axis=axis)
