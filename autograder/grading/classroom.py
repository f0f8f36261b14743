"""`autograder grade` and `autograder report`: the pipeline, the gradebook, and what is shown on the way."""

from __future__ import annotations

import datetime
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from autograder.course import Assigned, Course, CourseError
from autograder.grading import report
from autograder.grading.gradebook import Writer
from autograder.grading.pipeline import Grader, Row, Task, find_tasks
from autograder.tables import show_table


@dataclass
class Outcome:
    """What grading a class gave: rows as JSON, and where the pages are."""

    rows: list[dict[str, Any]]
    feedback: Path
    page: Path


def grade_class(
    course: Course,
    lesson: Assigned,
    tier: str,
    submitted: Path | None = None,
    student: str | None = None,
    jobs: int | None = None,
    rerun: bool = False,
) -> Outcome:
    """Grade a class: judge, write the gradebook and feedback, show and keep the report.

    Raises
    ------
    CourseError
        Where the course's own files are in the way; nothing that a submission does raises.
    """
    folder = submitted or course.root / "submitted"
    if not folder.is_dir():
        raise CourseError(f"There is no folder {folder}. Put submissions into {folder}/STUDENT/{lesson.name}/.")
    grader = Grader(course, lesson, tier, jobs)
    casebook = course.root / "notebooks" / lesson.name / "casebook.npz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer = Writer(course, lesson, grader.key, casebook.read_bytes())
        tasks = list(find_tasks(folder, lesson, writer.roster(), student))
        if not tasks:
            raise CourseError(f"There is no submission in {folder}, and nobody is on the roster.")
        with _bar() as bar:
            judging = bar.add_task("judging", total=len(tasks))
            rows = grader.grade(tasks, rerun, lambda done, total, last: bar.update(judging, completed=done))
            _write_all(bar, writer, tasks, rows, folder)
    kept = _merge(_rows_path(course, lesson), [row.json() for row in rows])
    page = course.grading / "report" / f"{lesson.name}.html"
    page.write_text(report.page(lesson.name, kept), "utf-8")
    reused = sum(row.reused for row in rows)
    show(lesson, kept)
    print(f"\n{len(rows)} notebooks; {reused} had a stored result. Sandbox: {tier}.")
    print(f"Feedback pages: {_near(course.grading / 'feedback')}/STUDENT/{lesson.name}/")
    print(f"Report: {_near(page)}")
    return Outcome(kept, course.grading / "feedback", page)


def _write_all(bar: Progress, writer: Writer, tasks: Sequence[Task], rows: Sequence[Row], folder: Path) -> None:
    students = list(dict.fromkeys(task.student for task in tasks))
    writing = bar.add_task("writing", total=len(students))
    for student in students:
        results = {row.notebook: row.result for row in rows if row.student == student}
        if any(result.status != "missing" for result in results.values()):
            writer.write(student, results, _timestamp(folder / student / writer.lesson.name))
        bar.advance(writing)


def _timestamp(folder: Path) -> str | None:
    """Return when a submission was made, if its timestamp.txt can be read as a time."""
    from nbgrader.utils import parse_utc

    try:
        text = (folder / "timestamp.txt").read_text("utf-8").strip()
        parse_utc(text)
    except Exception:
        return None
    return text


def _rows_path(course: Course, lesson: Assigned) -> Path:
    return course.grading / "report" / f"{lesson.name}.json"


def _merge(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put new rows in the place of the old ones of the same student and notebook, and keep the others."""
    try:
        old = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        old = []
    merged = {(r["student"], r["notebook"]): r for r in [*old, *rows]}
    kept = [merged[key] for key in sorted(merged)]
    report.write_rows(path, kept)
    return kept


def show_report(course: Course, lesson: Assigned) -> None:
    """Print the last report of a lesson and write its page again."""
    path = _rows_path(course, lesson)
    if not path.is_file():
        raise CourseError(f"{lesson.name} has not been graded yet. Run `autograder grade {lesson.name}` first.")
    rows = json.loads(path.read_text("utf-8"))
    page = path.with_suffix(".html")
    page.write_text(report.page(lesson.name, rows), "utf-8")
    show(lesson, rows)
    show_table("Exercises", report.ITEM_COLUMNS, report.item_rows(rows))
    print(f"Report: {_near(page)}   ({datetime.datetime.now().astimezone():%Y-%m-%d %H:%M})")


def show(lesson: Assigned, rows: Sequence[dict[str, Any]]) -> None:
    """Print students by exercises, the commonest mistakes, and what was not graded."""
    for track in report.tracks_of(rows):
        columns, table = report.class_table(rows, track)
        show_table(f"{lesson.name}, {track}", columns, table)
        legend = "  ".join(f"{i + 1} {name}" for i, name in enumerate(report.exercises_of(rows, track)))
        Console().print(f"{legend}\n✓ passed  ✗ not yet  ○ not attempted  … by hand\n", highlight=False)
    slips = [(str(s.count), s.track, s.exercise, s.says) for s in report.slips(rows)[:8]]
    if slips:
        show_table("The commonest mistakes", ("made by", "track", "exercise", "what the card said"), slips)
    broken = report.not_graded(rows)
    if broken:
        show_table("Not graded, or not to the end", ("student", "notebook", "status", "why"), broken)


def _near(path: Path) -> str:
    """Return a path as seen from the working folder."""
    return os.path.relpath(path)


def _bar() -> Progress:
    return Progress(TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
