"""Causal linear attention chunk by chunk: matrix products within, a state between.

The memory case has few different numbers, so that the casebook stays small.  Its bound leaves
room for the output, two copies of it and a column more, and four times what a chunk needs; all
chunks at once, all states at once and the square table are each beyond it.  In PyTorch the
largest tensor is bounded instead, which catches the same three.
"""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Linear, Mistake, Property, Right

NAMES = ("query_features", "key_features", "values")


def sequence(length, width, depth, chunk_size):
    """Return a draw of positive features (length, width), values (length, depth) and the chunk size."""

    def draw(rng):
        stretch = np.geomspace(0.3, 3, length)[:, None]
        return {
            "query_features": stretch[::-1] * np.exp(0.7 * rng.normal(size=(length, width))),
            "key_features": stretch * np.exp(0.7 * rng.normal(size=(length, width))),
            "values": 1 + rng.normal(size=(length, depth)),
            "chunk_size": chunk_size,
        }

    return draw


def whole_sequence(rng):
    """Draw counts as features and whole values."""
    return {
        "query_features": rng.integers(1, 5, size=(7, 3)).astype(np.float64),
        "key_features": rng.integers(1, 5, size=(7, 3)).astype(np.float64),
        "values": rng.integers(-3, 4, size=(7, 2)).astype(np.float64),
        "chunk_size": 3,
    }


def long_sequence(rng):
    """Draw 1024 positions from few different numbers."""
    return {
        "query_features": rng.integers(1, 4, size=(1024, 16)) / 2,
        "key_features": rng.integers(1, 4, size=(1024, 16)) / 2,
        "values": rng.integers(-1, 3, size=(1024, 8)) / 2,
        "chunk_size": 64,
    }


def room(arguments):
    """Return the bytes that may be alive beside the arguments."""
    (length, width), depth = arguments["key_features"].shape, arguments["values"].shape[1]
    size = arguments["chunk_size"]
    return 8 * (3 * length * (depth + 1) + 4 * (width * depth + size * (width + depth + size)))


def no_larger_than_the_output(arguments):
    """Return the bytes of the output with a column more, and half as much again."""
    length, depth = arguments["values"].shape
    return 8 * 1.5 * length * (depth + 1)


def oracle(query_features, key_features, values, chunk_size):
    """Weigh every earlier value by its similarity, one row after the other; chunks play no part."""
    rows = []
    for i, query in enumerate(query_features):
        weights = (key_features[: i + 1] * query).sum(axis=1)
        rows.append((weights[:, None] * values[: i + 1]).sum(axis=0) / weights.sum())
    return np.array(rows, dtype=np.float64)


def one_after_the_other(query_features, key_features, values, chunk_size):
    """Need no chunks at all: a state is less."""
    out = np.empty(values.shape)
    S, Z = np.zeros((key_features.shape[1], values.shape[1])), np.zeros(key_features.shape[1])
    for i in range(len(values)):
        S += np.outer(key_features[i], values[i])
        Z += key_features[i]
        out[i] = query_features[i] @ S / (query_features[i] @ Z)
    return out


def with_ones_column(query_features, key_features, values, chunk_size):
    """Let a column of ones carry the denominator, within chunks and between them."""
    out, state = [], 0.0
    for end in range(chunk_size, len(values) + chunk_size, chunk_size):
        q, k, v = (x[end - chunk_size : end] for x in (query_features, key_features, values))
        v = np.column_stack([v, np.ones(len(v))])
        both = np.tril(q @ k.T) @ v + (q @ state if out else 0.0)
        state = state + k.T @ v
        out.append(both[:, :-1] / both[:, -1:])
    return np.vstack(out)


def by_halves(query_features, key_features, values, chunk_size):
    """Split in two until a piece is no longer than a chunk; pieces pass their state on."""
    out = np.empty(values.shape)

    def fill(start, end, S, Z):
        if end - start > chunk_size:
            middle = (start + end) // 2
            S, Z = fill(start, middle, S, Z)
            return fill(middle, end, S, Z)
        q, k, v = query_features[start:end], key_features[start:end], values[start:end]
        table = (q @ k.T) * np.tri(end - start)
        out[start:end] = (table @ v + q @ S) / (table.sum(1) + q @ Z)[:, None]
        return S + k.T @ v, Z + k.sum(0)

    fill(0, len(values), np.zeros((key_features.shape[1], values.shape[1])), np.zeros(key_features.shape[1]))
    return out


TORCH_LOOP = """
def chunked_causal_linear_attention(query_features, key_features, values, chunk_size):
    query_features, key_features, values = as_floats(query_features, key_features, values)
    S, Z, rows = 0.0, 0.0, []
    for q, k, v in zip(query_features.unbind(0), key_features.unbind(0), values.unbind(0)):
        S, Z = S + torch.outer(k, v), Z + k
        rows.append(q @ S / (q @ Z))
    return torch.stack(rows)
"""

TORCH_ONES = """
def chunked_causal_linear_attention(query_features, key_features, values, chunk_size):
    tensors = as_floats(query_features, key_features, values)
    rows, state = [], None
    for q, k, v in zip(*(t.split(chunk_size) for t in tensors)):
        v = torch.cat([v, torch.ones_like(v[:, :1])], dim=1)
        both = (q @ k.T).tril() @ v
        both = both if state is None else both + q @ state
        state = k.T @ v if state is None else state + k.T @ v
        rows.append(both[:, :-1] / both[:, -1:])
    return torch.cat(rows)
"""

TORCH_SLICES = """
def chunked_causal_linear_attention(query_features, key_features, values, chunk_size):
    queries, keys, values = as_floats(query_features, key_features, values)
    rows = []
    S = (keys[:1].T @ values[:1]) * 0
    Z = keys[0] * 0
    start = 0
    while start < len(values):
        piece = slice(start, min(start + chunk_size, len(values)))
        table = torch.tril(torch.einsum("ic,jc->ij", queries[piece], keys[piece]))
        below = table.sum(1) + torch.mv(queries[piece], Z)
        rows.append((table @ values[piece] + queries[piece] @ S) / below.unsqueeze(1))
        S = S + torch.einsum("jc,jm->cm", keys[piece], values[piece])
        Z = Z + keys[piece].sum(0)
        start += chunk_size
    return torch.cat(rows, 0)
"""

exercise = Exercise(
    title="Chunks: matrix products within, a state between",
    points=4,
    minutes=25,
    difficulty=3,
    source="Hua et al. 2022, Transformer Quality in Linear Time, section 3.2; "
    "Katharopoulos et al. 2020, Transformers are RNNs, equation 12",
    kind=Function(),
    hints=[
        "Where do the keys stand that a query of the third chunk sees? Some in its own chunk, all others before it.",
        "Within the chunk: a small masked table, as in softmax attention. From before it: the state, read by the "
        "query features. Numerator and denominator are both the sum of these two parts.",
        "Read the state before you add the chunk's own keys to it. A slice that reaches beyond the end is just "
        "shorter, so a last short chunk needs no care.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "seven positions in chunks of three", sequence(7, 3, 4, 3)),
        Case("divides", "eight positions in chunks of four", sequence(8, 4, 2, 4)),
        Case("square", "as many features as columns and as the chunk is long", sequence(10, 4, 4, 4)),
        Case("larger_chunk", "a chunk longer than the sequence", sequence(5, 3, 2, 9)),
        Case("chunks_of_one", "chunks of one position", sequence(5, 2, 3, 1), gradients=False),
        Case("one", "one position only", sequence(1, 3, 2, 4), gradients=False),
        Case("many", "many chunks, the last one short", sequence(23, 5, 3, 4), gradients=False),
        Case("float32", "float32 input", sequence(9, 5, 2, 4), dtype="float32"),
        Case("integers", "whole numbers as input", whole_sequence, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", sequence(6, 3, 4, 4), layout="fortran", gradients=False),
        Case("strided", "every other column of a larger array", sequence(7, 4, 2, 2), layout="strided"),
        Case(
            "memory",
            "memory for a state, a chunk and the output alone",
            long_sequence,
            gradients=False,
            worth=1,
            peak_bytes=room,
            rtol=1e-5,
            tracks=("from_scratch",),
        ),
        Case(
            "largest",
            "no tensor larger than the output",
            sequence(128, 16, 8, 16),
            gradients=False,
            worth=1,
            largest_bytes=no_larger_than_the_output,
            wall_limit_s=30,
            tracks=("pytorch",),
        ),
        Case(
            "linear",
            "time and memory that grow like N",
            sequence(32, 6, 5, 16),
            gradients=False,
            worth=1,
            linear=Linear(grow=NAMES, sizes=(256, 1024), same_rows=False),
            rtol=1e-5,
        ),
    ],
    properties=(Property("causal", of=NAMES), Property("prefix", of=NAMES)),
    mistakes=[
        Mistake(
            "last_chunk_dropped",
            "The short chunk at the end was left out. N need not be a multiple of the chunk size.",
            edit=[
                ("range(0, len(values), chunk_size)", "range(0, len(values) - chunk_size + 1, chunk_size)"),
                (
                    "return np.concatenate(outputs)",
                    "return np.concatenate([np.zeros((0, values.shape[1])), *outputs])",
                ),
            ],
        ),
        Mistake(
            "no_mask_inside",
            "Within a chunk everybody sees everybody. The mask is needed there, and only there.",
            edit=[("np.tril(q @ k.T)", "q @ k.T")],
        ),
        Mistake(
            "own_position_hidden",
            "Within a chunk a position does not see itself. The diagonal belongs to the past.",
            edit=[("np.tril(q @ k.T)", "np.tril(q @ k.T, k=-1)")],
        ),
        Mistake(
            "state_updated_first",
            "The chunk's keys were added to the state before it was read, so that they count twice, and unmasked.",
            edit=[
                ("        S = S + k.T @ v\n        Z = Z + k.sum(axis=0)\n", ""),
                (
                    "        inside = np.tril",
                    "        S = S + k.T @ v\n        Z = Z + k.sum(axis=0)\n        inside = np.tril",
                ),
            ],
        ),
        Mistake(
            "s_not_carried",
            "The numerators know nothing of earlier chunks. The state S is to be added there.",
            edit=[(" + q @ S", "")],
        ),
        Mistake(
            "z_not_carried",
            "The denominators know nothing of earlier chunks. The state Z is to be added there.",
            edit=[(" + q @ Z", "")],
        ),
        Mistake(
            "nothing_carried",
            "Each chunk stands alone: neither numerator nor denominator knows of earlier chunks.",
            edit=[(" + q @ S", ""), (" + q @ Z", "")],
        ),
        Mistake(
            "state_replaced",
            "The state holds only the chunk before. It is the sum over all earlier chunks.",
            edit=[("S = S + k.T @ v", "S = k.T @ v"), ("Z = Z + k.sum(axis=0)", "Z = k.sum(axis=0)")],
        ),
        Mistake(
            "not_normalised",
            "The numerators were not divided.",
            edit=[("numerators / denominators[:, None]", "numerators")],
        ),
        Mistake(
            "normalised_in_parts",
            "The part within the chunk and the part from before were each divided by a sum of their own. "
            "There is one denominator for both.",
            edit=[
                (
                    "inside @ v + q @ S",
                    "inside @ v / inside.sum(axis=1)[:, None] + q @ S / (q @ Z + 1e-300)[:, None]",
                ),
                ("numerators / denominators[:, None]", "numerators / 2"),
            ],
        ),
        Mistake(
            "denominator_without_query",
            "The part of the denominators from earlier chunks does not know the query. The query reads Z.",
            edit=[("+ q @ Z", "+ Z.sum()")],
        ),
        Mistake(
            "all_at_once",
            "The result is right, but one chunk took in the whole sequence: a table of N × N.",
            edit=[("    outputs = []\n", "    outputs = []\n    chunk_size = len(values)\n")],
            breaks="memory",
        ),
        Mistake(
            "all_states_kept",
            "The result is right, but the states of all positions were stored. One state is enough.",
            edit=[
                (
                    "    outputs = []\n",
                    "    outputs = []\n    states, _ = prefix_sums(key_features, values)\n    S = 0 * states[0]\n",
                )
            ],
            breaks="memory",
        ),
        Mistake(
            "past_read_again",
            "The result is right, but every chunk goes over all earlier keys again. The state has them summed up.",
            edit=[("+ q @ S", "+ (q @ key_features[:start].T) @ values[:start]")],
            breaks="not_linear",
        ),
        Mistake(
            "state_detached",
            "The values are right, but no gradient passes from one chunk to earlier ones.",
            edit=[("S = S + k.mT @ v", "S = (S + k.mT @ v).detach()")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "state_in_float32",
            "The state is float32 whatever came in. Let it follow the features.",
            edit=[("return torch.cat(outputs, dim=-2)", "return torch.cat(outputs, dim=-2).float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("one_after_the_other", function=one_after_the_other, track="from_scratch"),
        Right("column_of_ones", function=with_ones_column, track="from_scratch"),
        Right("by_halves", function=by_halves, track="from_scratch"),
        Right("one_after_the_other_in_torch", source=TORCH_LOOP, track="pytorch"),
        Right("column_of_ones_in_torch", source=TORCH_ONES, track="pytorch"),
        Right("slices", source=TORCH_SLICES, track="pytorch"),
    ],
)
