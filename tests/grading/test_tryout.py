"""One plain file, judged in the sandbox."""

import json
import shutil

import pytest

from autograder.course import CourseError
from autograder.grading.tryout import known_exercises, read_sources, try_file
from autograder.sandbox import Sandbox
from tests.grading.desk import ADDED, RIGHT, SCALED, SQUARE, TRACK, cell


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(torch=False) as made:
        yield made


@pytest.fixture
def attempt(desk, sandbox, tmp_path):
    """Judge the text of a file."""

    def judge(text, name="answer.py", root=desk.root):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return list(try_file(path, TRACK, known_exercises(root, TRACK), sandbox))

    return judge


@pytest.fixture
def public_only(desk, tmp_path):
    """A copy of the course without the instructors' part."""
    return shutil.copytree(desk.root, tmp_path / "public", ignore=shutil.ignore_patterns("solutions"))


def test_is_everything_judged_that_is_named_like_an_exercise(attempt):
    verdicts = attempt(f"import numpy as np\n{SCALED}\n{SQUARE}\nother = 1\n")
    assert [(v.exercise, v.outcome) for v in verdicts] == [("scaled", "passed"), ("expand_square", "passed")]


def test_is_a_known_mistake_named(attempt):
    (verdict,) = attempt(f"import numpy as np\n{ADDED}")
    assert (verdict.mistake, verdict.picture is not None) == ("added", True)


def test_is_an_answer_that_knows_the_public_cases_caught(attempt, desk):
    shapes = [
        case.arguments["x"].tolist() for case in known_exercises(desk.root, TRACK).public["scaled"].cases
    ]
    cheat = (
        f"SEEN = {shapes!r}\n\ndef scaled(x, factor):\n    return x * factor if x.tolist() in SEEN else x\n"
    )
    (verdict,) = attempt(cheat)
    assert verdict.outcome == "not_yet"
    assert "The public cases passed; this is a fresh one." in verdict.notes


def test_are_the_public_cases_used_without_solutions(attempt, public_only):
    known = known_exercises(public_only, TRACK)
    assert known.keys == {}
    assert [v.outcome for v in attempt(f"import numpy as np\n{SCALED}", root=public_only)] == ["passed"]


def test_does_a_notebook_run_without_its_figures_and_checks(attempt, desk):
    notebook = desk.filled(RIGHT)
    cell(notebook, "check_scaled-1")["source"] = "while True:\n    pass"
    cell(notebook, "check_scaled")["source"] = "while True:\n    pass"
    assert [v.outcome for v in attempt(json.dumps(notebook), "from_scratch.ipynb")] == ["passed", "passed"]


def test_does_a_file_that_ends_the_process_say_so_for_each(attempt):
    verdicts = attempt(f"{SQUARE}\nimport os\ndef scaled(x, factor): pass\nos._exit(1)\n")
    assert [v.outcome for v in verdicts] == ["not_yet", "not_yet"]
    assert all("ended the Python process" in v.says for v in verdicts)


def test_does_a_call_that_ends_the_process_leave_the_others_alone(attempt):
    verdicts = attempt(f"{SQUARE}\nimport os\ndef scaled(x, factor):\n    os._exit(1)\n")
    assert [v.outcome for v in verdicts] == ["not_yet", "passed"]


def test_is_a_syntax_error_in_the_file_shown(attempt):
    (verdict,) = attempt("def scaled(x, factor):\n    return x *\n")
    assert verdict.outcome == "not_yet"
    assert "SyntaxError" in verdict.says


def test_is_nothing_judged_where_nothing_has_an_exercises_name(attempt):
    assert attempt("x = 1\n") == []


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("none.py", None, "There is no file"),
        ("notes.txt", b"x", "neither a notebook"),
        ("a.ipynb", b"", "empty"),
        ("a.ipynb", b"{", "not valid JSON"),
        ("a.ipynb", b"{}", "no list of cells"),
    ],
)
def test_is_a_file_that_cannot_be_judged_refused(tmp_path, name, data, says):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(CourseError, match=says):
        read_sources(tmp_path / name)


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfx = 1\n", b"x = 1\x00\n", b"x = 1 # \xff\n"])
def test_is_odd_python_read_all_the_same(tmp_path, data):
    (tmp_path / "a.py").write_bytes(data)
    (source,) = read_sources(tmp_path / "a.py")
    assert source.startswith("x = 1")


def test_is_an_old_notebook_read(tmp_path):
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}]}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(old))
    assert read_sources(tmp_path / "a.ipynb") == ["x = 1"]


def test_does_a_track_without_a_casebook_say_so(desk):
    with pytest.raises(CourseError, match=r"has exercises of the track 'pytorch'"):
        known_exercises(desk.root, "pytorch")


def test_does_a_damaged_casebook_say_so(public_only):
    next(public_only.glob("notebooks/*/casebook.npz")).write_bytes(b"PK")
    with pytest.raises(CourseError, match=r"casebook\.npz cannot be used"):
        known_exercises(public_only, TRACK)
