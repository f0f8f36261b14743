import os

import pytest

from autograder.judging.casebook import CasebookError, dump
from autograder.notebook.find import find_folder, read_casebook
from tests import samples


def test_is_the_casebook_beside_the_notebook_found(lesson_folder):
    assert find_folder(samples.LESSON) == lesson_folder


@pytest.mark.parametrize("above", [1, 2])
def test_is_a_casebook_found_from_the_course_s_folders(lesson_folder, monkeypatch, above):
    monkeypatch.chdir(lesson_folder.parents[above - 1])
    assert find_folder(samples.LESSON).resolve() == lesson_folder


def test_is_a_renamed_folder_no_obstacle(lesson_folder, monkeypatch):
    renamed = lesson_folder.rename(lesson_folder.with_name("my first lesson"))
    monkeypatch.chdir(renamed)
    assert ("scaled", "from_scratch") in read_casebook(samples.LESSON)


def test_may_the_environment_name_the_course(lesson_folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert find_folder(samples.LESSON) is None
    monkeypatch.setenv("AUTOGRADER_COURSE", os.fspath(lesson_folder.parents[1]))
    assert find_folder(samples.LESSON) == lesson_folder


def test_is_the_casebook_in_the_package_the_last_resort(tmp_path, casebook, monkeypatch):
    (tmp_path / "casebooks").mkdir()
    (tmp_path / "casebooks" / f"{samples.LESSON}.npz").write_bytes(casebook)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    assert ("scaled", "from_scratch") in read_casebook(samples.LESSON)


def test_does_a_missing_casebook_say_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CasebookError) as error:
        read_casebook("97-nowhere")
    assert str(error.value) == (
        "No casebook for '97-nowhere'. Put the file casebook.npz from the course's folder "
        "notebooks/97-nowhere beside this notebook, or start Jupyter in the folder that you were given."
    )


def test_does_a_damaged_casebook_say_what_to_do(lesson_folder):
    (lesson_folder / "casebook.npz").write_bytes(b"damaged")
    with pytest.raises(CasebookError, match=r"cannot be used: it is damaged .* Copy casebook.npz again"):
        read_casebook(samples.LESSON)


def test_does_a_casebook_of_another_lesson_say_whose_it_is(lesson_folder):
    (lesson_folder / "casebook.npz").write_bytes(dump("97-other", [samples.scaling()]))
    with pytest.raises(CasebookError, match=r"belongs to '97-other'. Copy the one of '98-scaling' there"):
        read_casebook(samples.LESSON)


def test_does_a_casebook_of_another_format_ask_for_the_same_release(lesson_folder, monkeypatch):
    monkeypatch.setattr("autograder.judging.casebook.FORMAT", 99)
    with pytest.raises(CasebookError, match="the casebook and the autograder package from the same release"):
        read_casebook(samples.LESSON)
