"""What has passed so far, in a small local file beside the lessons.

The file is the student's own: nothing reads it when grading, and losing it loses nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

NAME = ".progress.json"


class Progress:
    """The attempts of one person: by lesson, track and exercise, the last outcome and how many tries.

    Parameters
    ----------
    folder : where the file lies; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / NAME
        self.entries: dict[str, dict[str, Any]] = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            data = json.loads(self._path.read_text("utf-8")) if self._path else {}
        except (OSError, ValueError):
            return {}
        entries = data.items() if isinstance(data, dict) else ()
        return {
            key: e for key, e in entries if isinstance(e, dict) and e.keys() >= {"tries", "passed", "points"}
        }

    def record(self, lesson: str, track: str, exercise: str, outcome: str, points: float) -> None:
        """Remember an outcome; an exercise that has passed once stays passed."""
        self.entries = {**self.entries, **self._read()}
        entry = self.entries.setdefault(
            f"{lesson}/{track}/{exercise}", {"tries": 0, "passed": False, "points": 0.0}
        )
        if outcome == "not_attempted":
            return
        entry["tries"] += 1
        entry["passed"] = entry["passed"] or outcome == "passed"
        entry["points"] = max(float(entry["points"]), points)
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        aside = self._path.with_suffix(f".{os.getpid()}")
        try:
            aside.write_text(json.dumps(self.entries, indent=1, sort_keys=True), "utf-8")
            aside.replace(self._path)
        except OSError:
            self._path = None

    def tried(self, lesson: str, track: str, exercise: str) -> bool:
        """Whether the exercise has been attempted at least once."""
        return int(self.entries.get(f"{lesson}/{track}/{exercise}", {}).get("tries", 0)) > 0

    def passed(self, lesson: str, track: str, exercise: str) -> bool:
        """Whether the exercise has passed at least once."""
        return bool(self.entries.get(f"{lesson}/{track}/{exercise}", {}).get("passed", False))
