"""A small class's submissions, for the tests of grading."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from autograder.course import Assigned, Course, read_course
from autograder.grading.key import LessonKey, course_secret, read_key
from autograder.grading.mark import Marker, Task
from autograder.grading.store import Result
from tests import samples

TRACK = "from_scratch"
SCALED = "def scaled(x, factor):\n    return np.asarray(x) * factor\n"
ADDED = "def scaled(x, factor):\n    return np.add(x, factor)\n"
SQUARE = 'expand_square = ["(a + b)**2", "a*(a + b) + b*(a + b)", "a**2 + 2*a*b + b**2"]\n'
ESSAY = "Because every entry is multiplied."
RIGHT = {"scaled": SCALED, "expand_square": SQUARE, "say_why": ESSAY}
HALF = {"scaled": SCALED}
WRONG = {"scaled": ADDED, "expand_square": 'expand_square = ["(a + b)**2", "a**2 + b**2"]\n'}
HANGS = {"scaled": "def scaled(x, factor):\n    while True:\n        pass\n", "expand_square": SQUARE}
DIES = {"scaled": SCALED, "expand_square": "import os\nos._exit(3)\n"}


class Desk:
    """A course of one small lesson, and a marker with a warm sandbox."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.course: Course = read_course(root)
        self.lesson: Assigned = self.course.lesson(samples.LESSON)
        self.key: LessonKey = read_key(root, self.lesson.name, self.lesson.tracks)
        self.marker = Marker(self.key, course_secret(self.course.grading))

    def released(self) -> dict[str, Any]:
        """Return the notebook as students get it."""
        return copy.deepcopy(self.key.released[TRACK].notebook)

    def filled(self, answers: dict[str, str]) -> dict[str, Any]:
        """Return the released notebook with answers in it."""
        return fill(self.released(), answers)

    def bytes(self, answers: dict[str, str]) -> bytes:
        """Return a submission's file."""
        return json.dumps(self.filled(answers)).encode()

    def mark(self, notebook: dict[str, Any] | bytes) -> Result:
        """Mark a notebook, whatever it is."""
        data = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
        return self.marker.mark(Task("ada", TRACK, data))

    def submit(self, root: Path, student: str, notebook: dict[str, Any] | bytes) -> Path:
        """Lay a submission into a course's folder."""
        data = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
        folder = root / "submitted" / student / samples.LESSON
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{TRACK}.ipynb").write_bytes(data)
        return folder / f"{TRACK}.ipynb"


def cell(notebook: dict[str, Any], cell_id: str) -> dict[str, Any]:
    """Return a cell by its id, which is its grade_id where it has one."""
    return next(cell for cell in notebook["cells"] if cell["id"] == cell_id)


def fill(notebook: dict[str, Any], answers: dict[str, str]) -> dict[str, Any]:
    """Put answers into a notebook's cells."""
    for name, source in answers.items():
        cell(notebook, name)["source"] = source
    return notebook


def own(source: str, kind: str = "code") -> dict[str, Any]:
    """Return a cell of a student's own."""
    made: dict[str, Any] = {"cell_type": kind, "id": "4f3a9c1e", "metadata": {}, "source": source}
    return made if kind != "code" else {**made, "outputs": [], "execution_count": None}


def outcomes(result: Result) -> dict[str, str]:
    """Return an outcome by exercise."""
    return {entry["exercise"]: entry["outcome"] for entry in result.exercises}
