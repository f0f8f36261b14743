"""A proof must fail where the checks would not do."""

import pytest

from autograder.authoring.prove import Prover
from autograder.authoring.reader import read_lesson
from tests import samples


@pytest.fixture
def problems(course):
    """Return what is wrong with `scaled` or another exercise after a text of its file was replaced."""
    folder = course / "solutions" / samples.LESSON

    def prove(old, new, name="scaled", file=None):
        samples.change(file or folder / "exercises" / f"{name}.py", old, new)
        return "\n".join(Prover(read_lesson(folder)).prove(name, "from_scratch").problems)

    return prove


def test_is_the_small_lesson_proved(small_lesson):
    proofs = list(Prover(small_lesson).prove_all())
    assert [proof.problems for proof in proofs] == [[], [], []]
    assert [(p.cases, p.right, p.mistakes) for p in proofs] == [(2, 1, 2), (0, 1, 1), (0, 0, 0)]


def test_does_the_casebook_hold_every_exercise(small_lesson):
    made = Prover(small_lesson).casebook()
    assert [(e.name, e.kind) for e in made] == [
        ("scaled", "function"),
        ("expand_square", "derivation"),
        ("say_why", "written"),
    ]


def test_is_a_mistake_that_is_none_found(problems):
    told = problems('("np.multiply", "np.add")', '("np.multiply(x, factor)", "x * factor")')
    assert "mistake added should fail, but the verdict is passed" in told


def test_is_a_mistake_too_close_to_what_is_right_found(problems):
    told = problems('("np.multiply", "np.add")', '("return product", "return product * (1 + 1e-6)")')
    assert "mistake added is less than 100 tolerances away" in told


def test_are_two_mistakes_that_look_alike_found(problems):
    told = problems('"np.divide"', '"np.add"')
    assert "mistakes added and divided cannot be told apart on any case" in told


def test_may_two_mistakes_be_declared_alike(problems):
    told = problems(
        'edit=[("np.multiply", "np.divide")]', 'edit=[("np.multiply", "np.add")], same_as="added"'
    )
    assert told == ""


def test_is_a_right_answer_found_that_the_checks_refuse(problems):
    assert "by_division should pass, but" in problems("x / (1 / factor)", "x / (2 / factor)")


def test_is_an_oracle_found_that_disagrees_with_the_worked_solution(problems):
    told = problems("entry * factor for", "entry * factor + 1 for")
    assert "the worked solution should pass, but" in told


def test_is_a_property_found_that_a_mistake_does_not_break(problems):
    told = problems(
        'edit=[("np.multiply", "np.add")]', 'edit=[("np.multiply", "np.add")], breaks="changes_arguments"'
    )
    assert "mistake added should break changes_arguments, but breaks ('values',)" in told


def test_is_a_stub_found_that_passes(problems, course):
    notebook = course / "solutions" / samples.LESSON / "from_scratch.py"
    body = "    product = np.multiply(x, factor)\n    return product"
    told = problems(
        f"    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION",
        body,
        file=notebook,
    )
    assert "the released stub should be not attempted, but is passed" in told


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("points=2", "points=0", "points must be above zero"),
        ("difficulty=1", "difficulty=4", "difficulty is 1, 2 or 3"),
        ('"Every entry is multiplied."', "", "two hints or more are needed"),
        ('"divided", "This', '"added", "This', "mistakes share an id"),
        ('"This divides, but the factor should multiply."', '"Wrong."', "a mistake says too little"),
        ("rows(3)", "rows(3), worth=3.0", "cases carry more points than the exercise has"),
    ],
)
def test_is_a_declaration_found_that_contradicts_itself(problems, old, new, says):
    assert f"scaled: {says}" in problems(old, new)


def test_is_a_rubric_found_that_does_not_add_up(problems):
    assert "say_why: the rubric's points do not add up" in problems("(1, ", "(0.5, ", "say_why")


def test_is_a_wrong_line_found_that_is_right(problems):
    told = problems('line="a**2 + b**2"', 'line="b*(a + b) + a*(a + b)"', "expand_square")
    assert "mistake no_cross_term" in told
