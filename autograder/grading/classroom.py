"""`autograder grade` and `autograder report`: the pipeline, the gradebook, and what is shown on the way."""

from __future__ import annotations

import datetime
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
from autograder.grading.pipeline import Grader, Row, find_tasks
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
    scheduler: str | None = None,
    pages: bool = True,
) -> Outcome:
    """Grade a class: judge, write the gradebook and feedback, show and keep the report.

    Raises
    ------
    CourseError
        Where the course's own files are in the way; nothing that a submission does raises.
    """
    folder = submitted or course.root / "submitted"
    if not folder.is_dir():
        where = f"{folder}/STUDENT/{lesson.name}/"
        raise CourseError(f"There is no folder {folder}. Put submissions into {where}.")
    grader = Grader(course, lesson, tier, jobs, scheduler)
    casebook = course.root / "notebooks" / lesson.name / "casebook.npz"
    path = _rows_path(course, lesson)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer = Writer(course, lesson, grader.key, casebook.read_bytes(), pages)
        tasks = list(find_tasks(folder, lesson, writer.roster(), student))
        if not tasks:
            raise CourseError(f"There is no submission in {folder}, and nobody is on the roster.")
        with _bar() as bar:
            judging = bar.add_task("judging", total=len(tasks))
            rows = grader.grade(tasks, rerun, lambda done, total, last: bar.update(judging, completed=done))
        _show_changes(report.changed_scores(report.read_rows(path), [row.json() for row in rows]))
        with _bar() as bar:
            _write_all(bar, writer, grader, rows, folder)
    kept = _keep(path, [row.json() for row in rows], only=student)
    page = path.with_suffix(".html")
    page.write_text(report.page(lesson.name, kept), "utf-8")
    reused = sum(row.reused for row in rows)
    show(lesson, kept)
    print(f"\n{len(rows)} notebooks; {reused} had a stored result. Sandbox: {tier}.")
    if pages:
        print(f"Feedback pages: {_near(course.grading / 'feedback')}/STUDENT/{lesson.name}/")
    print(f"Report: {_near(page)}")
    return Outcome(kept, course.grading / "feedback", page)


def _show_changes(changes: Sequence[report.Change] | None) -> None:
    """Show what the lesson's change does to the scores, before the gradebook is written."""
    if changes is None:
        return
    title = "The lesson has changed since these were graded"
    columns = ("student", "notebook", "score before", "score now")
    changed = [(c.student, c.notebook, f"{c.before:g}", f"{c.now:g}") for c in changes if c.before != c.now]
    if changed:
        show_table(title, columns, changed)
    same = len(changes) - len(changed)
    print(f"{title}: {len(changed)} scores differ, {same} stay as they were.")


def _write_all(bar: Progress, writer: Writer, grader: Grader, rows: Sequence[Row], folder: Path) -> None:
    """Write every student who submitted; where nbgrader refuses one, the row says so and the others go on."""
    students = list(dict.fromkeys(row.student for row in rows))
    writing = bar.add_task("writing", total=len(students))
    for student in students:
        theirs = [row for row in rows if row.student == student]
        results = {row.notebook: grader.whole(row) for row in theirs}
        if any(result.status != "missing" for result in results.values()):
            try:
                writer.write(student, results, _timestamp(folder / student / writer.lesson.name))
            except CourseError as error:
                for row in theirs:
                    row.result.reasons.append(f"Not in the gradebook: {error}")
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


def _keep(path: Path, rows: list[dict[str, Any]], only: str | None) -> list[dict[str, Any]]:
    """Keep the class's rows; those of one student take the place of that student's old ones."""
    old = [] if only is None else [row for row in report.read_rows(path) if row["student"] != only]
    kept = sorted([*old, *rows], key=lambda row: (row["student"], row["notebook"]))
    report.write_rows(path, kept)
    return kept


def show_report(course: Course, lesson: Assigned) -> None:
    """Print the last report of a lesson and write its page again."""
    path = _rows_path(course, lesson)
    rows = report.read_rows(path)
    if not rows:
        raise CourseError(f"{lesson.name} is not graded yet. Run `autograder grade {lesson.name}` first.")
    page = path.with_suffix(".html")
    page.write_text(report.page(lesson.name, rows), "utf-8")
    show(lesson, rows)
    show_table("Exercises", report.ITEM_COLUMNS, report.item_rows(rows))
    print(report.numbers(rows))
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
    look = report.worth_a_look(rows)
    if look:
        show_table("Worth a look", ("student", "notebook", "noticed"), look)


def _near(path: Path) -> str:
    """Return a path as seen from the working folder."""
    return os.path.relpath(path)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )
