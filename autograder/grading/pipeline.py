"""Grading a class: every submission becomes a row, whatever it is.

Theory of operation
-------------------
`Grader` finds the submissions, judges those whose result isn't stored yet, several at a time
(each in a sandboxed process of its own, driven by a thread here), stores each result as soon as
it is there, and then writes the gradebook, alone and one after another.  Killed at any moment
and started again, it goes on where it stopped.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.course import Assigned, Course
from autograder.grading import graft
from autograder.grading.key import LessonKey, course_secret, fresh_seed, read_key
from autograder.grading.reduce import Answers, Malformed, defined_names, read_cells, reduce
from autograder.grading.run import STATUSES, Runner, RunResult
from autograder.grading.store import Result, Store, result_key
from autograder.judging.judge import blank, judge
from autograder.judging.prepare import Prepared
from autograder.judging.verdict import GRADER_FAILED, NOT_ATTEMPTED, NOT_YET, Verdict
from autograder.sandbox import Sandbox

Progress = Callable[[int, int, str], None]
"""Told how many are done, of how many, and which was last."""


@dataclass(frozen=True)
class Task:
    """One notebook of one submission: what to grade, or why it can't be."""

    student: str
    track: str
    data: bytes
    problem: str = ""
    status: str = "graded"


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
        return {
            "student": self.student,
            "lesson": self.lesson,
            "notebook": self.notebook,
            "status": self.result.status,
            "score": self.result.score,
            "max_score": self.result.max_score,
            "exercises": self.result.exercises,
            "reasons": self.result.reasons,
            "noted": self.result.noted,
            "tier": self.result.tier,
            "cpu_s": round(self.result.cpu_s, 3),
        }


def find_tasks(submitted: Path, lesson: Assigned, roster: list[str], only: str | None = None) -> Iterator[Task]:
    """Yield a task for every student and assigned track; students without a submission are *missing*."""
    folders = {p.name: p for p in submitted.iterdir() if p.is_dir()} if submitted.is_dir() else {}
    students = sorted({*folders, *roster}) if only is None else [only]
    for student in students:
        for track in lesson.tracks:
            yield _find_task(submitted / student / lesson.name, student, track)


def _find_task(folder: Path, student: str, track: str) -> Task:
    path = folder / f"{track}.ipynb"
    if path.is_symlink() or folder.is_symlink():
        return Task(student, track, b"", "The submission is a symbolic link; submit the notebook itself.", "malformed")
    if path.is_file():
        try:
            return Task(student, track, path.read_bytes())
        except OSError as error:
            return Task(student, track, b"", f"The file cannot be read: {error.strerror}.", "malformed")
    others = sorted(p.name for p in folder.glob("*.ipynb")) if folder.is_dir() else []
    says = f"There is no {track}.ipynb among what was submitted"
    says += f" (there is {', '.join(others)}; was it renamed?)." if others else "."
    return Task(student, track, b"", says, "missing")


class Grader:
    """Grades one lesson of a course.

    Parameters
    ----------
    tier : the sandbox to insist on, or None for the best that the machine offers.
    jobs : how many submissions run at a time; None is one per core.
    """

    def __init__(self, course: Course, lesson: Assigned, tier: str | None = None, jobs: int | None = None) -> None:
        self.course, self.lesson, self.tier = course, lesson, tier
        self.jobs = jobs or os.cpu_count() or 1
        self.key: LessonKey = read_key(course.root, lesson.name, lesson.tracks)
        self.secret = course_secret(course.grading)
        self.store = Store(course.grading / "results" / lesson.name)
        self._local = threading.local()
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def grade(self, tasks: list[Task], rerun: bool = False, progress: Progress | None = None) -> list[Row]:
        """Judge the tasks and return a row for each, in the same order."""
        rows: dict[int, Row] = {}
        self.key.prover  # noqa: B018  the worked solutions are run once, before threads start
        with self, ThreadPoolExecutor(self.jobs) as pool:
            waiting: dict[Future[Row], int] = {
                pool.submit(self._row, task, rerun): number for number, task in enumerate(tasks)
            }
            for done, future in enumerate(as_completed(waiting), 1):
                row = future.result()
                rows[waiting[future]] = row
                if progress is not None:
                    progress(done, len(tasks), f"{row.student} {row.notebook}")
        return [rows[number] for number in range(len(tasks))]

    def close(self) -> None:
        """End the sandboxes; the next judgement starts new ones."""
        self._stack.close()
        self._local = threading.local()

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _row(self, task: Task, rerun: bool) -> Row:
        key = result_key(task.data, self.key.version, task.track, self.secret)
        stored = None if rerun or task.problem else self.store.get(key)
        if stored is not None:
            return Row(task.student, self.lesson.name, task.track, stored, reused=True)
        try:
            result = self._result(task)
        except Exception as error:
            return Row(task.student, self.lesson.name, task.track, failed(self.key, task.track, error))
        result.key = key
        if not task.problem:
            self.store.put(result)
        return Row(task.student, self.lesson.name, task.track, result)

    def _result(self, task: Task) -> Result:
        if task.problem:
            return unread(self.key, task.track, task.status, task.problem)
        try:
            return self.judge_bytes(task.data, task.track)
        except Malformed as error:
            return unread(self.key, task.track, "malformed", str(error))

    def graft_bytes(self, data: bytes, track: str) -> graft.Grafted:
        """Reduce and graft one notebook; raises Malformed where it can't be read."""
        released = self.key.released[track]
        return graft.graft(released, reduce(read_cells(data), released.cells, released.names))

    def judge_bytes(self, data: bytes, track: str) -> Result:
        """Reduce, graft, run and judge one notebook; raises Malformed where it can't be read."""
        released = self.key.released[track]
        answers = reduce(read_cells(data), released.cells, released.names)
        grafted = graft.graft(released, answers)
        seeds = {name: fresh_seed(self.secret, data, name) for name in released.names}
        made: dict[str, Prepared] = {}

        def prepare(name: str, explain: bool) -> Prepared:
            if explain:
                with self._lock:
                    return self.key.explained(name, track, seeds[name])
            if name not in made:
                made[name] = self.key.fresh(name, track, seeds[name])
            return made[name]

        attempted = attempted_names(released, answers)
        run = Runner(self._sandbox(), grafted, prepare, attempted, self.key.files).run()
        run.noted = [*answers.noted, *run.noted]
        return as_result(self.key, track, grafted, run, answers)

    def _sandbox(self) -> Sandbox:
        """Return this thread's warm parent."""
        if not hasattr(self._local, "sandbox"):
            torch = "pytorch" in self.lesson.tracks
            with self._lock:
                self._local.sandbox = self._stack.enter_context(Sandbox(tier=self.tier, torch=torch))
        return self._local.sandbox  # type: ignore[no-any-return]


def attempted_names(released: graft.Released, answers: Answers) -> set[str]:
    """Return the exercises that the student wrote something for, wherever it stands."""
    extras = [source for sources in answers.extras.values() for source in sources]
    elsewhere = {name for source in extras for name in defined_names(source)}
    return {*graft.attempted(released, answers), *(n for n in released.names if n in elsewhere)}


def as_result(key: LessonKey, track: str, grafted: graft.Grafted, run: RunResult, answers: Answers) -> Result:
    """Put a run and the answers in prose together."""
    verdicts = dict(run.verdicts)
    for name in key.released[track].names:
        if name not in verdicts:
            verdicts[name] = _by_hand(key, track, name, answers)
    ordered = [verdicts[name] for name in key.released[track].names]
    return Result(
        status=run.status,
        exercises=[verdict.json() for verdict in ordered],
        notebook=grafted.notebook,
        outputs={str(index): outputs for index, outputs in run.outputs.items()},
        comments={v.exercise: v.says for v in ordered if v.says and v.outcome not in ("passed", "pending")},
        reasons=run.reasons,
        noted=run.noted,
        cpu_s=run.cpu_s,
        wall_s=run.wall_s,
        peak_bytes=run.peak_bytes,
        tier=run.tier,
        max_score=key.points(track),
    )


def _by_hand(key: LessonKey, track: str, name: str, answers: Answers) -> Verdict:
    prepared = key.fresh(name, track, 0)
    if prepared.kind != "written":
        return blank(prepared, NOT_ATTEMPTED)
    if name not in answers.written:
        return blank(prepared, NOT_ATTEMPTED, "No answer was written.")
    return judge(prepared, lambda case: None)  # type: ignore[arg-type, return-value]


def unread(key: LessonKey, track: str, status: str, why: str) -> Result:
    """Return the result of a notebook that isn't there or can't be read: no points, and the reason."""
    released = key.released[track]
    heading = "This notebook was not submitted." if status == "missing" else "Your file could not be read."
    blanks = [blank(key.fresh(name, track, 0), NOT_ATTEMPTED if status == "missing" else NOT_YET, why) for name in released.names]
    return Result(
        status=status,
        exercises=[verdict.json() for verdict in blanks],
        notebook=graft.with_notice(released, heading, why),
        reasons=[why],
        max_score=key.points(track),
    )


def failed(key: LessonKey, track: str, error: Exception) -> Result:
    """Return the result of a notebook at which the grader itself failed; it isn't kept, so the next run tries again."""
    result = unread(key, track, "crashed", f"The grader failed, not the submission: {type(error).__name__}: {error}"[:400])
    for entry in result.exercises:
        entry["outcome"] = GRADER_FAILED
    return result


def gravest(statuses: list[str]) -> str:
    """Return the gravest of some statuses."""
    return min(statuses, key=STATUSES.index)


