"""A session behind the walls: the grader's end of a keeper."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from autograder.sandbox.ending import tell_end
from autograder.sandbox.launch import start
from autograder.sandbox.scratch import remove
from autograder.sandbox.terms import Limits, Reason, Usage
from autograder.sandbox.wire import ProtocolError, Wire

START_S = 60.0
WARM_UP_S = 300.0
CLOSE_S = 2.0


class WarmParent:
    """The process from which sessions are forked.  Raises OSError where it doesn't come up."""

    def __init__(self, tier: str, torch: bool, folder: Path) -> None:
        self._tier = tier
        self._folder = folder
        # Others must pass through it to the one scratch folder that is theirs.
        folder.chmod(0o711)
        ours, theirs = socket.socketpair()
        with theirs:
            home = Path(tempfile.mkdtemp(dir=folder))
            self._process = start("warm", home, stdin=theirs, stderr=subprocess.DEVNULL)
        self._control = Wire(ours)
        try:
            self._control.send({"torch": torch, "tier": tier})
            self._expect_ready(self._control, time.monotonic() + WARM_UP_S)
        except OSError:
            self.close()
            raise

    def session(self, limits: Limits, files: Mapping[str, bytes]) -> Kept:
        """Fork a session; raises OSError where its walls won't stand."""
        base = Path(tempfile.mkdtemp(dir=self._folder))
        channel, their_channel = socket.socketpair()
        wire, their_wire = socket.socketpair()
        with their_channel, their_wire:
            socket.send_fds(self._control.sock, [b"fork"], [their_channel.fileno(), their_wire.fileno()])
        arrays = {name: np.frombuffer(content, np.uint8) for name, content in files.items()}
        order = {"tier": self._tier, "base": str(base), "limits": asdict(limits), "files": arrays}
        deadline = time.monotonic() + START_S
        kept = Kept(self._tier, base, Wire(channel, foreign=True), Wire(wire, foreign=True))
        try:
            kept.keeper.send(order, deadline)
            self._expect_ready(kept.keeper, deadline)
        except (OSError, ValueError) as error:
            kept.release()
            raise OSError(f"no session could be started: {error}") from error
        return kept

    def close(self) -> None:
        """End the parent.  Its sessions end with their own graders' ends."""
        self._control.close()
        try:
            # It ends by itself now, once it has collected what its sessions used.
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @staticmethod
    def _expect_ready(wire: Wire, deadline: float) -> None:
        try:
            said = wire.receive(deadline)
        except (EOFError, ProtocolError, TimeoutError) as error:
            raise OSError(f"the sandbox's parent did not answer: {error}") from error
        if said != {"ready": True}:
            raise OSError(f"the sandbox could not be set up: {said.get('failed', said)}")


class Kept:
    """One session's keeper and wire, as the grader holds them."""

    def __init__(self, tier: str, base: Path, keeper: Wire, wire: Wire) -> None:
        self.wire = wire
        self._tier = tier
        self._base = base
        self.keeper = keeper
        self._last_word: dict[str, Any] = {}

    def cpu_s(self) -> float | None:
        """Return the processor time that the session has used so far; None where nobody tells."""
        deadline = time.monotonic() + 5.0
        try:
            self.keeper.send({"look": "cpu"}, deadline)
            word = self.keeper.receive(deadline)
        except (OSError, EOFError, ProtocolError):
            return None
        if "looked" not in word:
            self._last_word = word
        seconds: float | None = word.get("looked")
        return seconds

    def narrow(self, memory_bytes: int | None) -> bool:
        """Lower the limits on memory, or raise them again; False where that can't be done."""
        deadline = time.monotonic() + 5.0
        try:
            self.keeper.send({"room": memory_bytes}, deadline)
            word = self.keeper.receive(deadline)
        except (OSError, EOFError, ProtocolError):
            return False
        if "roomed" not in word:
            self._last_word = word
        return bool(word.get("roomed", False))

    def end(self, wall_s: float, noticed: list[str], gone: bool = False) -> Usage:
        """End the session and everything in it; return what it used."""
        deadline = time.monotonic() + 10.0
        with contextlib.suppress(OSError, EOFError, ProtocolError, TimeoutError):
            # Where the keeper has already spoken its last word, only the reading succeeds.
            with contextlib.suppress(OSError):
                self.keeper.send({"end": "gone" if gone else "now"}, deadline)
            self._last_word = self.keeper.receive(deadline)
        self.release()
        word = self._last_word
        tripped = [*noticed, *[name for name in word.get("tripped", []) if name not in noticed]]
        return Usage(word.get("cpu_s", 0.0), wall_s, word.get("peak_bytes", 0), self._tier, tripped)

    def release(self) -> None:
        """Hang up, which ends the keeper too, and remove the session's folder."""
        self.keeper.close()
        self.wire.close()
        remove(self._base)

    def how_it_ended(self) -> tuple[Reason, str] | None:
        """Return a reason and what happened, once `end` was called; None where it did not end by itself."""
        return tell_end(self._last_word)
