"""Killed in the middle, then started again: is every submission graded once?"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.course import read_course
from tests import samples
from tests.grading.desk import HALF, RIGHT, WRONG
from tests.sandbox.conftest import descendants

pytestmark = pytest.mark.slow
COUNT = 14


def start(root, *options):
    command = [sys.executable, "-m", "autograder", "grade", samples.LESSON, "--jobs", "2", *options]
    with (root / "told").open("w") as told:
        return subprocess.Popen(
            command, cwd=root, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
        )


def finish(root, *options):
    process = start(root, *options)
    assert process.wait(400) == 0, (root / "told").read_text("utf-8")
    return (root / "told").read_text("utf-8")


def stored(root):
    folder = root / "grading" / "results" / samples.LESSON
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("*.json")} if folder.is_dir() else {}


def written(root):
    return sorted(p.parts[-3] for p in (root / "grading" / "feedback").rglob("*.html"))


def wait_for(happened, process, limit_s=200):
    deadline = time.monotonic() + limit_s
    while not happened():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pids):
    """Return those of some processes that still run."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            found |= {pid} if state != "Z" else set()
    return found


@pytest.fixture
def submitted(classroom, desk):
    """A class of fourteen that differ in a comment; every other answer loses some time."""
    answers = [RIGHT, HALF, WRONG, {}]
    for number in range(COUNT):
        notebook = desk.filled(answers[number % 4])
        notebook["metadata"]["number"] = number
        slow = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        notebook["cells"].append({**slow, "id": "nap", "source": "import time\ntime.sleep(0.5)"})
        desk.submit(classroom, f"s{number:02}", notebook)
    return classroom


def test_is_every_submission_graded_once_after_two_kills(submitted):
    process = start(submitted)
    wait_for(lambda: len(stored(submitted)) >= 3, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    first = stored(submitted)
    assert 3 <= len(first) < COUNT

    process = start(submitted)
    wait_for(lambda: len(written(submitted)) >= 3, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    second = stored(submitted)
    assert len(second) == COUNT
    assert first.items() <= second.items()
    assert 3 <= len(written(submitted)) < COUNT

    told = finish(submitted, "--json", "rows.json")
    assert f"{COUNT} notebooks; {COUNT} had a stored result." in told
    assert stored(submitted) == second
    rows = json.loads((submitted / "rows.json").read_text("utf-8"))
    names = [f"s{number:02}" for number in range(COUNT)]
    assert [row["student"] for row in rows] == names == written(submitted)
    assert [row["score"] for row in rows] == [(5, 2, 0, 0)[n % 4] for n in range(COUNT)]
    assert {row["status"] for row in rows} == {"graded"}
    with Gradebook(read_course(submitted).db_url) as gradebook:
        submissions = gradebook.assignment_submissions(samples.LESSON)
        assert sorted(s.student.id for s in submissions) == names
        scores = {s.student.id: s.score for s in submissions}
    assert scores == {row["student"]: row["score"] for row in rows}


def test_do_no_processes_outlive_a_killed_grader(submitted):
    process = start(submitted)
    wait_for(lambda: stored(submitted), process)
    below = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert below
    deadline = time.monotonic() + 30
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(below) == set()
