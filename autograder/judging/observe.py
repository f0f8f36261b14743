"""Calling an answer on a case, and what came of it.

Theory of operation
-------------------
A `Call` says how to call an answer; an `Observation` says what calling it gave: named arrays,
facts about them, or an error.  Both are trees of plain data, because when grading they cross a
pipe between two processes, and nothing else does.  A `Kind` knows how to make the one from the
other; each has a file in `kinds`.  Nothing here knows what would have been right.
"""

from __future__ import annotations

from typing import Any, Protocol

from autograder.judging.call import Call, Give, Observation, WrongForm, call_from_tree
from autograder.judging.foreign import describe_error, is_stub, run_quietly
from autograder.judging.kinds.autograd import AutogradFunctionKind
from autograder.judging.kinds.function import FunctionKind
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
    "run_quietly",
    "stand_in",
    "to_array",
]
