"""The sample class of `make demo`: does each of the twelve get what it should?"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSON = "01-kernel-attention"
pytestmark = pytest.mark.slow

EXPECTED = {
    "ada": ("graded", 14),
    "ben": ("graded", 0),
    "cleo": ("graded", 7),
    "dan": ("graded", 0),
    "eva": ("graded", 10),
    "finn": ("malformed", 0),
    "gina": ("timed_out", 5),
    "hugo": ("graded", 14),
    "iris": ("graded", 14),
    "jon": ("crashed", 1),
    "kim": ("graded", 10),
    "lea": ("graded", 12.5),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The course of the demo after `grade`, what that printed, and its rows."""
    spec = importlib.util.spec_from_file_location("sample_class", ROOT / "demo" / "sample_class.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    root = tmp_path_factory.mktemp("demo") / "course"
    made.make_course(root)
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "grade", LESSON, "--json", "rows.json"],
        cwd=root,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done.stdout, json.loads((root / "rows.json").read_text("utf-8"))


@pytest.mark.parametrize("student", EXPECTED)
def test_does_a_student_get_the_status_and_score_that_are_due(graded, student):
    rows = [row for row in graded[2] if row["student"] == student]
    assert [row["notebook"] for row in rows] == ["from_scratch", "pytorch"]
    assert [(row["status"], row["score"]) for row in rows] == [EXPECTED[student]] * 2
    assert {row["max_score"] for row in rows} == {16}


def test_has_everything_that_failed_a_reason(graded):
    assert all(row["reasons"] for row in graded[2] if row["status"] != "graded")


def test_is_the_edited_check_listed(graded):
    noted = [row["noted"] for row in graded[2] if row["student"] == "jon"]
    assert all("the locked cell check_gaussian_kernel was edited (ignored)" in what for what in noted)


def test_are_the_answers_of_the_course_out_of_a_hostile_notebooks_sight(graded):
    for path in (graded[0] / "grading" / "autograded" / "jon").rglob("*.ipynb"):
        (attack,) = [
            c for c in json.loads(path.read_text("utf-8"))["cells"] if "found = [" in "".join(c["source"])
        ]
        assert ["".join(output.get("text", "")).strip() for output in attack["outputs"][:1]] in ([], ["[]"])


def test_has_everybody_a_feedback_page(graded):
    pages = {p.parts[-3] for p in (graded[0] / "grading" / "feedback").rglob("*.html")}
    assert pages == {*EXPECTED}


def test_is_the_table_printed_with_the_commonest_mistakes(graded):
    for said in (
        "The commonest mistakes",
        "Not graded, or not to the end",
        "24 notebooks; 0 had a stored result",
    ):
        assert said in graded[1]


def test_is_the_late_one_late_in_the_gradebook(graded):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded[0]}/grading/gradebook.db") as gradebook:
        late = {s.student.id: s.late_submission_penalty for s in gradebook.assignment_submissions(LESSON)}
    assert [student for student, penalty in late.items() if penalty] == ["lea"]
