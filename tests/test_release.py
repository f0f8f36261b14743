"""What students receive works by itself: a new environment from it alone, as its start page says."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autograder.authoring.reader import read_lesson
from autograder.authoring.release import write_release
from autograder.course import CourseError, read_course

ROOT = Path(__file__).resolve().parent.parent
LESSON = "01-kernel-attention"
pytestmark = pytest.mark.slow

ONE_TRACK = f"""id = "small"
title = "One track"

[[lesson]]
name = "{LESSON}"
tracks = ["from_scratch"]
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course that assigns the NumPy track of one lesson alone."""
    root = tmp_path_factory.mktemp("release") / "course"
    for folder in ("autograder", f"notebooks/{LESSON}", f"solutions/{LESSON}"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    (root / "course.toml").write_text(ONE_TRACK, "utf-8")
    return read_course(root)


@pytest.fixture(scope="module")
def released(course, tmp_path_factory):
    to = tmp_path_factory.mktemp("students") / "course"
    return to, list(write_release(course, list(course.lessons.values()), None, to))


def test_which_files_do_students_receive(released):
    to, files = released
    wheel = next(to.glob("autograder-*.whl")).name
    assert sorted(str(path.relative_to(to)) for path in files) == sorted(
        [
            "START.md",
            wheel,
            "environment.yml",
            f"notebooks/{LESSON}/casebook.npz",
            f"notebooks/{LESSON}/from_scratch.ipynb",
            "requirements.txt",
        ]
    )


def test_is_a_track_that_is_not_assigned_not_released(released):
    to, _ = released
    with zipfile.ZipFile(next(to.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert f"autograder/released/{LESSON}/from_scratch.ipynb" in names
    assert not [name for name in [*names, *map(str, to.rglob("*"))] if "pytorch.ipynb" in name]
    assert "torch" not in (to / "requirements.txt").read_text("utf-8")


def test_is_nothing_of_the_solutions_in_it(released, course):
    lesson = read_lesson(course.root / "solutions" / LESSON)
    secret = {
        line.strip()
        for source in lesson.sources.values()
        for name in source.names("exercise")
        for block in re.findall(
            r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", source.cell("exercise", name).source, re.S
        )
        for line in block.splitlines()
        if len(line.strip()) > 30
    }
    assert len(secret) > 10
    to, files = released
    texts = {path.name: path.read_bytes().decode("utf-8", "replace") for path in files}
    with zipfile.ZipFile(next(to.glob("*.whl"))) as wheel:
        texts |= {name: wheel.read(name).decode("utf-8", "replace") for name in wheel.namelist()}
        assert not [name for name in wheel.namelist() if "solutions" in name or "exercises/" in name]
    quoted = {json.dumps(line)[1:-1] for line in secret}
    assert not [(name, line) for name, text in texts.items() for line in secret | quoted if line in text]


def test_is_an_earlier_release_replaced_and_anything_else_left_alone(course, released, tmp_path):
    to, files = released
    again = list(write_release(course, list(course.lessons.values()), None, to))
    assert again == files
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(CourseError, match="is not empty"):
        list(write_release(course, list(course.lessons.values()), None, tmp_path))
    assert (tmp_path / "thesis.tex").read_text() == "mine"


ANSWER = """
import json, sys
from pathlib import Path
import autograder

lesson = autograder.lesson("01-kernel-attention", track="from_scratch")
source = {answer!r}
exec(source)
print(lesson.check("softmax_similarity", softmax_similarity).outcome)
print(lesson.check("softmax_similarity", lambda queries, keys: queries @ keys.T).outcome)
print(autograder.__file__)
"""


def test_does_a_new_environment_made_as_the_start_page_says_check_an_answer(released, tmp_path):
    to = shutil.copytree(released[0], tmp_path / "course")
    start = (to / "START.md").read_text("utf-8")
    commands = re.search(r"On Linux and macOS:\n\n```\n(.*?)```", start, re.S)[1].strip().splitlines()
    assert commands[-1] == "jupyter lab notebooks"
    answer = "import numpy as np\ndef softmax_similarity(queries, keys):\n"
    answer += "    return np.exp(queries @ keys.T / np.sqrt(queries.shape[1]))\n"
    (tmp_path / "answer.py").write_text(ANSWER.format(answer=answer), "utf-8")
    script = "\n".join(
        [
            "set -e",
            f'python3() {{ {sys.executable} "$@"; }}',
            *commands[:-1],
            "jupyter lab --version",
            f"cd notebooks/{LESSON}",
            f"python {tmp_path / 'answer.py'}",
            "autograder update from_scratch.ipynb",
            "autograder try answer.py || echo refused",
        ]
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL", "COV"))}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=to,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "passed" in lines
    assert "not_yet" in lines
    assert str(to / ".venv") in done.stdout
    assert "The old file is from_scratch.ipynb.bak-1." in lines
    assert lines[-1] == "refused"
    assert "No course.toml" in done.stderr
