"""Calls in the other direction: an answer that was given a function calls it at the grader's.

Theory of operation
-------------------
While the grader waits for a reply, the session may ask: a message of the request's id and a
function's name with arguments.  The grader answers and waits on, until the same deadline.

In the session the wire has a thread of its own for this.  A time limit interrupts the thread
that runs the answer, between any two steps; it may not interrupt a message half-way.

At the grader's the arguments come from foreign code.  They are arrays of numbers and plain
values, no larger than what the answer was given allows for, since a function may take memory
like their square; nothing of them is evaluated, and the function is under a time limit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.judging.limits import TimeLimit, time_limit
from autograder.judging.observe import Answering, Call, stand_in
from autograder.sandbox.wire import ProtocolError, Wire

FUNCTION_LIMIT_S = 5.0
MAX_ARGUMENTS = 16
MAX_DIMENSIONS = 8
MAX_TEXT = 1000
MAX_ENTRIES_AT_LEAST = 1024
MAX_BYTES_IN_ALL = 2**28

Functions = Mapping[str, Callable[..., Any]]


class Asking:
    """The session's end: gives the stand-ins of one request.  A context manager."""

    def __init__(self, wire: Wire, request_id: str, framework: str) -> None:
        self._wire, self._id, self._framework = wire, request_id, framework
        self._todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def give(self, name: str) -> Callable[..., Any]:
        """Return a stand-in for a function of the grader's; foreign threads may call it, so ours starts before them."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._exchange_all, daemon=True)
            self._thread.start()
        return stand_in(self._call_back, name, self._framework)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        """Let what is under way come to its end; only then is the wire free for the reply."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()

    def _call_back(self, name: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        box: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._todo.put((name, request, box))
        told = box.get()
        if isinstance(told, Exception):
            raise told
        return dict(told)

    def _exchange_all(self) -> None:
        while (item := self._todo.get()) is not None:
            name, request, box = item
            try:
                self._wire.send({"id": self._id, "ask": {"name": name, "request": request}})
                box.put(self._wire.receive()["answer"])
            except (ValueError, TypeError, EOFError, OSError) as error:
                box.put(error)


class Helping:
    """The grader's end: answers what the session asks during one request."""

    def __init__(self, functions: Functions, call: Call) -> None:
        self._answering = Answering(functions, call.framework)
        self._most_entries = max(MAX_ENTRIES_AT_LEAST, 4 * _entries(list(call.arguments.values())))
        self._bytes = 0

    def answer(self, ask: Any) -> dict[str, Any]:
        """Return the result or the error.

        Raises ProtocolError where what is asked is no call at all, or is too much of it.
        """
        name, arguments, upstream = _parts(ask)
        self._count([*arguments, upstream])
        if _entries([*arguments, upstream]) > self._most_entries:
            return {"error": f"the function takes at most {self._most_entries} numbers at once here"}
        try:
            with time_limit(FUNCTION_LIMIT_S):
                return _sendable(self._answering(name, {"arguments": arguments, "upstream": upstream}))
        except TimeLimit:
            return {"error": f"the function did not come back within {FUNCTION_LIMIT_S:g} seconds"}

    def _count(self, values: list[Any]) -> None:
        self._bytes += sum(value.nbytes for value in values if isinstance(value, np.ndarray))
        if self._bytes > MAX_BYTES_IN_ALL:
            raise ProtocolError("the arguments of all calls together are too large")


def is_ask(message: Any, request_id: str) -> bool:
    """Whether a message asks for a function's result, within a request."""
    return isinstance(message, dict) and set(message) == {"id", "ask"} and message["id"] == request_id


def _parts(ask: Any) -> tuple[str, list[Any], Any]:
    if not isinstance(ask, dict) or set(ask) != {"name", "request"} or not isinstance(ask["name"], str):
        raise ProtocolError("a call has a function's name and a request")
    request = ask["request"]
    if not isinstance(request, dict) or set(request) != {"arguments", "upstream"}:
        raise ProtocolError("a call's request has arguments and an upstream gradient")
    arguments, upstream = request["arguments"], request["upstream"]
    if not isinstance(arguments, list) or len(arguments) > MAX_ARGUMENTS:
        raise ProtocolError(f"a call has a list of at most {MAX_ARGUMENTS} arguments")
    if not all(_is_plain(value) for value in [*arguments, upstream]):
        raise ProtocolError("a call's arguments are arrays of numbers and plain values")
    return ask["name"], arguments, upstream


def _is_plain(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufc" and value.ndim <= MAX_DIMENSIONS
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    if type(value) is int:
        return abs(value) < 2**63
    return value is None or isinstance(value, (bool, float))


def _entries(values: list[Any]) -> int:
    return sum(value.size for value in values if isinstance(value, np.ndarray))


def _sendable(told: dict[str, Any]) -> dict[str, Any]:
    """Return what a function gave, or say that it gave no numbers: one of ours may return a tuple."""
    arrays = [told["result"], *told["gradients"]] if "result" in told else []
    if all(a is None or (isinstance(a, np.ndarray) and a.dtype.kind in "biufc") for a in arrays):
        return told
    return {"error": "the function did not give an array of numbers"}
