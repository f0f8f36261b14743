"""Causal linear attention as a `torch.autograd.Function` with a hand-written backward pass."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import AutogradFunction, Case, Exercise, Linear, Mistake, Property, Right

NAMES = ("query_features", "key_features", "values")


def sequence(length, width, depth):
    """Return a draw of positive features (length, width) and values (length, depth)."""

    def draw(rng):
        stretch = np.geomspace(0.4, 2.5, length)[:, None]
        return {
            "query_features": stretch[::-1] * np.exp(0.7 * rng.normal(size=(length, width))),
            "key_features": stretch * np.exp(0.7 * rng.normal(size=(length, width))),
            "values": 1 + rng.normal(size=(length, depth)),
        }

    return draw


def long_sequence(rng):
    """Draw 128 positions from few different numbers."""
    shapes = {"query_features": 24, "key_features": 24, "values": 16}
    return {name: rng.integers(1, 4, size=(128, width)) / 2 for name, width in shapes.items()}


def no_states(arguments):
    """Return half of what the states of all positions would take."""
    length, width = arguments["key_features"].shape
    return 8 * length * width * arguments["values"].shape[1] / 2


def oracle(query_features, key_features, values):
    """Weigh every earlier value by its similarity, one row after the other; this is quadratic."""
    rows = []
    for i, query in enumerate(query_features):
        weights = (key_features[: i + 1] * query).sum(axis=1)
        rows.append((weights[:, None] * values[: i + 1]).sum(axis=0) / weights.sum())
    return np.array(rows, dtype=np.float64)


ROW_BY_ROW = """
class CausalLinearAttentionFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query_features, key_features, values):
        S = query_features.new_zeros(key_features.shape[1], values.shape[1])
        Z = query_features.new_zeros(key_features.shape[1])
        rows, below = [], []
        for q, k, v in zip(query_features, key_features, values):
            S, Z = S + torch.outer(k, v), Z + k
            below.append(q @ Z)
            rows.append(q @ S / below[-1])
        outputs = torch.stack(rows)
        ctx.save_for_backward(query_features, key_features, values, outputs, torch.stack(below))
        return outputs

    @staticmethod
    def backward(ctx, grad):
        queries, keys, values, outputs, below = ctx.saved_tensors
        up = grad / below[:, None]
        down = -(up * outputs).sum(1)
        dq, dk, dv = torch.zeros_like(queries), torch.zeros_like(keys), torch.zeros_like(values)
        S, Z = torch.outer(keys[0], values[0]) * 0, keys[0] * 0
        for i in range(len(values)):
            S, Z = S + torch.outer(keys[i], values[i]), Z + keys[i]
            dq[i] = S @ up[i] + Z * down[i]
        S, Z = S * 0, Z * 0
        for i in range(len(values) - 1, -1, -1):
            S, Z = S + torch.outer(queries[i], up[i]), Z + queries[i] * down[i]
            dk[i] = S @ values[i] + Z
            dv[i] = keys[i] @ S
        return dq, dk, dv
"""

AUTOGRAD_IN_CHUNKS = """
class CausalLinearAttentionFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query_features, key_features, values):
        ctx.save_for_backward(query_features, key_features, values)
        return chunked_causal_linear_attention(query_features, key_features, values, 32)

    @staticmethod
    def backward(ctx, grad):
        leaves = [t.detach().requires_grad_() for t in ctx.saved_tensors]
        with torch.enable_grad():
            outputs = chunked_causal_linear_attention(*leaves, 32)
        return torch.autograd.grad(outputs, leaves, grad)
"""

SETUP_CONTEXT = """
class CausalLinearAttentionFunction(torch.autograd.Function):
    @staticmethod
    def forward(query_features, key_features, values):
        return chunked_causal_linear_attention(query_features, key_features, values, 16)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx, grad):
        q, k, v, out = ctx.saved_tensors
        below = (q * k.cumsum(0)).sum(1, keepdim=True)
        up = torch.cat([grad, -(grad * out).sum(1, keepdim=True)], 1) / below
        wide = F.pad(v, (0, 1), value=1.0)
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), []
        for m in range(wide.shape[1]):
            a, g = wide[:, m : m + 1], up[:, m : m + 1]
            later = (q * g).flip(0).cumsum(0).flip(0)
            dq += g * (k * a).cumsum(0)
            dk += a * later
            dv.append((k * later).sum(1))
        return dq, dk, torch.stack(dv[:-1], 1)
"""

SAVE = "ctx.save_for_backward(query_features, key_features, values)"
FORWARD = "chunked_causal_linear_attention(query_features, key_features, values, 64)"

exercise = Exercise(
    title="A backward pass of your own",
    points=5,
    minutes=35,
    difficulty=3,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equations 13 to 15, with the normaliser added",
    kind=AutogradFunction(),
    hints=[
        "First the quotient: how does the loss change with the numerator of row i, and how with its denominator?",
        "The query of row i meets the state S_i, so its gradient needs a pass forward, chunk by chunk. Key j is "
        "read by all rows i ≥ j: collect what they have to say on a pass backward.",
        "With a column of ones beside the values, one state carries S and Z. Within a chunk the pass forward masks "
        "with tril, the pass backward with triu. The state on the way back is the sum of φ(Q)ᵀ times the gradient.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", sequence(7, 3, 4)),
        Case("square", "as many features as value columns", sequence(6, 4, 4)),
        Case("one", "one position only", sequence(1, 3, 2), gradients=False),
        Case("two", "two positions", sequence(2, 5, 3)),
        Case("long", "130 positions, more than one chunk", sequence(130, 2, 2)),
        Case("float32", "float32 input", sequence(8, 5, 2), dtype="float32"),
        Case("strided", "every other column of a larger array", sequence(5, 4, 2), layout="strided"),
        Case(
            "memory",
            "no tensor of the states of all positions, forward or backward",
            long_sequence,
            worth=1,
            largest_bytes=no_states,
            rtol=1e-5,
            wall_limit_s=30,
        ),
        Case(
            "linear",
            "forward and backward that grow like N",
            sequence(32, 6, 5),
            gradients=False,
            worth=1,
            linear=Linear(grow=NAMES, sizes=(256, 1024), backward=True, same_rows=False),
            rtol=1e-5,
            wall_limit_s=30,
        ),
    ],
    properties=(Property("causal", of=NAMES), Property("prefix", of=NAMES)),
    mistakes=[
        Mistake(
            "not_causal",
            "The forward pass sees the whole sequence.",
            edit=[
                (
                    FORWARD,
                    "query_features @ (key_features.mT @ values) / "
                    "(query_features @ key_features.sum(-2)[..., None])",
                )
            ],
        ),
        Mistake(
            "not_normalised",
            "The forward pass returns numerators. Divide each row by the sum of its similarities.",
            edit=[
                (
                    f"return {FORWARD}",
                    f"outputs = {FORWARD}\n"
                    "        return outputs * (query_features * key_features.cumsum(-2)).sum(-1, keepdim=True)",
                )
            ],
        ),
        Mistake(
            "roles_swapped",
            "Queries and keys changed places in the forward pass.",
            edit=[(FORWARD, "chunked_causal_linear_attention(key_features, query_features, values, 64)")],
        ),
        Mistake(
            "normaliser_ignored",
            "The denominator depends on queries and keys too, and its gradient is missing.",
            edit=[("-(g * both[..., :-1]).sum(-1, keepdim=True) / both[..., -1:]", "0 * both[..., -1:]")],
            breaks="gradient",
        ),
        Mistake(
            "normaliser_sign",
            "The denominator's gradient has the wrong sign: a larger denominator makes the output smaller.",
            edit=[("-(g * both[..., :-1])", "(g * both[..., :-1])")],
            breaks="gradient",
        ),
        Mistake(
            "numerator_not_divided",
            "The gradient was not divided by the denominator.",
            edit=[("g = g / both[..., -1:]", "g = g * 1.0")],
            breaks="gradient",
        ),
        Mistake(
            "prefix_for_suffix",
            "Within a chunk, keys and values hear of earlier queries. They are read by later ones.",
            edit=[("torch.triu(v @ u.mT)", "torch.tril(v @ u.mT)")],
            breaks="gradient",
        ),
        Mistake(
            "chunks_not_reversed",
            "The second pass went through the chunks from the front. What later positions say comes from the end.",
            edit=[
                (
                    "in reversed(list(zip(queries, keys, values, upstream, strict=True)))",
                    "in zip(queries, keys, values, upstream, strict=True)",
                ),
                ("d_keys[::-1], d_values[::-1]", "d_keys, d_values"),
            ],
            breaks="gradient",
        ),
        Mistake(
            "order_of_chunks",
            "The second pass collects its chunks from the last to the first. They were put together in that order.",
            edit=[("d_keys[::-1], d_values[::-1]", "d_keys, d_values")],
            breaks="gradient",
        ),
        Mistake(
            "later_chunks_forgotten",
            "The values hear only of queries in their own chunk.",
            edit=[("torch.triu(k @ q.mT) @ u + k @ state", "torch.triu(k @ q.mT) @ u")],
            breaks="gradient",
        ),
        Mistake(
            "gradients_swapped",
            "The gradients come back in another order than the arguments went in.",
            edit=[("(d_queries, d_keys[::-1], d_values[::-1])", "(d_keys[::-1], d_queries, d_values[::-1])")],
            breaks="gradient",
        ),
        Mistake(
            "state_not_emptied",
            "The second pass began with the state of the first. It sums over later positions, from nothing.",
            edit=[
                (
                    "state = torch.zeros_like(state)  # from here on the sum over later positions\n",
                    "state = state + 0\n",
                )
            ],
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in.",
            edit=[(FORWARD, FORWARD + ".float()")],
            breaks="dtype",
        ),
        Mistake(
            "all_states_kept",
            "The result is right, but the states of all positions were made: a tensor (N, C, M).",
            edit=[(SAVE, SAVE + "\n        (key_features[..., None] * values[..., None, :]).cumsum(-3)")],
            breaks="memory",
        ),
        Mistake(
            "all_states_in_backward",
            "The backward pass runs the prefix sums of all positions again: there is the tensor (N, C, M).",
            edit=[
                (
                    "        size = 64\n",
                    "        leaves = [t.detach().requires_grad_() for t in ctx.saved_tensors]\n"
                    "        with torch.enable_grad():\n"
                    "            outputs = causal_linear_attention(*leaves)\n"
                    "        return torch.autograd.grad(outputs, leaves, output_gradient)\n"
                    "        size = 64\n",
                )
            ],
            breaks="memory",
        ),
        Mistake(
            "square_table_backward",
            "The gradients are right, but the backward pass built a table of N × N.",
            edit=[("        size = 64\n", "        size = len(output_gradient)\n")],
            breaks="not_linear",
        ),
    ],
    also_right=[
        Right("row_by_row", source=ROW_BY_ROW),
        Right("autograd_in_chunks", source=AUTOGRAD_IN_CHUNKS),
        Right("setup_context_and_columns", source=SETUP_CONTEXT),
    ],
)
