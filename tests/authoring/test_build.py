import shutil

import nbformat
import numpy as np
import pytest

from autograder.authoring import generate
from autograder.authoring.build import Builder, casebooks_agree, proof_table
from autograder.authoring.prove import Proof
from autograder.authoring.reader import find_lessons
from autograder.judging.casebook import dump, load
from tests import samples

NAMES = [
    "notebooks/98-scaling/casebook.npz",
    "notebooks/98-scaling/from_scratch.ipynb",
    "solutions/98-scaling/from_scratch.ipynb",
    "docs/exercises.md",
]


def build(root, check=False):
    return Builder(root, check, tell=lambda text: None).build(find_lessons(root))


@pytest.fixture
def copy(built, tmp_path):
    """A built course that a test may change."""
    return shutil.copytree(built, tmp_path / "course")


def files(root):
    return {name: (root / name).read_bytes() for name in NAMES}


def test_does_a_build_write_a_casebook_and_two_notebooks(built):
    assert all(files(built).values())


def test_does_a_second_build_change_nothing(copy):
    before = files(copy)
    assert build(copy).changed == []
    assert files(copy) == before


def test_does_a_check_name_what_differs_and_write_nothing(copy):
    samples.change(copy / "solutions" / samples.LESSON / "from_scratch.py", "# # Scaling", "# # A title")
    before = files(copy)
    assert build(copy, check=True).changed == NAMES[1:3]
    assert files(copy) == before


@pytest.mark.usefixtures("remembered_release")
def test_does_a_check_name_what_is_missing(course):
    assert build(course, check=True).changed == NAMES
    assert not (course / "notebooks").exists()


def test_is_a_release_edited_by_hand_put_right(copy):
    before = files(copy)
    samples.change(copy / NAMES[1], "YOUR CODE HERE", "MY CODE HERE")
    assert build(copy).changed == [NAMES[1]]
    assert files(copy) == before


def test_does_a_problem_stop_the_build_of_its_lesson(course):
    samples.change(course / "solutions" / samples.LESSON / "exercises" / "scaled.py", "x / (1", "x / (2")
    report = build(course)
    assert report.changed == []
    assert len(report.problems) == 1
    assert report.problems[0].startswith("98-scaling scaled (from_scratch): by_division should pass")


def test_is_the_worked_notebook_executed(built):
    notebook = nbformat.read(built / NAMES[2], as_version=4)
    outputs = {cell["id"]: cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"}
    assert "passed" in outputs["check_scaled"][0]["data"]["text/plain"]
    assert outputs["check_scaled-1"][0]["text"] == "[[3. 3.]\n [3. 3.]]\n"


def test_is_the_release_without_solutions_outputs_and_model_answers(built):
    text = (built / NAMES[1]).read_text("utf-8")
    assert "YOUR CODE HERE" in text
    for secret in ("np.multiply(x, factor)", "a*(a + b)", "Because the answer", "says why", "[[3."):
        assert secret not in text


def test_is_the_release_valid_for_nbgrader(built):
    notebook = nbformat.read(built / NAMES[1], as_version=4)
    nbformat.validate(notebook)
    graded = [c.metadata["nbgrader"] for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert sum(cell["points"] for cell in graded) == 6
    assert all(cell["checksum"] for cell in graded)


# --------------------------------------------------------------------------------------- casebooks


def changed(casebook, change):
    lesson, exercises = load(casebook)
    change(exercises["scaled", "from_scratch"])
    return dump(lesson, list(exercises.values()))


def test_do_a_machine_s_last_bits_make_no_other_casebook(casebook):
    def nudge(prepared):
        prepared.cases[0].expected["result"] *= 1 + 1e-14

    other = changed(casebook, nudge)
    assert other != casebook
    assert casebooks_agree(casebook, other)


@pytest.mark.parametrize("factor", [1 + 1e-6, -1.0, np.nan])
def test_do_other_values_make_another_casebook(casebook, factor):
    def spoil(prepared):
        prepared.cases[0].expected["result"] *= factor

    assert not casebooks_agree(casebook, changed(casebook, spoil))


@pytest.mark.parametrize(("nudge", "agree"), [(2.0**-22, True), (1e-5, False)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_may_a_mistake_magnify_the_last_digits(casebook, dtype, nudge, agree):
    def mistaken(factor):
        outputs = {"result": np.array([[3.0, 1e-4], [-2.0, 0.0]], dtype) * dtype(factor)}
        return changed(casebook, lambda prepared: setattr(prepared.cases[0], "wrong", {"added": outputs}))

    assert casebooks_agree(mistaken(1.0), mistaken(1.0 + nudge)) is agree


@pytest.mark.parametrize(("nudge", "agree"), [(1e-11, True), (1e-6, False)])
def test_are_single_numbers_compared_like_arrays(casebook, nudge, agree):
    def with_slope(number):
        return changed(casebook, lambda prepared: prepared.cases[0].slopes.update(x=number))

    assert casebooks_agree(with_slope(1.37), with_slope(1.37 * (1 + nudge))) is agree


@pytest.mark.parametrize("change", [0, 1])
def test_are_whole_numbers_of_any_size_compared_exactly(casebook, change):
    def with_large(extra):
        def put(prepared):
            prepared.cases[0].expected["result"] = np.array([10**30 + extra], dtype=object)

        return changed(casebook, put)

    assert casebooks_agree(with_large(0), with_large(change)) is not bool(change)


def test_do_other_words_make_another_casebook(casebook):
    assert not casebooks_agree(casebook, changed(casebook, lambda e: e.hints.append("A third hint.")))


def test_does_another_lesson_make_another_casebook(casebook):
    _, exercises = load(casebook)
    assert not casebooks_agree(casebook, dump("97-other", list(exercises.values())))


def test_does_a_damaged_casebook_agree_with_nothing(casebook):
    assert not casebooks_agree(b"damaged", casebook)


def test_does_the_table_count_problems():
    rows = proof_table([Proof("l", "e", "t", 1, 2, 3), Proof("l", "e", "t", problems=["x", "y"])])
    assert [row[-1] for row in rows] == ["proved", "2 problems"]


def test_is_a_notebook_run_again_only_when_it_must(copy, monkeypatch):
    def never(*arguments):
        raise AssertionError("executed again")

    monkeypatch.setattr(generate, "execute", never)
    assert build(copy).changed == []
    samples.change(copy / "solutions" / samples.LESSON / "exercises" / "scaled.py", "Think of", "Look at")
    with pytest.raises(AssertionError, match="executed again"):
        build(copy)
