"""The words that a grader and a session share: limits, results, what was used, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Tier = Literal["full", "restricted", "none"]
Reason = Literal["timed_out", "crashed", "out_of_memory", "protocol"]


@dataclass(frozen=True)
class Limits:
    """What one session may use.

    cpu_s : processor seconds, over all cells and calls and all processes.
    wall_s : seconds on the clock, a generous guard behind `cpu_s`.
    memory_bytes : memory beyond what the libraries already take.
    output_bytes : characters kept of what one cell prints.
    scratch_bytes : room in the working folder.
    exact_memory : give every larger block back to the system at once, so that what counts for
        `memory_bytes` is what is held; it costs time.
    processes : processes and threads at once, where the system counts them for a session alone.
    """

    cpu_s: float = 60.0
    wall_s: float = 180.0
    memory_bytes: int = 2 * 2**30
    output_bytes: int = 100_000
    scratch_bytes: int = 64 * 2**20
    processes: int = 64
    exact_memory: bool = False


@dataclass(frozen=True)
class CellResult:
    """What running a cell gave.

    stdout : what it printed (standard error too), cut at the limit, without control sequences.
    error : None, or type, message, line and line_number of the error that ended it.
    """

    status: Literal["ok", "error"]
    stdout: str = ""
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Usage:
    """What a session used.

    peak_bytes : the most memory beyond what the libraries take; 0 where it could not be read.
    tripped : limits that were reached and refusals that were noticed, each once.
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_bytes: int = 0
    tier: str = "none"
    tripped: list[str] = field(default_factory=list)


class SessionDied(Exception):
    """The session is over, and every further call raises the same.

    reason : timed_out, crashed, out_of_memory or protocol.
    says : a sentence that a student can act on.
    """

    def __init__(self, reason: Reason, says: str) -> None:
        super().__init__(f"{reason}: {says}")
        self.reason: Reason = reason
        self.says = says
