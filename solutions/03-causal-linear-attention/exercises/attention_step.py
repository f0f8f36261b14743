"""One position of causal linear attention, as a recurrent network takes it in."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Mistake, Right, Step


def sequence(length, width, depth, seen=0):
    """Return a draw of a state, after `seen` positions, and of `length` more positions."""

    def draw(rng):
        stretch = np.geomspace(0.3, 3, length)[:, None]
        earlier = np.exp(0.7 * rng.normal(size=(seen, width)))
        return {
            "S": earlier.T @ (1 + rng.normal(size=(seen, depth))),
            "Z": earlier.sum(axis=0),
            "query_feature": stretch[::-1] * np.exp(0.7 * rng.normal(size=(length, width))),
            "key_feature": stretch * np.exp(0.7 * rng.normal(size=(length, width))),
            "value": 1 + rng.normal(size=(length, depth)),
        }

    return draw


def whole_sequence(rng):
    """Draw counts as features and whole values."""
    return {
        "S": rng.integers(1, 9, size=(3, 2)).astype(np.float64),
        "Z": rng.integers(1, 9, size=3).astype(np.float64),
        "query_feature": rng.integers(1, 5, size=(4, 3)).astype(np.float64),
        "key_feature": rng.integers(1, 5, size=(4, 3)).astype(np.float64),
        "value": rng.integers(-3, 4, size=(4, 2)).astype(np.float64),
    }


def oracle(S, Z, query_feature, key_feature, value):
    """Weigh every value by its similarity, and what the first state holds beside them."""
    rows = []
    for i, query in enumerate(query_feature.tolist()):
        weights = [
            math.fsum(a * b for a, b in zip(query, k, strict=True)) for k in key_feature[: i + 1].tolist()
        ]
        below = math.fsum([*weights, *(a * z for a, z in zip(query, Z.tolist(), strict=True))])
        row = []
        for m in range(value.shape[1]):
            old = [a * s for a, s in zip(query, S[:, m].tolist(), strict=True)]
            new = [w * v for w, v in zip(weights, value[: i + 1, m].tolist(), strict=True)]
            row.append(math.fsum(old + new) / below)
        rows.append(row)
    last_s = S.copy()
    for c in range(S.shape[0]):
        for m in range(S.shape[1]):
            last_s[c, m] += math.fsum(k * v for k, v in zip(key_feature[:, c], value[:, m], strict=True))
    return np.array(rows), last_s, Z + key_feature.sum(axis=0)


def with_einsum(state, query_feature, key_feature, value):
    """Answer with lists, and a state that is a list of two arrays."""
    S = state[0] + np.einsum("c,m->cm", key_feature, value)
    Z = np.add(state[1], key_feature)
    return [[S, Z], (np.einsum("c,cm->m", query_feature, S) / np.einsum("c,c", query_feature, Z)).tolist()]


def with_copies(state, query_feature, key_feature, value):
    """Change copies in place."""
    S, Z = (np.array(part, dtype=np.result_type(part, 1.0)) for part in state)
    for c, feature in enumerate(key_feature):
        S[c] += feature * value
        Z[c] += feature
    total = sum(q * row for q, row in zip(query_feature, S, strict=True))
    return (S, Z), total / sum(query_feature * Z)


def side_by_side(state, query_feature, key_feature, value):
    """Join S and Z to one matrix, and split it again."""
    both = np.column_stack(state) + key_feature[:, None] * np.append(value, 1)[None, :]
    out = query_feature @ both
    return (both[:, :-1], both[:, -1]), out[:-1] / out[-1]


TORCH_EINSUM = """
def attention_step(state, query_feature, key_feature, value):
    S, Z, q, k, v = as_floats(*state, query_feature, key_feature, value)
    S = torch.einsum("c,m->cm", k, v).add(S)
    Z = torch.add(Z, k)
    return [(S, Z), torch.einsum("c,cm->m", q, S).div(torch.dot(q, Z))]
"""

TORCH_SIDE_BY_SIDE = """
def attention_step(state, query_feature, key_feature, value):
    S, Z, q, k, v = as_floats(*state, query_feature, key_feature, value)
    both = torch.cat([S, Z[:, None]], dim=1) + k[:, None] * F.pad(v, (0, 1), value=1.0)
    out = q @ both
    return (both[:, :-1], both[:, -1]), out[:-1] / out[-1]
"""

TORCH_ADDR = """
def attention_step(state, query_feature, key_feature, value):
    S, Z, q, k, v = as_floats(*state, query_feature, key_feature, value)
    S, Z = torch.addr(S, k, v), Z + k
    return (S, Z), (S.T @ q) / (Z * q).sum()
"""

RETURN = "return (S, Z), query_feature @ S / (query_feature @ Z)"

exercise = Exercise(
    title="Attention as a recurrent network",
    points=3,
    minutes=10,
    difficulty=1,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equations 16 to 20",
    kind=Step(state=("S", "Z"), over=("query_feature", "key_feature", "value"), returns=("output",)),
    hints=[
        "What does this position add to S, and what to Z? Compare with your derivation.",
        "Update first, then read: a position sees itself.",
        "S + outer product, Z + key feature, each as a new array. Then the query feature reads both, and one is "
        "divided by the other.",
    ],
    oracle=oracle,
    cases=[
        Case("from_nothing", "from an empty state", sequence(7, 3, 4)),
        Case("continued", "from a state that has seen five positions", sequence(4, 4, 2, seen=5)),
        Case("square", "as many features as value columns", sequence(5, 3, 3, seen=2)),
        Case("one", "a single step", sequence(1, 3, 2)),
        Case("one_feature", "one feature only", sequence(4, 1, 3), gradients=False),
        Case("long", "sixty steps", sequence(60, 3, 2), gradients=False),
        Case("float32", "float32 input", sequence(6, 5, 2), dtype="float32"),
        Case("integers", "whole numbers as input", whole_sequence, dtype="int64", gradients=False),
        Case("strided", "every other column of a larger array", sequence(5, 4, 2), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "read_before_update",
            "The output was read from the old state. A position sees itself: update first, then read.",
            edit=[
                (
                    "query_feature @ S / (query_feature @ Z)",
                    "query_feature @ state[0] / (query_feature @ state[1])",
                )
            ],
        ),
        Mistake(
            "old_state_returned",
            "The state that came in was returned, so that nothing is ever remembered.",
            edit=[("return (S, Z),", "return state,")],
        ),
        Mistake(
            "z_not_updated",
            "Z was never updated. Each key feature belongs in it.",
            edit=[("Z = Z + key_feature", "Z = Z + 0.0 * key_feature")],
        ),
        Mistake(
            "z_not_returned",
            "The new state holds the old Z.",
            edit=[("return (S, Z),", "return (S, state[1]),")],
        ),
        Mistake(
            "not_normalised",
            "The output was not divided by what the query reads from Z.",
            edit=[(" / (query_feature @ Z)", "")],
        ),
        Mistake(
            "state_normalised",
            "The normalised state was handed on. S and Z stay plain sums; only the output is divided.",
            edit=[("return (S, Z),", "return (S / (query_feature @ Z), Z),")],
        ),
        Mistake(
            "z_sums_queries",
            "Z collects query features. It is a sum over keys.",
            edit=[("Z = Z + key_feature", "Z = Z + query_feature")],
        ),
        Mistake(
            "s_from_queries",
            "S pairs values with query features. Values belong to keys.",
            edit=[("np.outer(key_feature, value)", "np.outer(query_feature, value)")],
        ),
        Mistake(
            "divided_by_z_alone",
            "The denominator does not know the query. It is φ(q)·Z, not the sum of Z.",
            edit=[("(query_feature @ Z)", "Z.sum()")],
        ),
        Mistake(
            "state_replaced",
            "The state was replaced by this position's part instead of growing by it.",
            edit=[("S = S + np.outer", "S = np.outer"), ("Z = Z + key_feature", "Z = 1.0 * key_feature")],
        ),
        Mistake(
            "large_epsilon",
            "A constant was added to the denominator that is not small beside it.",
            edit=[("(query_feature @ Z)", "(query_feature @ Z + 1e-2)")],
        ),
        Mistake(
            "given_state_changed",
            "The values are right, but the state that was given was changed. Somebody may still need it, "
            "to try another continuation.",
            edit=[("S = S + np.outer(key_feature, value)", "S += np.outer(key_feature, value)")],
            breaks="changes_arguments",
        ),
        Mistake(
            "history_cut_off",
            "The values are right, but the state was detached, so that no gradient reaches earlier positions.",
            edit=[("return (S, Z),", "return (S.detach(), Z.detach()),")],
            track="pytorch",
            breaks="autograd",
        ),
    ],
    also_right=[
        Right("einsum_and_lists", function=with_einsum, track="from_scratch"),
        Right("copies_in_place", function=with_copies, track="from_scratch"),
        Right("side_by_side", function=side_by_side, track="from_scratch"),
        Right("einsum_in_torch", source=TORCH_EINSUM, track="pytorch"),
        Right("side_by_side_in_torch", source=TORCH_SIDE_BY_SIDE, track="pytorch"),
        Right("addr", source=TORCH_ADDR, track="pytorch"),
    ],
)
