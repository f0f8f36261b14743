"""A time limit on a call, and a bound on what it prints, on any platform.

The limit works by raising `TimeLimit` in the calling thread, which ends any loop written in
Python.  It is a courtesy in a student's own session; a grader has the process killed instead.
"""

from __future__ import annotations

import ctypes
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class TimeLimit(BaseException):
    """The call ran longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimit` in this thread if the block runs longer than `seconds` of wall time."""
    target = threading.get_ident()
    lock = threading.Lock()
    state = {"done": False, "raised": False}

    def interrupt() -> None:
        with lock:
            if not state["done"]:
                state["raised"] = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(target), ctypes.py_object(TimeLimit)
                )

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            state["done"] = True
        timer.cancel()
        _absorb(state["raised"])


def _absorb(raised: bool) -> None:
    """Let an exception that is already on its way arrive here, not in the caller's next line."""
    if not raised:
        return
    try:
        for _ in range(100):
            time.sleep(0)
    except TimeLimit:
        pass


class BoundedText(io.TextIOBase):
    """A text stream that counts everything and keeps only the beginning."""

    def __init__(self, keep_characters: int = 600) -> None:
        self.kept = ""
        self.characters = 0
        self.lines = 0
        self._room = keep_characters

    def writable(self) -> bool:
        """Say yes, as a stream must that is written to."""
        return True

    def write(self, text: str) -> int:
        """Count the text and keep its beginning."""
        self.characters += len(text)
        self.lines += text.count("\n")
        if self._room > 0:
            self.kept += text[: self._room]
            self._room -= len(text)
        return len(text)
