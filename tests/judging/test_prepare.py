import dataclasses

import numpy as np
import pytest

from autograder.judging.exercise import Case, ExerciseError, Function, Mistake
from autograder.judging.prepare import outputs_of, prepare
from tests import samples


def test_does_the_same_seed_draw_the_same_cases():
    one, two = samples.scaling(seed=5), samples.scaling(seed=5)
    assert all(
        np.array_equal(a.arguments["x"], b.arguments["x"]) for a, b in zip(one.cases, two.cases, strict=True)
    )


def test_does_another_seed_draw_other_cases():
    one, two = samples.scaling(seed=5), samples.scaling(seed=6)
    assert not np.array_equal(one.cases[0].arguments["x"], two.cases[0].arguments["x"])


def test_does_a_case_stay_as_it_is_when_another_is_put_before_it():
    before = Case("before", "something else", samples.rows(2))
    more = samples.scaling(cases=[before, *samples.EXERCISE.cases])
    assert np.array_equal(more.cases[1].arguments["x"], samples.scaling().cases[0].arguments["x"])


def test_are_expected_values_computed_in_float64():
    case = samples.scaling().cases[2]
    assert case.arguments["x"].dtype == np.float32
    assert np.array_equal(case.expected["result"], case.arguments["x"].astype(np.float64) * 2.5)


def test_are_the_mistakes_outputs_kept():
    case = samples.scaling().cases[0]
    assert np.array_equal(case.wrong["added"]["result"], case.arguments["x"] + 2.5)


def test_is_a_mistake_that_raises_kept_as_its_error():
    def raising(x, factor):
        raise IndexError("too far")

    made = samples.scaling(mistakes=[Mistake("raising", "This goes too far down.", function=raising)])
    assert made.cases[0].wrong["raising"] == {"error": "IndexError", "message": "too far"}


def test_do_large_cases_judge_without_the_mistakes_outputs():
    assert samples.one_case(draw=samples.rows(2000)).cases[0].wrong == {}


def test_do_mistakes_leave_the_arguments_alone():
    def in_place(x, factor):
        x += factor
        return x

    made = samples.scaling(mistakes=[Mistake("in_place", "This adds in place.", function=in_place)])
    case = made.cases[0]
    assert np.allclose(case.arguments["x"] * 2.5, case.expected["result"])


def test_does_the_pytorch_track_know_the_gradients():
    case = samples.scaling("pytorch").cases[0]
    assert np.isclose(case.slopes["x"], np.sum(case.directions["x"] * 2.5 * case.upstream["result"]))


def test_are_gradients_left_out_where_the_case_says_so():
    assert samples.one_case("pytorch", gradients=False).cases[0].upstream == {}


def test_does_the_numpy_track_ask_for_no_gradients():
    assert all(not case.upstream for case in samples.scaling().cases)


def test_does_only_the_judge_have_a_case_of_its_own():
    kept = dataclasses.replace(
        samples.EXERCISE,
        cases=[samples.EXERCISE.cases[0], Case("extra", "more", samples.rows(2), only_judge=True)],
    )
    names = {
        public: [c.name for c in prepare("scaled", kept, "from_scratch", 1, public=public).cases]
        for public in (True, False)
    }
    assert names == {True: ["typical"], False: ["typical", "extra"]}


def test_is_a_case_of_another_track_left_out():
    cases = [samples.EXERCISE.cases[0], Case("torch_only", "a tensor", samples.rows(2), tracks=("pytorch",))]
    assert [c.name for c in samples.scaling(cases=cases).cases] == ["typical"]
    assert [c.name for c in samples.scaling("pytorch", cases=cases).cases] == ["typical", "torch_only"]


def test_is_only_the_first_case_repeated():
    assert [case.repeat for case in samples.scaling().cases] == [True, False, False]


def test_is_the_memory_bound_computed_from_the_arguments():
    case = samples.one_case(peak_bytes=lambda arguments: 3 * arguments["x"].nbytes).cases[0]
    assert case.peak_bytes == 3 * 12 * 8


def test_is_a_derivation_prepared_with_its_mistakes_values():
    made = samples.square()
    assert made.kind == "derivation"
    assert made.mistakes["no_cross_term"]["values"].shape == (6,)


def test_is_a_written_question_prepared_without_its_answer():
    made = prepare("say_why", samples.ESSAY, "from_scratch", 1)
    assert made.kind == "written"
    assert "Because" not in str(made.tree())


# ------------------------------------------------------------------------- what an author gets wrong


def test_is_a_missing_oracle_named():
    with pytest.raises(ExerciseError, match=r"scaled, case 'typical': a function needs an oracle"):
        samples.scaling(oracle=None)


def test_is_an_oracle_named_that_raises():
    def failing(x, factor):
        raise KeyError("oops")

    with pytest.raises(ExerciseError, match="the oracle raised KeyError"):
        samples.scaling(oracle=failing)


def test_is_an_oracle_named_that_overflows():
    with pytest.raises(ExerciseError, match="is not finite"):
        samples.scaling(oracle=lambda x, factor: x / 0)


def test_is_an_oracle_named_with_too_few_outputs():
    with pytest.raises(ExerciseError, match="the oracle raised count"):
        samples.scaling(kind=Function(("one", "two")), oracle=lambda x, factor: (x,))


@pytest.mark.parametrize("cases", [[], [samples.EXERCISE.cases[0]] * 2])
def test_are_cases_without_names_of_their_own_refused(cases):
    with pytest.raises(ExerciseError, match="cases need names of their own"):
        samples.scaling(cases=cases)


def test_is_text_no_output():
    assert outputs_of(lambda: "text", {}, ["result"])["error"] == "type"
