"""All squared distances of a batch: exactly symmetric, exactly zero on the diagonal, never negative."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Property, Right


def rows(batch, dim):
    """Return a draw of Gaussian rows (batch, dim), each with a length of its own."""

    def draw(rng):
        return {"embeddings": rng.normal(size=(batch, dim)) * rng.uniform(0.3, 3, size=(batch, 1))}

    return draw


def unit_rows(rng):
    """Draw forty rows of unit length; rounding leaves some distances below zero if nobody looks."""
    drawn = rng.normal(size=(40, 16))
    return {"embeddings": drawn / np.linalg.norm(drawn, axis=1, keepdims=True)}


def with_copies(rng):
    """Draw thirty rows that are nearly copies of three, so near that rounding decides a distance's sign."""
    drawn = 10 * rng.normal(size=(3, 7))[rng.integers(3, size=30)]
    return {"embeddings": drawn * (1 + 1e-9 * rng.normal(size=(30, 7)))}


def whole(rng):
    """Draw rows of whole numbers."""
    return {"embeddings": rng.integers(-4, 5, size=(6, 3)).astype(np.float64)}


def memory_allowed(arguments):
    """Allow eight float64 copies of the argument and of the result, in bytes."""
    batch, dim = arguments["embeddings"].shape
    return 8 * 8 * (batch * dim + batch * batch)


def oracle(embeddings):
    """Add up the squared differences of one pair at a time."""
    points = embeddings.tolist()
    table = [[math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)) for b in points] for a in points]
    return np.array(table, dtype=np.float64).reshape(len(points), len(points))


def row_by_row(embeddings):
    """Subtract one row at a time from all."""
    return np.array([((embeddings - row) ** 2).sum(axis=1) for row in embeddings])


def upper_half_mirrored(embeddings):
    """Fill the upper half from dot products, then mirror it."""
    norms = np.einsum("be,be->b", embeddings, embeddings)
    table = np.triu(np.maximum(np.add.outer(norms, norms) - 2 * embeddings @ embeddings.T, 0), 1)
    return table + table.T


def in_lists(embeddings):
    """Answer with nested lists."""
    points = [np.asarray(row, dtype=float) for row in embeddings]
    return [[float(np.sum((a - b) ** 2)) for b in points] for a in points]


TORCH_ROWS = """
def pairwise_squared_distances(embeddings):
    (embeddings,) = as_floats(embeddings)
    return torch.stack([(embeddings - row).square().sum(dim=1) for row in embeddings])
"""

TORCH_MIRRORED = """
def pairwise_squared_distances(embeddings):
    (embeddings,) = as_floats(embeddings)
    squares = (embeddings * embeddings).sum(1)
    table = torch.relu(torch.addmm(squares[:, None] + squares, embeddings, embeddings.T, alpha=-2)).triu(1)
    return table + table.T
"""

TORCH_COMPONENTS = """
def pairwise_squared_distances(embeddings):
    (embeddings,) = as_floats(embeddings)
    return sum((column[:, None] - column[None, :]) ** 2 for column in embeddings.unbind(dim=1))
"""

exercise = Exercise(
    title="All squared distances of a batch",
    points=2,
    minutes=10,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, equation 1 (squared L2 distance)",
    kind=Function(at_least=0.0),
    properties=(Property("symmetric"), Property("zero_diagonal")),
    hints=[
        "Expand ‖x − y‖². All dot products of the batch are one matrix product; where in it are ‖x‖² and ‖y‖²?",
        "Take the norms from the diagonal of that very product. What is then left on the diagonal, exactly?",
        "A sum x + y equals y + x to the last bit. Subtract one symmetric matrix from another, and cut off at zero.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "seven rows of different lengths", rows(7, 4)),
        Case("one_row", "one row only", rows(1, 5)),
        Case("two_rows", "two rows", rows(2, 3)),
        Case("unit", "forty rows of unit length", unit_rows, gradients=False),
        Case("copies", "rows that are nearly copies of others", with_copies, gradients=False),
        Case("float32", "float32 input", rows(9, 6), dtype="float32"),
        Case("integers", "whole numbers as input", whole, dtype="int64", gradients=False),
        Case("fortran", "an array in column order", rows(6, 4), layout="fortran"),
        Case("strided", "every other row of a larger array", rows(5, 7), layout="strided"),
        Case(
            "memory",
            "no room for a (B, B, E) intermediate",
            rows(40, 200),
            gradients=False,
            peak_bytes=memory_allowed,
        ),
    ],
    mistakes=[
        Mistake(
            "not_squared",
            "These are distances. FaceNet's loss and its thresholds are about squared ones.",
            edit=[("return np.maximum(distances, 0)", "return np.sqrt(np.maximum(distances, 0))")],
        ),
        Mistake(
            "cross_sign",
            "This is ‖x + y‖². The cross term of a squared difference has the other sign.",
            edit=[("- (gram + gram.T)", "+ (gram + gram.T)")],
        ),
        Mistake(
            "cross_halved",
            "The cross term counts once, but (x − y)·(x − y) has it twice.",
            edit=[("(gram + gram.T)", "gram")],
        ),
        Mistake(
            "unit_norms_assumed",
            "2 − 2x·y holds for rows of unit length alone. These rows have norms of their own.",
            edit=[("norms[:, None] + norms[None, :]", "2")],
        ),
        Mistake(
            "cosine_distance",
            "This is 1 − x·y, half the squared distance of unit rows, and wrong for others.",
            edit=[("norms[:, None] + norms[None, :] - (gram + gram.T)", "1 - gram")],
        ),
        Mistake(
            "norms_of_one_side",
            "One row's norm is missing: the table must not change when rows and columns swap.",
            edit=[("norms[:, None] + norms[None, :]", "2 * norms[:, None]")],
        ),
        Mistake(
            "upper_half_only",
            "Only the upper half is filled. The distance from i to j is also that from j to i.",
            edit=[("return np.maximum(distances, 0)", "return np.triu(np.maximum(distances, 0))")],
        ),
        Mistake(
            "mean_over_components",
            "This is the mean squared difference. A distance adds the components up.",
            edit=[
                ("return np.maximum(distances, 0)", "return np.maximum(distances, 0) / embeddings.shape[1]")
            ],
        ),
        Mistake(
            "no_clamp",
            "Rounding leaves tiny negative distances between near copies. What can a squared distance never be?",
            edit=[("np.maximum(distances, 0)", "distances")],
            breaks="range",
        ),
        Mistake(
            "rough_diagonal",
            "The diagonal is only nearly zero: the norms were rounded otherwise than the products.",
            edit=[("norms = np.diag(gram)", "norms = np.linalg.norm(embeddings, axis=1) ** 2")],
            breaks="zero_diagonal",
            track="from_scratch",
        ),
        Mistake(
            "three_axes",
            "The values are right, but all differences were held at once. That needs E times the result's memory.",
            edit=[
                (
                    "distances = norms[:, None] + norms[None, :] - (gram + gram.T)",
                    "distances = ((embeddings[:, None] - embeddings[None]) ** 2).sum(axis=2)",
                )
            ],
            breaks="memory",
            track="from_scratch",
        ),
        Mistake(
            "detached",
            "The values are right, but no gradient reaches the embeddings.",
            edit=[("gram = embeddings @ embeddings.T", "gram = (embeddings @ embeddings.T).detach()")],
            breaks="autograd",
            track="pytorch",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[("(embeddings,) = as_floats(embeddings)", "embeddings = embeddings.float()")],
            breaks="dtype",
            track="pytorch",
        ),
    ],
    also_right=[
        Right("row_by_row", function=row_by_row, track="from_scratch"),
        Right("upper_half_mirrored", function=upper_half_mirrored, track="from_scratch"),
        Right("in_lists", function=in_lists, track="from_scratch"),
        Right("stacked_rows", source=TORCH_ROWS, track="pytorch"),
        Right("mirrored", source=TORCH_MIRRORED, track="pytorch"),
        Right("component_by_component", source=TORCH_COMPONENTS, track="pytorch"),
    ],
)
