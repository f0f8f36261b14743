"""Properties that relate two calls of one function: causality, prefixes, permutations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.judging.call import Call, Give, Observation
from autograder.judging.compare import distance
from autograder.judging.values import hand_over

RELATIONS = ("causal", "prefix", "permuted")
COARSE, FINE = 1e-3, 1e-7
"""How far two calls may differ where float32 is among their numbers, and elsewhere."""
Again = Callable[[Mapping[str, Any]], Observation]


def broken(seen: Observation, call: Call, again: Again, give: Give | None) -> list[str]:
    """Return the names of the relations that don't hold, in the order in which they were asked for."""
    asked = [(name, list(of)) for name, of in call.properties if name in RELATIONS]
    return [name for name, of in asked if not _holds(name, of, seen, call, again, give)]


def _holds(name: str, of: list[str], seen: Observation, call: Call, again: Again, give: Give | None) -> bool:
    rows = len(call.arguments[of[0]])
    middle = (rows + 1) // 2
    if rows < 2:
        return True
    altered = dict(call.arguments)
    for argument in of:
        altered[argument] = _alter(name, np.asarray(altered[argument]), middle)
    other = again(hand_over(_with(call, altered), give))
    if other.error is not None or other.outputs.keys() != seen.outputs.keys():
        return False
    rtol = COARSE if _in_single_precision([*altered.values(), *seen.outputs.values()]) else FINE
    return all(_agree(name, seen.outputs[n], other.outputs[n], middle, rtol) for n in seen.outputs)


def _with(call: Call, arguments: Mapping[str, Any]) -> Call:
    return Call(**{**call.tree(), "arguments": arguments, "upstream": {}})


def _alter(name: str, array: np.ndarray, middle: int) -> np.ndarray:
    """Return the argument of the second call; what comes after the middle is tripled or cut off."""
    if name == "prefix":
        return array[:middle]
    if name == "permuted":
        return np.roll(array[::-1], 1, axis=0)
    altered = array.copy()
    altered[middle:] = 3 * altered[middle:] + 1
    return altered


def _in_single_precision(values: list[Any]) -> bool:
    """Whether any is float32: what is reckoned from it has its digits, whatever type it has itself."""
    return any(isinstance(v, np.ndarray) and v.dtype.name == "float32" for v in values)


def _agree(name: str, first: np.ndarray, second: np.ndarray, middle: int, rtol: float) -> bool:
    if name != "permuted":
        first, second = first[:middle], second[:middle]
    return distance(second, first, rtol) <= 1
