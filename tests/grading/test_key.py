"""What only the judge has."""

import shutil
import stat
from dataclasses import replace

import pytest

from autograder.course import CourseError
from autograder.grading.key import course_secret, fresh_seed, read_key
from autograder.sandbox import Limits
from tests import samples
from tests.grading.desk import TRACK


def test_is_the_secret_made_once_and_for_its_owner_only(tmp_path):
    secret = course_secret(tmp_path / "grading")
    assert len(secret) == 32
    assert course_secret(tmp_path / "grading") == secret
    assert stat.S_IMODE((tmp_path / "grading" / "secret.key").stat().st_mode) == 0o600


def test_have_two_courses_two_secrets(tmp_path):
    assert course_secret(tmp_path / "a") != course_secret(tmp_path / "b")


def test_is_a_seed_the_same_again_and_another_for_anything_else():
    seed = fresh_seed(b"secret", b"submission", "scaled")
    assert seed == fresh_seed(b"secret", b"submission", "scaled")
    others = {fresh_seed(b"other", b"submission", "scaled"), fresh_seed(b"secret", b"submissio", "nscaled")}
    assert seed not in others | {fresh_seed(b"secret", b"submission", "expand_square")}


def test_are_fresh_cases_those_of_the_seed(desk):
    first, again, other = (
        desk.key.fresh("scaled", TRACK, seed).cases[0].arguments["x"] for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert not (first == other).any()


def test_are_known_mistakes_only_drawn_to_explain(desk):
    assert not desk.key.fresh("scaled", TRACK, 1).mistakes
    assert set(desk.key.explained(desk.key.fresh("scaled", TRACK, 1)).mistakes) == {"added", "divided"}


def test_are_the_known_mistakes_outputs_found_when_asked_for(desk):
    drawn = desk.key.fresh("scaled", TRACK, 1)
    case = desk.key.explained(drawn).cases[0]
    arguments = case.arguments
    assert set(case.wrong) == {"added", "divided"}
    assert (case.wrong["added"]["result"] == arguments["x"] + arguments["factor"]).all()
    assert not drawn.cases[0].wrong


def test_how_many_points_has_a_notebook(desk):
    assert desk.key.points(TRACK) == 6


def test_has_a_session_the_time_that_cases_ask_for(desk, tmp_path):
    root = shutil.copytree(desk.root, tmp_path / "course")
    samples.change(
        root / f"solutions/{samples.LESSON}/exercises/scaled.py", "rows(3))", "rows(3), wall_limit_s=100)"
    )
    usual, longer = desk.key.limits(TRACK), read_key(root, samples.LESSON, (TRACK,)).limits(TRACK)
    assert usual == Limits()
    assert longer == replace(usual, cpu_s=usual.cpu_s + 100, wall_s=usual.wall_s + 100)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (f"solutions/{samples.LESSON}/exercises/scaled.py", "rows(3)", "rows(4)"),
        (f"solutions/{samples.LESSON}/from_scratch.py", "product", "result"),
        (f"notebooks/{samples.LESSON}/from_scratch.ipynb", "# Scaling", "# Multiplying"),
    ],
    ids=["exercise", "solution", "release"],
)
def test_does_the_version_follow_what_a_result_depends_on(desk, tmp_path, file, old, new):
    root = shutil.copytree(desk.root, tmp_path / "course")
    assert read_key(root, samples.LESSON, (TRACK,)).version == desk.key.version
    samples.change(root / file, old, new)
    assert read_key(root, samples.LESSON, (TRACK,)).version != desk.key.version


@pytest.mark.parametrize(
    ("gone", "tracks", "says"),
    [
        (f"solutions/{samples.LESSON}", (TRACK,), "needs the instructors' copy"),
        (f"notebooks/{samples.LESSON}/from_scratch.ipynb", (TRACK,), "Run `make build` first"),
        (f"notebooks/{samples.LESSON}/casebook.npz", ("pytorch",), "has no such track"),
    ],
)
def test_is_what_is_missing_named(desk, tmp_path, gone, tracks, says):
    root = shutil.copytree(desk.root, tmp_path / "course")
    path = root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(CourseError, match=says):
        read_key(root, samples.LESSON, tracks)
