"""Every exercise that must be linear in N refuses quadratic answers of every style, in both tracks.

The catalogue has some of these as mistakes; here the same four ways to be quadratic are tried on
all of them, whatever the catalogue says.
"""

from functools import cache

import numpy as np
import pytest
import torch

from autograder.authoring.prove import Prover, judge_here
from autograder.authoring.reader import read_lesson
from tests.conftest import ROOT

LESSONS = {"02": "02-random-features", "03": "03-causal-linear-attention"}
QUADRATIC = {"not_linear", "memory"}
CHUNK = 64


def table(q, k, v, causal):
    weights = q @ k.T
    return (lower(weights, 0) if causal else weights) @ v


def row_by_row(q, k, v, causal):
    past = [slice(0, i + 1 if causal else None) for i in range(len(q))]
    return joined([(k[j] @ q[i] @ v[j])[None] for i, j in enumerate(past)])


def chunk_by_chunk(q, k, v, causal):
    outputs = []
    for start in range(0, len(q), CHUNK):
        past = slice(0, start + CHUNK if causal else None)
        weights = q[start : start + CHUNK] @ k[past].T
        outputs.append((lower(weights, start) if causal else weights) @ v[past])
    return joined(outputs)


def three_operands(q, k, v, causal):
    einsum = torch.einsum if torch.is_tensor(q) else np.einsum
    if not causal:
        return einsum("ic,jc,jm->im", q, k, v)
    outputs = []
    for start in range(0, len(q), CHUNK):
        own, past = slice(start, start + CHUNK), slice(0, start)
        outputs.append(table(q[own], k[own], v[own], True) + einsum("ic,jc,jm->im", q[own], k[past], v[past]))
    return joined(outputs)


def lower(weights, diagonal):
    return torch.tril(weights, diagonal) if torch.is_tensor(weights) else np.tril(weights, diagonal)


def joined(parts):
    return torch.cat(parts) if torch.is_tensor(parts[0]) else np.concatenate(parts)


CHEATS = [table, row_by_row, chunk_by_chunk, three_operands]


def as_floats(*arrays):
    return [
        (a if a.is_floating_point() else a.float()) if torch.is_tensor(a) else np.asarray(a) * 1.0
        for a in arrays
    ]


def attended(cheat, q, k, v, causal):
    return cheat(q, k, v, causal) / cheat(q, k, v[:, :1] * 0 + 1, causal)


def attention(cheat, causal):
    return lambda q, k, v: attended(cheat, *as_floats(q, k, v), causal)


def in_chunks(cheat, causal):
    return lambda q, k, v, chunk_size: attended(cheat, *as_floats(q, k, v), causal)


def random_features(cheat, causal):
    def answer(queries, keys, values, frequencies):
        queries, keys, values, frequencies = as_floats(queries, keys, values, frequencies)
        of = torch if torch.is_tensor(keys) else np
        height = (keys**2).sum(1) / (2 * keys.shape[1] ** 0.5)
        height = of.exp(height - height.max())

        def waves(x):
            angles = x @ frequencies.T
            return joined([of.sin(angles).T, of.cos(angles).T]).T

        return attended(cheat, waves(queries), waves(keys) * height[:, None], values, causal)

    return answer


def function(cheat, causal):
    class Quadratic(torch.autograd.Function):
        @staticmethod
        def forward(ctx, q, k, v):
            ctx.save_for_backward(q, k, v)
            return attended(cheat, q, k, v, True)

        @staticmethod
        def backward(ctx, gradient):
            leaves = [t.detach().requires_grad_() for t in ctx.saved_tensors]
            with torch.enable_grad():
                return torch.autograd.grad(attended(cheat, *leaves, True), leaves, gradient)

    return Quadratic


def layer(cheat, causal):
    """A layer that is right, step by step too, but for the cost of its parallel form."""
    worked = prover("03").answers.answer("LinearAttentionLayer", "pytorch")

    class Quadratic(worked):
        def forward(self, x):
            def heads(part):
                return part(x).unflatten(-1, (self.heads[0], -1)).movedim(2, 1)

            q, k, v = (
                self.feature_map(heads(self.query)),
                self.feature_map(heads(self.key)),
                heads(self.value),
            )
            rows = [
                attended(cheat, *head, True)
                for head in zip(*(t.flatten(0, 1) for t in (q, k, v)), strict=True)
            ]
            return self.output(torch.stack(rows).unflatten(0, q.shape[:2]).movedim(1, 2).flatten(2))

    return Quadratic


def gradients(cheat, causal):
    """Each gradient is a causal sum over pairs again, forwards or backwards."""

    def answer(q, k, v, upstream):
        q, k, v, upstream = as_floats(q, k, v, upstream)
        below = cheat(q, k, v[:, :1] * 0 + 1, True)
        out = cheat(q, k, v, True) / below
        g = upstream / below
        h = -(upstream * out).sum(1, keepdims=True) / below
        pairs = np.hstack([g, h]), np.hstack([v, np.ones_like(h)])
        turned = [x[::-1] for x in (*pairs, q, k, g)]
        d_k = cheat(turned[1], turned[0], turned[2], True)[::-1]
        d_v = cheat(turned[3], turned[2], turned[4], True)[::-1]
        return cheat(*pairs, k, True), d_k, d_v

    return answer


PLACES = [
    ("02", "linear_attention", "from_scratch", attention, False),
    ("02", "linear_attention", "pytorch", attention, False),
    ("02", "random_feature_attention", "from_scratch", random_features, False),
    ("02", "random_feature_attention", "pytorch", random_features, False),
    ("03", "causal_linear_attention", "from_scratch", attention, True),
    ("03", "causal_linear_attention", "pytorch", attention, True),
    ("03", "chunked_causal_linear_attention", "from_scratch", in_chunks, True),
    ("03", "chunked_causal_linear_attention", "pytorch", in_chunks, True),
    ("03", "causal_linear_attention_gradients", "from_scratch", gradients, True),
    ("03", "CausalLinearAttentionFunction", "pytorch", function, True),
    ("03", "LinearAttentionLayer", "pytorch", layer, True),
]


@cache
def prover(lesson):
    return Prover(read_lesson(ROOT / "solutions" / LESSONS[lesson]))


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("place", PLACES, ids=lambda p: f"{p[1]}-{p[2]}")
def test_is_a_quadratic_answer_refused(place, cheat):
    lesson, name, track, adapt, causal = place
    prepared = prover(lesson).prepared(name, track, seed=11)
    given = prover(lesson).answers.functions(name)
    verdict = judge_here(prepared, adapt(cheat, causal), given.__getitem__)
    values = [row for row in verdict.rows if not row.passed and row.name not in telling(prepared)]
    assert not values, "the answer should be right but for its cost"
    assert QUADRATIC & set(verdict.breaks)


def telling(prepared):
    """Return the names of the cases that look at the cost."""
    return {c.name for c in prepared.cases if c.linear or c.peak_bytes or c.largest_bytes}
