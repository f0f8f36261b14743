"""Calling an answer on a case, and what came of it.

Theory of operation
-------------------
A `Call` says how to call an answer; an `Observation` says what calling it gave: named arrays,
facts about them, or an error.  Both are trees of plain data, because when grading they cross a
pipe between two processes, and nothing else does.  A `Kind` knows how to make the one from the
other; each has a file in `kinds`.  Nothing here knows what would have been right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from autograder.judging.call import Call, Give, Observation, WrongForm, call_from_tree
from autograder.judging.foreign import describe_error, is_stub, run_quietly
from autograder.judging.kinds.autograd import AutogradFunctionKind
from autograder.judging.kinds.function import FunctionKind, plain_integers
from autograder.judging.kinds.lines import DerivationKind
from autograder.judging.kinds.module import ModuleKind
from autograder.judging.kinds.proxy import Answering, stand_in
from autograder.judging.kinds.reply import ReplyKind
from autograder.judging.kinds.sampler import SamplerKind
from autograder.judging.kinds.step import StepKind
from autograder.judging.kinds.trained import TrainedKind
from autograder.judging.values import to_array


class Kind(Protocol):
    """One sort of answer, and how to look at it."""

    def observe(self, answer: Any, call: Call, give: Give | None = None) -> Observation:
        """Try the answer as the call says; never raises for anything that the answer does."""
        ...


KINDS: dict[str, Kind] = {
    "function": FunctionKind(),
    "sampler": SamplerKind(),
    "step": StepKind(),
    "autograd_function": AutogradFunctionKind(),
    "module": ModuleKind(),
    "trained": TrainedKind(),
    "derivation": DerivationKind(),
    "reply": ReplyKind(),
}


def observe(answer: Any, call: Call, give: Give | None = None) -> Observation:
    """Try an answer as the call says, with its kind's `Kind`.

    Parameters
    ----------
    give : finds the functions that arguments name, beyond the built-in ones.
    """
    return KINDS[call.kind].observe(answer, call, give)


def read_observation(tree: Any, call: Call) -> Observation:
    """Return what a foreign process says that a call gave.

    Raises ValueError where that is no observation, or none that this call can give.
    """
    seen = Observation.from_tree(tree)
    whole = plain_integers(call.options)
    for name, array in [*seen.outputs.items(), *seen.gradients.items()]:
        if array is not None and array.dtype.kind == "O" and name not in whole:
            raise ValueError(f"{name} may not hold whole numbers of any size")
    if not call.options.get("compare"):
        seen.facts.pop("minima", None)
    if not _has_words(seen.facts, call):
        raise ValueError(f"the lines or the reply of a {call.kind} are missing or of another form")
    return seen


def _has_words(facts: Mapping[str, Any], call: Call) -> bool:
    """Whether what is judged by its words has some, of the form that was asked for."""
    if call.kind == "reply" and "reply" in facts:
        return len(facts["reply"]) == len(call.options["parts"])
    if call.kind != "derivation" or facts.keys() & {
        "not_attempted",
        "problem",
        "undefined",
        "observer_failed",
    }:
        return True
    chains, lines = call.options.get("chains"), facts.get("lines")
    return isinstance(lines, dict) and lines.keys() == chains.keys() if chains else isinstance(lines, list)


__all__ = [
    "KINDS",
    "Answering",
    "Call",
    "Give",
    "Kind",
    "Observation",
    "WrongForm",
    "call_from_tree",
    "describe_error",
    "is_stub",
    "observe",
    "read_observation",
    "run_quietly",
    "stand_in",
    "to_array",
]
