"""Which sentence a wrong answer gets."""

import re
import time

import numpy as np
import pytest

from autograder.judging.diagnose import symptom
from autograder.judging.exercise import Function
from tests import samples
from tests.samples import judged, one_case, scaling


def told(answer, prepared=None, **limits):
    verdict = judged(prepared or scaling(), answer, **limits)
    assert verdict.outcome == "not_yet"
    assert verdict.points == 0
    return verdict.says


# -------------------------------------------------------------------------------------- bad input


def test_is_a_value_where_a_function_is_asked_named_as_such():
    assert told(np.ones(3)) == (
        "The check needs the function itself, but got a value of type ndarray. Pass scaled, without brackets."
    )


def test_does_a_wrong_arity_show_both_signatures():
    def scaled(x):
        return np.abs(x)

    assert told(scaled) == "The function is called with (x, factor), in this order, but yours is scaled(x)."


def test_does_an_error_show_its_line():
    def scaled(x, factor):
        return np.reshape(x, (7, 7))

    says = told(scaled)
    assert says.startswith("The function raised ValueError: cannot reshape array of size 4 into shape (7,7)")
    assert says.endswith("return np.reshape(x, (7, 7))")


def test_does_an_exit_not_end_the_session():
    assert told(lambda x, factor: exit()).startswith("The function raised SystemExit")


def test_is_none_asked_for_its_return_statement():
    def scaled(x, factor):
        np.multiply(x, factor)

    assert told(scaled) == "The result is None. Does the function end in a return statement?"


def test_is_an_endless_loop_named_as_such():
    def scaled(x, factor):
        while np.ones(1)[0]:
            pass

    assert told(scaled, wall_limit_s=0.05) == (
        "The function did not come back: it was still running after 0.05 seconds. "
        "Look for a loop that never ends."
    )


def test_does_an_endless_loop_cost_one_time_limit_only():
    def scaled(x, factor):
        while np.ones(1)[0]:
            pass

    start = time.monotonic()
    verdict = judged(scaling(), scaled, wall_limit_s=0.2)
    assert time.monotonic() - start < 0.6
    assert [row.passed for row in verdict.rows] == [False, None, None]


def test_is_a_changed_argument_named():
    def scaled(x, factor):
        x *= factor
        return x.copy()

    assert told(scaled) == (
        "The function changes its argument x. Work on a copy, or avoid operations in place such as +=."
    )


def test_is_a_ragged_list_named_as_such():
    assert told(lambda x, factor: [[1.0], [1.0, 2.0]]) == (
        "The result is a ragged list: its rows have different lengths. Return one rectangular array."
    )


def test_is_an_object_array_named_as_such():
    assert told(lambda x, factor: np.array([[None] * 4] * 3)) == (
        "The result is an array of Python objects, not of numbers. Is a None or a list among its entries?"
    )


def test_is_a_text_named_as_such():
    assert told(lambda x, factor: np.array(["a"])) == "The result holds text, not numbers."


def test_is_a_result_of_no_kind_named_as_such():
    assert told(lambda x, factor: print) == (
        "The result is an array of Python objects, not of numbers. Is a None or a list among its entries?"
    )


def test_are_complex_numbers_named_as_such():
    assert told(lambda x, factor: np.multiply(x, factor) + 0j) == (
        "The result has complex numbers, where real ones are asked for."
    )


def test_does_lost_precision_cost_nothing_but_a_note():
    verdict = judged(one_case(), lambda x, factor: np.multiply(x, factor).astype(np.float32))
    assert verdict.passed
    assert verdict.notes == ["The result is float32 where float64 was given: precision was lost on the way."]


def test_is_a_wrong_dtype_named_in_pytorch():
    says = told(lambda x, factor: (x * factor).float(), one_case("pytorch"))
    assert (
        says == "The result is float32; for these arguments it should be float64. Keep the arguments' dtype."
    )


def test_is_a_tensor_cut_off_from_autograd_named_as_such():
    says = told(lambda x, factor: (x * factor).detach(), scaling("pytorch"))
    assert says.startswith("The values are right, but the result is cut off from autograd")
    assert "no .detach(), .numpy(), .item() or torch.tensor(…)" in says


def test_is_an_array_named_where_a_tensor_is_asked():
    says = told(lambda x, factor: (x * factor).detach().numpy(), scaling("pytorch"))
    assert says.startswith("The result is a ndarray. Return a torch.Tensor")


def test_is_a_missing_gradient_named_by_its_argument():
    prepared = one_case(
        "pytorch", draw=lambda rng: {"x": rng.normal(size=(3, 2)), "factor": rng.normal(size=(3, 2))}
    )
    answer = lambda x, factor: x * factor.detach()  # noqa: E731
    elementwise = samples.scaling(
        "pytorch",
        oracle=np.multiply,
        mistakes=[],
        cases=[samples.Case("typical", "two arrays", lambda rng: prepared.cases[0].arguments)],
    )
    assert told(answer, elementwise) == "The values are right, but no gradient reaches factor."


def test_is_a_wrong_gradient_named_by_its_argument():
    def scaled(x, factor):
        return x * factor + (x - x.detach()) * 2

    says = told(scaled, scaling("pytorch"))
    assert says.startswith("The values are right, but the gradient that reaches x is not.")


# ------------------------------------------------------------------------------------ early stages


def test_is_a_wrong_shape_told_with_the_arguments_shapes():
    says = told(lambda x, factor: np.multiply(x, factor)[:, :2])
    assert says.startswith("The result has shape (1, 2); for x (1, 4) it should be (1, 4).")


def test_is_a_transposed_shape_recognised():
    assert told(lambda x, factor: np.multiply(x, factor).T).endswith("It looks transposed.")


def test_are_two_outputs_told_apart_by_name():
    prepared = scaling(
        kind=Function(("low", "high")), oracle=lambda x, factor: (x.min(), x.max()), mistakes=[]
    )
    says = told(lambda x, factor: (x.min(), x.max()[None]), prepared)
    assert says.startswith("The output high has shape (1,)")
    assert told(lambda x, factor: x.min(), prepared) == (
        "The function returned one float64; return a tuple of 2: (low, high)."
    )
    assert told(lambda x, factor: (x.min(),), prepared) == (
        "The function returned 1 things; return 2: (low, high)."
    )


def test_are_nans_counted():
    def scaled(x, factor):
        result = np.multiply(x, factor)
        result[0, :2] = np.nan
        return result

    assert told(scaled, one_case()) == (
        "2 of 12 entries of the result are NaN. Something overflowed, or was divided by zero."
    )


def test_are_infinities_told_from_nans():
    says = told(lambda x, factor: np.full_like(x, np.inf), one_case())
    assert says.startswith("12 of 12 entries of the result are infinite.")


# ----------------------------------------------------------------------------------- known mistakes


def test_is_a_known_mistake_named():
    verdict = judged(scaling(), lambda x, factor: np.add(x, factor))
    assert verdict.mistake == "added"
    assert verdict.says == "The factor was added, but it should multiply."


def test_is_a_mistake_made_on_some_cases_only_not_named():
    def scaled(x, factor):
        return np.add(x, factor) if len(x) > 1 else np.multiply(x, factor)

    assert judged(scaling(), scaled).mistake is None


def test_is_a_property_named_by_the_one_mistake_that_breaks_it():
    def in_place(x, factor):
        x *= factor
        return x

    slip = samples.Mistake("in_place", "The argument itself was scaled.", breaks="changes_arguments")
    verdict = judged(scaling(mistakes=[slip]), in_place)
    assert (verdict.mistake, verdict.says) == ("in_place", "The argument itself was scaled.")
    assert verdict.breaks == ("changes_arguments",)


# ---------------------------------------------------------------------------------------- properties


def test_is_too_much_memory_told_in_megabytes():
    prepared = one_case(peak_bytes=lambda arguments: 2**20)
    says = told(lambda x, factor: np.multiply(x, factor) + np.zeros(2**19).sum(), prepared)
    assert re.fullmatch(
        r"The values are right, but the call held 4\.0\d* MB at once; 1(\.0)? MB must do here\.", says
    )


def test_is_an_answer_that_remembers_told_so():
    calls = []

    def scaled(x, factor):
        calls.append(1)
        return np.multiply(x, factor) * (1 + 1e-9 * len(calls))

    assert told(scaled).startswith("Two calls with the same arguments give different results.")


def test_is_an_impossible_sign_seen_below_the_tolerance():
    prepared = scaling(kind=Function(at_least=0.0), oracle=lambda x, factor: np.sign(x) + 1, mistakes=[])
    says = told(lambda x, factor: np.sign(x) + 1 - 1e-12, prepared)
    assert "is right up to rounding" in says
    assert "below 0, which it can never be" in says


def test_are_whole_numbers_compared_exactly():
    prepared = scaling(kind=Function(integer=True), oracle=lambda x, factor: np.argsort(x), mistakes=[])
    assert judged(prepared, lambda x, factor: np.argsort(x)).passed
    assert told(lambda x, factor: np.argsort(x) + 1e-12, prepared) != ""


# ------------------------------------------------------------------------------------------ symptoms

E = np.array([[1.0, 2.0, 3.5], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])


def spoiled(*places, by=0.5):
    array = E.copy()
    for place in places:
        array[place] += by
    return array


@pytest.mark.parametrize(
    ("got", "says"),
    [
        (E.T, "is transposed: rows and columns are swapped"),
        (-E, "has the opposite sign everywhere"),
        (E * 3, "is 3 times what it should be, everywhere"),
        (E + 1.5, "is off by the same amount everywhere: 1.5"),
        (E**2, "is the square of what it should be"),
        (np.sqrt(E), "is the square root of what it should be"),
        (np.log(E), "is the logarithm of what it should be"),
        (np.exp(E), "is the exponential of what it should be"),
        (1 / E, "is one over what it should be"),
        (spoiled((0, 1)), "is right except for its first row"),
        (spoiled((2, 1)), "is right except for its last row"),
        (spoiled(1, 2), "Only the first row of the result is right"),
        (spoiled((0, 0), (1, 1), (2, 2)), "is right except on the diagonal"),
        (spoiled((1, 2), (1, 1)), "is off: expected 5 at [1, 1], got 5.5"),
    ],
)
def test_is_the_plainest_pattern_found(got, says):
    assert says in symptom(got, E, 1e-6, "result")[1]


def test_are_rows_asked_to_sum_to_one():
    weights = np.array([[0.2, 0.8], [0.5, 0.5]])
    brief, says = symptom(np.array([[0.2, 0.9], [0.5, 0.7]]), weights, 1e-6, "result")
    assert brief == "rows don't sum to one"
    assert says == "The rows of the result should sum to one; yours sum to 1.1."


def test_is_a_single_number_shown_without_a_place():
    assert symptom(np.array(2.0), np.array(1.5), 1e-6, "result")[0] == "expected 1.5, got 2"


def test_do_symptoms_of_odd_numbers_raise_no_warning():
    got = np.array([[1e308, -1e308], [0.0, 1e-308]])
    assert "off" in symptom(got, np.array([[1.0, 0.0], [3.0, 4.0]]), 1e-6, "result")[1]


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_are_zeros_and_ones_not_told_to_be_an_exponential(wrong):
    _, says = symptom(np.array([wrong, 1.0]), np.array([1 - wrong, 1.0]), 1e-6, "result")
    assert "exponential" not in says
    assert "logarithm" not in says
