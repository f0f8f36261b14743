"""A session's working folder, and that it can always be removed."""

from __future__ import annotations

import os
from pathlib import Path

from autograder.sandbox import Sandbox, SessionDied
from autograder.sandbox.scratch import remove


def test_is_a_folder_removed_that_is_deeper_than_a_path_may_be(tmp_path: Path) -> None:
    here, top = os.getcwd(), tmp_path / "top"
    top.mkdir()
    os.chdir(top)
    try:
        for _ in range(3000):
            os.mkdir("dd")
            os.chdir("dd")
        Path("file").write_text("x")
    finally:
        os.chdir(here)
    remove(top)
    assert not top.exists()


def test_are_links_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "top").mkdir()
    os.symlink(tmp_path / "kept", tmp_path / "top" / "link")
    closed = tmp_path / "top" / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0)
    remove(tmp_path / "top")
    assert os.listdir(tmp_path) == ["kept"]
    assert (tmp_path / "kept" / "file").read_text() == "x"


def test_does_a_folder_that_is_not_there_do_no_harm(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")


def test_does_a_deep_folder_stop_no_grader(sandbox: Sandbox) -> None:
    cell = "import os, time\nfor i in range(2500):\n    os.mkdir('dd'); os.chdir('dd')\ntime.sleep(0.3)"
    with sandbox.session() as session:
        try:
            session.run_cell(cell, "1")
        except SessionDied as died:
            assert "wrote more" in died.says  # noqa: PT017
    assert sandbox.session().close().tier == sandbox.tier
