"""A worked notebook's answers on a newer release."""

import json

import pytest

from autograder.cli import main
from autograder.course import CourseError
from autograder.grading.update import update
from tests.grading.desk import ESSAY, RIGHT, SCALED, TRACK, cell, own


@pytest.fixture
def worked(desk, tmp_path):
    """A student's notebook: all answered, with cells of the student's own, from the last release."""
    notebook = desk.filled(RIGHT)
    at = notebook["cells"].index(cell(notebook, "scaled"))
    notebook["cells"].insert(at, own("def helper():\n    return 1"))
    notebook["cells"].insert(at, own("My notes.", "markdown"))
    cell(notebook, "say_why")["attachments"] = {"a.png": {"image/png": "QUJD"}}
    cell(notebook, "check_scaled-1")["source"] = "print('my figure')"
    cell(notebook, "scaled")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    path = tmp_path / "mine" / "98-scaling" / "from_scratch.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), "utf-8")
    return path


@pytest.fixture
def newer(desk, tmp_path):
    """A newer release: a paragraph changed, one gone, a cell more."""
    notebook = desk.released()
    notebook["cells"][0]["source"] = "# Scaling, second edition"
    notebook["cells"].remove(cell(notebook, "setup-2"))
    notebook["cells"].insert(3, {**own("# A new paragraph", "markdown"), "id": "setup-9"})
    path = tmp_path / "newer.ipynb"
    path.write_text(json.dumps(notebook), "utf-8")
    return path


def sources(path):
    return [c["source"] for c in json.loads(path.read_text("utf-8"))["cells"]]


def test_are_the_answers_on_the_newer_release(worked, newer):
    done = update(worked, newer)
    notebook = json.loads(worked.read_text("utf-8"))
    assert {name: cell(notebook, name)["source"] for name in RIGHT} == RIGHT
    assert notebook["cells"][0]["source"] == "# Scaling, second edition"
    assert "# A new paragraph" in sources(worked)
    assert sorted(done.kept) == sorted(RIGHT)


def test_is_nothing_of_the_students_lost(worked, newer):
    update(worked, newer)
    found = sources(worked)
    assert found.index("My notes.") + 1 == found.index("def helper():\n    return 1") < found.index(SCALED)
    assert "print('my figure')" in found
    notebook = json.loads(worked.read_text("utf-8"))
    assert cell(notebook, "say_why")["attachments"] == {"a.png": {"image/png": "QUJD"}}


def test_is_prose_of_the_old_release_not_taken_for_the_students(worked, newer):
    before = sources(worked)
    update(worked, newer)
    assert before[3].startswith("**Exercise")
    assert before[3] not in sources(worked)


def test_is_the_old_file_kept_each_time(worked, newer):
    first = worked.read_bytes()
    assert update(worked, newer).backup.read_bytes() == first
    second = worked.read_bytes()
    assert update(worked, newer).backup.read_bytes() == second
    assert sorted(p.name for p in worked.parent.iterdir()) == [
        "from_scratch.ipynb",
        "from_scratch.ipynb.bak-1",
        "from_scratch.ipynb.bak-2",
    ]


def test_does_updating_twice_change_nothing_more(worked, newer):
    update(worked, newer)
    once = sources(worked)
    update(worked, newer)
    assert sources(worked) == once


def test_may_an_exercise_be_given_back(worked, newer, desk):
    done = update(worked, newer, reset=["scaled", "say_why"])
    notebook = json.loads(worked.read_text("utf-8"))
    assert cell(notebook, "scaled")["source"] == desk.key.released[TRACK].stub("scaled")
    assert ESSAY not in sources(worked)
    assert "attachments" not in cell(notebook, "say_why")
    assert (done.reset, done.kept) == (["scaled", "say_why"], ["expand_square"])


def test_is_the_result_a_notebook(worked, newer):
    import nbformat

    update(worked, newer)
    nbformat.validate(nbformat.read(worked, as_version=4))


def test_is_the_release_found_in_the_course(worked, desk, monkeypatch):
    monkeypatch.chdir(desk.root)
    update(worked)
    assert {*RIGHT.values()} <= {*sources(worked)}


def test_is_the_installed_release_taken_first(worked, newer, tmp_path, monkeypatch):
    import autograder

    package = tmp_path / "site" / "autograder"
    (package / "released" / "98-scaling").mkdir(parents=True)
    (package / "released" / "98-scaling" / "from_scratch.ipynb").write_bytes(newer.read_bytes())
    monkeypatch.setattr(autograder, "__file__", str(package / "__init__.py"))
    update(worked)
    assert sources(worked)[0] == "# Scaling, second edition"


def test_does_a_notebook_without_metadata_go_by_where_it_lies(worked, desk, monkeypatch):
    notebook = json.loads(worked.read_text("utf-8"))
    notebook["metadata"] = {"autograder": "odd"}
    worked.write_text(json.dumps(notebook), "utf-8")
    monkeypatch.chdir(desk.root)
    update(worked)
    assert {*RIGHT.values()} <= {*sources(worked)}


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda p: p.unlink(), {}, "cannot be read"),
        (lambda p: p.write_text("{"), {}, "not valid JSON"),
        (lambda p: None, {"onto": None}, "name it with --onto"),
        (lambda p: None, {"reset": ["scale"]}, "It has scaled, expand_square, say_why"),
        (lambda p: None, {"onto": "itself/not.ipynb"}, "cannot be read"),
    ],
)
def test_is_nothing_changed_where_it_cannot_be_done(
    worked, newer, tmp_path, monkeypatch, change, options, says
):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    change(worked)
    before = worked.read_bytes() if worked.is_file() else None
    options = {"onto": newer, **options}
    options["onto"] = options["onto"] and Path(options["onto"])
    with pytest.raises(CourseError, match=says):
        update(worked, **options)
    assert before == (worked.read_bytes() if worked.is_file() else None)
    assert [p.suffix for p in worked.parent.iterdir()] in ([], [".ipynb"])


def test_what_does_the_command_say(worked, newer, capsys):
    assert main(["update", str(worked), "--onto", str(newer), "--reset", "scaled"]) == 0
    said = capsys.readouterr().out
    assert "Answers kept: expand_square, say_why. Cells of your own: 3." in said
    assert "As released again: scaled." in said
    assert ".bak-1" in said


def test_does_the_command_fail_with_a_sentence(worked, newer, capsys):
    assert main(["update", str(worked), "--onto", str(newer), "--reset", "nothing"]) == 2
    assert "No exercise 'nothing'" in capsys.readouterr().err
