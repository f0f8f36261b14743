"""Plain results, dictionaries, free choices, raised errors and properties of functions."""

import numpy as np
import pytest

from autograder.judging import tree
from autograder.judging.casebook import dump, load
from autograder.judging.exercise import Case, Function, Property
from tests.judging.kinds.small import exercise, mistake, prepared, verdict

BIG = Case("big", "a billion", lambda rng: {"n": 10**9})
CUBE = exercise(
    Function(plain=True, integer=True),
    BIG,
    Case("small", "three", lambda rng: {"n": 3}),
    oracle=lambda n: n * n * n,
    mistakes=[mistake("square", lambda n: n * n)],
)


def test_are_ints_beyond_64_bits_compared_exactly():
    assert verdict(CUBE, lambda n: n**3).passed
    assert not verdict(CUBE, lambda n: n**3 + 1).passed


def test_is_a_float_refused_where_an_int_is_asked():
    said = verdict(CUBE, lambda n: float(n) ** 3)
    assert "Python int" in said.says


def test_is_a_mistake_with_large_ints_named():
    assert verdict(CUBE, lambda n: n * n).mistake == "square"


def test_need_an_int_be_no_tensor_in_the_pytorch_track():
    assert verdict(CUBE, lambda n: n**3, "pytorch").passed


def test_do_large_ints_survive_the_casebook():
    made = prepared(CUBE)
    again = load(dump("x", [made]))[1][("small", "from_scratch")]
    assert again.cases[0].expected["result"].item() == 10**27


def test_is_an_object_array_of_anything_else_refused():
    with pytest.raises(ValueError, match="integers"):
        tree.join({"$integers": [[1], ["a"]]}, [])


MIXED = exercise(
    Function(returns=("loss", "active"), integer=("active",), plain=("active",)),
    Case("one", "", lambda rng: {"x": rng.normal(size=6)}),
    oracle=lambda x: (float(np.sum(np.maximum(x, 0))), int(np.sum(x > 0))),
)


def test_may_one_output_be_a_tensor_and_another_an_int():
    assert verdict(MIXED, lambda x: (x.clamp(min=0).sum(), int((x > 0).sum())), "pytorch").passed
    cut = verdict(MIXED, lambda x: (x.detach().clamp(min=0).sum(), int((x > 0).sum())), "pytorch")
    assert cut.breaks == ("autograd",)


RATIOS = exercise(
    Function(returns=("a", "sizes.b"), form="dict", plain=True),
    Case("nothing", "no arguments", lambda rng: {}),
    oracle=lambda: {"a": 2.5, "sizes": {"b": 3.0}},
)


def test_are_outputs_taken_from_a_dictionary():
    assert verdict(RATIOS, lambda: {"sizes": {"b": 3}, "a": 2.5}).passed
    assert "'sizes.b'" in verdict(RATIOS, lambda: {"a": 2.5}).says
    assert "dictionary" in verdict(RATIOS, lambda: (2.5, 3.0)).says


def test_may_an_argument_be_a_list_of_dictionaries():
    total = exercise(
        Function(integer=True, plain=True),
        Case("two", "", lambda rng: {"layers": [{"kind": "conv", "size": 3}, {"kind": "fc", "size": 4}]}),
        oracle=lambda layers: sum(layer["size"] for layer in layers),
    )
    assert verdict(total, lambda layers: layers[0]["size"] + layers[1]["size"]).passed
    assert verdict(total, lambda layers: layers.pop()["size"] + 3).breaks == ("changes_arguments",)


# ------------------------------------------------------------------------- several right results


def outer(x):
    return np.stack([np.outer(row, row).ravel() for row in x])


def triangle(x):
    upper = np.triu_indices(x.shape[1])
    weights = np.where(upper[0] == upper[1], 1, np.sqrt(2))
    return -np.stack([np.outer(row, row)[upper] * weights for row in x])[:, ::-1]


SQUARES = exercise(
    Function(compare="gram"),
    Case("rows", "", lambda rng: {"x": rng.normal(size=(4, 3))}),
    oracle=outer,
    mistakes=[mistake("squares_only", lambda x: x**2)],
)


def test_are_features_right_by_their_inner_products():
    assert verdict(SQUARES, outer).passed
    assert verdict(SQUARES, triangle).passed
    assert verdict(SQUARES, lambda x: x**2).mistake == "squares_only"


def test_does_the_gradient_go_through_inner_products():
    def outer_in_torch(x):
        return -(x[:, :, None] * x[:, None, :]).flatten(1)

    assert verdict(SQUARES, outer_in_torch, "pytorch", framework="numpy").passed
    said = verdict(SQUARES, lambda x: outer_in_torch(x.detach()) + 0 * x[:, :1], "pytorch", framework="numpy")
    assert said.breaks == ("gradient",)


def test_is_the_number_of_columns_compared_where_asked():
    strict = exercise(Function(compare="columns"), *SQUARES.cases, oracle=outer)
    assert verdict(strict, lambda x: outer(x)[:, ::-1]).passed
    assert "columns" in verdict(strict, triangle).says


def test_are_features_of_a_wrong_shape_explained():
    assert "one row per position" in verdict(SQUARES, lambda x: x.ravel()).says


def test_is_any_threshold_right_that_accepts_the_same():
    def rate(same, different):
        return max(same[same < different.min()], default=-1.0), 0.5

    threshold = exercise(
        Function(returns=("threshold", "val"), plain=True, compare={"threshold": "accepted same different"}),
        Case("one", "", lambda rng: {"same": np.array([1.0, 3.0]), "different": np.array([2.0, 4.0])}),
        oracle=rate,
    )
    assert verdict(threshold, lambda same, different: (1.7, 0.5)).passed
    assert verdict(threshold, lambda same, different: (1.7, 0.5), "pytorch").passed
    assert not verdict(threshold, lambda same, different: (2.5, 0.5)).passed
    assert not verdict(threshold, lambda same, different: (float("nan"), 0.5)).passed


# ------------------------------------------------------------------------- errors and properties


def test_is_an_error_demanded_where_the_case_says_so():
    root = exercise(
        Function(plain=True),
        Case("four", "", lambda rng: {"x": 4.0}),
        Case("below", "a negative number", lambda rng: {"x": -4.0}, raises="ValueError"),
        oracle=lambda x: x**0.5,
    )

    def checked(x):
        if x < 0:
            raise ValueError("no")
        return x**0.5

    assert verdict(root, checked).passed
    assert "ValueError" in verdict(root, lambda x: abs(x) ** 0.5).says


def later_mean(x):
    return np.repeat(x.mean(axis=0)[None], len(x), axis=0)


def test_is_a_look_into_the_future_named():
    running = exercise(
        Function(),
        Case("rows", "", lambda rng: {"x": rng.normal(size=(6, 2))}),
        oracle=lambda x: np.cumsum(x, axis=0),
        properties=[Property("causal", of=("x",)), Property("prefix", of=("x",))],
    )
    assert verdict(running, lambda x: np.cumsum(x, axis=0)).passed
    assert "future" in verdict(running, later_mean).says


@pytest.mark.parametrize(("dtype", "holds"), [("float32", True), ("float64", False)])
def test_may_single_precision_round_otherwise_where_the_size_is_another(dtype, holds):
    running = exercise(
        Function(),
        Case("rows", "", lambda rng: {"x": rng.normal(size=(6, 2))}, dtype=dtype),
        oracle=lambda x: np.cumsum(x, axis=0),
        properties=[Property("prefix", of=("x",))],
    )
    rounded = verdict(running, lambda x: np.cumsum(np.float64(x), axis=0) * (1 + 1e-8 * len(x) ** 2))
    assert ("prefix" not in rounded.breaks) is holds


def test_is_symmetry_exact():
    gram = exercise(
        Function(),
        Case("rows", "", lambda rng: {"x": rng.normal(size=(6, 2))}),
        oracle=lambda x: x @ x.T,
        properties=[Property("symmetric")],
    )
    assert verdict(gram, lambda x: (x @ x.T + (x @ x.T).T) / 2).passed
    skewed = verdict(gram, lambda x: x @ x.T + 1e-14 * np.arange(36).reshape(6, 6))
    assert skewed.breaks == ("symmetric",)


@pytest.mark.parametrize("right", [True, False])
def test_is_a_truth_value_told_as_such(right):
    declared = exercise(
        Function(integer=True, plain=True),
        Case("one", "", lambda rng: {"x": 1.0}),
        oracle=lambda x: np.array(right),
    )
    assert f"expected {right}, got {not right}" in verdict(declared, lambda x: not right).says
