"""Grading a class: every submission becomes a row, whatever it is.

Theory of operation
-------------------
`find_tasks` finds the submissions.  `Grader` marks those whose result isn't stored yet, several
at a time: in threads of this process, each driving a sandboxed process of its own, or on the
workers of a Dask cluster.  Each result is stored as soon as it is there.  Killed at any moment
and started again, it goes on where it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.course import Assigned, Course, CourseError
from autograder.grading import cluster
from autograder.grading.key import course_secret, read_key
from autograder.grading.mark import Marker, Task
from autograder.grading.reduce import MAX_BYTES, too_large
from autograder.grading.store import Result, Store
from autograder.judging.verdict import GRADER_FAILED

Progress = Callable[[int, int, str], None]
"""Told how many are done, of how many, and which was last."""


@dataclass(frozen=True)
class Row:
    """One line of the class's report."""

    student: str
    lesson: str
    notebook: str
    result: Result
    reused: bool = False

    def json(self) -> dict[str, Any]:
        """Return the row as the command's --json prints it."""
        result = self.result
        return {
            "student": self.student,
            "lesson": self.lesson,
            "notebook": self.notebook,
            "status": result.status,
            "score": result.score,
            "max_score": result.max_score,
            "exercises": result.exercises,
            "reasons": result.reasons,
            "noted": result.noted,
            "tier": result.tier,
            "cpu_s": round(result.cpu_s, 3),
            "version": result.version,
        }


def find_tasks(
    submitted: Path, lesson: Assigned, roster: list[str], only: str | None = None
) -> Iterator[Task]:
    """Yield a task for every student and assigned track; students without a submission are *missing*.

    Raises
    ------
    CourseError
        If `only` is nobody who submitted or is on the roster.
    """
    folders = [p.name for p in submitted.iterdir() if p.is_dir() and not p.name.startswith(".")]
    students = sorted({*folders, *roster})
    if only is not None and only not in students:
        raise CourseError(f"There is no student {only!r}, neither in {submitted} nor on the roster.")
    for student in students if only is None else [only]:
        for track in lesson.tracks:
            yield _find_task(submitted / student / lesson.name, student, track)


def _find_task(folder: Path, student: str, track: str) -> Task:
    try:
        return _read_task(folder, student, track)
    except OSError as error:
        return Task(student, track, b"", f"The file cannot be read: {error.strerror}.", "malformed")


def _read_task(folder: Path, student: str, track: str) -> Task:
    path = folder / f"{track}.ipynb"
    if any(part.is_symlink() for part in (path, folder, folder.parent)):
        return Task(
            student, track, b"", "The submission is a symbolic link; submit the notebook itself.", "malformed"
        )
    if path.is_file():
        if path.stat().st_size > MAX_BYTES:
            return Task(student, track, b"", too_large(path.stat().st_size), "malformed")
        return Task(student, track, path.read_bytes())
    if path.exists():
        return Task(
            student, track, b"", f"{path.name} is not a file; submit the notebook itself.", "malformed"
        )
    others = sorted(p.name for p in folder.glob("*.ipynb")) if folder.is_dir() else []
    says = f"There is no {track}.ipynb among what was submitted"
    says += f" (there is {', '.join(others)}; was it renamed?)." if others else "."
    return Task(student, track, b"", says, "missing")


def _slim(result: Result) -> Result:
    """Return a result without what it takes room for."""
    return replace(result, notebook={}, outputs={})


class Grader:
    """Grades one lesson of a course.

    Parameters
    ----------
    tier : the sandbox to insist on, or None for the best that the machine offers.
    jobs : how many submissions run at a time; None is one per core.
    scheduler : address of a Dask scheduler whose workers mark instead.
    """

    def __init__(
        self,
        course: Course,
        lesson: Assigned,
        tier: str | None = None,
        jobs: int | None = None,
        scheduler: str | None = None,
    ) -> None:
        self.course, self.lesson, self.scheduler = course, lesson, scheduler
        self.jobs = jobs or os.cpu_count() or 1
        self.key = read_key(course.root, lesson.name, lesson.tracks)
        self.marker = Marker(self.key, course_secret(course.grading), tier)
        self.store = Store(course.grading / "results" / lesson.name)

    def grade(self, tasks: list[Task], rerun: bool = False, progress: Progress | None = None) -> list[Row]:
        """Mark the tasks and return a row for each, in the same order."""
        rows = {}
        for number, task in enumerate(tasks):
            stored = None if rerun else self._stored(task)
            if stored is not None:
                rows[number] = self._row(task, _slim(stored), reused=True)
        waiting = {n: task for n, task in enumerate(tasks) if n not in rows}
        for number, result in self._marked(waiting):
            is_kept = self._keep(tasks[number], result)
            rows[number] = self._row(tasks[number], _slim(result) if is_kept else result)
            if progress is not None:
                progress(len(rows), len(tasks), f"{tasks[number].student} {tasks[number].track}")
        return [rows[number] for number in range(len(tasks))]

    def whole(self, row: Row) -> Result:
        """Return a row's result with its notebook and outputs, which rows leave in the store."""
        return row.result if row.result.notebook else self.store.get(row.result.key) or row.result

    def close(self) -> None:
        """End the sandboxes; the next judgement starts new ones."""
        self.marker.close()

    def _marked(self, tasks: Mapping[int, Task]) -> Iterable[tuple[int, Result]]:
        if not tasks:
            return ()
        if self.scheduler is not None:
            return cluster.mark_on(self.scheduler, self.course.root, self.marker, tasks)
        return self._mark_here(tasks)

    def _mark_here(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Result]]:
        """Yield results as they are ready; where that is given up, nothing more is begun."""
        self.key.prover  # noqa: B018  the worked solutions are run once, before threads start
        pool = ThreadPoolExecutor(self.jobs)
        try:
            waiting = {pool.submit(self.marker.mark, task): number for number, task in tasks.items()}
            for future in as_completed(waiting):
                # Popped, so that nothing holds the results of a large class together.
                yield waiting.pop(future), future.result()
        finally:
            pool.shutdown(cancel_futures=True)
            self.close()

    def _stored(self, task: Task) -> Result | None:
        return None if task.problem else self.store.get(self.marker.result_key(task))

    def _keep(self, task: Task, result: Result) -> bool:
        """Store a result, unless it says that the grader failed: then the next run tries again."""
        ours = any(entry["outcome"] == GRADER_FAILED for entry in result.exercises)
        is_kept = not task.problem and not ours
        if is_kept:
            self.store.put(result)
        return is_kept

    def _row(self, task: Task, result: Result, reused: bool = False) -> Row:
        return Row(task.student, self.lesson.name, task.track, result, reused)
