"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.authoring import generate
from autograder.authoring.build import Builder
from autograder.authoring.reader import LessonSource, find_lessons, read_lesson
from autograder.judging.casebook import dump
from tests import samples

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's own folder."""
    return ROOT


@pytest.fixture(scope="session")
def lessons(root: Path) -> list[LessonSource]:
    """All lessons of the course."""
    return find_lessons(root)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NBGRADER_EXECUTION", "AUTOGRADER_JUDGED", "AUTOGRADER_COURSE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def casebook() -> bytes:
    """A casebook of the small lesson."""
    exercises = [samples.scaling(), samples.square(), samples.scaling("pytorch")]
    return dump(samples.LESSON, exercises)


@pytest.fixture
def lesson_folder(tmp_path: Path, casebook: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A student's folder of the small lesson, with its casebook; also the working directory."""
    folder = tmp_path / "notebooks" / samples.LESSON
    folder.mkdir(parents=True)
    (folder / "casebook.npz").write_bytes(casebook)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The root of a small course that was never built."""
    samples.write_course(tmp_path)
    return tmp_path


@pytest.fixture
def small_lesson(course: Path) -> LessonSource:
    """The one lesson of the small course."""
    return read_lesson(course / "solutions" / samples.LESSON)


@pytest.fixture(scope="session")
def remembered_release() -> Iterator[None]:
    """Run nbgrader, which takes seconds, once for each set of master notebooks."""
    known: dict[str, dict[str, str]] = {}
    real = generate.release

    def release(lesson: str, masters: Any, *others: Any, **named: Any) -> dict[str, str]:
        if len(others) > 1 or "db_url" in named:
            return real(lesson, masters, *others, **named)
        key = lesson + "".join(map(generate.dump, masters.values()))
        if key not in known:
            known[key] = real(lesson, masters, *others, **named)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "release", release)
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, remembered_release: None) -> Path:
    """The root of a small course that was built once; tests that change it take a copy."""
    place = tmp_path_factory.mktemp("built")
    samples.write_course(place)
    report = Builder(place, tell=lambda text: None).build(find_lessons(place))
    assert not report.problems
    return place
