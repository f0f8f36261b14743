"""`autograder update`: a worked notebook's answers on a newer release of it.

The same two steps as in grading, reduce and graft, but everything of the student's own is kept:
notes, edited figures, pictures.  The old file stays beside the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autograder
from autograder.course import TRACKS, CourseError, find_root
from autograder.grading.graft import Released, graft
from autograder.grading.reduce import Answers, Malformed, read_cells, reduce


@dataclass
class Updated:
    """What an update did: where the old file is now, whose answers were kept, and what was left out."""

    backup: Path
    kept: list[str]
    reset: list[str]
    own: int
    noted: list[str]


def update(notebook: Path, onto: Path | None = None, reset: Iterable[str] = ()) -> Updated:
    """Put a worked notebook's answers on the released one, in its place.

    Parameters
    ----------
    onto : the released notebook; None finds it, see `find_release`.
    reset : exercises that are given back as they were released.

    Raises
    ------
    CourseError
        Where the notebook cannot be read or written, its release is not found, or has no such exercise.
    """
    try:
        data = notebook.read_bytes()
        cells = read_cells(data)
    except OSError as error:
        raise CourseError(f"{notebook} cannot be read: {error.strerror}.") from error
    except Malformed as error:
        raise CourseError(f"{notebook}: {error}") from error
    released = _read_release(onto or find_release(notebook, data))
    answers = reduce(cells, released.cells, released.names)
    given_back = [_give_back(released, answers, name) for name in reset]
    text = json.dumps(graft(released, answers, everything=True).notebook, indent=1, ensure_ascii=False) + "\n"
    return Updated(
        backup=_replace(notebook, data, text),
        kept=[n for n, source in answers.code.items() if source != released.stub(n)] + list(answers.written),
        reset=given_back,
        own=sum(len(extras) for extras in answers.extras.values()),
        noted=answers.noted,
    )


def find_release(notebook: Path, data: bytes) -> Path:
    """Return the newest release of a notebook: the installed one, or else the one in the course's folder."""
    lesson, track = _identity(notebook, data)
    installed = Path(autograder.__file__).parent / "released" / lesson / f"{track}.ipynb"
    if installed.is_file():
        return installed
    try:
        ours = find_root() / "notebooks" / lesson / f"{track}.ipynb"
    except CourseError:
        ours = installed
    if ours.is_file() and not ours.samefile(notebook):
        return ours
    raise CourseError(f"No released {track}.ipynb of {lesson} was found; name it with --onto RELEASED.")


def _identity(notebook: Path, data: bytes) -> tuple[str, str]:
    """Return lesson and track, from the notebook's metadata or else from where it lies."""
    about: Any = json.loads(data)
    for key in ("metadata", "autograder"):
        about = about.get(key) if isinstance(about, dict) else None
    about = about if isinstance(about, dict) else {}
    lesson, track = (Path(str(about.get(key, ""))).name for key in ("lesson", "track"))
    return lesson or notebook.resolve().parent.name, track if track in TRACKS else notebook.stem


def _read_release(path: Path) -> Released:
    try:
        return Released.from_text(path.read_text("utf-8"))
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CourseError(f"{path} is not a released notebook.") from error


def _give_back(released: Released, answers: Answers, name: str) -> str:
    if name not in released.names:
        raise CourseError(f"No exercise {name!r} in this notebook. It has {', '.join(released.names)}.")
    for given in (answers.code, answers.written, answers.pictures):
        given.pop(name, None)
    return name


def _replace(notebook: Path, old: bytes, text: str) -> Path:
    """Keep the old bytes under the first free name, then put the new text in their place at once."""
    number = 1
    while (backup := notebook.with_name(f"{notebook.name}.bak-{number}")).exists():
        number += 1
    aside = notebook.with_name(f".{notebook.name}.{os.getpid()}.tmp")
    try:
        backup.write_bytes(old)
        aside.write_text(text, "utf-8")
        aside.replace(notebook)
    except OSError as error:
        raise CourseError(f"{notebook} cannot be replaced: {error.strerror}.") from error
    return backup
