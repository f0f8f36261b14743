"""Causal linear attention from its states: linear in N, whatever the way."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Linear, Mistake, Property, Right

NAMES = ("query_features", "key_features", "values")


def sequence(length, width, depth):
    """Return a draw of positive features (length, width) and values (length, depth)."""

    def draw(rng):
        stretch = np.geomspace(0.3, 3, length)[:, None]
        return {
            "query_features": stretch[::-1] * np.exp(0.7 * rng.normal(size=(length, width))),
            "key_features": stretch * np.exp(0.7 * rng.normal(size=(length, width))),
            "values": 1 + rng.normal(size=(length, depth)),
        }

    return draw


def signed(rng):
    """Draw features of either sign whose similarities are positive all the same."""
    drawn = sequence(6, 4, 3)(rng)
    flip = np.array([1.0, -1.0, 1.0, -1.0])
    return {
        **drawn,
        "query_features": flip * drawn["query_features"],
        "key_features": flip * drawn["key_features"],
    }


def whole_sequence(rng):
    """Draw counts as features and whole values."""
    return {
        "query_features": rng.integers(1, 5, size=(6, 3)).astype(np.float64),
        "key_features": rng.integers(1, 5, size=(6, 3)).astype(np.float64),
        "values": rng.integers(-3, 4, size=(6, 2)).astype(np.float64),
    }


def oracle(query_features, key_features, values):
    """Weigh every earlier value by its similarity, one row after the other; this is quadratic."""
    result = []
    for i, query in enumerate(query_features.tolist()):
        keys = key_features[: i + 1].tolist()
        weights = [math.fsum(a * b for a, b in zip(query, key, strict=True)) for key in keys]
        columns = values[: i + 1].T.tolist()
        result.append(
            [math.fsum(w * v for w, v in zip(weights, c, strict=True)) / math.fsum(weights) for c in columns]
        )
    return np.array(result, dtype=np.float64)


def one_after_the_other(query_features, key_features, values):
    """Carry one state along; the answer is a list of rows."""
    S, Z, rows = 0.0, 0.0, []
    for q, k, v in zip(query_features, key_features, values, strict=True):
        S, Z = S + k[:, None] * v, Z + k
        rows.append(q @ S / (q @ Z))
    return rows


def with_ones_column(query_features, key_features, values):
    """Let a column of ones give the denominator."""
    wide = np.column_stack([values, np.ones(len(values))])
    S = (key_features[..., None] * wide[:, None]).cumsum(0)
    both = (query_features[:, None] @ S)[:, 0]
    return both[:, :-1] / (both[:, -1:] + 1e-12)


def feature_by_feature(query_features, key_features, values):
    """Go through the features, each with prefix sums of its own."""
    above, below = 0.0, 0.0
    for q, k in zip(query_features.T, key_features.T, strict=True):
        above = above + q[:, None] * np.cumsum(k[:, None] * values, axis=0)
        below = below + q * np.cumsum(k)
    return above / below[:, None]


TORCH_LOOP = """
def causal_linear_attention(query_features, key_features, values):
    query_features, key_features, values = as_floats(query_features, key_features, values)
    S, Z, rows = 0.0, 0.0, []
    for q, k, v in zip(query_features.unbind(0), key_features.unbind(0), values.unbind(0)):
        S, Z = S + k[:, None] * v, Z + k
        rows.append(q @ S / (q @ Z))
    return torch.stack(rows)
"""

TORCH_BATCHED = """
def causal_linear_attention(query_features, key_features, values):
    query_features, key_features, values = as_floats(query_features, key_features, values)
    S = torch.cumsum(key_features.unsqueeze(2) @ F.pad(values, (0, 1), value=1.0).unsqueeze(1), 0)
    both = torch.bmm(query_features.unsqueeze(1), S).squeeze(1)
    return both[:, :-1] / both[:, -1:].clamp(min=1e-12)
"""

TORCH_CHUNKS = """
def causal_linear_attention(query_features, key_features, values):
    query_features, key_features, values = as_floats(query_features, key_features, values)
    state, rows = 0.0, []
    wide = F.pad(values, (0, 1), value=1.0)
    for q, k, v in zip(query_features.split(32), key_features.split(32), wide.split(32)):
        rows.append((q @ k.T).tril() @ v + (q @ state if rows else 0.0))
        state = state + k.T @ v
    both = torch.cat(rows)
    return both[:, :-1] / both[:, -1:]
"""

SUMS = "S, Z = prefix_sums(key_features, values)"
NUMERATORS = 'np.einsum("nc,ncm->nm", query_features, S)'

exercise = Exercise(
    title="Causal attention in linear time",
    points=3,
    minutes=15,
    difficulty=2,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equation 12",
    kind=Function(),
    hints=[
        "You have S and Z of every position. Write the formula for one position, with shapes.",
        "For all positions at once: one sum over features for each position and value column, another for each "
        "position alone. einsum's letters say just that.",
        "Numerators (N, M) and denominators (N,): give the denominators a new axis before you divide.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", sequence(7, 3, 4)),
        Case("square", "as many features as value columns", sequence(6, 4, 4)),
        Case("one", "one position only", sequence(1, 3, 2), gradients=False),
        Case("two", "two positions", sequence(2, 5, 3), gradients=False),
        Case("one_feature", "one feature only", sequence(5, 1, 3), gradients=False),
        Case("signed", "features of either sign, similarities positive", signed),
        Case("float32", "float32 input", sequence(8, 5, 2), dtype="float32"),
        Case("integers", "whole numbers as input", whole_sequence, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", sequence(6, 3, 4), layout="fortran", gradients=False),
        Case("strided", "every other column of a larger array", sequence(5, 4, 2), layout="strided"),
        Case(
            "linear",
            "time and memory that grow like N",
            sequence(32, 6, 5),
            gradients=False,
            worth=1,
            linear=Linear(grow=NAMES, sizes=(256, 1024), same_rows=False),
            rtol=1e-5,
        ),
    ],
    properties=(Property("causal", of=NAMES), Property("prefix", of=NAMES)),
    mistakes=[
        Mistake(
            "own_position_left_out",
            "A position does not see itself, so that the first one divides zero by zero.",
            edit=[
                (
                    SUMS,
                    SUMS + "\n    S, Z = S - key_features[:, :, None] * values[:, None, :], Z - key_features",
                )
            ],
        ),
        Mistake(
            "not_causal",
            "Every position reads the sums over the whole sequence. Position i has a state of its own.",
            edit=[(SUMS, "S, Z = (x[-1] + 0 * x for x in prefix_sums(key_features, values))")],
        ),
        Mistake(
            "denominator_not_causal",
            "The denominator sums over the whole sequence, the numerator over the past. Weights that sum to one "
            "need the same keys in both.",
            edit=[("query_features, Z)", "query_features, Z[-1] + 0 * Z)")],
        ),
        Mistake(
            "not_normalised",
            "The numerators were not divided. With equal values everywhere the result should be that value.",
            edit=[("numerators / denominators[:, None]", "numerators")],
        ),
        Mistake(
            "divided_by_count",
            "The numerators were divided by the number of positions. A weighted mean divides by its weights' sum.",
            edit=[("denominators[:, None]", "np.arange(1, len(values) + 1)[:, None]")],
        ),
        Mistake(
            "z_starts_at_one",
            "Z has one too many in every entry. The sum over no positions is zero.",
            edit=[("query_features, Z)", "query_features, 1 + Z)")],
        ),
        Mistake(
            "denominator_without_query",
            "The denominator does not know the query. It is the sum of the row's similarities.",
            edit=[("query_features, Z)", "np.ones_like(query_features), Z)")],
        ),
        Mistake(
            "large_epsilon",
            "A constant was added to the denominators that is not small beside them. Positive features need none.",
            edit=[("denominators[:, None]", "(denominators[:, None] + 1e-2)")],
        ),
        Mistake(
            "summed_twice",
            "The sums were summed again: S and Z of a position already hold all that came before.",
            edit=[(SUMS, "S, Z = (np.cumsum(x, axis=0) for x in prefix_sums(key_features, values))")],
        ),
        Mistake(
            "features_exponentiated",
            "A softmax crept in: the similarity was exponentiated. Here the product of features is the similarity.",
            edit=[(SUMS, "S, Z = prefix_sums(np.exp(key_features), values)")],
        ),
        Mistake(
            "roles_swapped",
            "Queries and keys changed places: the state is made of keys, and the query reads it.",
            edit=[
                (SUMS, "S, Z = prefix_sums(query_features, values)"),
                (NUMERATORS, 'np.einsum("nc,ncm->nm", key_features, S)'),
                ('np.einsum("nc,nc->n", query_features, Z)', 'np.einsum("nc,nc->n", key_features, Z)'),
            ],
        ),
        Mistake(
            "square_table",
            "The result is right, but a table of N × N similarities was built. S holds all that it is needed for.",
            edit=[(NUMERATORS, "np.tril(query_features @ key_features.T) @ values")],
            breaks="not_linear",
        ),
        Mistake(
            "row_by_row",
            "The result is right, but each row goes over all earlier keys again: N rows of up to N keys. "
            "The state of the row before has done most of that.",
            edit=[
                (
                    NUMERATORS,
                    "np.stack([(q @ key_features[: i + 1].T) @ values[: i + 1] "
                    "for i, q in enumerate(query_features)])",
                )
            ],
            breaks="not_linear",
        ),
        Mistake(
            "triangle_in_einsum",
            "The result is right, but an einsum with a triangle of ones compares every position with every other.",
            edit=[
                (
                    'torch.einsum("nc,ncm->nm", query_features, S)',
                    'torch.einsum("ij,ic,jc,jm->im", Z.new_ones(len(Z), len(Z)).tril(), '
                    "query_features, key_features, values)",
                )
            ],
            track="pytorch",
            breaks="not_linear",
        ),
        Mistake(
            "denominator_detached",
            "A gradient arrives, but the wrong one: the denominator depends on queries and keys too.",
            edit=[("return numerators / denominators", "return numerators / denominators.detach()")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[
                (
                    "= as_floats(query_features, key_features, values)",
                    "= (x.float() for x in (query_features, key_features, values))",
                )
            ],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("one_after_the_other", function=one_after_the_other, track="from_scratch"),
        Right("column_of_ones", function=with_ones_column, track="from_scratch"),
        Right("feature_by_feature", function=feature_by_feature, track="from_scratch"),
        Right("loop_in_torch", source=TORCH_LOOP, track="pytorch"),
        Right("batched_products", source=TORCH_BATCHED, track="pytorch"),
        Right("chunks", source=TORCH_CHUNKS, track="pytorch"),
    ],
)
