"""The backward pass of causal linear attention by hand: linear time, and a state for memory."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Linear, Mistake, Right

NAMES = ("query_features", "key_features", "values", "output_gradient")


def sequence(length, width, depth):
    """Return a draw of positive features (length, width), values and an output gradient (length, depth)."""

    def draw(rng):
        stretch = np.geomspace(0.4, 2.5, length)[:, None]
        return {
            "query_features": stretch[::-1] * np.exp(0.7 * rng.normal(size=(length, width))),
            "key_features": stretch * np.exp(0.7 * rng.normal(size=(length, width))),
            "values": 1 + rng.normal(size=(length, depth)),
            "output_gradient": rng.normal(size=(length, depth)),
        }

    return draw


def last_row_only(rng):
    """Draw a loss that looks at the last output alone."""
    drawn = sequence(6, 3, 2)(rng)
    drawn["output_gradient"][:-1] = 0
    return drawn


def whole_sequence(rng):
    """Draw whole numbers."""
    return {
        "query_features": rng.integers(1, 5, size=(6, 3)).astype(np.float64),
        "key_features": rng.integers(1, 5, size=(6, 3)).astype(np.float64),
        "values": rng.integers(-3, 4, size=(6, 2)).astype(np.float64),
        "output_gradient": rng.integers(-2, 3, size=(6, 2)).astype(np.float64),
    }


def long_sequence(rng):
    """Draw 256 positions from few different numbers."""
    shapes = {"query_features": 24, "key_features": 24, "values": 16, "output_gradient": 16}
    return {name: rng.integers(1, 4, size=(256, width)) / 2 for name, width in shapes.items()}


def no_states(arguments):
    """Return half of what the states of all positions would take."""
    length, width = arguments["key_features"].shape
    return 8 * length * width * arguments["values"].shape[1] / 2


def oracle(query_features, key_features, values, output_gradient):
    """Differentiate each row's weighted mean with respect to each of its similarities; this is quadratic."""
    d_queries, d_keys, d_values = (np.zeros(x.shape) for x in (query_features, key_features, values))
    for i, query in enumerate(query_features):
        similarities = [float(np.dot(query, key)) for key in key_features[: i + 1]]
        total = sum(similarities)
        output = sum(s * v for s, v in zip(similarities, values, strict=False)) / total
        for j, similarity in enumerate(similarities):
            by_similarity = float(np.dot(output_gradient[i], values[j] - output)) / total
            d_queries[i] += by_similarity * key_features[j]
            d_keys[j] += by_similarity * query
            d_values[j] += similarity / total * output_gradient[i]
    return d_queries, d_keys, d_values


def in_chunks(query_features, key_features, values, output_gradient):
    """Go through chunks of eight, with a column of ones for the denominator."""
    pieces = [slice(start, start + 8) for start in range(0, len(values), 8)]
    wide = np.column_stack([values, np.ones(len(values))])
    up, d_queries = np.zeros(wide.shape), np.zeros(query_features.shape)
    d_keys, d_values = np.zeros(key_features.shape), np.zeros(values.shape)
    state = np.zeros((key_features.shape[1], wide.shape[1]))
    for rows in pieces:
        q, k, v = query_features[rows], key_features[rows], wide[rows]
        both = np.tril(q @ k.T) @ v + q @ state
        up[rows, :-1] = output_gradient[rows] / both[:, -1:]
        up[rows, -1] = -(up[rows, :-1] * both[:, :-1]).sum(1) / both[:, -1]
        d_queries[rows] = np.tril(up[rows] @ v.T) @ k + up[rows] @ state.T
        state += k.T @ v
    later = np.zeros(state.shape)
    for rows in pieces[::-1]:
        q, k, v = query_features[rows], key_features[rows], wide[rows]
        d_keys[rows] = np.triu(v @ up[rows].T) @ q + v @ later.T
        d_values[rows] = (np.triu(k @ q.T) @ up[rows] + k @ later)[:, :-1]
        later += q.T @ up[rows]
    return d_queries, d_keys, d_values


def value_by_value(query_features, key_features, values, output_gradient):
    """Go through the value columns, each with cumulative sums of shape (N, C)."""
    q, k = query_features, key_features
    below = (q * k.cumsum(0)).sum(1)
    d_queries, d_keys, d_values, by_below = 0.0, 0.0, [], 0.0
    for v, g in zip(values.T, output_gradient.T, strict=True):
        state = (k * v[:, None]).cumsum(0)
        out, up = (q * state).sum(1) / below, g / below
        by_below = by_below - up * out
        d_queries = d_queries + up[:, None] * state
        after = (q * up[:, None])[::-1].cumsum(0)[::-1]
        d_keys = d_keys + after * v[:, None]
        d_values.append((k * after).sum(1))
    d_queries = d_queries + by_below[:, None] * k.cumsum(0)
    d_keys = d_keys + (q * by_below[:, None])[::-1].cumsum(0)[::-1]
    return [d_queries, d_keys, np.transpose(d_values)]


def without_leaving_out_the_past(query_features, key_features, values, output_gradient):
    """Get the sum over later positions as the total less the sum over earlier ones."""
    wide = np.column_stack([values, np.ones(len(values))])
    state = np.zeros((key_features.shape[1], wide.shape[1]))
    d_queries, rows = [], []
    for q, k, v, g in zip(query_features, key_features, wide, output_gradient, strict=True):
        state = state + np.outer(k, v)
        both = q @ state
        up = np.append(g, -(g @ both[:-1]) / both[-1]) / both[-1]
        rows.append(up)
        d_queries.append(state @ up)
    later = query_features.T @ np.array(rows)
    d_keys, d_values = [], []
    for q, k, v, up in zip(query_features, key_features, wide, rows, strict=True):
        d_keys.append(later @ v)
        d_values.append((k @ later)[:-1])
        later = later - np.outer(q, up)
    return d_queries, d_keys, d_values


STATE = "S, Z = np.zeros((width, depth)), np.zeros(width)"
SUFFIX = (
    "        U += np.outer(query_features[i], d_numerator[i])  # sums over all later positions and i\n"
    "        Y += query_features[i] * d_denominator[i]\n"
)
D_VALUES = "        d_values[i] = key_features[i] @ U\n"

exercise = Exercise(
    title="The backward pass by hand",
    points=5,
    minutes=35,
    difficulty=3,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equations 13 to 15, with the normaliser added",
    kind=Function(returns=("d_query_features", "d_key_features", "d_values")),
    hints=[
        "First the quotient: how does the loss change with the numerator of row i, and how with its denominator?",
        "The query of row i meets the state S_i, Z_i, so its gradient needs a pass forward. Key j is read by all "
        "rows i ≥ j: collect what they have to say on a pass backward.",
        "On the way back carry U, the sum of φ(Q_i)ᵀ times the numerator's gradient, and Y, the same with the "
        "denominator's. Then ∂φ(K_j) reads U with V_j and adds Y, and ∂V_j reads U with φ(K_j).",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", sequence(7, 3, 4)),
        Case("square", "as many features as value columns", sequence(6, 4, 4)),
        Case("last_row", "a loss that looks at the last output alone", last_row_only),
        Case("two", "two positions", sequence(2, 5, 3)),
        Case("many", "thirty positions", sequence(30, 3, 2)),
        Case("float32", "float32 input", sequence(8, 5, 2), dtype="float32", rtol=1e-3),
        Case("integers", "whole numbers as input", whole_sequence, dtype="int64"),
        Case("fortran", "arrays in column order", sequence(6, 3, 4), layout="fortran"),
        Case("strided", "every other column of a larger array", sequence(5, 4, 2), layout="strided"),
        Case(
            "memory",
            "without the states of all positions",
            long_sequence,
            worth=1,
            largest_bytes=no_states,
            rtol=1e-5,
        ),
        Case(
            "linear",
            "time and memory that grow like N",
            sequence(32, 6, 5),
            worth=1,
            linear=Linear(grow=NAMES, sizes=(512, 2048), same_rows=False),
            wall_limit_s=60,
            rtol=1e-5,
        ),
    ],
    mistakes=[
        Mistake(
            "normaliser_ignored",
            "The denominator depends on queries and keys too, and its gradient is missing.",
            edit=[("-(output_gradient[i] @ output) / denominator", "0.0")],
        ),
        Mistake(
            "normaliser_sign",
            "The denominator's gradient has the wrong sign: a larger denominator makes the output smaller.",
            edit=[("-(output_gradient[i] @ output)", "(output_gradient[i] @ output)")],
        ),
        Mistake(
            "numerator_not_divided",
            "The numerator's gradient was not divided by the denominator.",
            edit=[
                ("d_numerator[i] = output_gradient[i] / denominator", "d_numerator[i] = output_gradient[i]")
            ],
        ),
        Mistake(
            "denominator_not_divided",
            "The denominator's gradient was not divided by the denominator. The quotient rule has its square.",
            edit=[("-(output_gradient[i] @ output) / denominator", "-(output_gradient[i] @ output)")],
        ),
        Mistake(
            "prefix_for_suffix",
            "Keys and values got the sums over earlier queries. A key is read by itself and by later positions.",
            edit=[("reversed(range(length))", "range(length)")],
        ),
        Mistake(
            "total_for_suffix",
            "Keys and values got the sums over all queries, also over those that may not see them.",
            edit=[
                (SUFFIX, ""),
                (
                    "U, Y = np.zeros((width, depth)), np.zeros(width)",
                    "U, Y = query_features.T @ d_numerator, d_denominator @ query_features",
                ),
            ],
        ),
        Mistake(
            "own_position_left_out",
            "Keys and values did not hear of their own position. It reads them as well.",
            edit=[(SUFFIX, ""), (D_VALUES, D_VALUES + SUFFIX)],
        ),
        Mistake(
            "queries_see_everything",
            "The queries' gradient was read from the last state. Query i has only met the state of position i.",
            edit=[
                (
                    "S @ d_numerator[i] + Z * d_denominator[i]",
                    "key_features.T @ (values @ d_numerator[i]) + key_features.sum(axis=0) * d_denominator[i]",
                )
            ],
        ),
        Mistake(
            "queries_without_denominator",
            "The queries' gradient lacks the part through the denominator.",
            edit=[(" + Z * d_denominator[i]", "")],
        ),
        Mistake(
            "keys_without_denominator",
            "The keys' gradient lacks the part through the denominator.",
            edit=[("U @ values[i] + Y", "U @ values[i]")],
        ),
        Mistake(
            "swapped",
            "The gradients of queries and keys changed places.",
            edit=[("return d_queries, d_keys, d_values", "return d_keys, d_queries, d_values")],
        ),
        Mistake(
            "all_states_kept",
            "The gradients are right, but the states of all positions were stored. One state at a time is enough.",
            edit=[
                (
                    STATE,
                    "S = (key_features[:, :, None] * values[:, None, :])[0] * 0.0\n    Z = np.zeros(width)",
                )
            ],
            breaks="memory",
        ),
        Mistake(
            "later_rows_read_again",
            "The gradients are right, but each position goes over all later ones again. Carry their sum along.",
            edit=[
                (
                    "d_keys[i] = U @ values[i] + Y",
                    "d_keys[i] = (d_numerator[i:] @ values[i] + d_denominator[i:]) @ query_features[i:]",
                ),
                (
                    "d_values[i] = key_features[i] @ U",
                    "d_values[i] = (query_features[i:] @ key_features[i]) @ d_numerator[i:]",
                ),
            ],
            breaks="not_linear",
        ),
    ],
    also_right=[
        Right("in_chunks", function=in_chunks),
        Right("value_by_value", function=value_by_value),
        Right("total_less_the_past", function=without_leaving_out_the_past),
    ],
)
