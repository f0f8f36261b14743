import json

import pytest

from autograder.notebook.progress import NAME, Progress

HERE = ("98-scaling", "from_scratch")


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path)


def test_is_an_attempt_remembered_by_the_next_session(progress, tmp_path):
    progress.record(*HERE, "scaled", "not_yet", 0.5)
    assert Progress(tmp_path).tried(*HERE, "scaled")
    assert not Progress(tmp_path).passed(*HERE, "scaled")


def test_does_what_passed_once_stay_passed(progress):
    progress.record(*HERE, "scaled", "passed", 2.0)
    progress.record(*HERE, "scaled", "not_yet", 0.0)
    entry = progress.entries["98-scaling/from_scratch/scaled"]
    assert entry == {"tries": 2, "passed": True, "points": 2.0}


def test_is_a_stub_no_attempt(progress):
    progress.record(*HERE, "scaled", "not_attempted", 0.0)
    assert not progress.tried(*HERE, "scaled")


def test_does_no_folder_mean_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress = Progress(None)
    progress.record(*HERE, "scaled", "passed", 2.0)
    assert progress.passed(*HERE, "scaled")
    assert list(tmp_path.iterdir()) == []


def test_do_two_open_notebooks_keep_each_other_s_progress(tmp_path):
    one, two = Progress(tmp_path), Progress(tmp_path)
    one.record(*HERE, "scaled", "not_yet", 0.0)
    two.record(*HERE, "expand_square", "not_yet", 0.0)
    one.record(*HERE, "scaled", "passed", 2.0)
    two.record(*HERE, "expand_square", "passed", 3.0)
    later = Progress(tmp_path)
    assert later.passed(*HERE, "scaled")
    assert later.passed(*HERE, "expand_square")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"98-scaling/from_scratch/scaled": 3}', '{"98-scaling/from_scratch/scaled": {}}'],
)
def test_does_a_damaged_file_only_forget(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    progress = Progress(tmp_path)
    assert not progress.tried(*HERE, "scaled")
    progress.record(*HERE, "scaled", "passed", 2.0)
    assert Progress(tmp_path).passed(*HERE, "scaled")


def test_does_a_folder_that_cannot_be_written_lose_the_file_only(tmp_path):
    progress = Progress(tmp_path / "missing")
    progress.record(*HERE, "scaled", "passed", 2.0)
    assert progress.passed(*HERE, "scaled")


def test_is_the_file_readable_json_and_alone(progress, tmp_path):
    progress.record(*HERE, "scaled", "passed", 2.0)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert json.loads((tmp_path / NAME).read_text("utf-8")) == progress.entries
