"""Nothing of a worked solution, a mistake or a private oracle stands in what students get."""

from __future__ import annotations

import inspect
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autograder.authoring.reader import LessonSource, read_lesson, solution_lines, stub_of
from autograder.judging.exercise import Mistake
from tests import samples

PLAIN = ("def ", "class ", "import ", "from ", "for ", "if ", "elif ", "else", "while ", "with ", "#", "@")


def telling(text: str) -> Iterator[str]:
    """Yield the lines of code that would give something away, stripped."""
    docstring = False
    for line in (raw.strip().rstrip(",") for raw in text.splitlines()):
        quotes = line.count('"""')
        line = line.split("  #")[0].strip("\"'")
        if (
            not docstring
            and not quotes
            and len(line) >= 20
            and not line.startswith(PLAIN)
            and line[-1] != "("
        ):
            yield line
        docstring ^= quotes % 2 == 1


def secrets(lesson: LessonSource) -> dict[str, str]:
    """Return every secret line of a lesson, with what it belongs to."""
    found: dict[str, str] = {}
    for source in lesson.sources.values():
        for name in source.names("exercise"):
            cell = source.cell("exercise", name)
            found |= dict.fromkeys(telling("\n".join(solution_lines(cell))), f"the worked solution of {name}")
    for name, exercise in lesson.exercises.items():
        for mistake in exercise.mistakes:
            lines = telling(f"{edited(lesson, name, mistake)}\n{mistake.line or ''}")
            found |= dict.fromkeys(lines, f"mistake {mistake.id} of {name}")
        functions = [one.function for one in (*exercise.also_right, *exercise.mistakes)]
        functions += [] if exercise.oracle_is_public else [exercise.oracle]
        for function in filter(inspect.isfunction, functions):
            found |= dict.fromkeys(telling(inspect.getsource(function)), f"{function.__name__} of {name}")
        found |= dict.fromkeys(telling(getattr(exercise.kind, "model_answer", "")), f"the answer of {name}")
    return {line: owner for line, owner in found.items() if not _given(lesson, line)}


def edited(lesson: LessonSource, name: str, mistake: Mistake) -> str:
    """Return the cell with the mistake's new text in its lines; nothing where there is no edit."""
    track = mistake.track or lesson.tracks_of(name)[0]
    source = lesson.sources[track].cell("exercise", name).source if mistake.edit else ""
    for old, new in mistake.edit:
        source = source.replace(old, new)
    return source


def _given(lesson: LessonSource, line: str) -> bool:
    """Whether a stub itself gives the line, as a derivation's start."""
    stubs = (stub_of(c.source) for s in lesson.sources.values() for c in s.cells if c.tag == "exercise")
    return any(line in stub for stub in stubs)


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every text that a released folder holds, with where it stands."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".ipynb":
            for cell in json.loads(path.read_text("utf-8"))["cells"]:
                yield f"{path.name}, cell {cell['id']}", "".join(cell["source"])
                yield f"{path.name}, outputs of {cell['id']}", json.dumps(cell.get("outputs", []))
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                meta = json.loads(archive["meta"].tobytes())
            yield f"{path.name}, meta", "\n".join(strings(meta))
        elif not zipfile.is_zipfile(path):
            yield path.name, path.read_text("utf-8", errors="replace")


def strings(tree: object) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, (list, dict)):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from strings(value)


def leaks(lesson: LessonSource, folder: Path) -> list[str]:
    """Say of every secret line where it stands, if it does."""
    hidden = secrets(lesson)
    return [
        f"{where}: {line!r} ({owner})"
        for where, text in texts(folder)
        for line, owner in hidden.items()
        if line in text
    ]


def test_is_nothing_secret_in_the_notebooks_folder(lessons, root):
    assert [leak for lesson in lessons for leak in leaks(lesson, root / "notebooks" / lesson.name)] == []


def test_has_every_coded_exercise_something_to_hide(lessons):
    for lesson in lessons:
        owners = " ".join(secrets(lesson).values())
        for source in lesson.sources.values():
            assert [name for name in source.names("exercise") if f"of {name}" not in owners] == []


# ------------------------------------------------------------------------- would a leak be found?


@pytest.fixture
def copy(built, tmp_path):
    return shutil.copytree(built, tmp_path / "course")


def planted(root: Path, text: str) -> list[str]:
    """Plant a text in a released notebook and return the leaks found."""
    samples.change(root / "notebooks" / samples.LESSON / "from_scratch.ipynb", "# Scaling", text)
    return leaks(read_lesson(root / "solutions" / samples.LESSON), root / "notebooks" / samples.LESSON)


def test_is_the_small_course_without_leaks(copy):
    assert planted(copy, "# Another title") == []


@pytest.mark.parametrize(
    ("line", "owner"),
    [
        ("product = np.multiply(x, factor)", "the worked solution of scaled"),
        ("return [[entry * factor for entry in row] for row in x.tolist()]", "oracle of scaled"),
        ("for example a*(a + b) + b*(a + b) follows", "the worked solution of expand_square"),
        ("Because the answer is so.", "the answer of say_why"),
    ],
)
def test_is_a_planted_line_found(copy, line, owner):
    found = planted(copy, f"    {line}  # see?")
    assert len(found) == 1
    assert found[0].endswith(f"({owner})")


def test_is_a_mistake_s_text_found(copy):
    exercise = copy / "solutions" / samples.LESSON / "exercises" / "scaled.py"
    samples.change(exercise, '"np.multiply", "np.add"', '"product = np.multiply", "product = 1.0 + np.add"')
    assert planted(copy, "product = 1.0 + np.add(x, factor)")[0].endswith("(mistake added of scaled)")


def test_is_a_line_found_in_a_casebook(copy):
    path = copy / "notebooks" / samples.LESSON / "casebook.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays["meta"].tobytes())
    meta["exercises"][0]["hints"][0] = "Write product = np.multiply(x, factor)."
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(path, **arrays)
    assert planted(copy, "# Scaling")[0].startswith("casebook.npz, meta: 'product = np.multiply(x, factor)'")


def test_is_an_oracle_that_the_lesson_shows_no_secret(copy):
    exercise = copy / "solutions" / samples.LESSON / "exercises" / "scaled.py"
    samples.change(exercise, "oracle=oracle", "oracle=oracle, oracle_is_public=True")
    assert planted(copy, "return [[entry * factor for entry in row] for row in x.tolist()]") == []
