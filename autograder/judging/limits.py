"""A time limit on a call, and a bound on what it prints, on any platform.

The limit works by raising `TimeLimit` in the calling thread, which ends any loop written in
Python.  It is a courtesy in a student's own session; a grader has the process killed instead.
"""

from __future__ import annotations

import ctypes
import io
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOOK_EVERY_S = 0.3


class TimeLimit(BaseException):
    """The call ran longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimit` in this thread if the block runs longer than `seconds` of wall time.

    With infinitely many seconds no second thread is started.
    """
    if seconds == math.inf:
        yield
        return
    limit = _Limit(time.monotonic() + seconds, threading.get_ident())
    _WATCH.add(limit)
    try:
        yield
    finally:
        _WATCH.remove(limit)
        _absorb(limit.raised)


@dataclass(eq=False)
class _Limit:
    """When a thread is interrupted, and whether that has been done."""

    due: float
    thread: int
    raised: bool = False

    def interrupt(self) -> None:
        self.raised = True
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(TimeLimit))


class _Watch:
    """One thread for all limits, which ends when there are none: starting a thread takes longer than most calls.

    The locks are plain ones, taken by `with` alone: an interrupted thread must not keep one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bell = threading.Lock()
        self._bell.acquire()
        self._limits: set[_Limit] = set()
        self._next = math.inf
        self._runs = False
        self._thread = threading.Thread()

    def add(self, limit: _Limit) -> None:
        with self._lock:
            self._limits.add(limit)
            # A fork has the object of the thread, but not the thread.
            if not self._runs or not self._thread.is_alive():
                self._runs = True
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            elif limit.due < self._next and self._bell.locked():
                self._bell.release()

    def remove(self, limit: _Limit) -> None:
        with self._lock:
            self._limits.discard(limit)

    def _run(self) -> None:
        idle = False
        while True:
            with self._lock:
                now = time.monotonic()
                for limit in [limit for limit in self._limits if limit.due <= now]:
                    self._limits.discard(limit)
                    limit.interrupt()
                if idle and not self._limits:
                    self._runs = False
                    return
                idle = not self._limits
                self._next = min([now + LOOK_EVERY_S, *(limit.due for limit in self._limits)])
            self._bell.acquire(timeout=max(0.0, self._next - now))


_WATCH = _Watch()


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
