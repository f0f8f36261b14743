"""The similarity that softmax attention uses: exp(q·k / √D) for every query and key.

No two sizes agree in any case, so that a scale taken from the wrong axis shows.
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
    """Draw queries that are some of the keys, off the diagonal."""
    keys = rng.normal(size=(6, 4))
    return {"queries": keys[[4, 0, 2]], "keys": keys}


def whole_points(rng):
    """Draw whole numbers."""
    return {
        "queries": rng.integers(-2, 3, size=(4, 3)).astype(np.float64),
        "keys": rng.integers(-2, 3, size=(5, 3)).astype(np.float64),
    }


def oracle(queries, keys):
    """Compute each entry alone from the definition, with one product per component."""
    dim = queries.shape[1]
    rows = [
        [
            math.exp(math.fsum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(dim))
            for k in keys.tolist()
        ]
        for q in queries.tolist()
    ]
    return np.array(rows, dtype=np.float64)


def with_lists(queries, keys):
    """Answer with nested lists instead of an array."""
    root = len(queries[0]) ** 0.5
    return [[math.exp(sum(a * b for a, b in zip(q, k, strict=True)) / root) for k in keys] for q in queries]


def with_split_scale(queries, keys):
    """Share the scale between both sides: each gets D^¼."""
    quarter = queries.shape[1] ** 0.25
    return np.exp(np.einsum("qd,kd->qk", queries / quarter, keys / quarter))


def with_a_tensor(queries, keys):
    """Answer the NumPy exercise with a tensor."""
    import torch

    left, right = (torch.tensor(np.array(x, dtype=np.float64, order="C")) for x in (queries, keys))
    return torch.exp(left @ right.T / math.sqrt(left.shape[1]))


TORCH_ROWS = """
def softmax_similarity(queries, keys):
    queries, keys = as_floats(queries, keys)
    rows = [torch.exp((keys * query).sum(-1) * keys.shape[-1] ** -0.5) for query in queries]
    return torch.stack(rows)
"""

TORCH_EINSUM = """
def softmax_similarity(queries, keys):
    queries, keys = as_floats(queries, keys)
    products = torch.einsum("qd,kd->kq", queries, keys)
    return products.div(queries.size(-1) ** 0.5).exp().transpose(0, 1)
"""

TORCH_POWER = """
def softmax_similarity(queries, keys):
    queries, keys = as_floats(queries, keys)
    return torch.exp(torch.nn.functional.linear(queries, keys)) ** (1 / queries.shape[1] ** 0.5)
"""

exercise = Exercise(
    title="Softmax similarity",
    points=1,
    minutes=5,
    difficulty=1,
    source="Vaswani et al. 2017, Attention Is All You Need, equation 1; Katharopoulos et al. 2020, "
    "equation 3",
    kind=Function(),
    hints=[
        "Start with one query and one key. Which number does their dot product give, and what scales it?",
        "All dot products at once are one matrix product. Which of the two matrices must be transposed?",
        "The scale is the square root of the head dimension, the length of one row. Divide inside the "
        "exponential.",
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
            "no_scale",
            "The dot products are not scaled. Without it they grow with the head dimension.",
            edit=[(" / scale", "")],
        ),
        Mistake(
            "scaled_by_dim",
            "The dot products are divided by D itself. The scale keeps their standard deviation near one: "
            "how does that grow with D?",
            edit=[("np.sqrt(queries.shape[1])", "queries.shape[1]")],
        ),
        Mistake(
            "scaled_by_fourth_root",
            "This divides by the fourth root of D. That is σ; the exponent needs σ².",
            edit=[("np.sqrt(queries.shape[1])", "queries.shape[1] ** 0.25")],
        ),
        Mistake(
            "scaled_by_queries",
            "The scale was taken from the number of queries. D is the length of one row, not the number "
            "of rows.",
            edit=[("queries.shape[1]", "queries.shape[0]")],
        ),
        Mistake(
            "scaled_by_keys",
            "The scale was taken from the number of keys. D is the length of one row, not the number of "
            "rows.",
            edit=[("queries.shape[1]", "keys.shape[0]")],
        ),
        Mistake(
            "scale_multiplied",
            "The dot products are multiplied by √D. They should shrink, not grow.",
            edit=[(" / scale", " * scale")],
        ),
        Mistake(
            "scale_outside",
            "The scale is applied after the exponential. It belongs to the exponent.",
            edit=[("keys.T / scale)", "keys.T) / scale")],
        ),
        Mistake(
            "no_exponential",
            "These are the scaled dot products. The similarity is still one step away, and always positive.",
            edit=[("np.exp(queries @ keys.T / scale)", "queries @ keys.T / scale")],
        ),
        Mistake(
            "negated",
            "The exponent has the wrong sign: keys that point the query's way should be the most similar.",
            edit=[("np.exp(queries", "np.exp(-queries")],
        ),
        Mistake(
            "transposed",
            "The result is transposed: rows are queries and columns are keys.",
            edit=[("queries @ keys.T", "keys @ queries.T")],
        ),
        Mistake(
            "normalised",
            "Each row was divided by its sum. That makes attention weights; here the similarity itself "
            "is asked.",
            edit=[
                (
                    "return np.exp(queries @ keys.T / scale)",
                    "similarity = np.exp(queries @ keys.T / scale)\n"
                    "    return similarity / similarity.sum(axis=1, keepdims=True)",
                )
            ],
        ),
        Mistake(
            "row_maximum_subtracted",
            "Each row's largest score was subtracted first. That leaves attention weights alone, "
            "but changes the similarity.",
            edit=[
                (
                    "return np.exp(queries @ keys.T / scale)",
                    "scores = queries @ keys.T / scale\n"
                    "    return np.exp(scores - scores.max(axis=1, keepdims=True))",
                )
            ],
        ),
        Mistake(
            "scaled_in_place",
            "The caller's queries were changed. Make a new array instead of scaling the given one in place.",
            edit=[
                (
                    "return np.exp(queries @ keys.T / scale)",
                    "queries /= scale\n    return np.exp(queries @ keys.T)",
                )
            ],
            breaks="changes_arguments",
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the queries and keys. "
            "Stay with tensors that autograd follows.",
            edit=[("torch.exp(queries @ keys.T / scale)", "torch.exp((queries @ keys.T).detach() / scale)")],
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
        Right("nested_lists", function=with_lists, track="from_scratch"),
        Right("split_scale", function=with_split_scale, track="from_scratch"),
        Right("a_tensor", function=with_a_tensor, track="from_scratch"),
        Right("row_by_row", source=TORCH_ROWS, track="pytorch"),
        Right("einsum_transposed_view", source=TORCH_EINSUM, track="pytorch"),
        Right("power_of_exponential", source=TORCH_POWER, track="pytorch"),
    ],
)
