"""Attention as a kernel smoother: a weighted mean of the values, with weights from any similarity.

The similarities are positive but otherwise free, and their rows do not sum to one.
"""

from __future__ import annotations

import math
import operator
from fractions import Fraction

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def similarities(n_queries, n_keys, dim, scale=1.0):
    """Return a draw of a positive similarity (n_queries, n_keys) and values (n_keys, dim)."""

    def draw(rng):
        return {
            "similarity": scale * np.exp(rng.normal(size=(n_queries, n_keys))),
            "values": 1 + rng.normal(size=(n_keys, dim)),
        }

    return draw


def uneven_rows(rng):
    """Draw rows whose sums differ by a factor of a thousand."""
    similarity = np.exp(rng.normal(size=(5, 7))) * np.geomspace(0.03, 30, 5)[:, None]
    return {"similarity": similarity, "values": 1 + rng.normal(size=(7, 3))}


def one_certain_key(rng):
    """Draw rows that see one key alone: exact zeros elsewhere."""
    similarity = np.zeros((4, 6))
    similarity[np.arange(4), rng.permutation(6)[:4]] = rng.uniform(0.5, 3, size=4)
    return {"similarity": similarity, "values": 1 + rng.normal(size=(6, 2))}


def square_similarity(rng):
    """Draw as many queries as keys, where a wrong axis still broadcasts."""
    return {"similarity": np.exp(rng.normal(size=(5, 5))), "values": 1 + rng.normal(size=(5, 3))}


def whole_numbers(rng):
    """Draw counts as similarities and whole values."""
    return {
        "similarity": rng.integers(1, 6, size=(4, 6)).astype(np.float64),
        "values": rng.integers(-3, 4, size=(6, 3)).astype(np.float64),
    }


def oracle(similarity, values):
    """Average in exact fractions, one query and one column at a time."""
    columns = [[Fraction(v) for v in column] for column in values.T.tolist()]
    result = []
    for row in similarity.tolist():
        weights = [Fraction(s) for s in row]
        total = sum(weights)
        result.append([float(sum(w * v for w, v in zip(weights, c, strict=True)) / total) for c in columns])
    return np.array(result, dtype=np.float64)


def with_numpy_average(similarity, values):
    """Let np.average do one query at a time; the answer is a list of rows."""
    return [np.average(values, axis=0, weights=row) for row in similarity]


def with_ones_column(similarity, values):
    """Get numerator and denominator from one product, through a column of ones."""
    both = similarity @ np.column_stack([values, np.ones(len(values))])
    return both[:, :-1] / both[:, -1:]


def with_lists(similarity, values):
    """Answer with nested lists instead of an array."""
    columns = list(zip(*values, strict=True))
    return [[math.fsum(map(operator.mul, row, c)) / sum(row) for c in columns] for row in similarity.tolist()]


TORCH_NORMALIZE = """
def kernel_attention(similarity, values):
    similarity, values = as_floats(similarity, values)
    weights = torch.nn.functional.normalize(similarity, p=1, dim=-1, eps=0.0)
    return torch.einsum("qk,km->qm", weights, values)
"""

TORCH_DIVIDED_LATE = """
def kernel_attention(similarity, values):
    similarity, values = as_floats(similarity, values)
    return ((similarity @ values).T / similarity.sum(-1)).T
"""

TORCH_ROWS = """
def kernel_attention(similarity, values):
    similarity, values = as_floats(similarity, values)
    return torch.stack([(row[:, None] * values).sum(0) / row.sum() for row in similarity.unbind(0)])
"""

exercise = Exercise(
    title="Attention from any similarity",
    points=1,
    minutes=5,
    difficulty=1,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equation 3; Nadaraya 1964 and Watson 1964",
    kind=Function(),
    hints=[
        "If all values were the same vector, what should every query get? What does that ask of the weights?",
        "Each row of the similarity belongs to one query. Along which axis must it be summed?",
        "Divide each row by its own sum, keeping the axis so that it broadcasts; then one matrix product "
        "is left.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", similarities(4, 7, 3)),
        Case("square", "as many queries as keys", square_similarity),
        Case("one_key", "one key only", similarities(5, 1, 3), gradients=False),
        Case("one_query", "one query only", similarities(1, 6, 4)),
        Case("one_each", "one query and one key", similarities(1, 1, 3), gradients=False),
        Case("one_column", "values with one column", similarities(3, 6, 1)),
        Case("uneven", "rows with very different sums", uneven_rows),
        Case(
            "small",
            "similarities near one thousandth",
            similarities(3, 5, 2, scale=1e-3),
            gradients=False,
            rtol=1e-5,
        ),
        Case("certain", "rows that see one key alone", one_certain_key, gradients=False),
        Case("float32", "float32 input", similarities(3, 8, 6), dtype="float32"),
        Case("integers", "whole numbers as input", whole_numbers, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", similarities(7, 3, 4), layout="fortran"),
        Case("strided", "every other row of a larger array", similarities(3, 5, 7), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "not_normalised",
            "The weights were not normalised. With equal values for all keys the result should be that "
            "value.",
            edit=[("similarity / similarity.sum(axis=1, keepdims=True)", "similarity")],
        ),
        Mistake(
            "normalised_over_queries",
            "The weights sum to one over the queries. Each query shares its attention among the keys.",
            edit=[("axis=1", "axis=0")],
        ),
        Mistake(
            "normalised_over_all",
            "One sum over the whole matrix was used. Every query needs its own.",
            edit=[("similarity.sum(axis=1, keepdims=True)", "similarity.sum()")],
        ),
        Mistake(
            "divided_by_count",
            "The rows were divided by the number of keys. A weighted mean divides by the sum of its weights.",
            edit=[("similarity.sum(axis=1, keepdims=True)", "similarity.shape[1]")],
        ),
        Mistake(
            "divided_by_maximum",
            "The rows were divided by their largest entry. The weights must sum to one, not peak at one.",
            edit=[("similarity.sum(axis=1", "similarity.max(axis=1")],
        ),
        Mistake(
            "divided_by_length",
            "The rows were scaled to unit length. The weights must sum to one, not their squares.",
            edit=[
                (
                    "similarity.sum(axis=1, keepdims=True)",
                    "np.linalg.norm(similarity, axis=1, keepdims=True)",
                )
            ],
        ),
        Mistake(
            "softmax_again",
            "A softmax was taken of the similarity. The exponential is in it already; only the division "
            "is left.",
            edit=[
                (
                    "similarity / similarity.sum(axis=1, keepdims=True)",
                    "np.exp(similarity) / np.exp(similarity).sum(axis=1, keepdims=True)",
                )
            ],
        ),
        Mistake(
            "large_epsilon",
            "A constant was added to the denominators that is no longer small beside them. "
            "Positive similarities need none.",
            edit=[("keepdims=True)", "keepdims=True) + 1e-2")],
        ),
        Mistake(
            "axis_not_kept",
            "The sums lost their axis, so that they no longer line up with the rows. Keep it for "
            "broadcasting.",
            edit=[("similarity.sum(axis=1, keepdims=True)", "similarity.sum(axis=1)")],
            breaks="error",
        ),
        Mistake(
            "normalised_in_place",
            "The caller's similarity was changed. Make a new array for the weights.",
            edit=[
                (
                    "weights = similarity / similarity.sum(axis=1, keepdims=True)",
                    "similarity /= similarity.sum(axis=1, keepdims=True)",
                ),
                ("return weights @ values", "return similarity @ values"),
            ],
            breaks="changes_arguments",
        ),
        Mistake(
            "denominator_detached",
            "A gradient arrives, but the wrong one: the denominator was cut off, and it depends on the "
            "similarity too.",
            edit=[("similarity.sum(dim=1, keepdim=True)", "similarity.sum(dim=1, keepdim=True).detach()")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the similarity. "
            "Stay with tensors that autograd follows.",
            edit=[("return weights @ values", "return weights.detach() @ values")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[
                (
                    "similarity, values = as_floats(similarity, values)",
                    "similarity, values = similarity.float(), values.float()",
                )
            ],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("numpy_average", function=with_numpy_average, track="from_scratch"),
        Right("column_of_ones", function=with_ones_column, track="from_scratch"),
        Right("nested_lists", function=with_lists, track="from_scratch"),
        Right("normalize_p1", source=TORCH_NORMALIZE, track="pytorch"),
        Right("divided_late", source=TORCH_DIVIDED_LATE, track="pytorch"),
        Right("row_by_row", source=TORCH_ROWS, track="pytorch"),
    ],
)
