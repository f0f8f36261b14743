"""Softmax similarity as query factor × Gaussian kernel × key factor, with σ² = √D.

The three results are judged one by one: their product alone would let two slips cancel.
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
    queries = rng.normal(size=(5, 6)) * np.linspace(0.1, 1.5, 5)[:, None]
    keys = rng.normal(size=(8, 6)) * np.linspace(1.6, 0.2, 8)[:, None]
    return {"queries": queries, "keys": keys}


def shared_points(rng):
    """Draw queries that are some of the keys, off the diagonal: there the kernel is 1."""
    keys = rng.normal(size=(6, 4))
    return {"queries": keys[[4, 0, 2]], "keys": keys}


def whole_points(rng):
    """Draw whole numbers."""
    return {
        "queries": rng.integers(-2, 3, size=(4, 3)).astype(np.float64),
        "keys": rng.integers(-2, 3, size=(5, 3)).astype(np.float64),
    }


def factor(row):
    """Compute exp(‖row‖² / 2√D) of one row, a list of numbers."""
    return math.exp(math.fsum(a * a for a in row) / 2 / math.sqrt(len(row)))


def oracle(queries, keys):
    """Compute both factors row by row, and the kernel as softmax similarity over the two."""
    query_factor = np.array([factor(q) for q in queries.tolist()], dtype=np.float64)
    key_factor = np.array([factor(k) for k in keys.tolist()], dtype=np.float64)
    kernel = np.empty((len(queries), len(keys)))
    for i, q in enumerate(queries.tolist()):
        for j, k in enumerate(keys.tolist()):
            score = math.fsum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(len(q))
            kernel[i, j] = math.exp(score) / query_factor[i] / key_factor[j]
    return query_factor, kernel, key_factor


def with_lists(queries, keys):
    """Answer with a list of nested lists instead of a tuple of arrays."""
    root = math.sqrt(len(queries[0]))
    kernel = [[math.exp(-(math.dist(q, k) ** 2) / 2 / root) for k in keys] for q in queries]
    factors = [[math.exp(math.hypot(*row) ** 2 / 2 / root) for row in side] for side in (queries, keys)]
    return [factors[0], kernel, factors[1]]


def through_logarithms(queries, keys):
    """Keep everything as logarithms until the end; the kernel's is what the factors leave over."""
    variance = queries.shape[-1] ** 0.5
    left, right = (np.linalg.norm(x, axis=1) ** 2 / (2 * variance) for x in (queries, keys))
    middle = queries @ keys.T / variance - np.add.outer(left, right)
    return np.exp(left), np.exp(middle), np.exp(right)


NUMPY_QUOTIENT = """
def rewrite_softmax_similarity(queries, keys):
    query_factor = np.sqrt(np.exp(np.diag(queries @ queries.T) / np.sqrt(queries.shape[1])))
    key_factor = np.sqrt(np.diag(softmax_similarity(keys, keys)))
    kernel = softmax_similarity(queries, keys) / np.outer(query_factor, key_factor)
    return query_factor, kernel, key_factor
"""

TORCH_QUOTIENT = """
def rewrite_softmax_similarity(queries, keys):
    queries, keys = as_floats(queries, keys)
    sigma = queries.shape[1] ** 0.25
    query_factor, key_factor = (torch.exp(((x / sigma) ** 2).sum(-1) / 2) for x in (queries, keys))
    kernel = softmax_similarity(queries, keys) / query_factor[:, None] / key_factor
    return query_factor, kernel, key_factor
"""

TORCH_NAMED = """
import collections

Factors = collections.namedtuple("Factors", "query kernel key")

def rewrite_softmax_similarity(queries, keys):
    queries, keys = as_floats(queries, keys)
    variance = queries.new_tensor(queries.shape[1]).sqrt()
    left = torch.linalg.vector_norm(queries, dim=1) ** 2 / (2 * variance)
    right = torch.linalg.vector_norm(keys, dim=1) ** 2 / (2 * variance)
    return Factors(left.exp(), gaussian_kernel(queries, keys, variance), right.exp())
"""

TORCH_LIST = """
def rewrite_softmax_similarity(queries, keys):
    queries, keys = as_floats(queries, keys)
    twice = 2 * queries.shape[1] ** 0.5
    left, right = (torch.einsum("nd,nd->n", x, x) / twice for x in (queries, keys))
    kernel = torch.exp(2 * queries @ keys.T / twice - left[:, None] - right[None, :])
    return [left.exp(), kernel, right.exp()]
"""

exercise = Exercise(
    title="Softmax similarity rewritten",
    points=3,
    minutes=15,
    difficulty=2,
    source="Choromanski et al. 2021, Rethinking Attention with Performers, section 2.2; "
    "Peng et al. 2021, Random Feature Attention, section 3.1",
    kind=Function(returns=("query_factor", "kernel", "key_factor")),
    hints=[
        "Multiply out ‖q − k‖² and solve for q·k. Which term belongs to the query alone, and which to "
        "the key?",
        "Compare q·k/√D with q·k/σ². That fixes σ², and it is σ² (not σ) that gaussian_kernel takes.",
        "Each factor is the exponential of a squared norm over 2σ²: one number for each row, no more axes.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", points(4, 7, 5)),
        Case("one_key", "one key only", points(5, 1, 3)),
        Case("one_query", "one query only", points(1, 6, 4)),
        Case("one_each", "one query and one key", points(1, 1, 3)),
        Case("uneven", "norms that differ from row to row", uneven_points),
        Case("shared", "queries that are also keys", shared_points),
        Case("float32", "float32 input", points(3, 8, 6), dtype="float32"),
        Case("integers", "whole numbers as input", whole_points, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", points(7, 3, 4), layout="fortran"),
        Case("strided", "every other row of a larger array", points(3, 5, 7), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "sigma2_is_dim",
            "This uses σ² = D, so σ = √D. It is σ² that must equal √D.",
            edit=[("np.sqrt(queries.shape[1])", "queries.shape[1]")],
        ),
        Mistake(
            "sigma_for_sigma2",
            "This uses σ² = D^¼. That is σ: the variance is its square.",
            edit=[("np.sqrt(queries.shape[1])", "queries.shape[1] ** 0.25")],
        ),
        Mistake(
            "dim_fixed",
            "σ² is the same number for every head dimension. Take D from the rows that are given.",
            edit=[("np.sqrt(queries.shape[1])", "np.sqrt(64)")],
        ),
        Mistake(
            "sigma_passed",
            "The factors are right, but the kernel was given σ. Its third argument is σ².",
            edit=[
                ("gaussian_kernel(queries, keys, sigma2)", "gaussian_kernel(queries, keys, np.sqrt(sigma2))")
            ],
        ),
        Mistake(
            "two_lost",
            "Both factors lack the 2 of 2σ². Solve ‖q − k‖² for q·k once more.",
            edit=[
                ("np.sum(queries**2, axis=1) / (2 * sigma2)", "np.sum(queries**2, axis=1) / sigma2"),
                ("np.sum(keys**2, axis=1) / (2 * sigma2)", "np.sum(keys**2, axis=1) / sigma2"),
            ],
        ),
        Mistake(
            "factors_inverted",
            "Both factors have the wrong sign in the exponent. The kernel takes the norms away; "
            "the factors must give them back.",
            edit=[
                ("np.exp(np.sum(queries", "np.exp(-np.sum(queries"),
                ("np.exp(np.sum(keys", "np.exp(-np.sum(keys"),
            ],
        ),
        Mistake(
            "norms_not_squared",
            "The factors use ‖q‖ and ‖k‖. The expansion of ‖q − k‖² has their squares.",
            edit=[
                ("np.sum(queries**2, axis=1)", "np.linalg.norm(queries, axis=1)"),
                ("np.sum(keys**2, axis=1)", "np.linalg.norm(keys, axis=1)"),
            ],
        ),
        Mistake(
            "mean_of_squares",
            "The factors use the mean of the squared components. A squared norm is their sum.",
            edit=[("np.sum(queries**2", "np.mean(queries**2"), ("np.sum(keys**2", "np.mean(keys**2")],
        ),
        Mistake(
            "query_factor_one",
            "The query factor is 1 everywhere. It cancels later, in attention; in the similarity itself "
            "it counts.",
            edit=[("np.exp(np.sum(queries**2, axis=1) / (2 * sigma2))", "np.ones(len(queries))")],
        ),
        Mistake(
            "logarithms_returned",
            "The factors are still exponents. Each is one exponential away.",
            edit=[
                (
                    "np.exp(np.sum(queries**2, axis=1) / (2 * sigma2))",
                    "np.sum(queries**2, axis=1) / (2 * sigma2)",
                ),
                ("np.exp(np.sum(keys**2, axis=1) / (2 * sigma2))", "np.sum(keys**2, axis=1) / (2 * sigma2)"),
            ],
        ),
        Mistake(
            "kernel_is_softmax",
            "The middle result is the softmax similarity, so that the factors would count twice. "
            "It should be the Gaussian kernel.",
            edit=[("gaussian_kernel(queries, keys, sigma2)", "softmax_similarity(queries, keys)")],
        ),
        Mistake(
            "factors_swapped",
            "The first and the last result are exchanged: the query factor comes first.",
            edit=[("return query_factor, kernel, key_factor", "return key_factor, kernel, query_factor")],
        ),
        Mistake(
            "kernel_last",
            "The kernel stands between the two factors, as in the equation.",
            edit=[("return query_factor, kernel, key_factor", "return query_factor, key_factor, kernel")],
        ),
        Mistake(
            "factors_with_two_axes",
            "The factors have a second axis. Each is one number for each row; broadcasting is left to "
            "the caller.",
            edit=[
                (
                    "return query_factor, kernel, key_factor",
                    "return query_factor[:, None], kernel, key_factor[None, :]",
                )
            ],
        ),
        Mistake(
            "key_factor_detached",
            "A gradient arrives, but the wrong one: the key factor was cut off, and it depends on the "
            "keys too.",
            edit=[("torch.exp(keys.square()", "torch.exp(keys.detach().square()")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the queries and keys. "
            "Stay with tensors that autograd follows.",
            edit=[
                (
                    "queries, keys = as_floats(queries, keys)",
                    "queries, keys = as_floats(queries.detach(), keys.detach())",
                )
            ],
            track="pytorch",
            breaks="autograd",
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
        Right("list_of_lists", function=with_lists, track="from_scratch"),
        Right("through_logarithms", function=through_logarithms, track="from_scratch"),
        Right("kernel_as_quotient", source=NUMPY_QUOTIENT, track="from_scratch"),
        Right("tensor_quotient", source=TORCH_QUOTIENT, track="pytorch"),
        Right("named_tuple", source=TORCH_NAMED, track="pytorch"),
        Right("list_of_tensors", source=TORCH_LIST, track="pytorch"),
    ],
)
