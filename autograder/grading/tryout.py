"""`autograder try`: judge one plain file, with public and fresh cases, in the sandbox.

Everything at the top level of the file that is named like an exercise of the track is judged.
Where the course's solutions are not at hand, only the public cases can be used.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.authoring.reader import find_lessons
from autograder.course import CourseError
from autograder.grading.key import LessonKey
from autograder.grading.reduce import Malformed, defined_names, read_cells
from autograder.judging.casebook import CasebookError, load
from autograder.judging.judge import blank, judge
from autograder.judging.observe import Observation
from autograder.judging.prepare import Prepared, PreparedCase
from autograder.judging.verdict import NOT_YET, PASSED, Verdict
from autograder.sandbox import Limits, Sandbox, Session, SessionDied

CELL_LIMIT_S = 120.0
LIMITS = Limits(cpu_s=300, wall_s=900)
TRACKS = ("from_scratch", "pytorch", "reading")


@dataclass
class Known:
    """The exercises of a track that this copy of the course can judge, by name."""

    public: dict[str, Prepared] = field(default_factory=dict)
    keys: dict[str, LessonKey] = field(default_factory=dict)


def known_exercises(root: Path, track: str) -> Known:
    """Return what can be judged here; raises CourseError where there is no casebook at all."""
    known = Known()
    for path in sorted((root / "notebooks").glob("*/casebook.npz")):
        try:
            _, exercises = load(path.read_bytes())
        except CasebookError as error:
            raise CourseError(
                f"{path} cannot be used: {error}. Run `make build`, or copy it again."
            ) from error
        known.public.update({name: e for (name, t), e in exercises.items() if t == track})
    if not known.public:
        raise CourseError(f"No casebook under {root / 'notebooks'} has exercises of the track {track!r}.")
    if (root / "solutions").is_dir():
        for lesson in find_lessons(root):
            key = LessonKey(lesson, (track,))
            known.keys.update({n: key for n in lesson.exercises if track in lesson.tracks_of(n)})
    return known


def read_sources(path: Path) -> list[str]:
    """Return a file's code, cell by cell, without figures and long runs.

    Raises
    ------
    CourseError
        If the file is neither a notebook nor Python.
    """
    if not path.is_file():
        raise CourseError(f"There is no file {path}.")
    if path.suffix not in (".py", ".ipynb"):
        raise CourseError(f"{path.name} is neither a notebook (.ipynb) nor a Python file (.py).")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from error
    if path.suffix == ".py":
        return [data.decode("utf-8-sig", errors="replace").replace("\x00", "")]
    try:
        cells = read_cells(data)
    except Malformed as error:
        raise CourseError(f"{path.name}: {error}") from error
    studies = _study_ids(data)
    return [
        c.source
        for c in cells
        if c.type == "code" and c.id not in studies and not c.grade_id.startswith("check_")
    ]


def _cells_of(notebook: dict[str, Any]) -> list[Any]:
    cells = notebook.get("cells")
    return cells if isinstance(cells, list) else []


def _study_ids(data: bytes) -> set[str]:
    found = set()
    for cell in _cells_of(json.loads(data)):
        metadata = cell.get("metadata") if isinstance(cell, dict) else None
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        if isinstance(tags, list) and "study" in tags and cell.get("id"):
            found.add(str(cell["id"]))
    return found


def try_file(path: Path, track: str, known: Known, sandbox: Sandbox) -> Iterator[Verdict]:
    """Judge everything in a file that is named like an exercise, one after another."""
    sources = read_sources(path)
    defined = {name for source in sources for name in defined_names(source)}
    names = [name for name in known.public if name in defined and known.public[name].kind != "written"]
    waiting = list(names)
    while waiting:
        with sandbox.session(LIMITS) as session:
            died, failures = _run_all(session, sources)
            while waiting:
                name = waiting.pop(0)
                prepared = known.public[name]
                if died is not None:
                    yield blank(prepared, NOT_YET, died)
                    continue
                try:
                    verdict = judge_twice(session, name, known)
                    yield _explained(verdict, failures)
                except SessionDied as dead:
                    yield blank(prepared, NOT_YET, dead.says)
                    break


def _run_all(session: Session, sources: list[str]) -> tuple[str | None, list[str]]:
    """Run a file's code; return why nothing in it can be judged, or None, and the errors in it."""
    failures: list[str] = []
    try:
        for number, source in enumerate(sources):
            error = session.run_cell(source, f"cell {number + 1}", CELL_LIMIT_S).error
            if error is not None:
                where = f" in line {error['line_number']}" if error.get("line_number") else ""
                failures.append(f"{error.get('type')}{where}: {error.get('message')}")
    except SessionDied as dead:
        return dead.says, failures
    return None, failures


def _explained(verdict: Verdict, failures: list[str]) -> Verdict:
    """Say what went wrong in the file, where that is why a name isn't there."""
    if failures and verdict.says.endswith(f"{verdict.exercise} is not defined"):
        verdict.says += f". Running the file failed with {failures[0]}"
    return verdict


def judge_twice(session: Session, name: str, known: Known) -> Verdict:
    """Judge on the public cases and, where that passes and solutions are at hand, on fresh ones."""
    public = known.public[name]
    functions = known.keys[name].functions(name) if name in known.keys else {}
    verdict = _judge(session, public, functions)
    if verdict.outcome != PASSED or name not in known.keys:
        return verdict
    key, seed = known.keys[name], secrets.randbits(64)
    drawn = key.fresh(name, public.track, seed)
    fresh = _judge(session, drawn, functions)
    if fresh.outcome != PASSED:
        fresh = _judge(session, key.explained(drawn), functions)
        fresh.notes.append("The public cases passed; this is a fresh one.")
    return fresh


def _judge(session: Session, prepared: Prepared, functions: Mapping[str, Callable[..., Any]]) -> Verdict:
    def observe(case: PreparedCase) -> Observation:
        seen = session.observe(prepared.name, prepared.call(case), functions=functions)
        if seen.facts.get("undefined"):
            return Observation(error={"type": "NameError", "message": f"{prepared.name} is not defined"})
        return seen

    return judge(prepared, observe)
