"""Fixtures of the grading tests: one small course, one warm sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grading.desk import Desk

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def desk(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A built course that tests read, with a marker."""
    made = Desk(shutil.copytree(built, tmp_path_factory.mktemp("desk") / "course"))
    yield made
    made.marker.close()


@pytest.fixture
def classroom(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built course of one test's own, with nbgrader's configuration; also the working directory."""
    root = shutil.copytree(built, tmp_path / "course", ignore=shutil.ignore_patterns("grading"))
    shutil.copy(ROOT / "nbgrader_config.py", root)
    (root / "submitted").mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "160")
    return root
