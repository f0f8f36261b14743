"""From how a process ended to a reason and words that a student can act on."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from autograder.sandbox.terms import Limits, Reason

_NAMES = {signal.SIGSEGV: "SIGSEGV", signal.SIGABRT: "SIGABRT", signal.SIGFPE: "SIGFPE"}


def tell_end(word: Mapping[str, Any]) -> tuple[Reason, str] | None:
    """Return a reason and half a sentence, or None where nothing tells of an end.

    word : a keeper's last word; of its fields "tripped", "signal" and "exit" count here.
    """
    tripped, signal_number = word.get("tripped", []), word.get("signal")
    if "memory" in tripped:
        return "out_of_memory", "took more memory than it may"
    if "cpu" in tripped or signal_number == getattr(signal, "SIGXCPU", -1):
        return "timed_out", "took more processor time than the whole notebook may"
    if "scratch" in tripped:
        return "crashed", "wrote more to its folder than it may"
    if signal_number == getattr(signal, "SIGKILL", -1):
        return "out_of_memory", "was ended by the system, most likely for its memory"
    if signal_number is not None:
        return "crashed", f"crashed Python itself ({_NAMES.get(signal_number, f'signal {signal_number}')})"
    if word.get("exit") is not None:
        return "crashed", f"ended the Python process (exit status {word['exit']})"
    return None


def advise(reason: Reason, limits: Limits) -> str:
    """Return what to look for."""
    gigabytes = limits.memory_bytes / 2**30
    return {
        "timed_out": "Look for a loop that never ends, or for work that grows faster than the task needs.",
        "crashed": "Look for a call that exits, kills or starts processes; an answer should return instead.",
        "out_of_memory": f"It may take {gigabytes:.2g} GB. Look for an array larger than the task needs.",
        "protocol": "Leave alone the files and connections that the notebook did not open itself.",
    }[reason]
