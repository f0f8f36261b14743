"""A reply: a constant, or a tuple of constants."""

from __future__ import annotations

from typing import Any

from autograder.judging.call import Call, Give, Observation
from autograder.judging.foreign import MAX_TEXT
from autograder.judging.values import to_array


class ReplyKind:
    """A constant or a tuple of them.  Facts: ``reply``, a list of plain values, or ``problem``."""

    def observe(self, answer: Any, call: Call, give: Give | None = None) -> Observation:
        """Take the reply as it is."""
        parts = list(call.options["parts"])
        given = list(answer) if isinstance(answer, (tuple, list)) else [answer]
        if answer is None or any(part is None or part is Ellipsis for part in given):
            return Observation(facts={"not_attempted": True})
        if len(given) != len(parts):
            return Observation(
                facts={"problem": {"what": "count", "got": len(given), "expected": len(parts)}}
            )
        reply = [_plain(part) for part in given]
        odd = [type(p).__name__ for p, plain in zip(given, reply, strict=True) if plain is None]
        if odd:
            return Observation(facts={"problem": {"what": "not_plain", "got": odd[0]}})
        return Observation(facts={"reply": reply})


def _plain(value: Any) -> Any:
    """Return a bool, int, float or text, or None where the value is nothing of that sort."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if type(value) in (bool, int, float):
        return value
    array, _ = to_array(value)
    return array.item() if array is not None and array.size == 1 and array.dtype.kind in "biuf" else None
