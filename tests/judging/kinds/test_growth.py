"""Quadratic work is caught in whatever form, and linear work passes in any style."""

import numpy as np
import pytest
import torch

from autograder.judging.exercise import Case, Function, Linear
from tests.judging.kinds.small import exercise, verdict


def draw(rng):
    return {"q": rng.random((32, 8)), "k": rng.random((32, 8)), "v": rng.normal(size=(32, 8))}


def oracle(q, k, v):
    return np.array([(q[i] @ k[: i + 1].T) @ v[: i + 1] for i in range(len(q))])


CAUSAL = exercise(
    Function(),
    Case("linear", "grows like N", draw, gradients=False, linear=Linear(grow=("q", "k", "v"))),
    oracle=oracle,
)


def cumulated(q, k, v):
    return np.einsum("nc,ncm->nm", q, np.cumsum(k[:, :, None] * v[:, None, :], axis=0))


def position_by_position(q, k, v):
    state = np.zeros((k.shape[1], v.shape[1]))
    out = np.empty_like(v)
    for i in range(len(q)):
        state += np.outer(k[i], v[i])
        out[i] = q[i] @ state
    return out


def in_chunks(q, k, v, size=64):
    state, outputs = np.zeros((k.shape[1], v.shape[1])), []
    for i in range(0, len(q), size):
        part = slice(i, i + size)
        outputs.append(q[part] @ state + np.tril(q[part] @ k[part].T) @ v[part])
        state = state + k[part].T @ v[part]
    return np.concatenate(outputs)


def chunks_against_all(q, k, v, size=64):
    outputs = []
    for i in range(0, len(q), size):
        seen = np.arange(len(q))[None] <= np.arange(i, min(i + size, len(q)))[:, None]
        outputs.append((q[i : i + size] @ k.T * seen) @ v)
    return np.concatenate(outputs)


@pytest.mark.parametrize("answer", [cumulated, position_by_position, in_chunks], ids=lambda f: f.__name__)
def test_does_linear_work_pass(answer):
    assert verdict(CAUSAL, answer).passed


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k, v: np.tril(q @ k.T) @ v,
        oracle,
        chunks_against_all,
        lambda q, k, v: np.stack([q[i] @ (k[: i + 1].T @ v[: i + 1]) for i in range(len(q))]),
    ],
    ids=["n_by_n", "row_by_row", "chunks_against_all", "sums_anew"],
)
def test_is_quadratic_work_caught(answer):
    assert verdict(CAUSAL, answer).breaks == ("not_linear",)


def test_is_an_einsum_of_three_operands_caught():
    linear = Linear(grow=("q", "k", "v"), same_rows=False)
    whole = exercise(
        Function(),
        Case("linear", "", lambda rng: {n: a[:, :4] for n, a in draw(rng).items()}, linear=linear),
        oracle=lambda q, k, v: np.array([sum((a @ b) * c for b, c in zip(k, v, strict=True)) for a in q]),
    )
    assert verdict(whole, lambda q, k, v: q @ (k.T @ v)).passed
    said = verdict(whole, lambda q, k, v: np.einsum("nc,mc,md->nd", q, k, v))
    assert said.breaks == ("not_linear",)
    assert "CPU" in said.says


def torch_cumulated(q, k, v):
    return torch.einsum("nc,ncm->nm", q, torch.cumsum(k[:, :, None] * v[:, None, :], dim=0))


def torch_positions(q, k, v):
    state, outputs = q.new_zeros(k.shape[1], v.shape[1]), []
    for a, b, c in zip(q, k, v, strict=True):
        state = state + torch.outer(b, c)
        outputs.append(a @ state)
    return torch.stack(outputs)


@pytest.mark.parametrize("answer", [torch_cumulated, torch_positions], ids=lambda f: f.__name__)
def test_does_linear_work_pass_in_pytorch(answer):
    assert verdict(CAUSAL, answer, "pytorch", framework="numpy").passed


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k, v: torch.tril(q @ k.T) @ v,
        lambda q, k, v: torch.stack([(q[i] @ k[: i + 1].T) @ v[: i + 1] for i in range(len(q))]),
        lambda q, k, v: torch.stack([q[i] @ (k[: i + 1].T @ v[: i + 1]) for i in range(len(q))]),
    ],
    ids=["n_by_n", "row_by_row", "sums_anew"],
)
def test_is_quadratic_work_caught_in_pytorch(answer):
    assert verdict(CAUSAL, answer, "pytorch", framework="numpy").breaks == ("not_linear",)


def test_is_a_forbidden_operation_caught():
    plain = exercise(
        Function(),
        Case(
            "linear",
            "",
            draw,
            gradients=False,
            linear=Linear(grow=("q", "k", "v"), forbid=("scaled_dot_product",)),
        ),
        oracle=lambda q, k, v: np.exp(q @ k.T / 8**0.5) / np.exp(q @ k.T / 8**0.5).sum(1, keepdims=True) @ v,
    )

    def fused(q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q[None, None], k[None, None], v[None, None])[
            0, 0
        ]

    assert verdict(plain, fused, "pytorch", framework="numpy").breaks == ("not_linear",)


def test_does_slicing_in_a_loop_show_in_the_backward_pass():
    def sliced(x):
        return torch.stack([x[i] * 2 for i in range(len(x))])

    def split(x):
        return torch.stack([row * 2 for row in x.unbind()])

    def doubled(backward):
        linear = Linear(grow=("x",), backward=backward)
        case = Case("linear", "", lambda rng: {"x": rng.normal(size=(8, 4))}, linear=linear)
        return exercise(Function(), case, oracle=lambda x: 2 * x)

    assert verdict(doubled(True), split, "pytorch").passed
    assert verdict(doubled(False), sliced, "pytorch").passed
    assert verdict(doubled(True), sliced, "pytorch").breaks == ("not_linear",)


def test_may_the_largest_array_be_bounded():
    bounded = exercise(
        Function(),
        Case("large", "", draw, gradients=False, largest_bytes=lambda a: 8 * a["q"].size * 4),
        oracle=oracle,
    )
    assert verdict(bounded, position_by_position).passed
    assert verdict(bounded, cumulated).breaks == ("memory",)


def test_may_the_sum_of_all_arrays_be_bounded():
    def wide(rng):
        return {"x": rng.normal(size=(200, 20))}

    def masked(x):
        return np.where(np.arange(200)[:, None] < 4, np.sin(x), 0.0)

    def gathered(x):
        result = np.zeros_like(x)
        result[:4] = np.sin(x[:4])
        return result

    few = Case("few", "", wide, gradients=False, total_bytes=lambda a: 1.5 * a["x"].nbytes)
    bounded = exercise(Function(), few, oracle=masked)
    assert verdict(bounded, gathered).passed
    assert verdict(bounded, masked).breaks == ("memory",)
