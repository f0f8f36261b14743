import dataclasses

import numpy as np
import pytest

from autograder.judging.exercise import Case
from autograder.judging.judge import blank, grader_failed, judge, not_attempted
from autograder.judging.observe import Observation
from autograder.judging.prepare import prepare
from tests import samples
from tests.samples import judged, one_case, scaling, square


def right(x, factor):
    return np.multiply(x, factor)


def stub(x, factor):
    """Return x times factor."""
    raise NotImplementedError()


def test_does_a_right_answer_earn_all_points():
    verdict = judged(scaling(), right)
    assert (verdict.outcome, verdict.points, verdict.max_points) == ("passed", 2.0, 2.0)
    assert all(row.passed for row in verdict.rows)


def test_does_a_right_answer_pass_in_pytorch():
    assert judged(scaling("pytorch"), lambda x, factor: x * np.float64(factor)).passed


def test_is_the_stub_not_attempted():
    verdict = judged(scaling(), stub)
    assert (verdict.outcome, verdict.points) == ("not_attempted", 0.0)
    assert verdict.says == "Write scaled first, then run this cell again."


def test_is_an_answer_that_calls_a_stub_told_which():
    verdict = judged(scaling(), lambda x, factor: stub(x, factor) + 0)
    assert verdict.outcome == "not_yet"
    assert "stub" in verdict.says


def test_is_a_wrong_answer_not_yet_right():
    verdict = judged(scaling(), lambda x, factor: np.add(x, factor))
    assert (verdict.outcome, verdict.points) == ("not_yet", 0.0)


def test_does_a_failing_case_of_its_own_worth_cost_that_alone():
    cases = [samples.EXERCISE.cases[0], dataclasses.replace(samples.EXERCISE.cases[1], worth=0.5)]
    prepared = scaling(cases=cases)
    verdict = judged(prepared, lambda x, factor: right(x, factor) if len(x) > 1 else np.zeros_like(x))
    assert (verdict.outcome, verdict.points) == ("not_yet", 1.5)


def test_does_a_case_of_its_own_worth_earn_nothing_without_the_base():
    cases = [samples.EXERCISE.cases[0], dataclasses.replace(samples.EXERCISE.cases[1], worth=0.5)]
    verdict = judged(scaling(cases=cases), lambda x, factor: right(x, factor) * (len(x) == 1))
    assert verdict.points == 0.0


def test_is_an_answer_praised_that_is_right_for_a_single_row():
    verdict = judged(scaling(), lambda x, factor: right(x[:1], factor) + 0 * x)
    assert verdict.says.endswith("It is right only where there is a single row.")


def test_is_the_smallest_case_drawn_that_shows_a_pattern():
    cases = [Case(f"rows_{count}", "some rows", samples.rows(count)) for count in (20, 1, 3)]
    verdict = judged(scaling(cases=cases), lambda x, factor: right(x, factor) * 3)
    assert verdict.picture.case == "rows_3"


def test_may_expected_values_be_kept_back():
    prepared = scaling()
    verdict = judge(prepared, lambda case: samples.observe(np.add, prepared.call(case)), show_arrays=False)
    assert verdict.picture is None


def test_is_a_million_printed_lines_a_note():
    def chatty(x, factor):
        print("line\n" * 1_000_000, end="")
        return right(x, factor)

    verdict = judged(one_case(), chatty)
    assert verdict.passed
    assert verdict.notes == ["The function printed 1000000 lines; the check hid them."]


def test_is_a_warning_a_note():
    def warned(x, factor):
        np.log(np.zeros(1))
        return right(x, factor)

    verdict = judged(one_case(), warned)
    assert verdict.passed
    assert verdict.notes == ["Python warned: RuntimeWarning: divide by zero encountered in log"]


def test_is_a_list_accepted_with_a_note():
    verdict = judged(one_case(), lambda x, factor: right(x, factor).tolist())
    assert verdict.passed
    assert "returning a NumPy array is usual" in verdict.notes[0]


def test_is_a_written_answer_left_to_a_person():
    verdict = judge(prepare("say_why", samples.ESSAY, "from_scratch", 1), lambda case: Observation())
    assert verdict.outcome == "pending"


def test_does_our_own_fault_never_look_like_the_student_s():
    verdict = grader_failed(scaling(), "no memory")
    assert verdict.outcome == "grader_failed"
    assert verdict.says == (
        "This is not your fault: the check could not run (no memory). Please tell your instructor."
    )


def test_does_a_verdict_carry_the_hints():
    assert blank(scaling(), "not_yet").hints == not_attempted(scaling()).hints == samples.EXERCISE.hints


# ---------------------------------------------------------------------------------------- derivations


def test_does_a_sound_derivation_earn_all_points():
    verdict = judged(square(), ["(a + b)**2", "a*(a + b) + b*(a + b)", "a**2 + 2*a*b + b**2"])
    assert (verdict.outcome, verdict.points) == ("passed", 3.0)


def test_is_the_line_named_that_does_not_follow():
    verdict = judged(square(), ["(a + b)**2", "a**2 + 5*b**2", "a**2 + 2*a*b + b**2"])
    assert verdict.says.startswith("Line 2: This line does not equal the one above it.")
    assert [row.passed for row in verdict.rows] == [True, False, None]


def test_is_a_wrong_line_named_that_people_write():
    verdict = judged(square(), ["(a + b)**2", "b*b + a**2"])
    assert verdict.mistake == "no_cross_term"
    assert verdict.says == "Line 2: The cross term 2ab is missing."


@pytest.mark.parametrize("lines", [[], ["(a + b)**2"], [" (a+b) ** 2 "], ["", "  "], "", [...]])
def test_is_a_derivation_without_a_step_not_attempted(lines):
    assert judged(square(), lines).outcome == "not_attempted"


@pytest.mark.parametrize("answer", [3, None, [1, 2], {"a": "b"}])
def test_is_a_derivation_that_is_no_list_of_text_told_what_it_should_be(answer):
    verdict = judged(square(), answer)
    assert verdict.outcome == "not_yet"
    assert verdict.says.startswith("A derivation is a list of lines, each a string in quotes")
