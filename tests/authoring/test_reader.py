import pytest

from autograder.authoring.reader import (
    find_lessons,
    read_lesson,
    read_source,
    solution_lines,
    stub_of,
    without_marks,
)
from autograder.judging.exercise import ExerciseError
from tests import samples


@pytest.fixture
def folder(course):
    return course / "solutions" / samples.LESSON


def test_are_lessons_found_in_order(course):
    samples.write_course(course / "more")
    (course / "solutions" / "notes").mkdir()
    (course / "more" / "solutions" / samples.LESSON).rename(course / "solutions" / "02-early")
    assert [lesson.name for lesson in find_lessons(course)] == ["02-early", samples.LESSON]


def test_does_each_tag_mark_its_cell(small_lesson):
    tagged = [
        (cell.tag, cell.value.lower()) for cell in small_lesson.sources["from_scratch"].cells if cell.tag
    ]
    assert tagged == [
        ("setup", "true"),
        ("exercise", "scaled"),
        ("check", "scaled"),
        ("study", "true"),
        ("exercise", "expand_square"),
        ("check", "expand_square"),
        ("written", "say_why"),
    ]


def test_are_exercises_in_the_order_of_the_notebook(small_lesson):
    assert list(small_lesson.exercises) == ["scaled", "expand_square", "say_why"]


def test_are_the_tracks_of_an_exercise_known(folder):
    samples.change(folder / "from_scratch.py", "from_scratch", "pytorch")
    (folder / "pytorch.py").write_text((folder / "from_scratch.py").read_text("utf-8"), "utf-8")
    assert read_lesson(folder).tracks_of("scaled") == ["from_scratch", "pytorch"]
    assert read_lesson(folder).tracks_of("nothing") == []


def test_is_a_folder_without_a_notebook_refused(folder):
    (folder / "from_scratch.py").unlink()
    with pytest.raises(ExerciseError, match=r"none of from_scratch.py, pytorch.py, .* is there"):
        read_lesson(folder)


def test_is_a_cell_without_an_exercise_file_named(folder):
    (folder / "exercises" / "scaled.py").unlink()
    with pytest.raises(ExerciseError, match=r"no file exercises/scaled.py for the cell of that name"):
        read_lesson(folder).exercises  # noqa: B018


def test_is_an_exercise_file_without_a_cell_named(folder):
    (folder / "exercises" / "spare.py").write_text("")
    with pytest.raises(ExerciseError, match=r"exercises/spare.py has no cell in any notebook source"):
        read_lesson(folder).exercises  # noqa: B018


def test_must_an_exercise_file_define_an_exercise(folder):
    (folder / "exercises" / "scaled.py").write_text("exercise = 3\n")
    with pytest.raises(ExerciseError, match=r"scaled.py must define exercise = Exercise"):
        read_lesson(folder).exercises  # noqa: B018


@pytest.mark.parametrize(
    ("old", "new"), [("study=true", "stduy=true"), ('check="scaled"', 'check="scaled" study=true')]
)
def test_is_a_misspelt_or_second_tag_refused(folder, old, new):
    samples.change(folder / "from_scratch.py", old, new)
    with pytest.raises(ExerciseError, match="use one of setup, exercise, check, written, study"):
        read_source(folder / "from_scratch.py")


def test_is_a_solution_that_never_ends_refused(folder):
    samples.change(
        folder / "from_scratch.py", "    return product\n    ### END SOLUTION", "    return product"
    )
    with pytest.raises(ExerciseError, match="do not match in a cell that starts 'def scaled"):
        read_source(folder / "from_scratch.py")


def test_must_a_cell_be_the_only_one_of_its_name(folder):
    samples.change(
        folder / "from_scratch.py", '# %% check="scaled"', '# %% check="scaled"\n\n# %% check="scaled"'
    )
    source = read_source(folder / "from_scratch.py")
    with pytest.raises(ExerciseError, match="2 cells are tagged check='scaled'"):
        source.cell("check", "scaled")


# ------------------------------------------------------------------------------------------- stubs


def test_does_the_stub_of_a_function_raise(small_lesson):
    stub = stub_of(small_lesson.sources["from_scratch"].cell("exercise", "scaled").source)
    assert stub.splitlines() == [
        "def scaled(x, factor):",
        '    """Return x times factor."""',
        "    # YOUR CODE HERE",
        "    raise NotImplementedError()",
    ]


def test_does_the_stub_of_a_list_still_run(small_lesson):
    stub = stub_of(small_lesson.sources["from_scratch"].cell("exercise", "expand_square").source)
    namespace = {}
    exec(stub, namespace)
    assert namespace["expand_square"] == ["(a + b)**2"]
    assert "# YOUR LINES HERE" in stub


def test_are_the_lines_of_the_worked_solution_the_ones_between_the_marks(small_lesson):
    cell = small_lesson.sources["from_scratch"].cell("exercise", "scaled")
    assert list(solution_lines(cell)) == ["    product = np.multiply(x, factor)", "    return product"]


def test_do_only_the_marks_go(small_lesson):
    source = small_lesson.sources["from_scratch"].cell("exercise", "scaled").source
    assert "###" not in without_marks(source)
    assert len(without_marks(source).splitlines()) == len(source.splitlines()) - 2
