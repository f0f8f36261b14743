"""What is generated and committed agrees with its sources; two builds in a row give the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder.authoring.build import Builder
from autograder.authoring.prove import Prover
from autograder.authoring.reader import find_lessons
from tests import samples

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the proofs, which would take most of the time, to test_exercises."""
    monkeypatch.setattr(Prover, "prove_all", lambda prover: iter(()))


def build(root: Path, check: bool = False) -> list[str]:
    """Build all lessons; return the files that differed, but for the page that the proofs fill."""
    report = Builder(root, check, tell=lambda text: None).build(find_lessons(root))
    assert report.problems == []
    return [name for name in report.changed if name != "docs/exercises.md"]


def generated(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted((root / "notebooks").rglob("*.*"))}


@pytest.fixture(scope="module")
def copies(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two copies of the sources, without anything under notebooks/."""
    made = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for copy in made:
        shutil.copytree(root / "solutions", copy / "solutions", ignore=shutil.ignore_patterns("__pycache__"))
        if (root / "data").is_dir():
            (copy / "data").symlink_to(root / "data")
    return made


def test_do_notebooks_and_casebooks_agree_with_their_sources(root):
    assert build(root, check=True) == []


def test_do_two_builds_give_the_same_bytes(copies):
    for copy in copies:
        assert all(name.startswith("notebooks/") for name in build(copy))
    first, second = map(generated, copies)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_would_a_notebook_edited_by_hand_be_found(root, tmp_path, remembered_release):
    lesson = find_lessons(root)[0].name
    for part in ("solutions", "notebooks"):
        shutil.copytree(root / part / lesson, tmp_path / part / lesson)
    samples.change(tmp_path / "notebooks" / lesson / "from_scratch.ipynb", "YOUR CODE HERE", "MY CODE HERE")
    assert f"notebooks/{lesson}/from_scratch.ipynb" in build(tmp_path, check=True)
