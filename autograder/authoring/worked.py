"""Worked solutions, mistakes and odd-but-right answers as things that can be called.

The worked solution exists once, in the notebook source.  `Worked` runs a notebook's plain and
exercise cells in one namespace, as a student's kernel would, but without the figures, the
checks and the first cell.  A mistake is the same cell with some of its text replaced, run in a
copy of that namespace.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import linecache
from collections.abc import Callable
from typing import Any

from autograder.authoring.reader import LessonSource, Source, without_marks
from autograder.judging.exercise import (
    Derivation,
    Derivations,
    Exercise,
    ExerciseError,
    Mistake,
    Reply,
    Right,
    Written,
)
from autograder.judging.prepare import Mistaken, framework

Answer = Any


class Worked:
    """The namespace of one notebook source after its cells ran, with the worked solutions in it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.namespace: dict[str, Any] = {"__name__": "worked"}
        for number, cell in enumerate(source.cells):
            if cell.type == "code" and cell.tag in (None, "exercise"):
                run(
                    without_marks(cell.source),
                    self.namespace,
                    f"<{source.lesson}/{source.track} cell {number}>",
                )

    def answer(self, name: str) -> Answer:
        """Return the worked solution of an exercise."""
        if name not in self.namespace:
            raise ExerciseError(f"{self.source.path.name}: the cell exercise={name!r} does not define {name}")
        return self.namespace[name]

    def edited(self, name: str, mistake: Mistake) -> Answer:
        """Return the worked solution with a mistake's edits.

        Raises ExerciseError where an old text does not stand exactly once in the cell.
        """
        source = without_marks(self.source.cell("exercise", name).source)
        for old, new in mistake.edit:
            if source.count(old) != 1:
                raise ExerciseError(
                    f"{name}: mistake {mistake.id!r} edits {old!r}, which stands {source.count(old)} times in "
                    f"{self.source.path.name}; it must stand once"
                )
            source = source.replace(old, new)
        return self.variant(name, source, f"mistake {mistake.id}")

    def variant(self, name: str, source: str, label: str) -> Answer:
        """Return what `name` is after other source text for its cell ran in a copy of the namespace."""
        namespace = dict(self.namespace)
        run(source, namespace, f"<{name}, {label}>")
        return namespace[name]


def run(source: str, namespace: dict[str, Any], filename: str) -> None:
    """Run source text, without what it prints, so that tracebacks can show its lines."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, filename, "exec"), namespace)


class _WorkedByTrack(dict[str, Worked]):
    """Runs a track's worked solutions when they are first asked for: PyTorch alone takes seconds to import."""

    def __init__(self, lesson: LessonSource) -> None:
        super().__init__()
        self._lesson = lesson

    def __missing__(self, track: str) -> Worked:
        self[track] = Worked(self._lesson.sources[track])
        return self[track]


class LessonAnswers:
    """All worked solutions of a lesson, by track, and what is derived from them."""

    def __init__(self, lesson: LessonSource) -> None:
        self.lesson = lesson
        self.worked = _WorkedByTrack(lesson)

    def answer(self, name: str, track: str) -> Answer:
        """Return the worked solution of an exercise in a track."""
        return self.worked[track].answer(name)

    def home(self, name: str, mistake: Mistake | None = None) -> str:
        """Return the track whose worked solution a mistake edits."""
        return (mistake.track if mistake else None) or self.lesson.tracks_of(name)[0]

    def mistake(self, name: str, mistake: Mistake) -> Answer:
        """Return a mistake as a function in its home track."""
        if mistake.function is not None:
            return mistake.function
        if not mistake.edit:
            raise ExerciseError(f"{name}: mistake {mistake.id!r} has neither an edit nor a function")
        return self.worked[self.home(name, mistake)].edited(name, mistake)

    def wrong(self, name: str, track: str) -> dict[str, Mistaken]:
        """Return the mistakes with wrong values by id, each with the framework that it is written in."""
        exercise = self.lesson.exercises[name]
        if isinstance(exercise.kind, (Written, Derivation, Derivations, Reply)):
            return {}
        chosen = [m for m in exercise.mistakes if m.breaks is None and m.track in (None, track)]
        return {m.id: self._mistaken(name, m) for m in chosen}

    def breaking(self, name: str, track: str) -> list[str]:
        """Return the ids of the mistakes that break a property in a track."""
        mistakes = self.lesson.exercises[name].mistakes
        return [m.id for m in mistakes if m.breaks is not None and self.home(name, m) == track]

    def _mistaken(self, name: str, mistake: Mistake) -> Mistaken:
        return Mistaken(self.mistake(name, mistake), framework(self.home(name, mistake)))

    def functions(self, name: str) -> dict[str, Callable[..., Any]]:
        """Return the functions that arguments of an exercise may name: the public part's and the judge's."""
        exercise = self.lesson.exercises[name]
        return {**public_functions(self.lesson, exercise), **exercise.given}

    def right(self, exercise: Exercise, name: str, right: Right, track: str) -> Answer:
        """Return an odd but right answer for a track."""
        if right.lines is not None:
            return right.lines
        if right.reply is not None:
            return right.reply
        if right.function is not None:
            return right.function
        return self.worked[track].variant(name, right.source or "", f"also right {right.id}")


def public_functions(lesson: LessonSource, exercise: Exercise) -> dict[str, Callable[..., Any]]:
    """Return the functions that an exercise's public part defines, by name."""
    if exercise.public_part is None:
        return {}
    path = lesson.folder / "public" / f"{exercise.public_part}.py"
    spec = importlib.util.spec_from_file_location(f"_public_{exercise.public_part}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ExerciseError(f"{lesson.name}: public/{exercise.public_part}.py is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }
