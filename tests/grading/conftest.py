"""Fixtures of the grading tests: one small course, one warm sandbox."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.grading.gradebook import Writer
from tests import samples
from tests.grading.desk import Desk

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def desk(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A built course that tests read, with a marker."""
    made = Desk(shutil.copytree(built, tmp_path_factory.mktemp("desk") / "course"))
    yield made
    made.marker.close()


@pytest.fixture(scope="session")
def opened(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built course whose gradebook knows the lesson already: nbgrader takes seconds for that."""
    root = shutil.copytree(built, tmp_path_factory.mktemp("opened") / "course")
    here = Desk(root)
    casebook = (root / "notebooks" / samples.LESSON / "casebook.npz").read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Writer(here.course, here.lesson, here.key, casebook)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    (root / "submitted").mkdir()
    return root


@pytest.fixture
def classroom(opened: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built course of one test's own, with nbgrader's configuration; also the working directory."""
    root = shutil.copytree(opened, tmp_path / "course")
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "160")
    return root
