"""The gradebook in a PostgreSQL database."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.grading.classroom import grade_class
from autograder.sandbox import best_tier
from tests import samples
from tests.grading.desk import RIGHT, TRACK, WRONG, Desk

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


def server_programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs; Debian keeps them off the PATH."""
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *on_path]
    programs = ("initdb", "pg_ctl", "createdb")
    return next((f for f in folders if all((f / program).exists() for program in programs)), None)


@pytest.fixture
def database():
    """The address of an empty database of a server that is ended afterwards."""
    pytest.importorskip("psycopg2", reason="psycopg2-binary isn't installed")
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server: run `make system` (Debian's package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    # The server refuses to run as root.
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, "postgres", "postgres")

    def run(program, *options):
        command = [programs / program, *options]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)

    run("initdb", "-D", folder / "data", "-A", "trust", "-U", "grader")
    own = f"-k {folder} -c listen_addresses="
    run("pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", own, "start")
    try:
        run("createdb", "-h", folder, "-U", "grader", "course")
        yield f"postgresql+psycopg2://grader@/course?host={folder}"
    finally:
        run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def test_does_a_class_get_into_a_postgresql_gradebook(classroom, desk, database):
    course = classroom / "course.toml"
    course.write_text(f'db_url = "{database}"\n{course.read_text("utf-8")}', "utf-8")
    (classroom / "grading" / "gradebook.db").unlink(missing_ok=True)
    for student, answers in (("ada", RIGHT), ("ben", WRONG)):
        desk.submit(classroom, student, desk.bytes(answers))
    here = Desk(classroom)
    for _ in range(2):
        grade_class(here.course, here.lesson, best_tier(), jobs=1)
    with Gradebook(database) as gradebook:
        scores = {
            student: gradebook.find_submission_notebook(TRACK, samples.LESSON, student).score
            for student in ("ada", "ben")
        }
    assert scores == {"ada": 5, "ben": 0}
    assert not (classroom / "grading" / "gradebook.db").exists()
