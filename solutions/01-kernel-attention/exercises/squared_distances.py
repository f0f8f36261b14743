"""Squared Euclidean distances between all queries and keys, without an (N_q, N_k, D) intermediate.

One point is for the values and one for the memory.  The memory case is wide enough that the
three-axis intermediate stands out from everything that an honest answer allocates.
"""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def points(n_queries, n_keys, dim):
    """Return a draw of Gaussian queries (n_queries, dim) and keys (n_keys, dim)."""

    def draw(rng):
        return {"queries": rng.normal(size=(n_queries, dim)), "keys": rng.normal(size=(n_keys, dim))}

    return draw


def uneven_points(rng):
    """Draw rows whose norms run from short to long, in another order for the keys."""
    queries = rng.normal(size=(5, 6)) * np.linspace(0.1, 6, 5)[:, None]
    keys = rng.normal(size=(8, 6)) * np.linspace(5, 0.2, 8)[:, None]
    return {"queries": queries, "keys": keys}


def shared_points(rng):
    """Draw queries that are some of the keys, off the diagonal."""
    keys = 3 * rng.normal(size=(6, 4))
    return {"queries": keys[[4, 0, 2]], "keys": keys}


def same_points(rng):
    """Draw forty points that are queries and keys at once; rounding leaves some below zero."""
    both = 10 * rng.normal(size=(40, 30))
    return {"queries": both, "keys": both.copy()}


def far_points(rng):
    """Draw points that lie close together, about 100 away from the origin."""
    centre = 100 * rng.normal(size=(1, 5)) / math.sqrt(5)
    return {"queries": centre + rng.normal(size=(4, 5)), "keys": centre + rng.normal(size=(6, 5))}


def whole_points(rng):
    """Draw whole numbers."""
    return {
        "queries": rng.integers(-3, 4, size=(4, 3)).astype(np.float64),
        "keys": rng.integers(-3, 4, size=(5, 3)).astype(np.float64),
    }


def memory_allowed(arguments):
    """Allow six float64 copies of the arguments and the result, in bytes."""
    queries, keys = arguments["queries"], arguments["keys"]
    n_queries, dim = queries.shape
    n_keys = keys.shape[0]
    return 6 * 8 * ((n_queries + n_keys) * dim + n_queries * n_keys)


def oracle(queries, keys):
    """Sum the squared differences of one pair at a time, component by component."""
    rows = [
        [math.fsum((a - b) ** 2 for a, b in zip(q, k, strict=True)) for k in keys.tolist()]
        for q in queries.tolist()
    ]
    return np.array(rows, dtype=np.float64)


def row_by_row(queries, keys):
    """Take one query at a time, so that no third axis is ever needed."""
    result = np.empty((len(queries), len(keys)))
    for row, query in zip(result, queries, strict=True):
        row[:] = ((keys - query) ** 2).sum(axis=1)
    return result


def component_by_component(queries, keys):
    """Add up one squared difference matrix per component."""
    total = 0.0
    for column in range(queries.shape[1]):
        total = total + np.subtract.outer(queries[:, column], keys[:, column]) ** 2
    return total


def by_one_product(queries, keys):
    """Put the norms into extra columns, so that one matrix product does everything."""
    ones = np.ones
    left = np.hstack([queries, (queries * queries).sum(1, keepdims=True), ones((len(queries), 1))])
    right = np.hstack([-2.0 * keys, ones((len(keys), 1)), (keys * keys).sum(1, keepdims=True)])
    return np.abs(left @ right.T)


TORCH_CDIST = """
def squared_distances(queries, keys):
    return torch.cdist(*as_floats(queries, keys)) ** 2
"""

TORCH_ROWS = """
def squared_distances(queries, keys):
    queries, keys = as_floats(queries, keys)
    return torch.stack([((query - keys) ** 2).sum(-1) for query in queries])
"""

TORCH_RELU = """
def squared_distances(queries, keys):
    queries, keys = as_floats(queries, keys)
    norms = torch.einsum("qd,qd->q", queries, queries).unsqueeze(1) + torch.einsum("kd,kd->k", keys, keys)
    return torch.relu(torch.addmm(norms, queries, keys.t(), alpha=-2))
"""

exercise = Exercise(
    title="Squared distances",
    points=2,
    minutes=10,
    difficulty=2,
    source="the squared L2 distance as in Schroff et al. 2015, FaceNet, equation 1; expanded as ‖q‖² − "
    "2q·k + ‖k‖²",
    kind=Function(at_least=0.0),
    hints=[
        "Expand ‖q − k‖² for one pair. Which of its three terms depend on the query or the key alone?",
        "The squared norms are a column of N_q numbers and a row of N_k numbers. Broadcasting adds the two.",
        "The cross terms are one matrix product. Rounding can leave a result a little below zero: mend "
        "that last.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", points(4, 7, 5)),
        Case("one_key", "one key only", points(5, 1, 3)),
        Case("one_query", "one query only", points(1, 6, 4)),
        Case("one_each", "one query and one key", points(1, 1, 3)),
        Case("same_points", "every query is a key too", same_points, gradients=False),
        Case("uneven", "norms that differ from row to row", uneven_points),
        Case("shared", "queries that are also keys", shared_points),
        Case("far", "points close together, 100 from the origin", far_points),
        Case("float32", "float32 input", points(3, 8, 6), dtype="float32"),
        Case("integers", "whole numbers as input", whole_points, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", points(7, 3, 4), layout="fortran"),
        Case("strided", "every other row of a larger array", points(3, 5, 7), layout="strided"),
        Case(
            "memory",
            "no room for an (N_q, N_k, D) intermediate",
            points(40, 30, 200),
            gradients=False,
            worth=1,
            peak_bytes=memory_allowed,
        ),
    ],
    mistakes=[
        Mistake(
            "no_clamp",
            edit=[("np.maximum(distances, 0)", "distances")],
            says="Rounding leaves tiny negative distances where two points agree; a later square root would "
            "turn them into NaN. What can a squared distance never be?",
            breaks="range",
        ),
        Mistake(
            "no_clamp_in_torch",
            edit=[("distances.clamp(min=0)", "distances")],
            says="Rounding leaves tiny negative distances where two points agree; a later square root would "
            "turn them into NaN. What can a squared distance never be?",
            breaks="range",
            track="pytorch",
        ),
        Mistake(
            "three_axes",
            "The values are right, but all differences were held at once. That needs D times the memory "
            "of the result.",
            edit=[
                (
                    "distances = query_norms + key_norms - 2 * queries @ keys.T",
                    "distances = np.sum((queries[:, None, :] - keys[None, :, :]) ** 2, axis=2)",
                )
            ],
            track="from_scratch",
            breaks="memory",
        ),
        Mistake(
            "cross_sign",
            "This is ‖q + k‖². The cross term of a squared difference has the other sign.",
            edit=[("- 2 * queries", "+ 2 * queries")],
        ),
        Mistake(
            "cross_halved",
            "The cross term is too small. How often does q·k appear when (q − k)·(q − k) is multiplied out?",
            edit=[("- 2 * queries", "- queries")],
        ),
        Mistake(
            "no_cross_term",
            "Only the norms are added. The cross term tells near pairs from far ones.",
            edit=[(" - 2 * queries @ keys.T", "")],
        ),
        Mistake(
            "not_squared",
            "This is the distance. The squared distance is asked, and needs no root.",
            edit=[("return np.maximum(distances, 0)", "return np.sqrt(np.maximum(distances, 0))")],
        ),
        Mistake(
            "norms_not_squared",
            "The norms are not squared. Expand ‖q − k‖² again and look at its first and last term.",
            edit=[
                ("np.sum(queries**2, axis=1)", "np.linalg.norm(queries, axis=1)"),
                ("np.sum(keys**2, axis=1)", "np.linalg.norm(keys, axis=1)"),
            ],
        ),
        Mistake(
            "query_norms_missing",
            "The queries' norms are missing, so that the values can fall below zero and are cut off there.",
            edit=[("query_norms + key_norms", "key_norms")],
        ),
        Mistake(
            "key_norms_missing",
            "The keys' norms are missing, so that the values can fall below zero and are cut off there.",
            edit=[("query_norms + key_norms", "query_norms")],
        ),
        Mistake(
            "mean_over_components",
            "This is the mean squared difference. A distance adds the components up.",
            edit=[("return np.maximum(distances, 0)", "return np.maximum(distances, 0) / queries.shape[1]")],
        ),
        Mistake(
            "absolute_differences",
            "These are sums of absolute differences. Euclid squares each difference before adding.",
            edit=[
                (
                    "distances = query_norms + key_norms - 2 * queries @ keys.T",
                    "distances = np.array([np.sum(np.abs(keys - query), axis=1) for query in queries])",
                )
            ],
        ),
        Mistake(
            "unit_norms_assumed",
            "The formula 2 − 2q·k is for rows of unit length only. These rows have norms of their own.",
            edit=[("query_norms + key_norms - 2", "2 - 2")],
        ),
        Mistake(
            "transposed",
            "The result is transposed: rows are queries and columns are keys.",
            edit=[("return np.maximum(distances, 0)", "return np.maximum(distances, 0).T")],
        ),
        Mistake(
            "three_axes_in_torch",
            "The values are right, but all differences were held at once. That needs D times the memory "
            "of the result.",
            edit=[
                (
                    "distances = query_norms + key_norms - 2 * queries @ keys.T",
                    "distances = (queries[:, None] - keys[None]).square().sum(dim=-1)",
                )
            ],
            track="pytorch",
            breaks="memory",
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the queries and keys. "
            "Stay with tensors that autograd follows.",
            edit=[
                (
                    "return distances.clamp(min=0)",
                    "return torch.tensor(distances.clamp(min=0).tolist()).to(keys)",
                )
            ],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "norms_detached",
            "A gradient arrives, but the wrong one: the norms were cut off, and they depend on the "
            "inputs too.",
            edit=[("distances = query_norms + key_norms", "distances = (query_norms + key_norms).detach()")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[
                ("queries, keys = as_floats(queries, keys)", "queries, keys = queries.float(), keys.float()")
            ],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("row_by_row", function=row_by_row, track="from_scratch"),
        Right("component_by_component", function=component_by_component, track="from_scratch"),
        Right("by_one_product", function=by_one_product, track="from_scratch"),
        Right("cdist_squared", source=TORCH_CDIST, track="pytorch"),
        Right("stacked_rows", source=TORCH_ROWS, track="pytorch"),
        Right("addmm_and_relu", source=TORCH_RELU, track="pytorch"),
    ],
)
