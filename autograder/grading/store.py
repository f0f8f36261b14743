"""Step 4: results, kept so that nothing is graded twice or lost.

A result is a pure function of the submission's bytes, the lesson's version and the course's
secret, so it is stored under a digest of the three.  It is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass
class Result:
    """The result of grading one notebook of one submission.

    exercises : the verdicts as the command's --json prints them.
    outputs : the grafted notebook's outputs by cell index.
    notebook : the grafted notebook.
    comments : by exercise, the diagnosis that goes beside the answer in the gradebook.
    version : the lesson's, as `LessonKey.version`.
    """

    status: str
    exercises: list[dict[str, Any]]
    notebook: dict[str, Any]
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_bytes: int = 0
    tier: str = "none"
    max_score: float = 0.0
    key: str = ""
    version: str = ""

    @property
    def score(self) -> float:
        """The points earned without what is graded by hand."""
        return float(sum(entry["points"] for entry in self.exercises))


def result_key(submission: bytes, version: str, track: str, secret: bytes) -> str:
    """Return the name under which a result is kept."""
    digest = hashlib.sha256(b"%d\0" % FORMAT)
    for part in (submission, version.encode(), track.encode(), secret):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:40]


class Store:
    """Results in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> Result | None:
        """Return a stored result, or None; a damaged file counts as none."""
        try:
            return Result(**json.loads((self.folder / f"{key}.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def put(self, result: Result) -> None:
        """Store a result at once: nobody ever sees half of it."""
        path = self.folder / f"{result.key}.json"
        aside = path.with_suffix(f".{os.getpid()}.tmp")
        aside.write_text(json.dumps(vars(result)), "utf-8")
        aside.replace(path)
