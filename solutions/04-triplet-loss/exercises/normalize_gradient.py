"""The gradient through the normalisation: what is left of it lies across the vector."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def batch(count, dim, shortest=0.4, longest=4.0):
    """Return a draw of rows of all lengths and of what comes from above, both (count, dim)."""

    def draw(rng):
        x = rng.normal(size=(count, dim))
        lengths = rng.permutation(np.geomspace(shortest, longest, count)) if count > 1 else longest
        x *= np.reshape(lengths, (-1, 1)) / np.sqrt((x * x).sum(axis=1, keepdims=True))
        return {"x": x, "upstream": 1.5 * rng.normal(size=(count, dim))}

    return draw


def along(rng):
    """Draw gradients that point along their rows, partly."""
    drawn = batch(5, 3)(rng)
    return drawn | {"upstream": drawn["upstream"] * 0.2 + drawn["x"] * rng.uniform(0.5, 2, size=(5, 1))}


def whole_batch(rng):
    """Draw whole numbers, no row of zeros."""
    x = rng.integers(-3, 4, size=(5, 3)).astype(np.float64)
    x[:, 1] = rng.integers(1, 4, size=5)
    return {"x": x, "upstream": rng.integers(-4, 5, size=(5, 3)).astype(np.float64)}


def oracle(x, upstream):
    """Build each row's Jacobian by the quotient rule and multiply by it."""
    result = np.zeros(x.shape)
    for row, given, out in zip(x.tolist(), upstream.tolist(), result, strict=True):
        length = math.hypot(*row)
        for k in range(len(row)):
            slopes = [(length if j == k else 0.0) - row[j] * row[k] / length for j in range(len(row))]
            out[k] = math.fsum(g * s for g, s in zip(given, slopes, strict=True)) / length**2
    return result


def by_matrices(x, upstream):
    """Project with one matrix per row, (I − f fᵀ) / ‖x‖."""
    rows = []
    for row, given in zip(x, upstream, strict=True):
        length = np.sqrt(row @ row)
        rows.append((np.eye(len(row)) - np.outer(row, row) / length**2) @ given / length)
    return rows


def by_einsum(x, upstream):
    """Divide only by squared lengths and one length."""
    squared = np.einsum("be,be->b", x, x)[:, None]
    dots = np.einsum("be,be->b", x, upstream)[:, None]
    return (upstream * squared - dots * x) / squared**1.5


def projected_twice(x, upstream):
    """Subtract the part along the row, twice for good measure."""
    f = x / np.sqrt((x**2).sum(-1, keepdims=True))
    across = upstream - (upstream * f).sum(-1, keepdims=True) * f
    across = across - (across * f).sum(-1, keepdims=True) * f
    return across / np.sqrt((x**2).sum(-1, keepdims=True))


TORCH_AUTOGRAD = """
def normalize_gradient(x, upstream):
    x, upstream = as_floats(x, upstream)
    with torch.enable_grad():
        leaf = x if x.requires_grad else x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.normalize(leaf, dim=1), leaf, upstream, create_graph=True)
    return slope
"""

TORCH_VJP = """
def normalize_gradient(x, upstream):
    x, upstream = as_floats(x, upstream)
    _, pull = torch.func.vjp(lambda rows: F.normalize(rows, dim=1), x)
    return pull(upstream)[0]
"""

TORCH_EINSUM = """
def normalize_gradient(x, upstream):
    x, upstream = as_floats(x, upstream)
    squared = torch.einsum("be,be->b", x, x)[:, None]
    dots = torch.einsum("be,be->b", x, upstream)[:, None]
    return upstream / squared.sqrt() - dots * x / squared.pow(1.5)
"""

exercise = Exercise(
    title="Back through the normalisation",
    points=2,
    minutes=15,
    difficulty=2,
    source="the derivative of x / ‖x‖; Schroff et al. 2015, FaceNet, section 3.1: ‖f(x)‖ = 1",
    kind=Function(),
    hints=[
        "Move x a little along itself. Does x / ‖x‖ notice? So which part of the "
        "gradient can't come through?",
        "Split what comes from above into a part along the unit row f and a part across it.",
        "Keep the part across. A long row turns less under the same push: divide by the length.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "six rows of all lengths", batch(6, 4)),
        Case("square", "as many rows as components", batch(5, 5)),
        Case("one_row", "one row only", batch(1, 7)),
        Case("along", "gradients that point mostly along their rows", along),
        Case("short", "lengths around one tenth", batch(5, 3, 0.05, 0.5), gradients=False),
        Case("long", "lengths around one hundred", batch(4, 6, 30.0, 400.0), gradients=False),
        Case("float32", "float32 input", batch(7, 5), dtype="float32"),
        Case("integers", "whole numbers as input", whole_batch, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", batch(6, 3), layout="fortran"),
        Case("strided", "every other column of a larger array", batch(4, 5), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "only_divided",
            "The part along the row was kept. Moving x along itself changes nothing, so "
            "no gradient flows that way.",
            edit=[("(upstream - along * unit) / norms", "upstream / norms")],
        ),
        Mistake(
            "not_divided",
            "The lengths are missing. A row twice as long turns half as much under the same push.",
            edit=[("(upstream - along * unit) / norms", "upstream - along * unit")],
        ),
        Mistake(
            "divided_by_square",
            "The result was divided by the squared length. The length itself is right.",
            edit=[("unit) / norms", "unit) / norms**2")],
        ),
        Mistake(
            "multiplied_by_length",
            "The result was multiplied by the length. A long row turns less, not more.",
            edit=[("unit) / norms", "unit) * norms")],
        ),
        Mistake(
            "row_not_unit",
            "The row itself was used to project. A projection needs the unit row.",
            edit=[("unit = x / norms", "unit = x")],
        ),
        Mistake(
            "row_in_one_place",
            "The unit row stands in one place of the projection and x in the other. It "
            "needs the unit row twice.",
            edit=[("along * unit)", "along * x)")],
        ),
        Mistake(
            "part_added",
            "The part along the row was added. It should be taken away.",
            edit=[("upstream - along", "upstream + along")],
        ),
        Mistake(
            "part_along",
            "This is the part along the row: just the one that does not come through.",
            edit=[("(upstream - along * unit)", "along * unit")],
        ),
        Mistake(
            "over_the_batch",
            "The dot products run over the batch. Each row has its own.",
            edit=[("np.sum(upstream * unit, axis=1", "np.sum(upstream * unit, axis=0")],
        ),
        Mistake(
            "one_dot_product",
            "One dot product was taken for the whole batch. Each row has its own.",
            edit=[("np.sum(upstream * unit, axis=1, keepdims=True)", "np.sum(upstream * unit)")],
        ),
        Mistake(
            "upstream_not_projected",
            "The row was projected, not what comes from above.",
            edit=[("(upstream - along * unit)", "(unit - along * upstream)")],
        ),
        Mistake(
            "in_place",
            "What was handed in from above was changed. Make a new array.",
            edit=[("return (upstream", "upstream *= 1.0 + 1e-15\n    return (upstream")],
            breaks="changes_arguments",
            track="from_scratch",
        ),
        Mistake(
            "dot_detached",
            "A gradient arrives, but the wrong one: the dot products were cut off.",
            edit=[
                (
                    "(upstream * unit).sum(dim=1, keepdim=True)",
                    "(upstream * unit).sum(dim=1, keepdim=True).detach()",
                )
            ],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach x and upstream. "
            "Stay with tensors that autograd follows.",
            edit=[("(upstream - along * unit) / norms", "((upstream - along * unit) / norms).detach()")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[("x, upstream = as_floats(x, upstream)", "x, upstream = x.float(), upstream.float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("matrices", function=by_matrices, track="from_scratch"),
        Right("einsum", function=by_einsum, track="from_scratch"),
        Right("projected_twice", function=projected_twice, track="from_scratch"),
        Right("autograd", source=TORCH_AUTOGRAD, track="pytorch"),
        Right("vjp", source=TORCH_VJP, track="pytorch"),
        Right("einsum_in_torch", source=TORCH_EINSUM, track="pytorch"),
    ],
)
