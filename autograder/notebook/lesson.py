"""The object that a notebook talks to.

A `Lesson` has four verbs: `check`, `hint`, `solution`, `progress`.  Whatever goes wrong, it
answers with something to read and never raises, so that a notebook can always be run from top
to bottom, and nothing is ever written to stderr, which nbgrader would count as a failure.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.judging.casebook import CasebookError
from autograder.judging.judge import blank, grader_failed, judge
from autograder.judging.observe import observe
from autograder.judging.prepare import Prepared
from autograder.judging.verdict import GRADER_FAILED, NOT_YET, Verdict
from autograder.notebook.find import find_folder, public_functions, read_casebook
from autograder.notebook.progress import Progress
from autograder.notebook.show import Note, ProgressTable

JUDGED = "AUTOGRADER_JUDGED"
"""Set in a process that is judged from outside: checks made there count for nothing."""


def lesson(name: str, track: str) -> Lesson:
    """Open a lesson in a notebook.

    Parameters
    ----------
    name : the lesson's folder, such as "01-kernel-attention".
    track : the notebook's name: "from_scratch", "pytorch" or "reading".
    """
    return Lesson(name, track)


class Lesson:
    """One notebook of a lesson; made by `autograder.lesson`."""

    def __init__(self, name: str, track: str) -> None:
        self._name, self._track = name, track
        self._problem = ""
        self._exercises: dict[str, Prepared] = {}
        self._given_hints: dict[str, int] = {}
        self._functions: dict[str, Callable[..., Any]] | None = None
        self._folder = None if _judged() else find_folder(name)
        self._progress = Progress(self._progress_folder())
        if not _judged():
            self._load()

    def _load(self) -> None:
        try:
            found = read_casebook(self._name)
        except (CasebookError, OSError) as error:
            self._problem = str(error)
            return
        self._exercises = {name: e for (name, track), e in found.items() if track == self._track}
        if not self._exercises:
            tracks = ", ".join(sorted({track for _, track in found}))
            self._problem = f"The lesson {self._name} has no track {self._track!r}; it has {tracks}."

    def _progress_folder(self) -> Path | None:
        if self._folder is None or os.environ.get("NBGRADER_EXECUTION"):
            return None
        return self._folder.parent

    def __repr__(self) -> str:
        state = self._problem or f"{len(self._exercises)} exercises; use check, hint, solution, progress"
        return f"Lesson {self._name}, {self._track}: {state}"

    def __dir__(self) -> list[str]:
        return ["check", "hint", "progress", "solution"]

    # ------------------------------------------------------------------------------------- verbs

    def check(self, exercise: str, answer: Any) -> Verdict:
        """Judge an answer on the public cases and return the verdict, which shows as a card.

        Parameters
        ----------
        exercise : its name.
        answer : the function, class or list of lines itself (not the result of calling it).
        """
        prepared = self._find(exercise)
        if prepared is None:
            return self._no_such(exercise)
        try:
            verdict = judge(prepared, lambda case: observe(answer, prepared.call(case), self._give))
        except KeyboardInterrupt:
            verdict = blank(prepared, NOT_YET, "The check was interrupted.")
        except Exception as error:
            verdict = grader_failed(prepared, f"{type(error).__name__}: {error}"[:300])
        self._progress.record(self._name, self._track, exercise, verdict.outcome, verdict.points)
        return verdict

    def hint(self, exercise: str) -> Note:
        """Return the next hint; after the last one, the last one again."""
        prepared = self._find(exercise)
        if prepared is None:
            return Note(self._no_such(exercise).says, "")
        if not prepared.hints:
            return Note(f"{exercise} has no hints.", "")
        number = min(self._given_hints.get(exercise, 0), len(prepared.hints) - 1)
        self._given_hints[exercise] = number + 1
        return Note(f"Hint {number + 1} of {len(prepared.hints)} for {exercise}", prepared.hints[number])

    def solution(self, exercise: str) -> Note:
        """Return the worked solution, after an attempt, where this copy of the course has solutions."""
        if self._find(exercise) is None:
            return Note(self._no_such(exercise).says, "")
        source = self._worked_solution(exercise)
        if source is None:
            return Note("This copy of the course has no worked solutions.", "")
        if not self._progress.tried(self._name, self._track, exercise):
            return Note(f"Try {exercise} first and check it; then the worked solution is yours.", "")
        return Note(f"A worked solution of {exercise}", source, is_code=True)

    def progress(self) -> ProgressTable:
        """Return what has passed so far in this notebook, and how much of the other ones."""
        rows = [self._row(name, prepared) for name, prepared in self._exercises.items()]
        here = f"{self._name}/{self._track}/"
        elsewhere = sum(
            bool(e.get("passed")) for key, e in self._progress.entries.items() if not key.startswith(here)
        )
        passed = sum(row[2] == "passed" for row in rows)
        heading = self._problem or f"{self._name}, {self._track}: {passed} of {len(rows)} passed"
        if elsewhere:
            heading += f"; {elsewhere} in other notebooks"
        return ProgressTable(rows, heading)

    # ----------------------------------------------------------------------------------- helpers

    def _give(self, name: str) -> Callable[..., Any]:
        """Return a released function that an answer is tried on."""
        if self._functions is None:
            self._functions = public_functions(self._folder)
        if name not in self._functions:
            raise KeyError(
                f"{name}: copy the lesson's .py files from the course's release beside the notebook"
            )
        return self._functions[name]

    def _find(self, exercise: Any) -> Prepared | None:
        return self._exercises.get(exercise) if isinstance(exercise, str) else None

    def _row(self, name: str, prepared: Prepared) -> tuple[str, str, str, float, float]:
        entry = self._progress.entries.get(f"{self._name}/{self._track}/{name}", {})
        state = "passed" if entry.get("passed") else "tried" if entry.get("tries") else "open"
        if prepared.kind == "written":
            state = "by hand"
        return prepared.title, name, state, float(entry.get("points", 0.0)), prepared.points

    def _no_such(self, exercise: str) -> Verdict:
        if _judged():
            says = "This check counts for nothing here: the answer is judged from outside."
        elif self._problem:
            says = self._problem
        else:
            near = difflib.get_close_matches(str(exercise), self._exercises, n=1)
            says = f"This notebook has no exercise {exercise!r}. "
            says += f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(self._exercises)}."
        outcome = GRADER_FAILED if self._problem or _judged() else NOT_YET
        return Verdict(str(exercise), self._track, "", outcome, 0.0, 0.0, says)

    def _worked_solution(self, exercise: str) -> str | None:
        """Return the source of the exercise's cell in the executed solution notebook, if it is at hand."""
        if self._folder is None:
            return None
        path = self._folder.parent.parent / "solutions" / self._name / f"{self._track}.ipynb"
        try:
            cells = json.loads(path.read_text("utf-8"))["cells"]
        except (OSError, ValueError, KeyError):
            return None
        for cell in cells:
            if cell.get("metadata", {}).get("nbgrader", {}).get("grade_id") == exercise:
                source = cell["source"]
                return source if isinstance(source, str) else "".join(source)
        return None


def _judged() -> bool:
    return bool(os.environ.get(JUDGED))
