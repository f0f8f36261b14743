"""What an answer's calls cost, read where the answer cannot touch it.

The process that makes a call also says what the call cost, and foreign code there may make it
say anything.  The kernel's account of processor time is out of its reach; so a call with many
rows is made once more and the account is read before and after.  An answer that saves its time
by giving something else for many rows than for few is told by its first rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from autograder.judging import diagnose
from autograder.judging.observe import Call, Observation
from autograder.judging.prepare import Prepared, PreparedCase
from autograder.sandbox import Session


class Clock:
    """Reads the processor time of calls of one answer; each size of a case is measured once.

    case : the one whose arguments are grown; set it before its calls.
    """

    def __init__(
        self, session: Session, prepared: Prepared, functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.session, self.prepared, self.functions = session, prepared, functions
        self.case: PreparedCase | None = None
        self._known: dict[Any, float] = {}

    def cpu_s(self, call: Call) -> float:
        """Return the seconds that a call takes; infinity where it fails or gives something else."""
        shapes = [getattr(value, "shape", None) for value in call.arguments.values()]
        key = (self.case and self.case.name, str(shapes))
        if key not in self._known:
            self._known[key] = self._measure(
                replace(call, repeat=False, measure=False, properties=(), upstream={})
            )
        return self._known[key]

    def _measure(self, call: Call) -> float:
        before = self.session.cpu_s()
        seen = self.session.observe(self.prepared.name, call, functions=self.functions)
        after = self.session.cpu_s()
        if before is None or after is None or seen.error is not None or not self._is_same(seen):
            return float("inf")
        return after - before

    def _is_same(self, seen: Observation) -> bool:
        if self.case is None or not self.case.linear.get("same_rows"):
            return bool(seen.outputs)
        for name, expected in self.case.expected.items():
            got = seen.outputs.get(name)
            if got is None or got.ndim != expected.ndim:
                return False
            first = got[tuple(slice(side) for side in expected.shape)]
            if not diagnose.same(self.prepared, self.case, name, first, expected):
                return False
        return True
