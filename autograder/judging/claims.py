"""Whether what a foreign process says of an answer has the form that such words have.

The process can say what it likes; a verdict is reached from it all the same, so every fact is of
the type that `diagnose` reckons with, or the whole observation is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

MAX_DIMENSIONS = 32
MAX_TEXT = 4000
MAX_ITEMS = 2000
Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _number(value: Any) -> bool:
    return _whole(value) or isinstance(value, float)


def _list_of(item: Check, count: int | None = None) -> Check:
    def check(value: Any) -> bool:
        fits = isinstance(value, list) and len(value) <= MAX_ITEMS and count in (None, len(value))
        return fits and all(map(item, value))

    return check


def _map_of(item: Check) -> Check:
    def check(value: Any) -> bool:
        fits = isinstance(value, dict) and len(value) <= MAX_ITEMS
        return fits and all(_text(k) and item(v) for k, v in value.items())

    return check


def _record(most: Mapping[str, Check], least: tuple[str, ...]) -> Check:
    """Return a check of a dictionary that may have `most` and must have `least`."""

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not set(least) <= value.keys() <= most.keys():
            return False
        return all(most[name](item) for name, item in value.items())

    return check


def _any_of(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _reply_part(value: Any) -> bool:
    """Whether a value is a scalar; a whole number may be larger than any that is computed with."""
    return _text(value) or _flag(value) or isinstance(value, float) or _whole(value)


_ERROR = _record(
    {"type": _text, "message": _text, "line": _text, "line_number": _any_of(_whole, lambda v: v is None),
     "function": _text, "depth": _whole},
    ("type", "message"),
)  # fmt: skip
_GROWN = _record(
    {"sizes": _list_of(_whole, 2), "total_bytes": _list_of(_number, 2), "peak_bytes": _list_of(_number, 2),
     "operations": _list_of(_number, 2), "called": _list_of(_text),
     "cpu_s": _record({"rows": _list_of(_whole, 2), "seconds": _list_of(_number, 2)}, ("rows", "seconds"))},
    ("sizes", "total_bytes", "peak_bytes", "operations", "called"),
)  # fmt: skip
_PROBLEM = {
    "what": _text, "output": _text, "chain": _text, "says": _text, "got": _any_of(_text, _whole, _list_of(_whole)),
    "expected": _any_of(_text, _whole, _list_of(_whole)), "missing": _list_of(_text), "extra": _list_of(_text),
}  # fmt: skip
FACTS: dict[str, Check] = {
    "undefined": _flag, "not_attempted": _flag, "observer_failed": _flag,
    "printed": _record({"lines": _whole, "head": _text}, ("lines", "head")),
    "warnings": _list_of(_text),
    "problem": _record(_PROBLEM, ("what",)),
    "types": lambda value: bool(value) and _map_of(_text)(value),
    "dtypes": _map_of(_text), "tensors": _map_of(_flag), "minima": _map_of(_number),
    "changed": _list_of(_text), "cut_off": _list_of(_text), "broken": _list_of(_text),
    "backward_error": _ERROR, "gradcheck": _text, "device": _text,
    "peak_bytes": _number, "largest_bytes": _number, "total_bytes": _number,
    "repeatable": _flag, "global_rng": _flag, "same_seed": _flag, "other_seed": _flag,
    "state_sizes": _list_of(_whole),
    "growth": _any_of(_GROWN, _record({"error": _ERROR, "size": _whole}, ("error", "size"))),
    "lines": _any_of(_list_of(_text), _map_of(_list_of(_text))),
    "reply": _list_of(_reply_part),
}  # fmt: skip


def refuse(outputs: Any, gradients: Any, facts: Any, error: Any) -> str | None:
    """Return what has no right form in the parts of an observation, or None."""
    if not _map_of(_array)(outputs) or not _map_of(_any_of(_array, lambda v: v is None))(gradients):
        return "outputs and gradients are arrays"
    if not isinstance(facts, dict) or not facts.keys() <= FACTS.keys():
        return "there are facts that nobody asked for"
    wrong = [name for name, value in facts.items() if not FACTS[name](value)]
    if wrong:
        return f"the fact {wrong[0]} has another form"
    named = [name for name in outputs if not name.endswith(" of many rows")]
    if not set(named) <= set(facts.get("tensors") or named):
        return "there are outputs of which nothing is said"
    return None if error is None or _ERROR(error) else "the error has another form"


def _array(value: Any) -> bool:
    if not isinstance(value, np.ndarray) or value.ndim > MAX_DIMENSIONS:
        return False
    return value.dtype.kind in "biufc" or (
        value.dtype.kind == "O" and all(type(v) is int for v in value.flat)
    )
