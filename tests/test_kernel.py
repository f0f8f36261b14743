"""The released notebook in a real Jupyter kernel, with right, wrong, missing and noisy answers in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from autograder.authoring.reader import LessonSource, without_marks

pytestmark = pytest.mark.slow

LESSON = "01-kernel-attention"
WRONG, MISSING, NOISY = "softmax_similarity", "rewrite_softmax_similarity", "gaussian_kernel"
SLIP = "scaled_by_queries"
POINTS = {
    "softmax_similarity": 0.0,
    "squared_distances": 2.0,
    "gaussian_kernel": 1.0,
    "derive_gaussian_rewrite": 3.0,
    "rewrite_softmax_similarity": 0.0,
    "kernel_attention": 1.0,
    "stable_kernel_attention": 3.0,
}


def answer(lesson: LessonSource, track: str, name: str) -> str:
    """Return what a student wrote in a cell: right, but for the exercises named above."""
    source = without_marks(lesson.sources[track].cell("exercise", name).source)
    if name == WRONG:
        slip = next(m for m in lesson.exercises[name].mistakes if m.id == SLIP)
        for old, new in slip.edit:
            source = source.replace(old, new)
    if name == NOISY:
        noise = 'print("so far so good")\n    import sys, warnings\n    warnings.warn("mind the gap")\n'
        source = source.replace("    return", f'    {noise}    print("oh", file=sys.stderr)\n    return', 1)
    return source


def fill_in(notebook: Any, lesson: LessonSource, track: str) -> None:
    """Put the answers in, and take the study cells out, as grading does."""
    notebook.cells = [cell for cell in notebook.cells if "study" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell["id"] in POINTS and cell["id"] != MISSING:
            cell.source = answer(lesson, track, cell["id"])


def run(notebook: Any, folder: Path) -> dict[str, list[Any]]:
    """Execute a notebook and return the outputs by cell."""
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return {cell["id"]: cell.get("outputs", []) for cell in notebook.cells}


def run_track(lessons: list[LessonSource], root: Path, folder: Path, track: str) -> dict[str, list[Any]]:
    lesson = next(lesson for lesson in lessons if lesson.name == LESSON)
    shutil.copytree(root / "notebooks" / LESSON, folder / LESSON)
    notebook = nbformat.read(folder / LESSON / f"{track}.ipynb", as_version=4)
    fill_in(notebook, lesson, track)
    return run(notebook, folder / LESSON)


@pytest.fixture(scope="module", params=["from_scratch", "pytorch"])
def session(request, lessons, root, tmp_path_factory):
    """A student's session."""
    folder = tmp_path_factory.mktemp("session")
    return folder, run_track(lessons, root, folder, request.param)


@pytest.fixture(scope="module", params=["from_scratch", "pytorch"])
def graded(request, lessons, root, tmp_path_factory):
    """The same notebook under nbgrader's autograde."""
    folder = tmp_path_factory.mktemp("graded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBGRADER_EXECUTION", "autograde")
        return folder, run_track(lessons, root, folder, request.param)


def shown(outputs: dict[str, list[Any]], name: str, form: str = "text/plain") -> str:
    """Return what the one output of a check cell shows."""
    (output,) = outputs[f"check_{name}"]
    return output["data"][form]


@pytest.mark.parametrize("name", [name for name, points in POINTS.items() if points])
def test_does_a_right_answer_pass(session, name):
    points = f"{POINTS[name]:g}"
    assert shown(session[1], name).startswith(f"✓ {name}: passed · {points} of {points} point")


def test_is_a_wrong_answer_told_its_slip(session):
    text = shown(session[1], WRONG)
    assert text.startswith(f"✗ {WRONG}: not yet right · 0 of 1 point")
    assert "The scale was taken from the number of queries." in text


def test_is_a_missing_answer_not_attempted(session):
    assert shown(session[1], MISSING).startswith(f"○ {MISSING}: not attempted")


def test_is_a_noisy_answer_right_with_notes(session):
    text = shown(session[1], NOISY)
    assert "note: The function printed" in text
    assert "note: Python warned: UserWarning: mind the gap" in text


def test_is_the_verdict_a_card(session):
    assert shown(session[1], WRONG, "text/html").startswith("<div")


def test_is_nothing_on_stderr(session):
    streams = [o for outputs in session[1].values() for o in outputs if o.output_type == "stream"]
    assert [o.text for o in streams if o.name == "stderr"] == []


def test_is_progress_kept_beside_the_lessons(session):
    text = (session[0] / ".progress.json").read_text("utf-8")
    assert text.count('"passed": true') == sum(map(bool, POINTS.values()))


def test_is_a_verdict_a_plain_float_under_nbgrader(graded):
    assert {name: float(shown(graded[1], name)) for name in POINTS} == POINTS


def test_is_nothing_on_stderr_under_nbgrader(graded):
    streams = [o for outputs in graded[1].values() for o in outputs if o.output_type == "stream"]
    assert [o.text for o in streams if o.name == "stderr"] == []


def test_does_grading_write_no_progress(graded):
    assert not (graded[0] / ".progress.json").exists()
