"""The command: ``python -m autograder …``, also installed as ``autograder``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course import CourseError, find_root

if TYPE_CHECKING:
    from autograder.authoring.reader import LessonSource


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except CourseError as error:
        print(f"autograder: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="autograder", description="A course that grades itself.")
    calls = parser.add_subparsers(required=True, metavar="CALL")
    build = calls.add_parser("build", help="prove the exercises and generate notebooks and casebooks")
    build.add_argument("lessons", nargs="*", metavar="LESSON", help="all lessons, unless named")
    build.add_argument("--check", action="store_true", help="change nothing; fail where something differs")
    build.set_defaults(run=_build)
    return parser


def _build(options: argparse.Namespace) -> int:
    from autograder.authoring.build import Builder, proof_table
    from autograder.authoring.reader import find_lessons
    from autograder.judging.exercise import ExerciseError
    from autograder.tables import show_table

    root = find_root()
    try:
        lessons = _chosen(find_lessons(root), options.lessons)
        report = Builder(root, options.check, tell=lambda text: print(text, file=sys.stderr)).build(lessons)
    except ExerciseError as error:
        raise CourseError(str(error)) from error
    show_table(
        "Every mistake is caught, every right answer accepted",
        ("lesson", "exercise", "track", "cases", "odd but right", "mistakes", "result"),
        proof_table(report.proofs),
    )
    for problem in report.problems:
        print(f"  {problem}")
    verb = "differs from its source" if options.check else "written"
    for path in report.changed:
        print(f"  {path}: {verb}")
    if options.check and report.changed:
        print("Run `make build` and commit what it writes.")
    return 1 if report.problems or (options.check and report.changed) else 0


def _chosen(lessons: list[LessonSource], names: Sequence[str]) -> list[LessonSource]:
    if not names:
        return lessons
    chosen = [lesson for lesson in lessons if any(lesson.name.startswith(name) for name in names)]
    if not chosen:
        raise CourseError(f"No lesson begins with {names[0]!r} under {Path('solutions')}.")
    return chosen
