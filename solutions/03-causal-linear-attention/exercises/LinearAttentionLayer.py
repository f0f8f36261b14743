"""A layer of causal linear attention: parallel in training, step by step in generation."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Given, Linear, Mistake, Module, Right

MEMBERS = ("query", "key", "value", "output")


def inputs(batch, length, model_dim, heads, feature_map="elu_plus_one", order=MEMBERS):
    """Return a draw of a configuration, an input (batch, length, model_dim) and parameters."""

    def draw(rng):
        drawn = {
            "model_dim": model_dim,
            "num_heads": heads,
            "feature_map": Given(feature_map),
            "x": rng.normal(size=(batch, length, model_dim)),
        }
        for member in order:
            drawn[f"{member}.weight"] = rng.normal(size=(model_dim, model_dim)) / math.sqrt(model_dim)
            drawn[f"{member}.bias"] = 0.3 * rng.normal(size=model_dim)
        return drawn

    return draw


def both_signs(x):
    """Return exp(x) and exp(−x) side by side: twice as many features."""
    if isinstance(x, np.ndarray):
        return np.concatenate([np.exp(x), np.exp(-x)], axis=-1)
    import torch

    return torch.cat([x.exp(), (-x).exp()], dim=-1)


def oracle(model_dim, num_heads, feature_map, x, **parameters):
    """Attend with each head of each sequence by itself, from a table of similarities."""
    del model_dim
    q, k, v = (x @ parameters[f"{m}.weight"].T + parameters[f"{m}.bias"] for m in MEMBERS[:3])
    result = np.zeros(x.shape)
    width = x.shape[-1] // num_heads
    for b in range(len(x)):
        for start in range(0, x.shape[-1], width):
            own = slice(start, start + width)
            similarity = np.tri(x.shape[1]) * (feature_map(q[b, :, own]) @ feature_map(k[b, :, own]).T)
            result[b, :, own] = similarity @ v[b, :, own] / similarity.sum(axis=1, keepdims=True)
    return result @ parameters["output.weight"].T + parameters["output.bias"]


def positional_oracle(model_dim, num_heads, feature_map, x, *parameters):
    """Take the parameters in the order in which cases draw them."""
    names = [f"{member}.{part}" for member in MEMBERS for part in ("weight", "bias")]
    return oracle(model_dim, num_heads, feature_map, x, **dict(zip(names, parameters, strict=True)))


BY_PREFIX_SUMS = """
class LinearAttentionLayer(torch.nn.Module):
    def __init__(self, model_dim, num_heads, feature_map):
        super().__init__()
        for name in ("query", "key", "value", "output"):
            setattr(self, name, torch.nn.Linear(model_dim, model_dim))
        self.num_heads, self.map = num_heads, feature_map

    def heads(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        shape = (*x.shape[:-1], self.num_heads, x.shape[-1] // self.num_heads)
        return self.map(q.reshape(shape)), self.map(k.reshape(shape)), v.reshape(shape)

    def forward(self, x):
        q, k, v = self.heads(x)
        S = torch.einsum("bnhc,bnhm->bnhcm", k, v).cumsum(1)
        above = torch.einsum("bnhc,bnhcm->bnhm", q, S)
        below = torch.einsum("bnhc,bnhc->bnh", q, k.cumsum(1))
        return self.output((above / below[..., None]).reshape(x.shape))

    def initial_state(self, batch_size):
        return {}

    def step(self, x_i, state):
        q, k, v = self.heads(x_i)
        S = torch.einsum("bhc,bhm->bhcm", k, v) + state.get("S", 0)
        Z = k + state.get("Z", 0)
        y = torch.einsum("bhc,bhcm->bhm", q, S) / torch.einsum("bhc,bhc->bh", q, Z)[..., None]
        return self.output(y.reshape(x_i.shape)), {"S": S, "Z": Z}
"""

HEAD_BY_HEAD = """
class LinearAttentionLayer(torch.nn.Module):
    def __init__(self, model_dim, num_heads, feature_map):
        super().__init__()
        self.query, self.key, self.value, self.output = (torch.nn.Linear(model_dim, model_dim) for _ in range(4))
        self.width, self.count, self.feature_map = model_dim // num_heads, num_heads, feature_map

    def forward(self, x):
        sequences = []
        for sequence in x:
            parts = zip(*(m(sequence).split(self.width, dim=1) for m in (self.query, self.key, self.value)))
            heads = [
                chunked_causal_linear_attention(self.feature_map(q), self.feature_map(k), v, 16) for q, k, v in parts
            ]
            sequences.append(torch.cat(heads, dim=1))
        return self.output(torch.stack(sequences))

    def initial_state(self, batch_size):
        one = self.feature_map(self.key.weight.new_zeros(self.width))
        return torch.zeros(batch_size, self.count, len(one), self.width + 1, dtype=one.dtype, device=one.device)

    def step(self, x_i, state):
        q, k, v = (m(x_i).view(len(x_i), self.count, self.width) for m in (self.query, self.key, self.value))
        state = state + self.feature_map(k)[..., None] * F.pad(v, (0, 1), value=1.0)[..., None, :]
        both = (self.feature_map(q)[..., None] * state).sum(-2)
        return self.output((both[..., :-1] / both[..., -1:]).flatten(1)), state
"""

VMAPPED = """
class LinearAttentionLayer(torch.nn.Module):
    def __init__(self, model_dim, num_heads, feature_map):
        super().__init__()
        self.query = torch.nn.Linear(model_dim, model_dim)
        self.key = torch.nn.Linear(model_dim, model_dim)
        self.value = torch.nn.Linear(model_dim, model_dim)
        self.output = torch.nn.Linear(model_dim, model_dim)
        self.num_heads, self.feature_map = num_heads, feature_map

    def split(self, x):
        return torch.stack(x.chunk(self.num_heads, dim=-1))

    def forward(self, x):
        q, k, v = (self.split(m(x)) for m in (self.query, self.key, self.value))
        attend = torch.vmap(torch.vmap(causal_linear_attention))
        return self.output(torch.cat(list(attend(self.feature_map(q), self.feature_map(k), v)), dim=-1))

    def initial_state(self, batch_size):
        return None

    def step(self, x_i, state):
        q, k, v = (self.split(m(x_i)) for m in (self.query, self.key, self.value))
        q, k = self.feature_map(q), self.feature_map(k)
        S, Z = (0.0, 0.0) if state is None else state
        S, Z = S + torch.einsum("hbc,hbm->hbcm", k, v), Z + k
        y = torch.einsum("hbc,hbcm->hbm", q, S) / (q * Z).sum(-1, keepdim=True)
        return self.output(torch.cat(list(y), dim=-1)), (S, Z)
"""

APPLY = "CausalLinearAttentionFunction.apply(self.feature_map(q), self.feature_map(k), v)"
PARTS = "parts = (part(x) for part in (self.query, self.key, self.value))"

exercise = Exercise(
    title="A layer that trains in parallel and generates step by step",
    points=4,
    minutes=30,
    difficulty=3,
    source="Katharopoulos et al. 2020, Transformers are RNNs, sections 3.3 and 3.4; the map elu(x) + 1 is equation 7",
    kind=Module(build=("model_dim", "num_heads", "feature_map"), inputs=("x",), returns=("y",), steps=True),
    hints=[
        "Write down the shape of q, k and v after each line: before the heads are split, after, and as attention "
        "wants them.",
        "The first head takes the first model_dim / num_heads entries of the last axis. Attention wants positions "
        "next to last, so heads move in front of them, and back afterwards.",
        "A state is S (B, heads, C, d) and Z (B, heads, C). Ask feature_map itself how many features it makes. "
        "step is attention_step with two axes in front.",
    ],
    oracle=positional_oracle,
    cases=[
        Case("typical", "three heads, two sequences", inputs(2, 5, 6, 3)),
        Case("one_head", "one head", inputs(1, 4, 3, 1)),
        Case("one_position", "one position only", inputs(3, 1, 4, 2), gradients=False),
        Case("as_many", "as many heads as entries", inputs(2, 4, 4, 4, "relu_plus_one"), gradients=False),
        Case("square", "batch, length and heads alike", inputs(4, 4, 8, 4, "exponential"), gradients=False),
        Case("long", "seventy positions", inputs(1, 70, 4, 2), gradients=False),
        Case("float32", "float32 input", inputs(2, 6, 8, 2), dtype="float32"),
        Case(
            "more_features",
            "a feature map that doubles the last axis",
            inputs(2, 4, 6, 2, "both_signs"),
            only_judge=True,
            gradients=False,
        ),
        Case(
            "linear",
            "time and memory that grow like N",
            inputs(1, 32, 4, 2),
            gradients=False,
            worth=1,
            linear=Linear(
                grow=("x",), axis=1, sizes=(256, 1024), same_rows=False, forbid=("scaled_dot_product",)
            ),
            rtol=1e-5,
            wall_limit_s=60,
        ),
    ],
    given={"both_signs": both_signs},
    mistakes=[
        Mistake(
            "one_head_only",
            "The last axis was not split: one head attends with all entries at once.",
            edit=[("(num_heads, model_dim // num_heads)", "(1, model_dim)")],
        ),
        Mistake(
            "heads_interleaved",
            "Heads were taken in turns from the last axis. The first head has the first entries, in order.",
            edit=[
                (
                    "q, k, v = (part.unflatten(-1, self.heads).transpose(1, 2) for part in parts)",
                    "q, k, v = (part.unflatten(-1, self.heads[::-1]).movedim(-1, 1) for part in parts)",
                ),
            ],
        ),
        Mistake(
            "heads_joined_wrongly",
            "After attention the heads were joined without bringing them behind the positions first.",
            edit=[("y.transpose(1, 2).flatten(2)", "y.reshape(x.shape)")],
        ),
        Mistake(
            "queries_without_features",
            "The queries did not go through the feature map. The similarity is φ(q)·φ(k).",
            edit=[(APPLY, "CausalLinearAttentionFunction.apply(q, self.feature_map(k), v)")],
        ),
        Mistake(
            "queries_scaled",
            "The queries were divided by √d. Linear attention has no exponential to keep in check.",
            edit=[(APPLY, APPLY.replace("(q)", "(q / self.heads[1] ** 0.5)"))],
        ),
        Mistake(
            "values_through_the_map",
            "The values went through the feature map as well. It belongs to queries and keys.",
            edit=[(APPLY, APPLY.replace(", v)", ", self.feature_map(v))"))],
        ),
        Mistake(
            "map_before_projection",
            "The feature map was applied to the input, before the projections.",
            edit=[
                (APPLY, "CausalLinearAttentionFunction.apply(q, k, v)"),
                (
                    PARTS,
                    "z = self.feature_map(x)\n        parts = (self.query(z), self.key(z), self.value(x))",
                ),
            ],
        ),
        Mistake(
            "not_causal",
            "Every position sees the whole sequence. In a language model that is the answer itself.",
            edit=[
                (
                    APPLY,
                    "(self.feature_map(q) @ (self.feature_map(k).mT @ v)) "
                    "/ (self.feature_map(q) @ self.feature_map(k).sum(-2)[..., None])",
                )
            ],
        ),
        Mistake(
            "output_left_out",
            "The last projection, output, is missing in forward.",
            edit=[
                ("return self.output(y.transpose(1, 2).flatten(2))", "return y.transpose(1, 2).flatten(2)")
            ],
        ),
        Mistake(
            "keys_and_values_swapped",
            "Keys and values changed places.",
            edit=[(PARTS, PARTS.replace("self.key, self.value", "self.value, self.key"))],
        ),
        Mistake(
            "step_forgets",
            "step hands back the state that it was given, so that it remembers nothing.",
            edit=[("return self.output(y.flatten(1)), (S, Z)", "return self.output(y.flatten(1)), state")],
        ),
        Mistake(
            "step_reads_first",
            "step reads the state before the position itself has been added.",
            edit=[
                (
                    'torch.einsum("bhc,bhcm->bhm", q, S) / (q * Z).sum(dim=-1, keepdim=True)',
                    'torch.einsum("bhc,bhcm->bhm", q, state[0]) / (q * state[1]).sum(dim=-1, keepdim=True)',
                ),
            ],
        ),
        Mistake(
            "step_without_denominator",
            "step does not divide by what the query reads from Z.",
            edit=[(" / (q * Z).sum(dim=-1, keepdim=True)", "")],
        ),
        Mistake(
            "state_grows",
            "The outputs are right, but the state grows with every step: all keys so far are in it.",
            edit=[
                (
                    "return self.output(y.flatten(1)), (S, Z)",
                    "return self.output(y.flatten(1)), (S, Z, k, *state[2:])",
                )
            ],
            breaks="growing_state",
        ),
        Mistake(
            "square_table",
            "The result is right, but a table of N × N similarities was built.",
            edit=[
                (
                    f"y = {APPLY}",
                    "table = torch.tril(self.feature_map(q) @ self.feature_map(k).mT)\n"
                    "        y = table @ v / table.sum(dim=-1, keepdim=True)",
                )
            ],
            breaks="not_linear",
        ),
    ],
    also_right=[
        Right("by_prefix_sums", source=BY_PREFIX_SUMS),
        Right("head_by_head", source=HEAD_BY_HEAD),
        Right("vmapped", source=VMAPPED),
    ],
)
