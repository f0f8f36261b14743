"""What calling an answer shows, before anybody says what would have been right."""

import sys

import numpy as np
import pytest

from autograder.judging import tree
from autograder.judging.observe import Call, Observation, call_from_tree, is_stub, observe, to_array

X = np.arange(6.0).reshape(2, 3)


def call(**changes):
    return Call(**{"kind": "function", "options": {"returns": ["result"]}, "arguments": {"x": X}, **changes})


def test_are_the_arguments_handed_over_in_order():
    seen = observe(lambda a, b: np.subtract(a, b), call(arguments={"b": X, "a": 1.0}))
    assert np.array_equal(seen.outputs["result"], X - 1.0)


def test_are_the_case_s_own_arrays_safe_from_the_answer():
    def spoil(x):
        x[:] = 0
        return x

    asked = call(arguments={"x": X.copy()})
    observe(spoil, asked)
    assert np.array_equal(asked.arguments["x"], X)


def test_is_a_changed_argument_named():
    def spoil(x, y):
        y += 1
        return x

    assert observe(spoil, call(arguments={"x": X, "y": X})).facts["changed"] == ["y"]


def test_is_a_changed_tensor_named():
    def spoil(x):
        return x.mul_(2)

    assert observe(spoil, call(framework="torch")).facts["changed"] == ["x"]


def test_does_an_argument_of_nan_count_as_unchanged():
    assert observe(np.abs, call(arguments={"x": np.full(3, np.nan)})).facts["changed"] == []


def test_are_several_outputs_named_in_order():
    seen = observe(lambda x: (x.min(), x.max()), call(options={"returns": ["low", "high"]}))
    assert {n: float(v) for n, v in seen.outputs.items()} == {"low": 0.0, "high": 5.0}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, {"what": "none"}),
        ((1, 2, 3), {"what": "count", "got": 3, "expected": 2}),
        (X, {"what": "not_a_tuple", "got": "ndarray", "expected": 2}),
    ],
)
def test_is_a_wrong_number_of_outputs_described(value, what):
    seen = observe(lambda x: [value].pop(), call(options={"returns": ["low", "high"]}))
    assert seen.facts["problem"] == what


# ----------------------------------------------------------------------------------- bad results


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "none"),
        ([[1.0, 2.0], [3.0]], "ragged"),
        (np.array([1, None]), "object"),
        (["a", "b"], "text"),
    ],
)
def test_is_a_result_without_numbers_described(value, problem):
    assert to_array(value) == (None, problem)


def test_is_a_result_described_that_fails_when_it_is_read():
    class Nasty:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("no")

    assert to_array(Nasty()) == (None, "array_failed")


def test_are_nested_lists_read_as_an_array():
    array, problem = to_array([[1, 2], [3, 4]])
    assert problem is None
    assert array.shape == (2, 2)


def test_is_a_tensor_that_needs_gradients_read():
    import torch

    array, problem = to_array(torch.ones(2, requires_grad=True))
    assert problem is None
    assert array.tolist() == [1.0, 1.0]


def test_is_a_bfloat16_tensor_read():
    import torch

    assert to_array(torch.ones(2, dtype=torch.bfloat16))[0].tolist() == [1.0, 1.0]


def test_is_a_matrix_read_as_a_plain_array():
    assert type(to_array(np.ma.masked_array([1.0, 2.0]))[0]) is np.ndarray


# ------------------------------------------------------------------------------------ bad answers


def test_is_a_value_in_place_of_a_function_named():
    seen = observe(X, call())
    assert seen.error == {"type": "NotAFunction", "message": "a value of type ndarray"}


def test_is_a_wrong_arity_seen_before_the_call():
    called = []
    seen = observe(lambda a, b: called.append(a), call())
    assert seen.error["type"] == "WrongArguments"
    assert called == []


def test_does_a_type_error_inside_the_answer_not_look_like_wrong_arity():
    seen = observe(lambda x: len(3), call())
    assert seen.error["type"] == "TypeError"


def test_is_the_line_of_an_error_the_answer_s_own():
    def answer(x):
        return np.ones((2, 2)) @ np.ones((3, 3))

    error = observe(answer, call()).error
    assert error["type"] == "ValueError"
    assert "np.ones((2, 2)) @" in error["line"]
    assert error["function"] == "answer"


def test_is_an_error_reported_whose_text_cannot_be_read():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    def answer(x):
        raise Silent(x.shape)

    assert observe(answer, call()).error["message"] == "(the error's own message could not be read)"


def test_is_exit_an_error_like_any_other():
    assert observe(lambda x: sys.exit(3), call()).error["type"] == "SystemExit"


def test_is_an_endless_loop_ended():
    def answer(x):
        while x.any():
            pass

    error = observe(answer, call(wall_limit_s=0.05)).error
    assert error["type"] == "TimeLimit"
    assert error["message"] == "it was still running after 0.05 seconds"


def test_does_an_interrupt_by_hand_reach_the_session():
    def answer(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        observe(answer, call())


def test_are_a_million_lines_counted_and_not_shown(capfd):
    def answer(x):
        print("line\n" * 1_000_000, end="")
        return x

    printed = observe(answer, call()).facts["printed"]
    assert printed["lines"] == 1_000_000
    assert len(printed["head"]) <= 200
    assert capfd.readouterr() == ("", "")


def test_is_stderr_kept_away_too(capfd):
    def answer(x):
        print("oh", file=sys.stderr)
        return x

    assert observe(answer, call()).facts["printed"]["head"] == "oh\n"
    assert capfd.readouterr().err == ""


def test_are_warnings_kept_and_not_raised():
    seen = observe(lambda x: np.log(-x - 1), call())
    assert seen.error is None
    assert any("RuntimeWarning" in warning for warning in seen.facts["warnings"])


# ------------------------------------------------------------------------------------------ stubs


def test_is_the_released_stub_a_stub():
    def stub(x):
        """Return x."""
        raise NotImplementedError()

    assert is_stub(stub)
    assert observe(stub, call()).facts == {"not_attempted": True}


def test_is_an_empty_body_a_stub():
    def stub(x):
        """Return x."""

    assert is_stub(stub)


@pytest.mark.parametrize("answer", [lambda x: x.T, lambda x: 0, lambda x: x + 1, len, 3, None])
def test_is_anything_else_no_stub(answer):
    assert not is_stub(answer)


@pytest.mark.parametrize("answer", [lambda x: x, lambda x: -x, lambda a, b: a @ b, lambda a, b: (b, a)])
def test_is_a_short_body_of_local_names_no_stub(answer):
    assert not is_stub(answer)


def test_does_an_answer_that_leans_on_a_stub_name_it():
    def below(x):
        raise NotImplementedError()

    seen = observe(lambda x: below(x) + 1, call())
    assert not seen.facts["not_attempted"]
    assert seen.error["function"] == "below"


def test_is_a_not_implemented_error_with_a_message_an_error():
    def answer(x):
        if x.ndim == 2:
            raise NotImplementedError("only for one axis")
        return x

    assert not observe(answer, call()).facts["not_attempted"]


# ---------------------------------------------------------------------------- what a call asks for


@pytest.mark.parametrize(("layout", "flag"), [("plain", "C_CONTIGUOUS"), ("fortran", "F_CONTIGUOUS")])
def test_do_the_arguments_lie_as_asked(layout, flag):
    seen = observe(lambda x: float(x.flags[flag]), call(layout=layout))
    assert seen.outputs["result"] == 1.0


def test_is_a_strided_argument_not_contiguous_and_equal():
    seen = observe(
        lambda x: (x, float(x.flags.contiguous)), call(layout="strided", options={"returns": ["x", "c"]})
    )
    assert np.array_equal(seen.outputs["x"], X)
    assert seen.outputs["c"] == 0.0


def test_is_memory_measured_only_when_asked():
    def answer(x):
        return np.ones(2**17).sum()

    assert "peak_bytes" not in observe(answer, call()).facts
    assert observe(answer, call(measure=True)).facts["peak_bytes"] >= 2**20


def test_is_an_answer_that_remembers_not_repeatable():
    calls = []

    def answer(x):
        calls.append(1)
        return x + len(calls)

    assert observe(answer, call(repeat=True)).facts["repeatable"] is False
    assert observe(np.abs, call(repeat=True)).facts["repeatable"] is True


def test_does_the_same_nan_count_as_repeatable():
    assert observe(lambda x: x * np.nan, call(repeat=True)).facts["repeatable"] is True


# ------------------------------------------------------------------------------------------ torch


def torch_call(**changes):
    return call(framework="torch", upstream={"result": np.ones_like(X)}, **changes)


def test_does_the_vector_jacobian_product_arrive():
    seen = observe(lambda x: x**2, torch_call())
    assert np.allclose(seen.gradients["x"], 2 * X)
    assert seen.facts["cut_off"] == []


def test_is_a_detached_result_cut_off():
    seen = observe(lambda x: (x**2).detach(), torch_call())
    assert seen.facts["cut_off"] == ["result"]
    assert seen.gradients == {}


def test_is_an_argument_without_gradient_none():
    seen = observe(lambda x, y: x * 1.0, torch_call(arguments={"x": X, "y": X}))
    assert seen.gradients["y"] is None


def test_is_a_failing_backward_pass_described():
    import torch

    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise ValueError("no way back")

    seen = observe(Bad.apply, torch_call())
    assert seen.facts["backward_error"]["message"] == "no way back"


def test_are_integer_arguments_handed_over_without_gradients():
    seen = observe(lambda x: x * 1.0, torch_call(arguments={"x": X.astype(np.int64)}))
    assert seen.error is None
    assert seen.facts["cut_off"] == ["result"]


def test_is_a_tensor_made_on_the_cpu_seen():
    import torch

    seen = observe(lambda x: x + torch.ones(2, 3, dtype=x.dtype), torch_call(repeat=True))
    assert seen.facts["device"] == "mixed"


def test_is_a_result_seen_that_is_made_on_the_cpu():
    import torch

    def answer(x):
        return torch.ones(2, 3, dtype=x.dtype, requires_grad=True) * 2

    assert observe(answer, torch_call(repeat=True)).facts["device"] == "lost"


def test_is_a_tensor_seen_that_follows_its_argument_s_device():
    import torch

    seen = observe(lambda x: x + torch.ones_like(x), torch_call(repeat=True))
    assert seen.facts["device"] == "kept"


# ------------------------------------------------------------------------------------------ trees


def test_does_a_call_survive_the_pipe():
    asked = torch_call(layout="strided", wall_limit_s=2.0)
    back = call_from_tree(tree.join(*tree.split(asked.tree())))
    assert back.layout == "strided"
    assert np.array_equal(back.arguments["x"], X)


def test_does_an_observation_survive_the_pipe():
    seen = observe(lambda x: x**2, torch_call())
    back = Observation.from_tree(tree.join(*tree.split(seen.tree())))
    assert np.array_equal(back.outputs["result"], X**2)
    assert back.facts == seen.facts


@pytest.mark.parametrize(
    "forged",
    [
        None,
        [],
        {},
        {"outputs": {}, "gradients": {}, "facts": {}},
        {"outputs": {"result": 3}, "gradients": {}, "facts": {}, "error": None},
        {"outputs": {}, "gradients": {}, "facts": [], "error": None},
        {"outputs": {}, "gradients": {}, "facts": {}, "error": "none"},
        {"outputs": {}, "gradients": {"x": "y"}, "facts": {}, "error": None},
    ],
)
def test_is_anything_but_an_observation_refused(forged):
    with pytest.raises(ValueError, match="observation"):
        Observation.from_tree(forged)


@pytest.mark.parametrize("outputs", [[], "x", None])
def test_are_outputs_that_are_no_dictionary_refused(outputs):
    with pytest.raises(ValueError, match="observation"):
        Observation.from_tree({"outputs": outputs, "gradients": {}, "facts": {}, "error": None})


# ------------------------------------------------------------------------------------ derivations


def lines(answer):
    return observe(answer, Call("derivation")).facts


def test_is_a_text_split_into_its_lines():
    assert lines("a + b\n\nb + a") == {"lines": ["a + b", "b + a"]}


def test_is_an_ellipsis_among_the_lines_passed_over():
    assert lines(["a + b", ..., "b + a"]) == {"lines": ["a + b", "b + a"]}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (3, {"what": "not_lines", "got": "int"}),
        (["a", 3], {"what": "not_text", "got": "int"}),
        (None, {"what": "not_lines", "got": "NoneType"}),
    ],
)
def test_is_a_derivation_described_that_is_no_list_of_text(answer, problem):
    assert lines(answer)["problem"] == problem


def test_is_a_huge_derivation_cut():
    kept = lines(["a" * 10_000] * 1000)["lines"]
    assert len(kept) == 200
    assert len(kept[0]) == 2000
