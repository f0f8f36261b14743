"""Messages between a grader and a process that it does not trust.

Theory of operation
-------------------
A message is a tree of plain data with arrays in it.  It travels as one frame: the length of a
header, the header in JSON, and the arrays' bytes in the order in which the header lists them.
Nothing in a frame can be executed.  The reader decides what it accepts before it makes room for
it: a header of at most 1 MB and 32 levels, a fixed list of number types, at most 256 MB of
arrays, all before a deadline.  A reader that faces foreign code also cleans every text of
control sequences, so that a message cannot paint over a terminal or a page.
"""

from __future__ import annotations

import json
import math
import re
import socket
import time
from typing import Any

import numpy as np

from autograder.judging import tree

MAX_HEADER_BYTES = 2**20
MAX_ARRAY_BYTES = 256 * 2**20
MAX_ARRAYS = 1000
MAX_DEPTH = 32
MAX_SIDE = 2**31
MOST_AT_ONCE = 2**16
"""Arrays of fewer bytes together are moved as one piece: a call of the system costs more than a copy."""
_SIGNED, _UNSIGNED = ("|i1", "<i2", "<i4", "<i8"), ("|u1", "<u2", "<u4", "<u8")
DTYPES = frozenset({"|b1", *_SIGNED, *_UNSIGNED, "<f2", "<f4", "<f8", "<c8", "<c16"})

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MAY_HIDE_CONTROLS = re.compile(rb"\\[ubfr]|\x7f")


class ProtocolError(Exception):
    """The other side sent something that is not a message, or sent it at the wrong time."""


class Wire:
    """One end of a connection; messages go over it whole.

    foreign : the other side runs code that we don't trust; its texts are cleaned.
    """

    def __init__(self, sock: socket.socket, foreign: bool = False) -> None:
        self.sock = sock
        self._foreign = foreign

    def send(self, message: Any, deadline: float | None = None) -> None:
        """Send a tree.

        Raises TimeoutError after the deadline (of `time.monotonic`), OSError where the other
        side is gone, and ValueError or TypeError where the tree is not fit to be sent.
        """
        skeleton, arrays = tree.split(message)
        arrays = [_portable(array) for array in arrays]
        head = {"body": skeleton, "arrays": [[a.dtype.str, list(a.shape)] for a in arrays]}
        header = json.dumps(head).encode()
        size = sum(a.nbytes for a in arrays)
        if len(header) > MAX_HEADER_BYTES or size > MAX_ARRAY_BYTES or len(arrays) > MAX_ARRAYS:
            raise ValueError(f"a message of {len(header) + size} bytes and {len(arrays)} arrays is too large")
        parts: list[bytes | memoryview] = [len(header).to_bytes(4, "big") + header, *map(_bytes_of, arrays)]
        for part in [b"".join(parts)] if size <= MOST_AT_ONCE else parts:
            self._push(part, deadline)

    def receive(self, deadline: float | None = None) -> Any:
        """Return the next tree.

        Raises TimeoutError after the deadline, EOFError where the other side is gone, and
        ProtocolError where it sent anything but a message.
        """
        length = int.from_bytes(self._pull(bytearray(4), deadline), "big")
        if length > MAX_HEADER_BYTES:
            raise ProtocolError(f"a header of {length} bytes is too large")
        header = bytes(self._pull(bytearray(length), deadline))
        skeleton, forms = _parse(header)
        if self._foreign and not _is_clean(header):
            skeleton = clean(skeleton)
        arrays = [_room_for(dtype, shape) for dtype, shape in forms]
        self._fill([_bytes_of(array) for array in arrays], deadline)
        try:
            return tree.join(skeleton, [_with_truth_values(array) for array in arrays])
        except (ValueError, TypeError, ArithmeticError, MemoryError) as error:
            raise ProtocolError(f"the message has no tree's form: {error}") from None

    def pending(self) -> bool:
        """Whether anything, be it the end of the connection, has already arrived."""
        self.sock.setblocking(False)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    def _push(self, data: bytes | memoryview, deadline: float | None) -> None:
        rest = memoryview(data)
        while rest:
            self._wait_until(deadline)
            rest = rest[self.sock.send(rest) :]

    def _pull(self, room: bytearray | memoryview, deadline: float | None) -> bytearray | memoryview:
        rest = memoryview(room)
        while rest:
            self._wait_until(deadline)
            try:
                count = self.sock.recv_into(rest)
            except ConnectionError:
                count = 0
            if count == 0:
                raise EOFError("the other side is gone")
            rest = rest[count:]
        return room

    def _fill(self, rooms: list[memoryview], deadline: float | None) -> None:
        """Fill all rooms, small ones with one call of the system."""
        size = sum(room.nbytes for room in rooms)
        if size > MOST_AT_ONCE:
            for room in rooms:
                self._pull(room, deadline)
            return
        whole = memoryview(self._pull(bytearray(size), deadline))
        for room in rooms:
            room[:], whole = whole[: room.nbytes], whole[room.nbytes :]

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            self.sock.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self.sock.settimeout(left)


def _is_clean(header: bytes) -> bool:
    """Whether a header that is JSON holds no text that `clean` would change."""
    # JSON has control characters as \u…, \b and \f alone; those that stand for themselves make it invalid.
    return header.isascii() and _MAY_HIDE_CONTROLS.search(header) is None


def _room_for(dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.empty(shape, dtype)
    except (ValueError, MemoryError) as error:
        raise ProtocolError(f"an array of shape {shape} cannot be made") from error


def _with_truth_values(array: np.ndarray) -> np.ndarray:
    """Return a bool array without a byte other than 0 and 1: it would be true and yet unequal to True."""
    return np.asarray(array.view(np.uint8) != 0) if array.dtype.kind == "b" else array


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _portable(array: np.ndarray) -> np.ndarray:
    """Return the array in order, in one of `DTYPES`; raises ValueError where it holds no numbers."""
    array = np.asarray(array, order="C")
    if array.dtype.kind not in "biufc":
        raise ValueError(f"an array of {array.dtype} cannot be sent")
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in DTYPES:
        dtype = np.dtype("<c16" if dtype.kind == "c" else "<f8")
    return array.astype(dtype, copy=False)


def _parse(header: bytes) -> tuple[Any, list[tuple[np.dtype[Any], tuple[int, ...]]]]:
    try:
        head = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the header is not JSON") from error
    if not isinstance(head, dict) or set(head) != {"body", "arrays"} or not isinstance(head["arrays"], list):
        raise ProtocolError("the header lacks its body or its list of arrays")
    _check_depth(head["body"])
    if len(head["arrays"]) > MAX_ARRAYS:
        raise ProtocolError("too many arrays")
    forms = [_parse_form(form) for form in head["arrays"]]
    if sum(dtype.itemsize * math.prod(shape) for dtype, shape in forms) > MAX_ARRAY_BYTES:
        raise ProtocolError(f"the arrays take more than {MAX_ARRAY_BYTES} bytes")
    return head["body"], forms


def _parse_form(form: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if not isinstance(form, list) or len(form) != 2 or not isinstance(form[1], list) or len(form[1]) > 32:
        raise ProtocolError("an array's form is a number type and a shape")
    if not isinstance(form[0], str) or form[0] not in DTYPES:
        raise ProtocolError("an array's number type is not one that may be sent")
    if not all(type(side) is int and 0 <= side <= MAX_SIDE for side in form[1]):
        raise ProtocolError("an array's shape is not possible")
    return np.dtype(form[0]), tuple(form[1])


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [item for item in level if isinstance(item, (dict, list))]
        if not inner:
            return
        level = [v for item in inner for v in (item.values() if isinstance(item, dict) else item)]
    raise ProtocolError(f"the header is nested deeper than {MAX_DEPTH} levels")


def clean(value: Any) -> Any:
    """Return the tree with terminal sequences and control characters taken out of every text."""
    if isinstance(value, str):
        return _CONTROLS.sub("", _ESCAPES.sub("", value))
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value
