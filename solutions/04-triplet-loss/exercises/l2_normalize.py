"""Rows of unit length: the embedding's constraint, without which distances mean nothing.

A row of zeros has no direction and is never asked for.
"""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Property, Right


def rows(count, dim, shortest=0.3, longest=6.0):
    """Return a draw of rows (count, dim) whose lengths run from shortest to longest, in mixed order."""

    def draw(rng):
        x = rng.normal(size=(count, dim))
        lengths = rng.permutation(np.geomspace(shortest, longest, count)) if count > 1 else longest
        return {"x": x / np.sqrt((x * x).sum(axis=1, keepdims=True)) * np.reshape(lengths, (-1, 1))}

    return draw


def whole_rows(rng):
    """Draw whole numbers, no row of zeros."""
    x = rng.integers(-3, 4, size=(5, 3)).astype(np.float64)
    x[:, 0] = rng.integers(1, 4, size=5)
    return {"x": x}


def oracle(x):
    """Divide the components of one row after the other by the row's length."""
    result = []
    for row in x.tolist():
        length = math.hypot(*row)
        result.append([component / length for component in row])
    return np.array(result)


def by_einsum(x):
    """Get the squared lengths by einsum and multiply by the inverse root."""
    return (x.T * np.einsum("be,be->b", x, x) ** -0.5).T


def by_rows(x):
    """Normalise one row at a time, with the customary guard; the answer is a list."""
    return [row / max(np.sqrt(row @ row), 1e-12) for row in x]


def in_two_goes(x):
    """Scale by the largest component first, as one does against overflow."""
    scaled = x / np.abs(x).max(axis=1, keepdims=True)
    return scaled / np.sqrt(np.square(scaled).sum(axis=1, keepdims=True))


TORCH_NORMALIZE = """
def l2_normalize(x):
    return F.normalize(*as_floats(x), dim=1)
"""

TORCH_RSQRT = """
def l2_normalize(x):
    (x,) = as_floats(x)
    return x * torch.rsqrt(torch.einsum("be,be->b", x, x)).unsqueeze(1)
"""

TORCH_ROWS = """
def l2_normalize(x):
    (x,) = as_floats(x)
    return torch.stack([row / torch.linalg.vector_norm(row) for row in x.unbind(0)])
"""

exercise = Exercise(
    title="Rows of unit length",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, section 3.1: ‖f(x)‖ = 1",
    kind=Function(),
    properties=(Property("unit_rows"),),
    hints=[
        "Each row has a length of its own. What do you divide a vector by to make its length one?",
        "The length is the root of the sum of the squared components, along the row.",
        "There are B lengths. Keep the axis that was summed, so that they divide the rows.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "six rows of all lengths", rows(6, 4)),
        Case("square", "as many rows as components", rows(5, 5)),
        Case("one_row", "one row only", rows(1, 7)),
        Case("one_component", "one component only: signs remain", rows(4, 1), gradients=False),
        Case("short", "lengths around one tenth", rows(5, 3, 0.05, 0.5)),
        Case("long", "lengths around one thousand", rows(3, 6, 300.0, 4000.0), gradients=False),
        Case("float32", "float32 input", rows(7, 5), dtype="float32"),
        Case("integers", "whole numbers as input", whole_rows, dtype="int64", gradients=False),
        Case("fortran", "an array in column order", rows(6, 3), layout="fortran"),
        Case("strided", "every other column of a larger array", rows(4, 5), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "whole_matrix",
            "One length was taken for the whole matrix. Every row has its own.",
            edit=[("np.linalg.norm(x, axis=1, keepdims=True)", "np.linalg.norm(x)")],
        ),
        Mistake(
            "columns",
            "The columns have unit length. One embedding is a row.",
            edit=[("axis=1", "axis=0")],
        ),
        Mistake(
            "squared_length",
            "The rows were divided by their squared length. Short rows come out long that way.",
            edit=[("keepdims=True)", "keepdims=True) ** 2")],
        ),
        Mistake(
            "sum_of_absolutes",
            "The absolute components of each row sum to one. Here their squares should.",
            edit=[
                (
                    "np.linalg.norm(x, axis=1, keepdims=True)",
                    "np.sum(np.abs(x), axis=1, keepdims=True)",
                )
            ],
        ),
        Mistake(
            "largest_component",
            "The largest component of each row is one. The length should be.",
            edit=[("np.linalg.norm(x, axis=1, keepdims=True)", "np.max(np.abs(x), axis=1, keepdims=True)")],
        ),
        Mistake(
            "root_mean_square",
            "The mean of the squares is one. Their sum should be.",
            edit=[("keepdims=True)", "keepdims=True) * x.shape[1] ** 0.5")],
        ),
        Mistake(
            "only_long_rows",
            "Rows shorter than one were left as they are. They have to grow to the sphere as well.",
            edit=[
                (
                    "x / np.linalg.norm(x, axis=1, keepdims=True)",
                    "x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1)",
                )
            ],
        ),
        Mistake(
            "large_epsilon",
            "A constant was added to the lengths that is no longer small beside them.",
            edit=[
                (
                    "np.linalg.norm(x, axis=1, keepdims=True)",
                    "(np.linalg.norm(x, axis=1, keepdims=True) + 1e-2)",
                )
            ],
        ),
        Mistake(
            "axis_not_kept",
            "The lengths lost their axis, so that they no longer line up with the rows. "
            "Keep it for broadcasting.",
            edit=[(", keepdims=True", "")],
            breaks="error",
        ),
        Mistake(
            "in_place",
            "The caller's rows were changed. Make a new array.",
            edit=[
                (
                    "return x / np.linalg.norm(x, axis=1, keepdims=True)",
                    "x /= np.linalg.norm(x, axis=1, keepdims=True)\n    return x",
                )
            ],
            breaks="changes_arguments",
        ),
        Mistake(
            "length_detached",
            "A gradient arrives, but the wrong one: the lengths were cut off, and they depend on x too.",
            edit=[("keepdim=True)", "keepdim=True).detach()")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach x. Stay with tensors that autograd follows.",
            edit=[("return x / x", "return x.detach() / x.detach()")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[("(x,) = as_floats(x)", "x = x.float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("einsum", function=by_einsum, track="from_scratch"),
        Right("row_by_row", function=by_rows, track="from_scratch"),
        Right("scaled_first", function=in_two_goes, track="from_scratch"),
        Right("functional_normalize", source=TORCH_NORMALIZE, track="pytorch"),
        Right("inverse_root", source=TORCH_RSQRT, track="pytorch"),
        Right("stacked_rows", source=TORCH_ROWS, track="pytorch"),
    ],
)
