"""Softmax attention that stays exact and finite where the exponentials overflow.

One point is for exact attention at moderate norms, so that a plain softmax earns it; the
other two lie on cases whose scores or norms are beyond what an exponential can hold.  There
keys come in tight bundles: several keys then share the weight, and a result that merely picks
one key is wrong.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def points(n_queries, n_keys, dim, value_dim):
    """Return a draw of Gaussian queries (n_queries, dim), keys (n_keys, dim) and values."""

    def draw(rng):
        return {
            "queries": rng.normal(size=(n_queries, dim)),
            "keys": rng.normal(size=(n_keys, dim)),
            "values": 1 + rng.normal(size=(n_keys, value_dim)),
        }

    return draw


def uneven_points(rng):
    """Draw rows whose norms run from short to long, in another order for the keys."""
    queries = rng.normal(size=(5, 6)) * np.linspace(0.1, 1.5, 5)[:, None]
    keys = rng.normal(size=(8, 6)) * np.linspace(1.6, 0.2, 8)[:, None]
    return {"queries": queries, "keys": keys, "values": 1 + rng.normal(size=(8, 3))}


def shared_points(rng):
    """Draw queries that are some of the keys, off the diagonal."""
    keys = rng.normal(size=(6, 4))
    return {"queries": keys[[4, 0, 2]], "keys": keys, "values": 1 + rng.normal(size=(6, 5))}


def whole_points(rng):
    """Draw whole numbers."""
    shapes = {"queries": (4, 3), "keys": (6, 3), "values": (6, 2)}
    return {name: rng.integers(-2, 3, size=shape).astype(np.float64) for name, shape in shapes.items()}


ONE_WAY = (1, 1, 1, 1, 1, 1)
BOTH_WAYS = (1, -1, 1, 0.1, -1, 1, -1)


def rows_of_norm(rng, n_rows, dim, norm):
    """Draw rows of one norm, in directions without preference."""
    rows = rng.normal(size=(n_rows, dim))
    return norm * rows / np.linalg.norm(rows, axis=1, keepdims=True)


def long_queries(rng):
    """Draw queries of norm 60 and short keys: moderate scores, but the query factor overflows."""
    return {
        "queries": rows_of_norm(rng, 5, 4, 60.0),
        "keys": 0.1 * rng.normal(size=(7, 4)),
        "values": 1 + rng.normal(size=(7, 3)),
    }


def long_keys(rng):
    """Draw keys of norm 60 and short queries: moderate scores, but the key factor overflows."""
    return {
        "queries": 0.1 * rng.normal(size=(5, 4)),
        "keys": rows_of_norm(rng, 7, 4, 60.0),
        "values": 1 + rng.normal(size=(7, 3)),
    }


def bundles(norm, dim, places):
    """Return a draw of queries and keys of about this norm.

    The keys lie at `places` along an axis, in units of the norm.  Those at one place are so close
    together that a query's scores for them differ by about one.  Queries point either way.
    """
    places = np.array(places)[:, None]

    def draw(rng):
        axis = rows_of_norm(rng, 1, dim, 0.97)
        keys = norm * places * axis + math.sqrt(dim) / norm * rng.normal(size=(len(places), dim))
        queries = np.array([[1.0], [-1.0], [1.0], [-1.0]]) * axis + 0.1 * rng.normal(size=(4, dim))
        queries *= 0.98 * norm / np.linalg.norm(queries, axis=1, keepdims=True)
        return {"queries": queries, "keys": keys, "values": 1 + rng.normal(size=(len(places), 2))}

    return draw


def oracle(queries, keys, values):
    """Take exact dot products as fractions, and exponentials of their gap to the row's best."""
    exact_keys = [[Fraction(x) for x in row] for row in keys.tolist()]
    root = math.sqrt(queries.shape[1])
    result = []
    for query in queries.tolist():
        exact_query = [Fraction(x) for x in query]
        dots = [sum(a * b for a, b in zip(exact_query, key, strict=True)) for key in exact_keys]
        weights = [math.exp(float(dot - max(dots)) / root) for dot in dots]
        total = math.fsum(weights)
        columns = values.T.tolist()
        result.append([math.fsum(w * v for w, v in zip(weights, c, strict=True)) / total for c in columns])
    return np.array(result, dtype=np.float64)


def with_running_maximum(queries, keys, values):
    """Go through the keys once, and rescale what was gathered whenever a larger score turns up."""
    root = math.sqrt(queries.shape[1])
    best = np.full(len(queries), -np.inf)
    total = np.zeros(len(queries))
    gathered = np.zeros((len(queries), values.shape[1]))
    for key, value in zip(keys, values, strict=True):
        scores = queries @ key / root
        larger = np.maximum(best, scores)
        shrink, weight = np.exp(best - larger), np.exp(scores - larger)
        total = total * shrink + weight
        gathered = gathered * shrink[:, None] + np.outer(weight, value)
        best = larger
    return gathered / total[:, None]


def with_lists(queries, keys, values):
    """Answer with nested lists; the weights come from a log-sum-exp."""
    scores = queries @ keys.T / np.sqrt(queries.shape[1])
    weights = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
    return (weights @ values).tolist()


def with_gaps(queries, keys, values):
    """Compare every score with every other: a weight is one over the sum of their ratios."""
    scores = queries @ keys.T / np.sqrt(queries.shape[1])
    gaps = scores[:, None, :] - scores[:, :, None]
    return (1 / np.exp(np.minimum(gaps, 700)).sum(axis=2)) @ values


NUMPY_QUERY_FACTOR_KEPT = """
def stable_kernel_attention(queries, keys, values):
    twice = 2 * queries.shape[1] ** 0.5
    left = (queries**2).sum(1)[:, None] / twice
    right = (keys**2).sum(1)[None, :] / twice
    logs = left - squared_distances(queries, keys) / twice + right
    top = logs.max(1)[:, None]
    return kernel_attention(np.exp(logs - top), values)
"""

TORCH_SDPA = """
def stable_kernel_attention(queries, keys, values):
    batch = (x.unsqueeze(0) for x in as_floats(queries, keys, values))
    return torch.nn.functional.scaled_dot_product_attention(*batch).squeeze(0)
"""

TORCH_LOGSUMEXP = """
def stable_kernel_attention(queries, keys, values):
    queries, keys, values = as_floats(queries, keys, values)
    scores = torch.einsum("qd,kd->qk", queries, keys) * queries.shape[1] ** -0.5
    return torch.exp(scores - scores.logsumexp(dim=1, keepdim=True)) @ values
"""

TORCH_DETACHED_MAXIMUM = """
def stable_kernel_attention(queries, keys, values):
    queries, keys, values = as_floats(queries, keys, values)
    twice = 2 * queries.shape[1] ** 0.5
    logs = keys.square().sum(1) / twice - squared_distances(queries, keys) / twice
    logs = logs - logs.detach().max(dim=1, keepdim=True).values
    return kernel_attention(logs.exp(), values)
"""

TORCH_SOFTMAX_ROWS = """
def stable_kernel_attention(queries, keys, values):
    queries, keys, values = as_floats(queries, keys, values)
    root = queries.shape[1] ** 0.5
    return torch.stack([torch.softmax(keys @ query / root, dim=0) @ values for query in queries])
"""

exercise = Exercise(
    title="Attention that cannot overflow",
    points=3,
    minutes=20,
    difficulty=3,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equation 2; the shift as in "
    "Milakov and Gimelshein 2018, Online normalizer calculation for softmax, equation 2",
    kind=Function(),
    hints=[
        "Which of the three factors can grow without bound? Write the product of factors as the exponential "
        "of a sum, and look at the exponents instead.",
        "All weights of a row may be multiplied by one number without changing the result. What does that do "
        "to the exponents?",
        "Subtract from each row of exponents that row's largest. Then no exponential exceeds 1, and one "
        "equals 1.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "four sizes, all different", points(4, 7, 5, 3)),
        Case("one_key", "one key only", points(5, 1, 3, 2), gradients=False),
        Case("one_query", "one query only", points(1, 6, 4, 3)),
        Case("one_each", "one query and one key", points(1, 1, 3, 2), gradients=False),
        Case("uneven", "norms that differ from row to row", uneven_points),
        Case("shared", "queries that are also keys", shared_points),
        Case("float32", "float32 input", points(3, 8, 6, 2), dtype="float32"),
        Case("integers", "whole numbers as input", whole_points, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", points(7, 3, 4, 5), layout="fortran"),
        Case("strided", "every other row of a larger array", points(3, 5, 7, 2), layout="strided"),
        Case("long_queries", "queries of norm 60, short keys", long_queries, worth=0.25),
        Case("long_keys", "keys of norm 60, short queries", long_keys, worth=0.25),
        Case(
            "both_long", "queries and keys of norm 80", bundles(80.0, 5, ONE_WAY), worth=0.5, gradients=False
        ),
        Case(
            "very_long",
            "queries and keys of norm 10⁴",
            bundles(1e4, 4, BOTH_WAYS),
            worth=0.5,
            gradients=False,
            rtol=1e-5,
        ),
        Case(
            "float32_long",
            "queries and keys of norm 100 in float32",
            bundles(100.0, 6, BOTH_WAYS),
            dtype="float32",
            worth=0.5,
            gradients=False,
            rtol=2e-2,
        ),
    ],
    mistakes=[
        Mistake(
            "no_shift",
            "Right at moderate norms, but long queries or keys drive the exponentials out of range. "
            "What may be taken from all exponents of a row?",
            edit=[
                (
                    "    exponents = exponents - exponents.max(axis=1, keepdims=True)  # cancels in the "
                    "ratio\n",
                    "",
                )
            ],
        ),
        Mistake(
            "plain_softmax",
            "Right while the scores are moderate. The similarity overflows before it is divided: "
            "keep the exponents, and make them harmless first.",
            edit=[("np.exp(exponents), values", "softmax_similarity(queries, keys), values")],
        ),
        Mistake(
            "factors_multiplied",
            "Right at moderate norms, but the key factor overflows where the kernel underflows. "
            "Add their exponents instead of multiplying the two.",
            edit=[
                (
                    "kernel_attention(np.exp(exponents), values)",
                    "kernel_attention(\n"
                    "        np.exp(-squared_distances(queries, keys) / (2 * sigma2)) * "
                    "np.exp(key_exponents), values\n"
                    "    )",
                )
            ],
        ),
        Mistake(
            "shift_by_key_factor",
            "The largest key factor is taken out, but the kernel's exponents can still be far below zero. "
            "The shift must look at the whole exponent.",
            edit=[("exponents - exponents.max(axis=1, keepdims=True)", "exponents - key_exponents.max()")],
        ),
        Mistake(
            "one_maximum_for_all",
            "One maximum serves all queries, so that a query with low scores is left with weights of zero. "
            "Each row may have its own.",
            edit=[("exponents.max(axis=1, keepdims=True)", "exponents.max()")],
        ),
        Mistake(
            "maximum_over_queries",
            "The maximum was taken for each key. That takes a different factor out of each weight, "
            "and does not cancel.",
            edit=[("exponents.max(axis=1", "exponents.max(axis=0")],
        ),
        Mistake(
            "shift_by_mean",
            "The row's mean was taken out. The largest exponent can still be far above it.",
            edit=[("exponents.max(axis=1", "exponents.mean(axis=1")],
        ),
        Mistake(
            "shift_by_largest_magnitude",
            "The row's largest absolute value was taken out. Where all exponents are negative that makes "
            "them worse.",
            edit=[("exponents.max(axis=1", "np.abs(exponents).max(axis=1")],
        ),
        Mistake(
            "exponents_clipped",
            "Large exponents were cut off. All keys beyond the limit then weigh the same, and the result "
            "is wrong.",
            edit=[("exponents - exponents.max(axis=1, keepdims=True)", "np.clip(exponents, -700, 700)")],
        ),
        Mistake(
            "key_factor_dropped",
            "The key factor is missing. It differs from key to key, so it does not cancel as the query "
            "factor does.",
            edit=[("exponents = key_exponents - squared", "exponents = -squared")],
        ),
        Mistake(
            "key_factor_inverted",
            "The key factor has the wrong sign in the exponent: long keys should gain weight by it.",
            edit=[("exponents = key_exponents - squared", "exponents = -key_exponents - squared")],
        ),
        Mistake(
            "half_lost_in_key_factor",
            "The key factor lacks the 2 of 2σ². Compare it with the kernel's exponent.",
            edit=[("np.sum(keys**2, axis=1) / (2 * sigma2)", "np.sum(keys**2, axis=1) / sigma2")],
        ),
        Mistake(
            "half_lost_everywhere",
            "Both exponents lack the 2 of 2σ². The scores come out twice too large.",
            edit=[
                ("np.sum(keys**2, axis=1) / (2 * sigma2)", "np.sum(keys**2, axis=1) / sigma2"),
                (
                    "squared_distances(queries, keys) / (2 * sigma2)",
                    "squared_distances(queries, keys) / sigma2",
                ),
            ],
        ),
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
            "key_factor_detached",
            "A gradient arrives, but the wrong one: the key factor was cut off, and it depends on the "
            "keys too.",
            edit=[("key_exponents = keys.square()", "key_exponents = keys.detach().square()")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the queries and keys. "
            "Stay with tensors that autograd follows.",
            edit=[("torch.exp(exponents)", "torch.exp(exponents.detach())")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[
                (
                    "queries, keys, values = as_floats(queries, keys, values)",
                    "queries, keys, values = queries.float(), keys.float(), values.float()",
                )
            ],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("running_maximum", function=with_running_maximum, track="from_scratch"),
        Right("log_sum_exp_in_lists", function=with_lists, track="from_scratch"),
        Right("every_gap", function=with_gaps, track="from_scratch"),
        Right("query_factor_kept", source=NUMPY_QUERY_FACTOR_KEPT, track="from_scratch"),
        Right("scaled_dot_product_attention", source=TORCH_SDPA, track="pytorch"),
        Right("log_sum_exp", source=TORCH_LOGSUMEXP, track="pytorch"),
        Right("maximum_detached", source=TORCH_DETACHED_MAXIMUM, track="pytorch"),
        Right("softmax_of_each_row", source=TORCH_SOFTMAX_ROWS, track="pytorch"),
    ],
)
