"""Calls with many rows, for which an answer that takes too much memory finds no room.

Theory of operation
-------------------
A case may limit the memory of a call, and the process that makes the call says how much it was.
What it says can be forged.  So an answer that passed such a case is called once more, in a
session that has little more memory than the case allows, with so many rows that a table of the
forbidden size does not fit.  The kernel refuses it then, whatever the process says.  The worked
solution, called here, says what should come back, so that nothing is gained by giving up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder.judging.compare import entrywise
from autograder.judging.exercise import Case
from autograder.judging.observe import Call, Observation, observe
from autograder.judging.prepare import Prepared, PreparedCase

ENOUGH_BYTES = 2**24
MOST_TIMES = 64
BASE_BYTES = 2**27
ALIKE = 0.9
"""Of the entries; where rows repeat nearly, an honest answer may break a tie in another way."""


@dataclass(frozen=True)
class Roomy:
    """A call with many rows.

    expected : what the worked solution gives.
    memory_bytes : what a session may take for it.
    """

    call: Call
    expected: Mapping[str, np.ndarray]
    memory_bytes: int

    def is_answered_by(self, seen: Observation) -> bool:
        """Whether an answer gave about what the worked solution gives."""
        return seen.error is None and all(
            name in seen.outputs and _alike(seen.outputs[name], right)
            for name, right in self.expected.items()
        )


def make(
    prepared: Prepared,
    cases: Mapping[str, Case],
    worked: Any,
    functions: Mapping[str, Callable[..., Any]],
    framework: str,
) -> Roomy | None:
    """Return the call for the first case that limits the memory.

    cases : as they are declared, by name.
    framework : what the worked solution takes its arguments as.

    None where there is no such case, or where the worked solution does not take repeated rows.
    """
    case = next((case for case in prepared.cases if case.peak_bytes is not None), None)
    limit = None if case is None else cases[case.name].peak_bytes
    if case is None or limit is None:
        return None
    arguments, allowed = _grown(case, limit)
    asked = prepared.call(case)
    call = replace(
        asked, arguments=arguments, measure=False, repeat=False, upstream={}, properties=(), layout="plain"
    )
    seen = observe(worked, replace(call, framework=framework), functions.__getitem__)
    if seen.error is not None or not seen.outputs:
        return None
    room = BASE_BYTES + allowed + 6 * _bytes(arguments) + 4 * _bytes(seen.outputs)
    return Roomy(call, seen.outputs, int(room))


def _grown(case: PreparedCase, limit: Callable[[Mapping[str, Any]], float]) -> tuple[dict[str, Any], float]:
    """Repeat the rows until enough memory is allowed, a little changed, so that no two are the same."""
    times, rng = 2, np.random.default_rng(0)
    while limit(_repeated(case, times)) < ENOUGH_BYTES and times < MOST_TIMES:
        times *= 2
    arguments = _repeated(case, times)
    for name, value in arguments.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            arguments[name] = (value * (1 + 1e-3 * rng.normal(size=value.shape))).astype(value.dtype)
    return arguments, float(limit(arguments))


def _repeated(case: PreparedCase, times: int) -> dict[str, Any]:
    return {
        name: np.concatenate([value] * times) if isinstance(value, np.ndarray) and value.ndim else value
        for name, value in case.arguments.items()
    }


def _bytes(values: Mapping[str, Any]) -> int:
    return sum(value.nbytes for value in values.values() if isinstance(value, np.ndarray))


def _alike(got: np.ndarray, right: np.ndarray) -> bool:
    if got.shape != right.shape or "O" in (got.dtype.kind, right.dtype.kind):
        return False
    return bool(np.mean(entrywise(got, right, 1e-4) <= 1) >= ALIKE)
