"""Where a lesson's casebook is: beside the notebook, in the course's folders, or in the installed release."""

from __future__ import annotations

import importlib.resources
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from autograder.judging.casebook import CasebookError, load
from autograder.judging.prepare import Prepared

CASEBOOK = "casebook.npz"
PUBLIC = "# Copied from solutions/"
"""How a released file of functions begins."""


def folders(lesson: str) -> Iterator[Path]:
    """Yield the folders in which the lesson's casebook may lie, nearest first."""
    here = Path.cwd()
    if here.name == lesson or (here / CASEBOOK).exists():
        yield here
    for above in (here, *here.parents[:3]):
        yield above / lesson
        yield above / "notebooks" / lesson
    if os.environ.get("AUTOGRADER_COURSE"):
        yield Path(os.environ["AUTOGRADER_COURSE"]) / "notebooks" / lesson


def find_folder(lesson: str) -> Path | None:
    """Return the folder that holds the lesson's casebook, or None."""
    return next((folder for folder in folders(lesson) if (folder / CASEBOOK).is_file()), None)


def public_functions(folder: Path | None) -> dict[str, Callable[..., Any]]:
    """Return the functions of the files of functions that were released beside a casebook, by name."""
    found: dict[str, Callable[..., Any]] = {}
    for path in sorted(folder.glob("*.py")) if folder else []:
        if not path.read_text("utf-8", errors="replace").startswith(PUBLIC):
            continue
        spec = importlib.util.spec_from_file_location(f"_public_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= {name: value for name, value in vars(module).items() if callable(value)}
    return found


def read_casebook(lesson: str) -> dict[tuple[str, str], Prepared]:
    """Return the lesson's exercises by (name, track).

    Raises
    ------
    CasebookError
        Where there is no casebook, or it is damaged, or belongs to another lesson; the message
        says how to get the right one.
    """
    folder = find_folder(lesson)
    packed = importlib.resources.files("autograder") / "casebooks" / f"{lesson}.npz"
    if folder is not None:
        data, where = (folder / CASEBOOK).read_bytes(), str(folder / CASEBOOK)
    elif packed.is_file():
        data, where = packed.read_bytes(), "the installed autograder package"
    else:
        raise CasebookError(
            f"No casebook for {lesson!r}. Put the file {CASEBOOK} from the course's folder "
            f"notebooks/{lesson} beside this notebook, or start Jupyter in the folder that you were given."
        )
    try:
        name, exercises = load(data)
    except CasebookError as error:
        raise CasebookError(
            f"The casebook in {where} cannot be used: {error}. Copy {CASEBOOK} again from the course's release."
        ) from error
    if name != lesson and folder is not None and folder.name == lesson:
        raise CasebookError(f"The casebook in {where} belongs to {name!r}. Copy the one of {lesson!r} there.")
    if name != lesson:
        raise CasebookError(f"The casebook in {where} belongs to {name!r}, and this notebook is {lesson!r}.")
    return exercises
