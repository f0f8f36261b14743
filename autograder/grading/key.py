"""The course's own copy of a lesson: what only the judge has, and the secret that fresh cases come from."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from autograder import __version__
from autograder.authoring import generate
from autograder.authoring.prove import Prover
from autograder.authoring.reader import LessonSource, find_lessons
from autograder.authoring.worked import public_functions
from autograder.course import CourseError
from autograder.grading import roomy
from autograder.grading.graft import Released
from autograder.grading.roomy import Roomy
from autograder.judging.exercise import Derivation, Derivations, Written
from autograder.judging.prepare import Mistaken, Prepared, cases_of, explain, framework, prepare
from autograder.sandbox import Limits

SECRET = "secret.key"


def course_secret(folder: Path) -> bytes:
    """Return the course's persistent secret, made on first use and readable by its owner only."""
    path = folder / SECRET
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()


def fresh_seed(secret: bytes, submission: bytes, exercise: str) -> int:
    """Return the seed of an exercise's fresh cases: unpredictable to students, the same when resumed."""
    message = hashlib.sha256(submission).digest() + exercise.encode()
    return int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest()[:16], "big")


@dataclass
class LessonKey:
    """A lesson as the judge knows it: released notebooks, exercises, and how to draw their cases."""

    source: LessonSource
    tracks: tuple[str, ...]
    released: dict[str, Released] = field(default_factory=dict)
    _roomy: dict[tuple[str, str], Roomy | None] = field(default_factory=dict)
    _undrawn: dict[tuple[str, str], Prepared] = field(default_factory=dict)
    _wrong: dict[tuple[str, str], dict[str, Mistaken]] = field(default_factory=dict)
    _functions: dict[str, dict[str, Callable[..., Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def prover(self) -> Prover:
        """The lesson's worked solutions and mistakes; made when the first diagnosis needs them."""
        return Prover(self.source)

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The released files that student code may import: the public parts, never the casebook."""
        return generate.public_parts(self.source)

    @cached_property
    def version(self) -> str:
        """A digest of everything that a result depends on besides the submission."""
        digest = hashlib.sha256(__version__.encode())
        for track in self.tracks:
            digest.update(generate.fingerprint(self.source, self.source.sources[track]).encode())
            if track in self.released:
                digest.update(json.dumps(self.released[track].notebook, sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def points(self, track: str) -> float:
        """Return the points of a notebook."""
        return sum(self.source.exercises[name].points for name in self.released[track].names)

    def limits(self, track: str) -> Limits:
        """Return what a notebook's session may use: the usual, and the time that its cases ask for."""
        exercises = [self.source.exercises[name] for name in self.released[track].names]
        asked = sum(case.wall_limit_s or 0.0 for each in exercises for case in cases_of(each, track))
        usual = Limits()
        return replace(usual, cpu_s=usual.cpu_s + asked, wall_s=usual.wall_s + asked)

    def fresh(self, name: str, track: str, seed: int, only: str | None = None) -> Prepared:
        """Draw an exercise's cases, or only the one of a name, without the known mistakes' outputs."""
        exercise = self.source.exercises[name]
        if not isinstance(exercise.kind, (Derivation, Derivations, Written)):
            return prepare(name, exercise, track, seed, functions=self.functions(name), only=only)
        # There is nothing to draw, and the mistakes' lines take long to read.
        if (name, track) not in self._undrawn:
            self._undrawn[name, track] = prepare(name, exercise, track, 0)
        return self._undrawn[name, track]

    def functions(self, name: str) -> dict[str, Callable[..., Any]]:
        """Return the functions that an exercise's arguments may name: the public part's and the judge's."""
        if name not in self._functions:
            exercise = self.source.exercises[name]
            self._functions[name] = {**public_functions(self.source, exercise), **exercise.given}
        return self._functions[name]

    def load_framework(self) -> None:
        """Import PyTorch where judging will need it: before there are threads, and before a limit on time runs."""
        for track in self.tracks:
            for name in self.released[track].names:
                if framework(self.source.tracks_of(name)[0]) == "torch" or (
                    framework(track) == "torch" and self.functions(name)
                ):
                    import torch  # noqa: F401

                    return

    def roomy(self, name: str, track: str) -> Roomy | None:
        """Return a call with many rows for an exercise that limits the memory; None for any other."""
        exercise = self.source.exercises[name]
        if all(case.peak_bytes is None for case in exercise.cases):
            return None
        with self._lock:
            if (name, track) not in self._roomy:
                cases = {case.name: case for case in exercise.cases}
                # Where it stands in both tracks, NumPy's does as well, and PyTorch takes seconds to import.
                home = self.source.tracks_of(name)[0]
                worked = self.prover.answers.answer(name, home)
                small = self.fresh(name, track, 0)
                made = roomy.make(small, cases, worked, self.functions(name), framework(home))
                self._roomy[name, track] = made
        return self._roomy[name, track]

    def explained(self, drawn: Prepared) -> Prepared:
        """Return an exercise's fresh cases with the known mistakes: only a failed answer needs them."""
        name, track = drawn.name, drawn.track
        exercise, answers = self.source.exercises[name], self.prover.answers
        if not drawn.cases:
            return drawn
        with self._lock:
            if (name, track) not in self._wrong:
                self._wrong[name, track] = answers.wrong(name, track)
        wrong, breaking = self._wrong[name, track], answers.breaking(name, track)
        return explain(drawn, exercise, wrong, breaking, self.functions(name), self._lock)


def read_key(root: Path, lesson: str, tracks: tuple[str, ...]) -> LessonKey:
    """Read a lesson's sources and its released notebooks.

    Raises
    ------
    CourseError
        Where there are no sources, or the released notebooks are not there.
    """
    found = [source for source in find_lessons(root) if source.name == lesson]
    if not found:
        raise CourseError(f"No solutions/{lesson} here: grading needs the instructors' copy of the course.")
    missing = [track for track in tracks if track not in found[0].sources]
    if missing:
        raise CourseError(
            f"course.toml assigns {lesson} in {missing[0]!r}, but solutions/{lesson} has no such track."
        )
    key = LessonKey(found[0], tracks)
    for track in tracks:
        path = root / "notebooks" / lesson / f"{track}.ipynb"
        if not path.is_file():
            raise CourseError(f"notebooks/{lesson}/{track}.ipynb is missing. Run `make build` first.")
        key.released[track] = Released.from_text(path.read_text("utf-8"))
    return key
