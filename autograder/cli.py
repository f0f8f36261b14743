"""The command: ``python -m autograder …``, also installed as ``autograder``."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import __version__
from autograder.course import TRACKS, CourseError, find_root, read_course

INSTRUCTORS = ("jupytext", "nbclient", "nbconvert", "nbformat", "nbgrader", "rich", "setuptools", "traitlets")
"""Packages that the instructor's calls need and a student's environment lacks."""

if TYPE_CHECKING:
    from autograder.authoring.reader import LessonSource


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except CourseError as error:
        print(f"autograder: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in INSTRUCTORS:
            raise
        print(f"autograder: this needs {error.name}: pip install 'autograder[instructor]'", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autograder", description="A deep-learning course that grades itself."
    )
    parser.add_argument("--version", action="version", version=f"autograder {__version__}")
    calls = parser.add_subparsers(required=True, metavar="CALL")
    build = calls.add_parser("build", help="prove the exercises and generate notebooks and casebooks")
    build.add_argument("lessons", nargs="*", metavar="LESSON", help="all lessons, unless named")
    build.add_argument("--check", action="store_true", help="change nothing; fail where something differs")
    build.set_defaults(run=_build)
    mutants = calls.add_parser("mutants", help="run automatic mutants of the worked solutions")
    mutants.add_argument("lessons", nargs="*", metavar="LESSON", help="all lessons, unless named")
    mutants.set_defaults(run=_mutants)
    attempt = calls.add_parser("try", help="judge a plain .py or .ipynb file")
    attempt.add_argument("files", nargs="+", type=Path, metavar="FILE")
    attempt.add_argument("--track", choices=TRACKS, help="a notebook's name, or from_scratch, unless given")
    attempt.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    _sandbox_option(attempt)
    attempt.set_defaults(run=_try)
    grade = calls.add_parser("grade", help="grade a class into nbgrader's gradebook")
    grade.add_argument("lesson", metavar="LESSON")
    grade.add_argument("--student", metavar="ID", help="only this student")
    grade.add_argument(
        "--submitted", type=Path, metavar="DIR", help="where submissions are (default: submitted/)"
    )
    grade.add_argument(
        "--jobs", type=_count, metavar="N", help="submissions at a time (default: one per core)"
    )
    grade.add_argument("--scheduler", metavar="ADDRESS", help="mark on the workers of this Dask scheduler")
    grade.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    grade.add_argument("--rerun", action="store_true", help="judge again what has a stored result")
    grade.add_argument("--no-feedback", action="store_true", help="make no feedback pages")
    _sandbox_option(grade)
    grade.set_defaults(run=_grade)
    report = calls.add_parser("report", help="the class at a glance")
    report.add_argument("lesson", metavar="LESSON")
    report.set_defaults(run=_report)
    release = calls.add_parser("release", help="write the folder that students receive")
    release.add_argument("lessons", nargs="+", metavar="LESSON")
    release.add_argument("--track", choices=TRACKS, help="only this track")
    release.add_argument("--to", required=True, type=Path, metavar="DIR")
    release.set_defaults(run=_release)
    update = calls.add_parser("update", help="put a notebook's answers on a newer release of it")
    update.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    update.add_argument(
        "--reset", action="append", default=[], metavar="NAME", help="give an exercise back unsolved"
    )
    update.add_argument(
        "--onto", type=Path, metavar="RELEASED", help="the released notebook, if it isn't found"
    )
    update.set_defaults(run=_update)
    doctor = calls.add_parser("doctor", help="what this machine offers, and what is missing")
    doctor.set_defaults(run=_doctor)
    return parser


def _count(text: str) -> int:
    """Read a number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _sandbox_option(call: argparse.ArgumentParser) -> None:
    call.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run the code with nothing around it but a process of its own",
    )


def _tier(options: argparse.Namespace) -> str:
    """Return the sandbox to use; refuses where the machine has none and nobody asked for that."""
    from autograder.sandbox import best_tier

    if options.no_sandbox:
        print("WARNING: code runs WITHOUT A SANDBOX: it can read and change your files.", file=sys.stderr)
        return "none"
    tier = str(best_tier())
    if tier == "none":
        raise CourseError(
            "This machine offers no sandbox, so code from others is not run. `autograder doctor` says what is "
            "missing; --no-sandbox runs it all the same, with access to everything that you can read and write."
        )
    return tier


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


def _mutants(options: argparse.Namespace) -> int:
    from autograder.authoring.mutants import MutantRunner
    from autograder.authoring.prove import Prover
    from autograder.authoring.reader import find_lessons
    from autograder.tables import show_table

    rows, alive = [], []
    for lesson in _chosen(find_lessons(find_root()), options.lessons):
        for report in MutantRunner(Prover(lesson)).run_all():
            print(f"{lesson.name} {report.exercise} ({report.track}): {report.made}", file=sys.stderr)
            rows.append(
                (lesson.name, report.exercise, report.track, str(report.made), str(len(report.survivors)))
            )
            alive += [(report.exercise, report.track, label, why) for label, why in report.survivors.items()]
    show_table("Automatic mutants", ("lesson", "exercise", "track", "made", "survived"), rows)
    show_table("Survivors", ("exercise", "track", "change", "why nothing can notice it"), alive)
    return 1 if any(not why for *_, why in alive) else 0


def _chosen(lessons: list[LessonSource], names: Sequence[str]) -> list[LessonSource]:
    if not names:
        return lessons
    chosen = [lesson for lesson in lessons if any(lesson.name.startswith(name) for name in names)]
    if not chosen:
        raise CourseError(f"No lesson begins with {names[0]!r} under {Path('solutions')}.")
    return chosen


def _try(options: argparse.Namespace) -> int:
    from autograder.grading.tryout import known_exercises, try_file
    from autograder.sandbox import Sandbox

    root = find_root()
    verdicts: list[dict[str, Any]] = []
    tier = _tier(options)
    for file in options.files:
        track = options.track or (
            file.stem if file.suffix == ".ipynb" and file.stem in TRACKS else "from_scratch"
        )
        known = known_exercises(root, track)
        if not known.keys:
            print("No solutions/ here: judged on the public cases only.", file=sys.stderr)
        with Sandbox(tier=tier, torch=track == "pytorch") as sandbox:
            count = len(verdicts)
            for verdict in try_file(file, track, known, sandbox):
                verdicts.append({"file": str(file), **verdict.json()})
                if not options.json:
                    print(verdict.text, end="\n\n")
        if len(verdicts) == count:
            print(f"Nothing in {file} is named like an exercise of the track {track}.", file=sys.stderr)
    if options.json:
        print(json.dumps(verdicts, indent=1))
    if not verdicts:
        return 2
    return 0 if all(v["outcome"] == "passed" for v in verdicts) else 1


def _grade(options: argparse.Namespace) -> int:
    # Nearly all that is imported and drawn stays: looking for garbage as often as usual takes a seventh of the time.
    gc.set_threshold(100_000, 20, 20)
    # Submissions are judged side by side; a product of small matrices that wakes all cores only makes heat.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from autograder.grading.classroom import grade_class

    course = read_course(find_root())
    if options.json and not options.json.absolute().parent.is_dir():
        raise CourseError(f"--json: there is no folder {options.json.absolute().parent}.")
    outcome = grade_class(
        course,
        course.lesson(options.lesson),
        tier=_tier(options),
        submitted=options.submitted,
        student=options.student,
        jobs=options.jobs,
        rerun=options.rerun,
        scheduler=options.scheduler,
        pages=not options.no_feedback,
    )
    if options.json:
        options.json.write_text(json.dumps(outcome.rows, indent=1), "utf-8")
    # Python looks for garbage once more when it ends; there is nothing left to be found.
    gc.freeze()
    return 0


def _report(options: argparse.Namespace) -> int:
    from autograder.grading.classroom import show_report

    course = read_course(find_root())
    show_report(course, course.lesson(options.lesson))
    return 0


def _release(options: argparse.Namespace) -> int:
    from autograder.authoring.release import write_release

    course = read_course(find_root())
    lessons = [course.lesson(name) for name in options.lessons]
    for path in write_release(course, lessons, options.track, options.to):
        print(f"  {path}")
    print(f"Give students the folder {options.to}; its START.md says how to begin.")
    return 0


def _update(options: argparse.Namespace) -> int:
    from autograder.grading.update import update

    done = update(options.notebook, options.onto, options.reset)
    print(f"Answers kept: {', '.join(done.kept) or 'none'}. Cells of your own: {done.own}.")
    if done.reset:
        print(f"As released again: {', '.join(done.reset)}.")
    for what in done.noted:
        print(f"  {what}")
    print(f"The old file is {done.backup}.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from autograder.sandbox import best_tier, describe_machine
    from autograder.tables import show_table

    show_table("What this machine offers", ("what", "here", "in words"), describe_machine())
    tier = best_tier()
    told = {
        "full": "Grading runs code in the full sandbox.",
        "restricted": "Grading runs code in the restricted sandbox: enough, with fewer walls.",
        "none": "No sandbox: grading refuses to run unless --no-sandbox is given.",
    }
    print(told[tier])
    return 0 if tier != "none" else 1
