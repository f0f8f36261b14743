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
from autograder.judging.kinds import growth
from autograder.judging.observe import Observation
from autograder.judging.prepare import Prepared, PreparedCase
from autograder.sandbox import Session


class Clock:
    """Reads the processor time of calls of one answer; each case is measured once."""

    def __init__(
        self, session: Session, prepared: Prepared, functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.session, self.prepared, self.functions = session, prepared, functions
        self._known: dict[str, dict[str, list[float]]] = {}

    def cpu(self, case: PreparedCase) -> dict[str, list[float]]:
        """Return the seconds that a case's calls take with two numbers of rows, as `growth.cpu` does."""
        if case.name not in self._known:
            first = int(case.linear["sizes"][0])
            self._known[case.name] = growth.cpu(lambda size: self.seconds(case, size), first)
        return self._known[case.name]

    def seconds(self, case: PreparedCase, size: int) -> float:
        """Return what a call with so many rows takes; infinity where it fails or gives something else."""
        call = growth.grown(self.prepared.call(case, cpu_outside=True), size)
        call = replace(call, repeat=False, measure=False, properties=(), upstream={})
        before = self.session.cpu_s()
        seen = self.session.observe(self.prepared.name, call, functions=self.functions)
        after = self.session.cpu_s()
        if before is None or after is None or seen.error is not None or not self._is_same(case, seen):
            return float("inf")
        return after - before

    def _is_same(self, case: PreparedCase, seen: Observation) -> bool:
        if not case.linear.get("same_rows"):
            return bool(seen.outputs)
        for name, expected in case.expected.items():
            got = seen.outputs.get(name)
            if got is None or got.ndim != expected.ndim:
                return False
            first = got[tuple(slice(side) for side in expected.shape)]
            if not diagnose.same(self.prepared, case, name, first, expected):
                return False
        return True
