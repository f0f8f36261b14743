"""Sentences that can be read only with the right reply.

Theory of operation
-------------------
The casebook is plain data that every student has, so a constant answer may not stand in it, nor
the explanation that follows it.  A key is derived from the reply and a salt, slowly, and the
sentence is encrypted with it; a reply is right if what comes out begins with a known mark.
Floats within a tolerance share a key: the number's logarithm is rounded on two overlapping grids,
and a sentence is sealed under both cells, so that a number near the border of one lies well
inside the other.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from typing import Any

MARK = b"sealed:"
ROUNDS = 20_000


def seal(reply: Sequence[Any], rtols: Sequence[float], salt: str, says: str) -> list[str]:
    """Return the sentence sealed under all keys of a reply.

    Parameters
    ----------
    reply : its parts; None stands for anything.
    rtols : by part, the relative tolerance; 0 for what must be met exactly.
    """
    plain = MARK + says.encode()
    return [_mix(key, plain).hex() for key in _keys(reply, rtols, salt)]


def open_sealed(
    sealed: Sequence[str], reply: Sequence[Any], wild: Sequence[bool], rtols: Sequence[float], salt: str
) -> str | None:
    """Return the sentence if the reply is the one it was sealed under, else None.

    Parameters
    ----------
    wild : for each part, whether it stood for anything when the sentence was sealed.
    """
    asked = [None if any_ else part for part, any_ in zip(reply, wild, strict=True)]
    for key in _keys(asked, rtols, salt):
        for text in sealed:
            plain = _mix(key, bytes.fromhex(text))
            if plain.startswith(MARK):
                return plain[len(MARK) :].decode()
    return None


def _keys(reply: Sequence[Any], rtols: Sequence[float], salt: str) -> list[bytes]:
    cells = itertools.product(*map(_cells, reply, rtols))
    return [
        hashlib.pbkdf2_hmac("sha256", "|".join(cell).encode(), salt.encode(), ROUNDS, dklen=32)
        for cell in cells
    ]


def _cells(part: Any, rtol: float) -> list[str]:
    """Return the names of the cells that a part lies in: one for exact parts, two for floats."""
    if part is None:
        return ["*"]
    if isinstance(part, str):
        return ["text " + " ".join(part.casefold().split())]
    value = float(part)
    if rtol == 0 and value.is_integer():
        return [f"whole {int(part)}"]
    if rtol == 0 or not math.isfinite(value) or abs(value) < 1e-12:
        return [f"special {value if abs(value) >= 1e-12 else 0.0}"]
    position = math.log(abs(value)) / (4 * rtol)
    sign = "-" if value < 0 else "+"
    return [f"a {sign}{math.floor(position)}", f"b {sign}{math.floor(position + 0.5)}"]


def _mix(key: bytes, data: bytes) -> bytes:
    stream = hashlib.shake_256(key).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))
