"""The same tasks on Dask workers: the same rows, whatever happens to a worker."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from autograder.course import CourseError
from autograder.grading import cluster
from autograder.grading.mark import Task
from autograder.grading.pipeline import Grader
from tests.grading.desk import DIES, HALF, RIGHT, TRACK, WRONG, Desk

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'autograder[cluster]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    """Start Dask's scheduler or a worker; everything started ends with the test."""
    running = []

    def run(*arguments):
        command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:], "--no-dashboard"]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


@pytest.fixture
def tasks(desk):
    """Twelve submissions that differ in a space, each of which takes a moment."""
    nap = "import time\ntime.sleep(0.4)\n"
    answers = [RIGHT, HALF, WRONG, DIES]
    made = [desk.bytes({**answers[n % 4], "scaled": nap + answers[n % 4]["scaled"]}) for n in range(12)]
    return [Task(f"s{n:02}", TRACK, data + b" " * n) for n, data in enumerate(made)]


def shown(rows):
    """Return rows without what differs from run to run."""
    return [{k: v for k, v in row.json().items() if k not in ("cpu_s",)} for row in rows]


def test_are_rows_the_same_with_a_worker_killed_half_way(classroom, tasks, start, port):
    here = Desk(classroom)
    quiet = Grader(here.course, here.lesson, jobs=2).grade(tasks)
    address = f"tcp://127.0.0.1:{port}"
    start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port))
    workers = [start("dask_worker", address, "--nthreads", "1", "--no-nanny") for _ in range(2)]
    grader = Grader(here.course, here.lesson, scheduler=address)
    done = []

    def kill(count, total, last):
        done.append(last)
        if count == 4:
            os.kill(workers[0].pid, signal.SIGKILL)

    rows = grader.grade(tasks, rerun=True, progress=kill)
    assert shown(rows) == shown(quiet)
    assert len(done) == len(tasks)
    assert [row.result.score for row in rows] == [5, 2, 0, 2] * 3
    assert all(row.reused for row in grader.grade(tasks))


def test_does_a_worker_with_another_version_of_the_lesson_refuse(classroom):
    here = Desk(classroom)
    with pytest.raises(CourseError, match="another version"):
        cluster._marker(str(classroom), here.lesson.name, here.lesson.tracks, "other", b"", None)


def test_does_a_scheduler_that_does_not_answer_say_so(classroom, tasks, port, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_LIMIT_S", 1)
    here = Desk(classroom)
    with pytest.raises(CourseError, match=f"No Dask scheduler answers at tcp://127.0.0.1:{port}"):
        Grader(here.course, here.lesson, scheduler=f"tcp://127.0.0.1:{port}").grade(tasks)


def test_are_no_workers_waited_for_in_silence(classroom, tasks, start, port, monkeypatch):
    monkeypatch.setattr(cluster, "WORKERS_LIMIT_S", 2)
    start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port))
    here = Desk(classroom)
    with pytest.raises(CourseError, match="has no workers"):
        Grader(here.course, here.lesson, scheduler=f"tcp://127.0.0.1:{port}").grade(tasks)
