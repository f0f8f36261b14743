"""Reading `solutions/`: notebooks in py:percent with short tags, and exercise files.

A notebook source is a ``.py`` file that jupytext understands.  Five tags say what a cell is:
``setup=true`` (the locked first cell), ``exercise="name"``, ``check="name"``,
``written="name"`` (a question answered in prose) and ``study=true`` (figures and long runs,
which grading leaves out).  A worked solution stands between ``### BEGIN SOLUTION`` and
``### END SOLUTION``.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from autograder.judging.exercise import TRACKS, Exercise, ExerciseError

TAGS = ("setup", "exercise", "check", "written", "study")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook source.

    tag : one of TAGS, or None; value : the exercise's name, or "true".
    """

    type: str
    source: str
    tag: str | None = None
    value: str = ""


@dataclass(frozen=True)
class Source:
    """One notebook source: a track of a lesson."""

    lesson: str
    track: str
    path: Path
    cells: tuple[Cell, ...]

    def names(self, *tags: str) -> list[str]:
        """Return the exercises that have a cell with one of the tags, in order."""
        return list(dict.fromkeys(cell.value for cell in self.cells if cell.tag in tags))

    def cell(self, tag: str, name: str) -> Cell:
        """Return the one cell with this tag and exercise; raises ExerciseError otherwise."""
        found = [cell for cell in self.cells if cell.tag == tag and cell.value == name]
        if len(found) != 1:
            raise ExerciseError(
                f"{self.path.name}: {len(found)} cells are tagged {tag}={name!r}; there must be one"
            )
        return found[0]


@dataclass(frozen=True)
class LessonSource:
    """A lesson's folder under `solutions/`: its notebook sources and its exercises."""

    name: str
    folder: Path
    sources: dict[str, Source] = field(default_factory=dict)

    @cached_property
    def exercises(self) -> dict[str, Exercise]:
        """All exercises of the lesson by name, in the order of the first notebook."""
        files = {path.stem: path for path in sorted((self.folder / "exercises").glob("*.py"))}
        named = [n for source in self.sources.values() for n in source.names("exercise", "written")]
        missing = [n for n in dict.fromkeys(named) if n not in files]
        if missing:
            raise ExerciseError(f"{self.name}: no file exercises/{missing[0]}.py for the cell of that name")
        unused = sorted(set(files) - set(named))
        if unused:
            raise ExerciseError(f"{self.name}: exercises/{unused[0]}.py has no cell in any notebook source")
        return {n: load_exercise(self.name, files[n]) for n in dict.fromkeys(named)}

    def tracks_of(self, name: str) -> list[str]:
        """Return the tracks in which an exercise stands, NumPy's first."""
        return [
            t for t in TRACKS if t in self.sources and name in self.sources[t].names("exercise", "written")
        ]


def find_lessons(root: Path) -> list[LessonSource]:
    """Return all lessons under `root`/solutions, in order of their names."""
    folders = sorted(p for p in (root / "solutions").glob("[0-9][0-9]-*") if p.is_dir())
    return [read_lesson(folder) for folder in folders]


def read_lesson(folder: Path) -> LessonSource:
    """Read one lesson's notebook sources; exercises are loaded when they are first asked for."""
    sources = {t: read_source(folder / f"{t}.py") for t in TRACKS if (folder / f"{t}.py").is_file()}
    if not sources:
        raise ExerciseError(f"{folder.name}: none of {', '.join(t + '.py' for t in TRACKS)} is there")
    return LessonSource(folder.name, folder, sources)


def read_source(path: Path) -> Source:
    """Read a notebook source.  Raises ExerciseError where a tag or a solution mark is wrong."""
    import jupytext

    notebook = jupytext.reads(path.read_text("utf-8"), fmt="py:percent")
    cells = tuple(_cell(path, raw.cell_type, raw.source, raw.metadata) for raw in notebook.cells)
    return Source(path.parent.name, path.stem, path, cells)


def _cell(path: Path, kind: str, source: str, metadata: dict[str, object]) -> Cell:
    tags = [(tag, metadata[tag]) for tag in TAGS if tag in metadata]
    unknown = sorted(set(metadata) - set(TAGS) - {"lines_to_next_cell", "title", "cell_marker"})
    if len(tags) > 1 or unknown:
        raise ExerciseError(
            f"{path.name}: a cell has the tags {sorted(metadata)}; use one of {', '.join(TAGS)}"
        )
    if source.count(BEGIN) != source.count(END):
        raise ExerciseError(
            f"{path.name}: {BEGIN} and {END} do not match in a cell that starts {source[:40]!r}"
        )
    tag, value = tags[0] if tags else (None, "")
    return Cell(kind, source, tag, str(value))


def load_exercise(lesson: str, path: Path) -> Exercise:
    """Load an exercise file and return its `exercise`."""
    name = f"_exercises_{re.sub(r'[^0-9a-zA-Z]', '_', lesson)}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ExerciseError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    exercise = getattr(module, "exercise", None)
    if not isinstance(exercise, Exercise):
        raise ExerciseError(f"{path} must define exercise = Exercise(…)")
    return exercise


def solution_lines(cell: Cell) -> Iterator[str]:
    """Yield the lines of the worked solution in a cell."""
    inside = False
    for line in cell.source.splitlines():
        if END in line:
            inside = False
        if inside:
            yield line
        if BEGIN in line:
            inside = True


def without_marks(source: str) -> str:
    """Return a cell's source without the solution marks."""
    return "\n".join(line for line in source.splitlines() if BEGIN not in line and END not in line)


def stub_of(source: str) -> str:
    """Return a cell's source as students get it: the worked solution replaced by a stub.

    Inside a function the stub raises NotImplementedError; elsewhere (a list of lines, a
    constant) it is only a comment, so that the cell still runs.
    """
    lines: list[str] = []
    inside = False
    in_code = bool(re.search(r"^\s*(def|class|async def) ", source, re.MULTILINE))
    for line in source.splitlines():
        if BEGIN in line:
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            stub = ["# YOUR CODE HERE", "raise NotImplementedError()"] if in_code else ["# YOUR LINES HERE"]
            lines.extend(indent + text for text in stub)
        if not inside:
            lines.append(line)
        if END in line:
            inside = False
    return "\n".join(lines)
