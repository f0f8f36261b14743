"""Causal linear attention against its peers: forward, and forward with backward, in one run.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.attention [--lengths 1024 4096 16384] [--threads N] [--repeat 3]

Eight heads, C = M = 64, float32, features given.  Rows marked * are another operation (exact
softmax).  Peers that aren't installed, and sizes that would need more memory than the limit,
are said so in their cells.  Our rows are the worked solutions themselves.  NumPy is faster with one
thread here: the products within a chunk are small.
"""

from __future__ import annotations

import argparse
import functools
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from autograder.authoring.reader import read_source
from autograder.authoring.worked import Worked
from benchmarks.table import Table

LESSON = Path(__file__).parent.parent / "solutions" / "03-causal-linear-attention"
HEADS, WIDTH = 8, 64
CHUNK = 128
MEMORY_LIMIT_GB = 4.0
LONGEST_S = 20.0
FLOOR = "the chunks' products at the rate of large ones"
PRODUCTS = "the same products at their own sizes, nothing else"
FAST, PERFORMER = "fast-transformers, CausalDotProduct", "performer-pytorch, CPU path"
SOFTMAX = "\\* scaled_dot_product_attention, causal"
OURS = (f"ours, PyTorch: chunks of {CHUNK}, autograd", "ours, PyTorch: Function, backward by hand")

Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Row:
    """One implementation.

    memory_gb : from N, what forward and backward need at least.
    same : whether it is the same operation, so that its values are compared.
    """

    name: str
    forward: Attention | None
    trained: Attention | None
    memory_gb: Callable[[int], float] = lambda length: 0.0
    same: bool = True
    missing: str = ""


def main() -> None:
    """Measure and print the section."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 4096, 16384])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print("\n".join(section(options.lengths, options.threads, options.repeat)))


def section(lengths: Sequence[int] = (1024, 4096, 16384), threads: int = 2, repeat: int = 5) -> list[str]:
    """Measure everything and return the section of docs/speed.md, as lines."""
    torch.set_num_threads(threads)
    rate = matmul_gflops()
    table = Table([f"{kind}, N = {n}" for kind in ("forward", "with backward") for n in lengths])
    table.add(FLOOR, floors(lengths, rate))
    table.add(PRODUCTS, products(lengths, repeat))
    errors = {}
    for row in rows():
        cells, error = measure(row, lengths, repeat)
        table.add(row.name, cells)
        if error:
            errors[row.name] = error
    return [
        "## Causal linear attention",
        "",
        f"{HEADS} heads, C = M = {WIDTH}, float32, features given; {threads} threads, NumPy's products one; milliseconds,"
        f" best of {repeat}. A \\* marks another operation. Large float32 products ran at {rate:.0f} GFLOP/s, which"
        f" sets the first row: what chunks of {CHUNK} multiply, three times that with backward.",
        "",
        *table.lines(),
        "",
        *_ratios(table, lengths[-1]),
        "",
        "Between the first two rows lies what small products lose. Between the second and ours lie masks, sums, divisions"
        " and joining the chunks; backward, also what is computed again because it was not kept.",
        "",
        "Largest relative difference from the table of similarities in float64, at N = 500: "
        + ", ".join(f"{name} {error}" for name, error in errors.items())
        + ".",
        "",
    ]


def _ratios(table: Table, longest: int) -> list[str]:
    lines = []
    for kind in ("forward", "with backward"):
        column = f"{kind}, N = {longest}"
        ours = table.best(column, OURS)
        lines.append(
            f"- {column}: our fastest form takes {table.times(ours, FLOOR, column)} as long as large products would;"
            f" the bare products at their own sizes take {table.times(PRODUCTS, FLOOR, column)} that;"
            f" fast-transformers takes {table.times(FAST, ours, column)} as long as ours, performer's path"
            f" {table.times(PERFORMER, ours, column)}, exact softmax {table.times(SOFTMAX, ours, column)}."
        )
    return lines


# ------------------------------------------------------------------------------------ implementations


def rows() -> list[Row]:
    """Return all implementations, ours first."""
    ours = Worked(read_source(LESSON / "pytorch.py")).namespace
    chunked, function = ours["chunked_causal_linear_attention"], ours["CausalLinearAttentionFunction"]

    def in_chunks(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = chunked(q, k, v, CHUNK)
        return result

    return [
        Row(OURS[0], in_chunks, in_chunks),
        Row(OURS[1], function.apply, function.apply),
        numpy_row(),
        fast_transformers_row(),
        performer_row(),
        Row("cumulative sums, all states", all_states, all_states, lambda n: 16 * HEADS * n * WIDTH**2 / 1e9),
        Row("quadratic: product of features, masked", masked, masked, lambda n: 16 * HEADS * n * n / 1e9),
        Row(SOFTMAX, softmax, softmax, same=False),
    ]


def numpy_row() -> Row:
    """Return the NumPy worked solution, one head after the other; it has no autograd."""
    chunked = Worked(read_source(LESSON / "from_scratch.py")).namespace["chunked_causal_linear_attention"]

    def forward(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        heads = zip(q.numpy(), k.numpy(), v.numpy(), strict=True)
        return torch.stack([torch.from_numpy(chunked(*head, CHUNK)) for head in heads])

    return Row(f"ours, NumPy: chunks of {CHUNK}", forward, None)


def fast_transformers_row() -> Row:
    """Return pytorch-fast-transformers' CausalDotProduct with its normaliser."""
    try:
        from fast_transformers.causal_product import causal_dot_product
    except ImportError:
        return Row(FAST, None, None, missing="not installed")

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        below = (q * k.cumsum(dim=-2)).sum(dim=-1, keepdim=True)
        result: torch.Tensor = causal_dot_product(q[None], k[None], v[None])[0] / below
        return result

    return Row(FAST, attend, attend)


def performer_row() -> Row:
    """Return performer-pytorch's path for machines without CUDA."""
    try:
        from performer_pytorch.performer_pytorch import causal_linear_attention_noncuda
    except ImportError:
        return Row(PERFORMER, None, None, missing="not installed")

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = causal_linear_attention_noncuda(q[None], k[None], v[None])[0]
        return result

    return Row(PERFORMER, attend, attend, lambda n: 8 * HEADS * n * WIDTH**2 / 1e9 / 4)


def all_states(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Make the states of all positions."""
    S = torch.einsum("hnc,hnm->hncm", k, v).cumsum(dim=1)
    return torch.einsum("hnc,hncm->hnm", q, S) / (q * k.cumsum(dim=1)).sum(dim=-1, keepdim=True)


def masked(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Make the table of all similarities."""
    table = torch.tril(q @ k.mT)
    return table @ v / table.sum(dim=-1, keepdim=True)


def softmax(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Use torch's fused exact attention."""
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]


# --------------------------------------------------------------------------------------- measurement


def draw(length: int) -> list[torch.Tensor]:
    """Return positive features and values, (HEADS, length, WIDTH) each."""
    generator = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(HEADS, length, WIDTH, generator=generator) for _ in range(3))
    return [F.elu(q) + 1, F.elu(k) + 1, v]


def measure(row: Row, lengths: Sequence[int], repeat: int) -> tuple[list[float | str], str]:
    """Return a row's cells, forward for each length and then forward with backward, and its error."""
    if row.missing:
        return [row.missing] * 2 * len(lengths), ""
    forward = [timed(row, length, repeat, backward=False) for length in lengths]
    both = [timed(row, length, repeat, backward=True) for length in lengths]
    return forward + both, error_of(row) if row.same else ""


def timed(row: Row, length: int, repeat: int, backward: bool) -> float | str:
    """Return the best wall time in milliseconds, or why there is none."""
    attend = row.trained if backward else row.forward
    if attend is None:
        return "no autograd"
    if row.memory_gb(length) * (1 if backward else 0.5) > MEMORY_LIMIT_GB:
        return f"> {MEMORY_LIMIT_GB:g} GB"
    tensors = [x.requires_grad_(backward) for x in draw(length)]

    def run() -> None:
        result = attend(*tensors)
        if backward:
            torch.autograd.grad(result.sum(), tensors)

    return 1e3 * best_of(run, repeat)


def best_of(run: Callable[[], Any], repeat: int) -> float:
    """Return the best wall time in seconds, after one warm run unless that was long."""
    gc.collect()
    times = [seconds(run)]
    while len(times) <= repeat and sum(times) < LONGEST_S:
        times.append(seconds(run))
    return min(times)


def seconds(run: Callable[[], Any]) -> float:
    """Return the wall time of one run."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def error_of(row: Row) -> str:
    """Return the largest relative difference from the table of similarities in float64, at N = 500."""
    assert row.forward is not None
    small = draw(500)
    gold = masked(*[x.double() for x in small])
    return f"{((row.forward(*small) - gold).abs().max() / gold.abs().max()).item():.0e}"


def matmul_gflops(size: int = 2048) -> float:
    """Return the machine's rate in float32 matrix products."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / best_of(lambda: a @ b, 8) / 1e9


def products(lengths: Sequence[int], repeat: int) -> list[float | str]:
    """Return the time of the four products of each chunk, in milliseconds, three times that with backward."""
    q, k, v = (torch.rand(HEADS, CHUNK, WIDTH) for _ in range(3))
    inside, state = torch.rand(HEADS, CHUNK, CHUNK), torch.rand(HEADS, WIDTH, WIDTH)

    def chunk() -> None:
        for one, two in ((q, k.mT), (inside, v), (q, state), (k.mT, v)):
            one @ two

    def run(length: int) -> None:
        for _ in range(length // CHUNK):
            chunk()

    forward = [1e3 * best_of(functools.partial(run, n), repeat) for n in lengths]
    return [*forward, *[3 * ms for ms in forward]]


def floors(lengths: Sequence[int], rate: float) -> list[float | str]:
    """Return the time of the chunk form's matrix products at the machine's rate, in milliseconds.

    A position takes B(C + M) multiply-adds within its chunk and 2CM with the state; forward and
    backward together take three times that, if nothing is computed twice.
    """
    forward = [2 * HEADS * n * (CHUNK * 2 * WIDTH + 2 * WIDTH**2) / rate / 1e6 for n in lengths]
    return [*forward, *[3 * ms for ms in forward]]


if __name__ == "__main__":
    main()
