"""`autograder build`: prove the exercises, then generate what is committed.

Theory of operation
-------------------
Everything generated is first made in memory and then compared with what lies in the tree:
notebooks as text, casebooks array by array within the exercises' tolerance (another machine's
last bits are no change), worked notebooks by their sources and a fingerprint of what their
outputs depend on.  ``build`` writes what differs; ``build --check`` only names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from autograder.authoring import generate
from autograder.authoring.prove import Proof, Prover
from autograder.authoring.reader import LessonSource, find_lessons
from autograder.judging.casebook import CasebookError, dump, load

CASEBOOK = "casebook.npz"
DOUBLE, SINGLE = 1e-8, 1e-6
"""A hundredth of the tolerances, for numbers of double and of single precision."""
Tell = Callable[[str], None]


@dataclass
class BuildReport:
    """What a build did: the proofs, the files that differed, and what went wrong."""

    proofs: list[Proof] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def public_files(lesson: LessonSource, casebook: bytes) -> dict[str, bytes]:
    """Return the files that lie beside the released notebooks, by name: the casebook and the public parts."""
    return {CASEBOOK: casebook, **generate.public_parts(lesson)}


class Builder:
    """Builds lessons under a course's root; with `check` it changes nothing."""

    def __init__(self, root: Path, check: bool = False, tell: Tell = print) -> None:
        self.root, self.check, self.tell = root, check, tell
        self.report = BuildReport()

    def build(self, lessons: Sequence[LessonSource]) -> BuildReport:
        """Build the lessons one after another."""
        for lesson in lessons:
            self._build_lesson(lesson)
        if not self.report.problems and len(lessons) == len(find_lessons(self.root)):
            self._write_text(self.root / "docs" / "exercises.md", exercise_page(lessons, self.report.proofs))
        return self.report

    def _build_lesson(self, lesson: LessonSource) -> None:
        self.tell(f"{lesson.name}: proving {len(lesson.exercises)} exercises")
        prover = Prover(lesson)
        proofs = list(prover.prove_all())
        self.report.proofs.extend(proofs)
        problems = [
            f"{p.lesson} {p.exercise} ({p.track}): {says}"
            for p in proofs
            for says in dict.fromkeys(p.problems)
        ]
        self.report.problems.extend(problems)
        if problems:
            self.tell(f"{lesson.name}: {len(problems)} problems; nothing was generated")
            return
        casebook = self._casebook(lesson, prover)
        files = public_files(lesson, casebook)
        masters = {track: generate.master(lesson, source) for track, source in lesson.sources.items()}
        released = self.root / "notebooks" / lesson.name
        for track, text in generate.release(lesson.name, masters, files).items():
            self._write_text(released / f"{track}.ipynb", text)
        for name, data in generate.public_parts(lesson).items():
            self._write_text(released / name, data.decode("utf-8"))
        for source in lesson.sources.values():
            self._worked(lesson, source.track, files)

    # --------------------------------------------------------------------------------- one by one

    def _casebook(self, lesson: LessonSource, prover: Prover) -> bytes:
        path = self.root / "notebooks" / lesson.name / CASEBOOK
        fresh = dump(lesson.name, prover.casebook())
        if path.is_file() and casebooks_agree(path.read_bytes(), fresh):
            return path.read_bytes()
        self._write(path, fresh)
        return fresh

    def _worked(self, lesson: LessonSource, track: str, files: dict[str, bytes]) -> None:
        path = lesson.folder / f"{track}.ipynb"
        fresh = generate.worked(lesson, lesson.sources[track])
        if path.is_file() and generate.same_source(nbformat.read(path, as_version=4), fresh):
            return
        if not self.check:
            self.tell(f"{lesson.name}: running the worked notebook {track}")
            generate.execute(fresh, files, self.root / "data")
        self._write_text(path, generate.dump(fresh))

    def _write_text(self, path: Path, text: str) -> None:
        if not path.is_file() or path.read_text("utf-8") != text:
            self._write(path, text.encode("utf-8"))

    def _write(self, path: Path, data: bytes) -> None:
        self.report.changed.append(str(path.relative_to(self.root)))
        if not self.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def casebooks_agree(first: bytes, second: bytes) -> bool:
    """Whether two casebooks say the same, numbers compared within a hundredth of the tolerance.

    Processors differ in the last digits, of which single precision has fewer; a mistake may magnify them.
    """
    try:
        one, two = load(first), load(second)
    except CasebookError:
        return False
    if one[0] != two[0] or one[1].keys() != two[1].keys():
        return False
    return all(_agree(one[1][key].tree(), two[1][key].tree()) for key in one[1])


def _agree(one: Any, two: Any, roughly: bool = False) -> bool:
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        alike = one.dtype == two.dtype and one.shape == two.shape
        if one.dtype.kind not in "biufc":
            return alike and bool(one.tolist() == two.tolist())
        return alike and _close(one, two, roughly)
    if isinstance(one, float) and isinstance(two, float):
        return _close(np.array(one), np.array(two), roughly)
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(
            _agree(one[key], two[key], roughly or key == "wrong") for key in one
        )
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_agree(a, b, roughly) for a, b in zip(one, two, strict=True))
    return bool(one == two)


def _close(one: np.ndarray, two: np.ndarray, roughly: bool) -> bool:
    if one.dtype.kind not in "fc" or (np.finfo(one.dtype).eps < DOUBLE and not roughly):
        return bool(np.allclose(one, two, rtol=DOUBLE, atol=1e-12, equal_nan=True))
    largest = float(np.max(np.abs(one), where=np.isfinite(one), initial=0.0))
    return bool(np.allclose(one, two, rtol=SINGLE, atol=SINGLE * largest, equal_nan=True))


def proof_table(proofs: Sequence[Proof]) -> Iterator[tuple[str, ...]]:
    """Yield a row per proof: lesson, exercise, track, cases, right answers, mistakes, result."""
    for p in proofs:
        result = "proved" if not p.problems else f"{len(p.problems)} problems"
        yield p.lesson, p.exercise, p.track, str(p.cases), str(p.right), str(p.mistakes), result


def exercise_page(lessons: Sequence[LessonSource], proofs: Sequence[Proof]) -> str:
    """Return docs/exercises.md: every exercise with its points, and what the build proved about it."""
    lines = [
        "<!-- Generated by `make build` from solutions/; change the exercises there. -->",
        "# Every exercise, and what was proved about it",
        "",
        "In each row: the worked solution passed all cases and agrees with an oracle that uses another algorithm, all odd",
        "but right answers were accepted, all mistakes were caught and told apart, on public cases and on two fresh draws.",
    ]
    for lesson in lessons:
        lines += [
            "",
            f"## {lesson.name}",
            "",
            "| exercise | points | minutes | track | cases | odd but right | mistakes |",
        ]
        lines += ["|---|---|---|---|---|---|---|"]
        for proof in (p for p in proofs if p.lesson == lesson.name):
            exercise = lesson.exercises[proof.exercise]
            head = f"| `{proof.exercise}` | {exercise.points:g} | {exercise.minutes} | {proof.track} |"
            lines.append(f"{head} {proof.cases or '–'} | {proof.right or '–'} | {proof.mistakes or '–'} |")
    return "\n".join(lines) + "\n"
