"""The grader's side: a warm parent, and sessions of foreign code that it judges from outside.

Theory of operation
-------------------
A `Sandbox` belongs to one grader and one thread.  Each `Session` is one process tree that runs a
notebook's cells and is asked to call what they defined.  Everything that comes back is checked:
who answers (the request's id), when (a deadline), and what (a message of the right form).  At
the first thing that does not fit the session is ended and says why, once and for all.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from autograder.judging.observe import Call, Observation
from autograder.sandbox.spawned import Spawned
from autograder.sandbox.terms import CellResult, Limits, SessionDied, Usage
from autograder.sandbox.wire import ProtocolError

GRACE_S = 2.0


class Sandbox:
    """Where sessions come from: one warm parent for one grader.

    tier : "full", "restricted" or "none"; None takes the best that the machine offers.
    torch : import PyTorch beforehand, so that no session pays for it.

    A context manager.  Raises OSError where the tier cannot be had.
    """

    def __init__(self, *, tier: str | None = None, torch: bool = True) -> None:
        self.tier = tier or "none"
        self._folder = tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True)

    def session(self, limits: Limits = Limits(), files: Mapping[str, bytes] = {}) -> Session:  # noqa: B008
        """Start a session; `files` are laid into its working folder, by name."""
        scratch = Path(tempfile.mkdtemp(dir=self._folder.name))
        return Session(Spawned(limits, files, scratch), limits)

    def close(self) -> None:
        """End the warm parent and remove what it kept."""
        self._folder.cleanup()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Session:
    """One notebook's run.  A context manager; `Sandbox.session` makes it."""

    def __init__(self, process: Any, limits: Limits) -> None:
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
        reply = self._ask({"op": "run_cell", "source": source}, limit, f"The cell {label!r}")
        if not isinstance(reply, dict) or set(reply) != {"status", "stdout", "cut", "error"}:
            self._end("protocol")
        error = reply["error"]
        if reply["status"] not in ("ok", "error") or (reply["status"] == "ok") != (error is None):
            self._end("protocol")
        if not isinstance(reply["stdout"], str) or not isinstance(error, (dict, type(None))):
            self._end("protocol")
        if reply["cut"]:
            self._notice("output")
        self._notice_refusal(error)
        return CellResult(reply["status"], reply["stdout"][: self._limits.output_bytes], error)

    def observe(self, name: str, call: Call, wall_limit_s: float | None = None) -> Observation:
        """Call what `name` stands for now, inside the session, and say what came of it.

        A missing name gives the fact ``undefined``.  Raises SessionDied as `run_cell` does.
        """
        limit = (call.wall_limit_s if wall_limit_s is None else wall_limit_s) + GRACE_S
        reply = self._ask({"op": "observe", "name": name, "call": call.tree()}, limit, f"A call of {name}")
        try:
            seen = Observation.from_tree(reply)
        except (ValueError, TypeError, AttributeError):
            self._end("protocol")
        self._notice_refusal(seen.error)
        return seen

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

    def _ask(self, request: dict[str, Any], limit_s: float, what: str) -> Any:
        if self._death is not None:
            raise self._death
        wire = self._process.wire
        now = time.monotonic()
        deadline = min(now + limit_s, self._begun + self._limits.wall_s)
        request["id"] = secrets.token_hex(16)
        try:
            if wire.pending():
                wire.receive(now + 1.0)
                raise ProtocolError("a reply came before its request")
            wire.send(request, deadline)
            reply = wire.receive(deadline)
        except TimeoutError:
            self._end("timed_out", f"{what} was still running after {deadline - now:.3g} seconds.")
        except ProtocolError:
            self._end("protocol")
        except (EOFError, OSError):
            self._end("crashed")
        if not isinstance(reply, dict) or set(reply) != {"id", "reply"} or reply["id"] != request["id"]:
            self._end("protocol")
        return reply["reply"]

    def _end(self, reason: Any, says: str | None = None) -> NoReturn:
        self.close()
        self._death = SessionDied(reason, says or reason)
        raise self._death

    def _notice(self, what: str) -> None:
        if what not in self._noticed:
            self._noticed.append(what)

    def _notice_refusal(self, error: dict[str, Any] | None) -> None:
        if error is not None and error.get("type") == "PermissionError":
            self._notice(f"refused: {str(error.get('message'))[:200]}")
