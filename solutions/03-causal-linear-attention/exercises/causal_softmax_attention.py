"""Softmax attention that sees no later position, the baseline whose cost grows like N².

Half of the point lies on scores near 10⁴.  There keys come in tight bundles, so that several
share the weight, and rows whose own scores are low stand beside rows whose scores are high.
"""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Property, Right


def sequence(length, dim, value_dim, norm=1.0):
    """Return a draw of queries, keys (length, dim) and values (length, value_dim) of uneven norms."""

    def draw(rng):
        stretch = norm * np.linspace(0.5, 1.5, length)[:, None]
        return {
            "queries": stretch[::-1] * rng.normal(size=(length, dim)),
            "keys": stretch * rng.normal(size=(length, dim)),
            "values": 1 + rng.normal(size=(length, value_dim)),
        }

    return draw


def whole_sequence(rng):
    """Draw whole numbers."""
    shapes = {"queries": (6, 3), "keys": (6, 3), "values": (6, 2)}
    return {name: rng.integers(-2, 3, size=shape).astype(np.float64) for name, shape in shapes.items()}


def large_scores(rng):
    """Draw scores up to 10⁴ of either sign; keys at one place of an axis share the weight.

    Positions 0 and 1 have seen only keys of very low scores; two queries have small scores alone.
    """
    dim, norm = 4, 140.0
    places = np.array([1, 1, -1, 1, 0.1, -1, -1, 1, 1])[:, None]
    axis = rng.normal(size=(1, dim))
    axis /= np.linalg.norm(axis)
    facing = np.array([-1, -1, 1, 1e-4, -1, 1, -2e-4, 1, -1])[:, None]
    return {
        "queries": norm * facing * axis,
        "keys": norm * places * axis + math.sqrt(dim) / norm * rng.normal(size=(len(places), dim)),
        "values": 1 + rng.normal(size=(len(places), 3)),
    }


def oracle(queries, keys, values):
    """Go through the positions; sum exponentials of the gap to the best of those seen."""
    root = math.sqrt(queries.shape[1])
    result = []
    for i, query in enumerate(queries.tolist()):
        seen = [
            math.fsum(a * b for a, b in zip(query, key, strict=True)) / root for key in keys[: i + 1].tolist()
        ]
        weights = [math.exp(score - max(seen)) for score in seen]
        columns = values[: i + 1].T.tolist()
        total = math.fsum(weights)
        result.append([math.fsum(w * v for w, v in zip(weights, c, strict=True)) / total for c in columns])
    return np.array(result, dtype=np.float64)


def one_prefix_at_a_time(queries, keys, values):
    """Answer each query from the slice of what it may see; the answer is a list of rows."""
    rows = []
    for i, query in enumerate(queries):
        scores = keys[: i + 1] @ query / len(query) ** 0.5
        weights = np.exp(scores - np.logaddexp.reduce(scores))
        rows.append(weights @ values[: i + 1])
    return rows


def with_running_maximum(queries, keys, values):
    """Take in one key after the other for all queries at once, rescaling where a better one turns up."""
    length = len(queries)
    best, total = np.full(length, -np.inf), np.zeros(length)
    gathered = np.zeros((length, values.shape[1]))
    for j in range(length):
        late = slice(j, None)
        score = queries[late] @ keys[j] / np.sqrt(queries.shape[1])
        higher = np.maximum(best[late], score)
        shrink, weight = np.exp(best[late] - higher), np.exp(score - higher)
        total[late] = total[late] * shrink + weight
        gathered[late] = gathered[late] * shrink[:, None] + np.outer(weight, values[j])
        best[late] = higher
    return gathered / total[:, None]


def with_subtracted_mask(queries, keys, values):
    """Subtract a huge number from the scores of later keys instead of replacing them."""
    scores = (queries / queries.shape[1] ** 0.5) @ keys.T - 1e30 * np.triu(np.ones((len(keys),) * 2), 1)
    weights = np.exp(scores - scores.max(1)[:, None])
    return (weights / weights.sum(1)[:, None]) @ values


TORCH_SDPA = """
def causal_softmax_attention(queries, keys, values):
    batch = (x[None] for x in as_floats(queries, keys, values))
    return F.scaled_dot_product_attention(*batch, is_causal=True)[0]
"""

TORCH_LOGSUMEXP = """
def causal_softmax_attention(queries, keys, values):
    queries, keys, values = as_floats(queries, keys, values)
    scores = torch.einsum("id,jd->ij", queries, keys) * queries.shape[1] ** -0.5
    order = torch.arange(len(keys), device=keys.device)
    scores = torch.where(order[:, None] >= order[None, :], scores, float("-inf"))
    return torch.exp(scores - scores.logsumexp(dim=1, keepdim=True)) @ values
"""

TORCH_PREFIXES = """
def causal_softmax_attention(queries, keys, values):
    queries, keys, values = as_floats(queries, keys, values)
    root = queries.shape[1] ** 0.5
    rows = [torch.softmax(keys[: i + 1] @ q / root, 0) @ values[: i + 1] for i, q in enumerate(queries)]
    return torch.stack(rows)
"""

MAX_LINE = "np.exp(scores - scores.max(axis=1, keepdims=True))"

exercise = Exercise(
    title="Softmax attention without the future",
    points=1,
    minutes=10,
    difficulty=1,
    source="Vaswani et al. 2017, Attention Is All You Need, section 3.2.3; "
    "Katharopoulos et al. 2020, Transformers are RNNs, section 3.3",
    kind=Function(),
    hints=[
        "Write down which of the first three positions the second one may see. What shape have all these "
        "answers together?",
        "A key that may not be seen should get weight zero after the exponential. Which score does that?",
        "np.tri and torch.tril make triangles. Fill the scores above the diagonal with minus infinity, then "
        "lower each row by its largest score before you raise.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", sequence(7, 4, 3)),
        Case("two", "two positions", sequence(2, 3, 5)),
        Case("one", "one position only", sequence(1, 4, 2), gradients=False),
        Case("long", "more positions than dimensions", sequence(11, 2, 3), gradients=False),
        Case("float32", "float32 input", sequence(8, 5, 2), dtype="float32"),
        Case("integers", "whole numbers as input", whole_sequence, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", sequence(6, 3, 4), layout="fortran", gradients=False),
        Case("strided", "every other column of a larger array", sequence(5, 3, 2), layout="strided"),
        Case("large", "scores near 10⁴, of either sign", large_scores, worth=0.5, gradients=False, rtol=1e-5),
    ],
    properties=(
        Property("causal", of=("queries", "keys", "values")),
        Property("prefix", of=("queries", "keys", "values")),
    ),
    mistakes=[
        Mistake(
            "no_mask",
            "Every position sees the whole sequence. Row i may use only the keys up to i.",
            edit=[("np.tri(len(queries), dtype=bool)", "True")],
        ),
        Mistake(
            "own_position_hidden",
            "A position does not see itself, so that the first one sees nothing at all. Position i sees j ≤ i.",
            edit=[("np.tri(len(queries), dtype=bool)", "np.tri(len(queries), k=-1, dtype=bool)")],
        ),
        Mistake(
            "one_step_too_far",
            "Each position sees one key of the future. Look at where the triangle ends.",
            edit=[("np.tri(len(queries), dtype=bool)", "np.tri(len(queries), k=1, dtype=bool)")],
        ),
        Mistake(
            "sees_the_future_only",
            "The triangle is the wrong way round: rows are queries, and they may look back, not ahead.",
            edit=[("np.tri(len(queries), dtype=bool)", "np.tri(len(queries), dtype=bool).T")],
        ),
        Mistake(
            "masked_with_zero",
            "Later keys got the score 0, which is weight 1 after the exponential. Which score gives weight 0?",
            edit=[("scores, -np.inf)", "scores, 0.0)")],
        ),
        Mistake(
            "masked_after_normalising",
            "The mask came after the weights had been normalised, so that what is left no longer sums to one.",
            edit=[
                ("np.where(np.tri(len(queries), dtype=bool), scores, -np.inf)", "scores + 0.0"),
                ("return weights @ values", "return np.tril(weights) @ values"),
            ],
        ),
        Mistake(
            "not_scaled",
            "The scores were not divided by √D.",
            edit=[(" / np.sqrt(queries.shape[1])", "")],
        ),
        Mistake(
            "scaled_by_dim",
            "The scores were divided by D. It is its root that keeps them of size one.",
            edit=[("np.sqrt(queries.shape[1])", "queries.shape[1]")],
        ),
        Mistake(
            "scaled_by_length",
            "The scores were divided by the root of the number of positions. D is the other axis.",
            edit=[("np.sqrt(queries.shape[1])", "np.sqrt(queries.shape[0])")],
        ),
        Mistake(
            "normalised_over_queries",
            "The sums run over the queries. Each query's own weights must sum to one.",
            edit=[("weights.sum(axis=1, keepdims=True)", "weights.sum(axis=0)[:, None]")],
        ),
        Mistake(
            "no_shift",
            "Right at moderate scores, but large ones overflow. What may be taken from all scores of a row?",
            edit=[(MAX_LINE, "np.exp(scores)")],
        ),
        Mistake(
            "one_maximum_for_all",
            "One maximum lowers all rows, and the rows whose scores are low are left with zeros. Each needs its own.",
            edit=[("scores.max(axis=1, keepdims=True)", "scores.max()")],
        ),
        Mistake(
            "maximum_over_the_future",
            "The row's maximum was taken before the mask. A large score of the future then pushes all that is "
            "seen down to zero.",
            edit=[
                ("bool), scores, -np.inf)", "bool), scores - scores.max(axis=1)[:, None], -np.inf)"),
                (MAX_LINE, "np.exp(scores)"),
            ],
        ),
        Mistake(
            "weights_detached",
            "The values are right, but gradients no longer reach queries and keys. Stay with what autograd "
            "follows.",
            edit=[("dim=-1) @ values", "dim=-1).detach() @ values")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[("= as_floats(queries, keys, values)", "= queries.float(), keys.float(), values.float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("one_prefix_at_a_time", function=one_prefix_at_a_time, track="from_scratch"),
        Right("running_maximum", function=with_running_maximum, track="from_scratch"),
        Right("subtracted_mask", function=with_subtracted_mask, track="from_scratch"),
        Right("scaled_dot_product_attention", source=TORCH_SDPA, track="pytorch"),
        Right("logsumexp", source=TORCH_LOGSUMEXP, track="pytorch"),
        Right("one_prefix_at_a_time_in_torch", source=TORCH_PREFIXES, track="pytorch"),
    ],
)
