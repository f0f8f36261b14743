"""The command: what does each call say, and with which exit status does it end?"""

import json
import shutil
import subprocess
import sys

import pytest

from autograder import __version__, sandbox
from autograder.cli import main
from tests import samples
from tests.grading.desk import ADDED, RIGHT, SCALED, SQUARE, Desk

pytestmark = pytest.mark.filterwarnings("ignore")
ANSWERS = f"import numpy as np\n\n\n{SCALED}\n\n{SQUARE}"


@pytest.fixture
def here(built, tmp_path, monkeypatch):
    """A built course of the test's own; also the working directory."""
    root = shutil.copytree(built, tmp_path / "course", ignore=shutil.ignore_patterns("grading"))
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "160")
    return root


@pytest.fixture
def call(capsys):
    """Run a call; return its exit status, what it printed, and what it complained."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture
def answer(here):
    """Write a file of answers and return its name."""

    def write(text, name="answer.py"):
        (here / name).write_text(text, "utf-8")
        return name

    return write


# ------------------------------------------------------------------------------------------- try


def test_is_an_exit_status_of_0_all_right(call, answer):
    status, out, err = call("try", answer(ANSWERS))
    assert (status, err) == (0, "")
    assert "scaled" in out
    assert "expand_square" in out


def test_is_an_exit_status_of_1_not_all_right(call, answer):
    status, out, _ = call("try", answer(ANSWERS.replace(" * factor", " + factor")))
    assert status == 1
    assert "The factor was added, but it should multiply." in out


def test_is_an_exit_status_of_2_nothing_to_judge(call, answer):
    assert call("try", answer("x = 1\n")) == (
        2,
        "",
        "Nothing in answer.py is named like an exercise of the track from_scratch.\n",
    )


def test_is_the_json_of_try_as_documented(call, answer):
    status, out, _ = call("try", "--json", answer(ANSWERS.replace(" * factor", " + factor")))
    first, second = json.loads(out)
    assert list(first) == [
        "file",
        "exercise",
        "track",
        "outcome",
        "points",
        "max_points",
        "diagnosis",
        "cases",
    ]
    assert first["diagnosis"] == {"mistake": "added", "says": "The factor was added, but it should multiply."}
    assert [set(case) for case in first["cases"]] == [{"name", "passed", "says"}] * 2
    assert (first["file"], first["track"], first["points"]) == ("answer.py", "from_scratch", 0)
    assert (second["outcome"], second["points"], second["max_points"]) == ("passed", 3, 3)
    assert status == 1


def test_is_the_json_of_nothing_an_empty_list(call, answer):
    status, out, _ = call("try", "--json", answer("x = 1\n"))
    assert (status, json.loads(out)) == (2, [])


def test_are_several_files_judged_and_the_one_without_answers_named(call, answer):
    status, out, err = call("try", "--json", answer(SQUARE, "a.py"), answer("x = 1\n", "b.py"))
    assert (status, [v["file"] for v in json.loads(out)]) == (0, ["a.py"])
    assert "Nothing in b.py" in err


def test_does_a_notebooks_name_tell_its_track(call, here):
    (here / "notebooks" / samples.LESSON / "pytorch.ipynb").write_text('{"cells": []}')
    status, _, err = call("try", f"notebooks/{samples.LESSON}/pytorch.ipynb")
    assert (status, "has exercises of the track 'pytorch'" in err) == (2, True)
    status, _, _ = call("try", f"notebooks/{samples.LESSON}/from_scratch.ipynb")
    assert status == 1


def test_are_public_cases_enough_without_solutions(call, answer, here):
    shutil.rmtree(here / "solutions")
    status, _, err = call("try", answer(ANSWERS))
    assert (status, err) == (0, "No solutions/ here: judged on the public cases only.\n")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("none.py", None, "There is no file none.py."),
        ("answer.txt", "x", "neither a notebook (.ipynb) nor a Python file (.py)"),
        ("answer.ipynb", "", "The file is empty."),
        ("answer.ipynb", "{", "not valid JSON"),
        ("answer.ipynb", "[]", "no list of cells"),
    ],
)
def test_is_a_file_that_cannot_be_judged_refused(call, answer, here, name, text, says):
    if text is not None:
        answer(text, name)
    status, out, err = call("try", name)
    assert (status, out, says in err) == (2, "", True)
    assert err.startswith("autograder: ")


def test_does_an_unknown_track_say_which_there_are(answer, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["try", answer(ANSWERS), "--track", "keras"])
    assert ended.value.code == 2
    assert "'from_scratch', 'pytorch', 'reading'" in capsys.readouterr().err


# --------------------------------------------------------------------------------- no sandbox


@pytest.fixture
def bare(monkeypatch):
    """A machine without any sandbox."""
    monkeypatch.setattr(sandbox, "best_tier", lambda: "none")


@pytest.mark.usefixtures("bare")
def test_is_code_of_others_refused_without_a_sandbox(call, answer):
    for arguments in (("try", answer(ANSWERS)), ("grade", samples.LESSON)):
        status, out, err = call(*arguments)
        assert (status, out) == (2, "")
        assert "no sandbox" in err
        assert "--no-sandbox" in err
        assert "autograder doctor" in err


@pytest.mark.usefixtures("bare")
def test_may_one_do_without_a_sandbox_and_is_warned(call, answer):
    status, _, err = call("try", "--no-sandbox", answer(ANSWERS))
    assert (status, "WITHOUT A SANDBOX" in err) == (0, True)


@pytest.mark.usefixtures("bare")
def test_does_the_doctor_fail_where_there_is_no_sandbox(call):
    status, out, _ = call("doctor")
    assert (status, "grading refuses to run unless --no-sandbox" in out) == (1, True)


@pytest.mark.skipif(sandbox.best_tier() == "none", reason="this machine offers no sandbox")
def test_does_the_doctor_say_which_sandbox(call):
    status, out, _ = call("doctor")
    assert (status, f"in the {sandbox.best_tier()} sandbox" in out) == (0, True)


# ----------------------------------------------------------------------------------------- grade


def test_is_a_class_graded_and_its_json_as_documented(call, here):
    desk = Desk(here)
    desk.submit(here, "ada", desk.bytes(RIGHT))
    desk.submit(here, "ben", b"{")
    status, out, _ = call("grade", "98", "--json", "rows.json", "--jobs", "1")
    assert (status, "2 notebooks; 0 had a stored result." in out) == (0, True)
    rows = json.loads((here / "rows.json").read_text("utf-8"))
    keys = {"student", "lesson", "notebook", "status", "score", "max_score", "exercises"}
    assert all(keys <= {*row} for row in rows)
    assert [(r["student"], r["status"], r["score"], r["max_score"]) for r in rows] == [
        ("ada", "graded", 5, 6),
        ("ben", "malformed", 0, 6),
    ]
    entry = rows[0]["exercises"][0]
    assert (entry["exercise"], entry["outcome"], entry["diagnosis"]) == (
        "scaled",
        "passed",
        {"mistake": None, "says": ""},
    )
    status, out, _ = call("report", "98")
    assert (status, "2 notebooks: 1 graded, 1 malformed." in out) == (0, True)
    status, out, _ = call("grade", "98", "--student", "ada", "--rerun")
    assert (status, "1 notebooks; 0 had a stored result." in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("grade", "99-unknown"), "No assigned lesson '99-unknown' in course.toml. Assigned: 98-scaling."),
        (("report", "99-unknown"), "No assigned lesson '99-unknown'"),
        (("report", "98"), "Run `autograder grade 98-scaling` first"),
        (("release", "99", "--to", "out"), "No assigned lesson '99'"),
        (
            ("release", "98", "--track", "pytorch", "--to", "out"),
            "does not assign 98-scaling in the track 'pytorch'",
        ),
        (("release", "98", "--to", "."), "is not empty and is not an earlier release"),
        (("build", "99"), "No lesson begins with '99'"),
        (("mutants", "99"), "No lesson begins with '99'"),
        (("grade", "98"), "There is no folder"),
        (("grade", "98", "--submitted", "elsewhere"), "There is no folder elsewhere"),
        (("grade", "98", "--json", "none/rows.json"), "--json: there is no folder"),
        (("update", "none.ipynb"), "cannot be read"),
    ],
)
@pytest.mark.usefixtures("here")
def test_does_what_cannot_be_done_say_why(call, arguments, says):
    status, out, err = call(*arguments)
    assert (status, out, says in err) == (2, "", True), err


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5"])
@pytest.mark.usefixtures("here")
def test_is_a_number_of_jobs_a_number(capsys, jobs):
    with pytest.raises(SystemExit) as ended:
        main(["grade", "98", "--jobs", jobs])
    assert ended.value.code == 2
    assert "whole number of at least 1" in capsys.readouterr().err


def test_is_a_course_needed(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ("grade", "98"),
        ("report", "98"),
        ("try", "a.py"),
        ("build",),
        ("release", "98", "--to", "x"),
    ):
        status, _, err = call(*arguments)
        assert (status, "No course.toml in" in err) == (2, True)


def test_is_a_course_found_from_a_folder_below(call, answer, here, monkeypatch):
    answer(ANSWERS)
    monkeypatch.chdir(here / "notebooks" / samples.LESSON)
    assert call("try", "../../answer.py")[0] == 0


def test_is_a_missing_instructors_package_named(call, answer, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    status, _, err = call("try", answer(ANSWERS))
    assert (status, "pip install 'autograder[instructor]'" in err) == (2, True)


def test_can_the_command_be_run_as_a_module(here):
    (here / "answer.py").write_text(f"import numpy as np\n{ADDED}", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "try", "answer.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "The factor was added" in done.stdout


def test_does_the_command_tell_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"autograder {__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["try"], ["grade"], ["release", "98"]])
def test_does_a_call_that_makes_no_sense_show_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: autograder" in capsys.readouterr().err
