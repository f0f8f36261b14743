"""The grader's side: a warm parent, and sessions of foreign code that it judges from outside.

Theory of operation
-------------------
A `Sandbox` belongs to one grader, whose threads may share it; a `Session` belongs to one thread.
It is one process tree that runs a notebook's cells and is asked to call what they defined.
Everything that comes back is checked: who answers (the request's id), when (a deadline), and what
(a message of the right form).  At the first thing that does not fit the session is ended and says
why, once and for all.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Protocol

from autograder.judging.observe import Call, Observation, read_observation
from autograder.sandbox.asking import Functions, Helping, is_ask
from autograder.sandbox.ending import advise
from autograder.sandbox.kept import WarmParent
from autograder.sandbox.probe import best_tier
from autograder.sandbox.spawned import Spawned
from autograder.sandbox.terms import CellResult, Limits, Reason, SessionDied, Usage
from autograder.sandbox.wire import ProtocolError, Wire

GRACE_S = 2.0
MAX_SOURCE = 400_000
_NOT_A_REPLY = "answered with something that no answer sends"


class Sandbox:
    """Where sessions come from: one warm parent for one grader.

    tier : "full", "restricted" or "none"; None takes the best that the machine offers.
    torch : import PyTorch beforehand, so that no session pays for it.

    A context manager.  Raises OSError where the tier cannot be had.
    """

    def __init__(self, *, tier: str | None = None, torch: bool = True) -> None:
        self.tier = best_tier() if tier is None else tier
        if self.tier not in ("full", "restricted", "none"):
            raise ValueError(f"{tier!r} is not a tier: full, restricted, none")
        self._folder = tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True)
        self._parent: WarmParent | None = None
        if self.tier != "none":
            self._parent = WarmParent(self.tier, torch, Path(self._folder.name))

    def session(self, limits: Limits = Limits(), files: Mapping[str, bytes] | None = None) -> Session:  # noqa: B008
        """Start a session; `files` are laid into its working folder, by name, read-only.

        Raises OSError where a process or its walls cannot be set up: our fault, not a student's.
        """
        if self._parent is not None:
            return Session(self._parent.session(limits, files or {}), limits)
        scratch = Path(tempfile.mkdtemp(dir=self._folder.name))
        return Session(Spawned(limits, files or {}, scratch), limits)

    def close(self) -> None:
        """End the warm parent and remove what it kept."""
        if self._parent is not None:
            self._parent.close()
        self._folder.cleanup()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Process(Protocol):
    """What a session needs of the process behind it."""

    wire: Wire

    def cpu_s(self) -> float | None:
        """Return the processor time used so far, as the system counts it; None where it doesn't."""
        ...

    def narrow(self, memory_bytes: int | None) -> bool:
        """Leave it so much memory beyond what the libraries took, for a while; None ends that."""
        ...

    def end(self, wall_s: float, noticed: list[str], gone: bool = False) -> Usage:
        """End it with everything that it started; `gone` where it hung up first."""
        ...

    def how_it_ended(self) -> tuple[Reason, str] | None:
        """Return a reason and what happened, where it ended by itself."""
        ...


class Session:
    """One notebook's run.  A context manager; `Sandbox.session` makes it."""

    def __init__(self, process: Process, limits: Limits) -> None:
        self._process = process
        self._limits = limits
        self._begun = time.monotonic()
        self._noticed: list[str] = []
        self._death: SessionDied | None = None
        self._usage: Usage | None = None

    def run_cell(self, source: str, label: str, wall_limit_s: float | None = None) -> CellResult:
        """Run one cell; an error in it is a result, not an exception.

        Raises SessionDied where the process ended, or had to be ended.
        """
        limit = self._limits.wall_s if wall_limit_s is None else wall_limit_s + GRACE_S
        what = f"The cell {label!r}"
        if len(source) > MAX_SOURCE:
            told = {"type": "CellTooLong", "message": f"the cell has {len(source)} characters"}
            return CellResult("error", "", told)
        reply = self._ask({"op": "run_cell", "source": source}, limit, what)
        if not _is_cell_reply(reply):
            self._end("protocol", what, _NOT_A_REPLY)
        if reply["cut"]:
            self._notice("output")
        self._notice_refusal(reply["error"])
        return CellResult(reply["status"], reply["stdout"][: self._limits.output_bytes], reply["error"])

    def observe(
        self,
        name: str,
        call: Call,
        wall_limit_s: float | None = None,
        functions: Functions | None = None,
    ) -> Observation:
        """Call what `name` stands for now, inside the session, and say what came of it.

        A missing name gives the fact ``undefined``.  Raises SessionDied as `run_cell` does.

        wall_limit_s : for each of the calls that the observation takes; None is the call's own limit.
        functions : those that arguments name; they stay here, and the answer calls them over the wire.
        """
        limit = _calls(call) * (call.wall_limit_s if wall_limit_s is None else wall_limit_s) + GRACE_S
        what = f"A call of {name}"
        helping = Helping(functions or {}, call)
        request = {"op": "observe", "name": name, "call": call.tree()}
        reply = self._ask(request, limit, what, helping)
        try:
            seen = read_observation(reply, call)
        except (ValueError, TypeError, AttributeError):
            self._end("protocol", what, _NOT_A_REPLY)
        self._notice_refusal(seen.error)
        return seen

    def cpu_s(self) -> float | None:
        """Return the processor time used so far, read from outside; None where that can't be had."""
        return None if self._usage is not None else self._process.cpu_s()

    @contextlib.contextmanager
    def narrowed(self, memory_bytes: int) -> Iterator[bool]:
        """For the block, leave the session so much memory in all beyond what the libraries took.

        Gives False, and changes nothing, where the session holds more already or its limits can't be
        changed.  A process that gets no more memory may end: SessionDied, as from any request.
        """
        narrow = self._usage is None and self._process.narrow(memory_bytes)
        try:
            yield narrow
        finally:
            if narrow and self._usage is None:
                self._process.narrow(None)

    def close(self) -> Usage:
        """End the session with all its processes, and say what it used."""
        if self._usage is None:
            self._usage = self._process.end(time.monotonic() - self._begun, self._noticed)
        return self._usage

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], limit_s: float, what: str, helping: Helping | None = None) -> Any:
        """Send a request and return the reply to it; ends the session where anything is amiss."""
        if self._death is not None:
            raise self._death
        if self._usage is not None:
            raise ValueError("the session is closed")
        now = time.monotonic()
        deadline = min(now + limit_s, self._begun + self._limits.wall_s)
        request["id"] = secrets.token_hex(16)
        try:
            reply = self._exchange(request, deadline, helping)
        except TimeoutError:
            self._end("timed_out", what, f"was still running after {deadline - now:.3g} seconds")
        except ProtocolError:
            self._end("protocol", what, _NOT_A_REPLY)
        except (EOFError, OSError):
            self._end("crashed", what, "ended the Python process")
        if not isinstance(reply, dict) or set(reply) != {"id", "reply"} or reply["id"] != request["id"]:
            self._end("protocol", what, _NOT_A_REPLY)
        return reply["reply"]

    def _exchange(self, request: dict[str, Any], deadline: float, helping: Helping | None) -> Any:
        wire = self._process.wire
        if wire.pending():
            # Nothing was asked: only the end of the connection may be there.
            wire.receive(time.monotonic() + 1.0)
            raise ProtocolError("a reply came before its request")
        wire.send(request, deadline)
        message = wire.receive(deadline)
        while helping is not None and is_ask(message, request["id"]):
            wire.send({"answer": helping.answer(message["ask"])}, deadline)
            message = wire.receive(deadline)
        return message

    def _end(self, reason: Reason, what: str, happened: str) -> NoReturn:
        wall_s = time.monotonic() - self._begun
        self._usage = self._process.end(wall_s, self._noticed, gone=reason == "crashed")
        if reason == "crashed":
            reason, happened = self._process.how_it_ended() or (reason, happened)
        self._usage.tripped.append(reason)
        self._death = SessionDied(reason, f"{what} {happened}. {advise(reason, self._limits)}")
        raise self._death

    def _notice(self, what: str) -> None:
        if what not in self._noticed:
            self._noticed.append(what)

    def _notice_refusal(self, error: dict[str, Any] | None) -> None:
        if error is not None and error.get("type") == "PermissionError":
            self._notice(f"refused: {str(error.get('message'))[:200]}")


def _calls(call: Call) -> int:
    """Return how often an observation may call: again for a repetition or a property, and for growth."""
    again = bool(call.repeat or call.properties)
    return 1 + again + 3 * bool(call.linear)


def _is_cell_reply(reply: Any) -> bool:
    if not isinstance(reply, dict) or set(reply) != {"status", "stdout", "cut", "error"}:
        return False
    if not isinstance(reply["stdout"], str) or not isinstance(reply["error"], (dict, type(None))):
        return False
    return bool(reply["status"] == ("ok" if reply["error"] is None else "error"))
