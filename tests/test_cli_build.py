import shutil

import pytest

from autograder.cli import main
from tests import samples


@pytest.fixture
def course_copy(built, tmp_path, monkeypatch):
    root = shutil.copytree(built, tmp_path / "course")
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "160")
    return root


def test_does_a_check_of_a_built_course_succeed(course_copy, capsys):
    assert main(["build", "--check"]) == 0
    shown = capsys.readouterr()
    assert "Every mistake is caught, every right answer accepted" in shown.out
    assert shown.out.count("proved") == 3
    assert "differs" not in shown.out
    assert shown.err == "98-scaling: proving 3 exercises\n"


def test_does_a_check_fail_where_something_differs(course_copy, capsys):
    (course_copy / "notebooks" / samples.LESSON / "from_scratch.ipynb").write_text("{}")
    assert main(["build", "--check"]) == 1
    shown = capsys.readouterr().out
    assert "notebooks/98-scaling/from_scratch.ipynb: differs from its source" in shown
    assert "Run `make build` and commit what it writes." in shown


def test_does_a_build_with_a_problem_fail_and_name_it(course_copy, capsys):
    samples.change(course_copy / "solutions" / samples.LESSON / "exercises" / "scaled.py", "x / (1", "x / (2")
    assert main(["build"]) == 1
    assert "98-scaling scaled (from_scratch): by_division should pass" in capsys.readouterr().out


def test_may_a_lesson_be_named_by_its_beginning(course_copy):
    assert main(["build", "98", "--check"]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["build", "97"], "autograder: No lesson begins with '97' under solutions.")],
)
def test_is_a_wrong_name_one_sentence_on_stderr(course_copy, capsys, arguments, says):
    assert main(arguments) == 2
    assert capsys.readouterr().err == says + "\n"


def test_is_a_folder_without_a_course_one_sentence_on_stderr(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["build"]) == 2
    assert capsys.readouterr().err.startswith("autograder: No course.toml in ")


def test_is_a_wrong_tag_one_sentence_on_stderr(course_copy, capsys):
    samples.change(course_copy / "solutions" / samples.LESSON / "from_scratch.py", "study=true", "stduy=true")
    assert main(["build"]) == 2
    assert "use one of setup, exercise, check, written, study" in capsys.readouterr().err
