"""nbgrader's own commands, end to end, on the released lesson: autograde, feedback, export, formgrader."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from autograder.authoring import generate
from autograder.grading.gradebook import Writer
from tests import samples
from tests.grading.desk import DIES, RIGHT, TRACK, WRONG, Desk, cell, own

ROOT = Path(__file__).resolve().parent.parent
OURS = ("c.Autograde.sanitize_preprocessors", "c.Autograde.autograde_preprocessors")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def nbgrader(root, *arguments):
    """Run one of nbgrader's commands in a course; return its exit status and what it said."""
    generate.put_scripts_on_path()
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(root / "config"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def make(built, root, configuration, students):
    """Write a course with a gradebook that knows the lesson, and submissions of some of four."""
    shutil.copytree(built, root)
    (root / "nbgrader_config.py").write_text(configuration, "utf-8")
    desk = Desk(root)
    casebook = (root / "notebooks" / samples.LESSON / "casebook.npz").read_bytes()
    Writer(desk.course, desk.lesson, desk.key, casebook)
    cheat = desk.filled({"scaled": "def scaled(x, factor):\n    return x\n"})
    cheat["cells"].insert(2, own("get_ipython().displayhook = lambda *a: None"))
    cell(cheat, "check_scaled")["source"] = "2.0"
    made = {"ada": desk.filled(RIGHT), "ben": desk.filled(WRONG), "cleo": cheat, "dan": desk.filled(DIES)}
    for student in students:
        notebook = made[student]
        for one in notebook["cells"]:
            one.setdefault("outputs", []) if one["cell_type"] == "code" else None
        notebook.update(nbformat=4, nbformat_minor=5)
        path = desk.submit(root, student, notebook)
        shutil.copy(root / "notebooks" / samples.LESSON / "casebook.npz", path.parent)
        (path.parent / "timestamp.txt").write_text("2026-09-01 12:00:00 UTC")
    return root


def scores(root):
    status, said = nbgrader(root, "export")
    assert status == 0, said
    with (root / "grades.csv").open(newline="") as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file) if row["timestamp"]}


@pytest.fixture(scope="module")
def configuration():
    return (ROOT / "nbgrader_config.py").read_text("utf-8")


@pytest.fixture(scope="module")
def ours(built, tmp_path_factory, configuration):
    """A course graded by nbgrader's command with the project's configuration."""
    root = make(
        built, tmp_path_factory.mktemp("ours") / "course", configuration, ("ada", "ben", "cleo", "dan")
    )
    return root, *nbgrader(root, "autograde", samples.LESSON)


@pytest.fixture(scope="module")
def stock(built, tmp_path_factory, configuration):
    """The honest half of it graded by nbgrader as it comes, which the others stop or deceive."""
    lines = [line for line in configuration.splitlines() if not line.startswith(OURS)]
    root = make(built, tmp_path_factory.mktemp("stock") / "course", "\n".join(lines), ("ada", "ben"))
    return root, *nbgrader(root, "autograde", samples.LESSON)


def test_does_autograde_with_our_steps_grade_everybody(ours):
    root, status, said = ours
    assert status == 0, said
    assert scores(root) == {"ada": 5, "ben": 0, "cleo": 0, "dan": 2}


def test_does_autograde_as_it_comes_grade_the_honest(stock):
    root, status, said = stock
    assert status == 0, said
    assert scores(root) == {"ada": 5, "ben": 0}


@pytest.mark.parametrize("which", ["ours", "stock"])
def test_does_the_feedback_page_show_the_card(which, request):
    root = request.getfixturevalue(which)[0]
    status, said = nbgrader(root, "generate_feedback", samples.LESSON, "--student", "ben")
    assert status == 0, said
    page = (root / "grading" / "feedback" / "ben" / samples.LESSON / f"{TRACK}.html").read_text("utf-8")
    assert "The factor was added, but it should multiply." in page
    assert "one row only" in page


def test_do_diagnoses_stand_beside_the_answers(ours):
    from nbgrader.api import Gradebook

    with Gradebook(Desk(ours[0]).course.db_url) as gradebook:
        comment = gradebook.find_comment("scaled", TRACK, samples.LESSON, "ben")
        assert comment.auto_comment == "The factor was added, but it should multiply."


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def formgrader(ours, tmp_path):
    """Serve formgrader on loopback; return a function that gets a page of it."""
    root, port = ours[0], free_port()
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    options += ["--ServerApp.token=", "--ServerApp.password=", f"--ServerApp.root_dir={root}"]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "server", *options],
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def get(path):
        address = f"http://127.0.0.1:{port}/formgrader/{path}"
        for attempt in range(120):
            try:
                return urllib.request.urlopen(address, timeout=60).read().decode()
            except urllib.error.HTTPError:
                raise
            except OSError:
                assert attempt < 119
                assert server.poll() is None
                time.sleep(0.5)
        return ""

    yield get
    server.terminate()
    server.wait(30)


def test_does_formgrader_know_the_lesson_and_show_a_submission(formgrader):
    listed = json.loads(formgrader("api/assignments"))
    assert [(a["name"], a["num_submissions"], a["max_score"]) for a in listed] == [(samples.LESSON, 4, 6)]
    (submission,) = [
        s
        for s in json.loads(formgrader(f"api/submitted_notebooks/{samples.LESSON}/{TRACK}"))
        if s["student"] == "ben"
    ]
    page = formgrader(f"submissions/{submission['id']}/?index=0")
    assert "The factor was added, but it should multiply." in page
