"""Semi-hard mining, and mining with the loss forward and backward, against pytorch-metric-learning.

    python -m benchmarks.mining [--sizes 256 512 1024 2048] [--threads N] [--repeat 5]

B unit rows of 128 components, 8 of each identity, margin 0.2, squared distances, float32.

- *Mining*.  Ours is lesson 05's worked solution: the closest semi-hard negative of each
  anchor–positive pair.  pytorch-metric-learning's miner and the (B, B, B) mask list all semi-hard
  triplets, from which ours follow; rows marked * have that larger output.
- *Mining and loss*.  For all rows but one the mean loss of all semi-hard triplets, with its gradient.
  Ours never lists triplets: each pulls by one unit at an entry of a (B, B) table of weights W, the
  loss is ΣWD over their number plus the margin, and the gradient is a graph Laplacian times the
  rows, 2(diag(V·1) − V)F with V = W + Wᵀ.  The row marked † is FaceNet's loss, of the worked
  solution's triplets alone.

Triplets, losses and gradients are compared before anything is timed.  The floor is the table of
distances, which everybody has to make.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from autograder.authoring.reader import read_source
from autograder.authoring.worked import Worked
from benchmarks.table import Cell, Table

LESSON = Path(__file__).resolve().parents[1] / "solutions" / "05-triplet-mining"
SIZES = (256, 512, 1024, 2048)
DIM, PER_IDENTITY, MARGIN = 128, 8, 0.2
LARGEST_CUBE = 512
LONGEST_S = 15.0
FLOOR = "the table of distances alone"
MINED, LISTED = "ours: one negative for each pair", "ours: loss of all semi-hard triplets, unlisted"
FACENET = "† ours: loss of the mined triplets, autograd"
MINER, PEER = "\\* pytorch-metric-learning, miner", "pytorch-metric-learning, miner and loss"
MASK, MASK_LOSS = "\\* a (B, B, B) mask", "a (B, B, B) mask, autograd"

Loss = tuple[float, torch.Tensor]
Mine = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
MeanLoss = Callable[[torch.Tensor, torch.Tensor], Loss]


def main() -> None:
    """Measure and print the section."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print("\n".join(section(options.sizes, options.threads, options.repeat)))


def section(sizes: Sequence[int] = SIZES, threads: int = 2, repeat: int = 5) -> list[str]:
    """Measure everything and return the section of docs/speed.md, as lines."""
    torch.set_num_threads(threads)
    mine: Mine = Worked(read_source(LESSON / "pytorch.py")).answer("mine_semi_hard")
    tools = peer()
    check(mine, tools)
    mining, loss = Table([f"B = {b}" for b in sizes]), Table([f"B = {b}" for b in sizes])
    for table, rows in ((mining, miners(mine, tools)), (loss, losses(mine, tools))):
        for name, run, largest in rows:
            table.add(name, [timed(run, b, repeat, largest) for b in sizes])
    return [
        "## Semi-hard mining",
        "",
        f"d = {DIM}, {PER_IDENTITY} images of each identity, margin {MARGIN}, squared distances, float32; {threads}"
        f" threads; milliseconds, best of {repeat}. A \\* marks a larger output, all semi-hard triplets.",
        "",
        *mining.lines(),
        "",
        "Mining and the loss, forward and backward. All but † give the mean loss of all semi-hard triplets.",
        "",
        *loss.lines(),
        "",
        *ratios(mining, MINED, MINER, sizes),
        *ratios(loss, LISTED, PEER, sizes),
        "",
        "Compared first, in float64 at B = 256: the triplets agree exactly, losses and gradients to 1e-9.",
        "",
    ]


def ratios(table: Table, ours: str, theirs: str, sizes: Sequence[int]) -> list[str]:
    """Return a line that compares two rows at every size."""
    told = [
        f"{table.times(theirs, ours, f'B = {b}')} at {b} ({table.times(ours, FLOOR, f'B = {b}')} the floor)"
        for b in sizes
    ]
    return [f"- {theirs}, takes as long as {ours}: " + "; ".join(told) + "."]


# ------------------------------------------------------------------------------------ implementations

Run = Callable[[torch.Tensor, torch.Tensor], object]
Rows = list[tuple[str, Run | None, int]]


def miners(mine: Mine, tools: tuple[Any, Any] | None) -> Rows:
    """Return the rows of the first table: name, what to run, the largest batch that it can take."""
    return [
        (FLOOR, lambda rows, labels: distance_table(rows), 10**9),
        (MINED, lambda rows, labels: mine(rows, labels, MARGIN), 10**9),
        (MINER, tools and tools[0], 10**9),
        (MASK, mask_mining, LARGEST_CUBE),
    ]


def losses(mine: Mine, tools: tuple[Any, Any] | None) -> Rows:
    """Return the rows of the second table."""
    return [
        (FLOOR, lambda rows, labels: distance_table(rows), 10**9),
        (LISTED, band_loss, 10**9),
        (FACENET, lambda rows, labels: listed_loss(rows, mine(rows, labels, MARGIN)), 10**9),
        (PEER, tools and (lambda rows, labels: peer_loss(tools, rows, labels)), 10**9),
        (MASK_LOSS, lambda rows, labels: listed_loss(rows, mask_mining(rows, labels)), LARGEST_CUBE),
    ]


def distance_table(rows: torch.Tensor) -> torch.Tensor:
    """Return squared distances (B, B)."""
    gram = rows @ rows.T
    norms = gram.diagonal()
    return torch.add(norms[:, None] + norms, gram, alpha=-2).clamp_(min=0)


def band_loss(rows: torch.Tensor, labels: torch.Tensor) -> Loss:
    """Return the mean loss of all semi-hard triplets and its gradient (B, DIM), without listing them.

    Works where every identity has the same number of images, at most 256.
    """
    distances = distance_table(rows)
    same = labels[:, None] == labels
    far = distances.masked_fill(same, torch.inf)  # of the negatives alone
    positives = same.fill_diagonal_(False).nonzero()[:, 1].view(len(labels), -1)  # (B, K - 1)
    near = distances.gather(1, positives)
    pushes = torch.zeros_like(far, dtype=torch.uint8)  # how many of the anchor's triplets have this negative
    pulls = torch.empty_like(near)
    for k, limit in enumerate(near.split(1, dim=1)):
        inside = (far > limit) & (far < limit + MARGIN)
        pushes += inside
        pulls[:, k] = inside.sum(dim=1)
    weights = pushes.to(far.dtype).neg_().scatter_(1, positives, pulls)
    count = float(pulls.sum())
    loss = float((weights * distances).sum()) / count + MARGIN
    both = weights + weights.T
    return loss, torch.addmm(both.sum(dim=1)[:, None] * rows, both, rows, alpha=-1).mul_(2 / count)


def mask_mining(rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return all semi-hard triplets (T, 3) from a (B, B, B) mask."""
    distances = distance_table(rows)
    same = labels[:, None] == labels
    gaps = distances[:, None, :] - distances[:, :, None]
    pairs = same & ~torch.eye(len(labels), dtype=torch.bool)
    return (pairs[:, :, None] & ~same[:, None, :] & (gaps > 0) & (gaps < MARGIN)).nonzero()


def listed_loss(rows: torch.Tensor, triplets: torch.Tensor) -> Loss:
    """Return the mean loss of listed triplets and its gradient, by autograd."""
    leaf = rows.clone().requires_grad_()
    distances = distance_table(leaf)
    a, p, n = triplets.T
    loss = (distances[a, p] - distances[a, n] + MARGIN).relu().mean()
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float(loss.detach()), gradient


def peer() -> tuple[Any, Any] | None:
    """Return pytorch-metric-learning's miner and loss on squared distances, or None where it is missing."""
    try:
        from pytorch_metric_learning import distances, losses, miners
    except ImportError:
        return None
    squared = distances.LpDistance(power=2, normalize_embeddings=False)
    return (
        miners.TripletMarginMiner(margin=MARGIN, type_of_triplets="semihard", distance=squared),
        losses.TripletMarginLoss(margin=MARGIN, distance=squared),
    )


def peer_loss(tools: tuple[Any, Any], rows: torch.Tensor, labels: torch.Tensor) -> Loss:
    """Return the peer's mean loss and its gradient at the rows."""
    leaf = rows.clone().requires_grad_()
    miner, loss_of = tools
    loss = loss_of(leaf, labels, miner(leaf, labels))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float(loss.detach()), gradient


# --------------------------------------------------------------------------------------- measurement


def make_batch(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unit rows (batch, DIM) around one centre for each identity, shuffled, and their labels."""
    draw = torch.Generator().manual_seed(batch)
    labels = torch.arange(batch // PER_IDENTITY).repeat_interleave(PER_IDENTITY)
    labels = labels[torch.randperm(batch, generator=draw)]
    centres = torch.randn(batch, DIM, generator=draw)
    rows = 0.35 * centres[labels] + torch.randn(batch, DIM, generator=draw)
    return torch.nn.functional.normalize(rows), labels


def check(mine: Mine, tools: tuple[Any, Any] | None) -> None:
    """Assert that everybody computes the same on a batch of 256."""
    rows, labels = make_batch(256)
    rows = rows.double()
    distances, everything = distance_table(rows), mask_mining(rows, labels)
    first: dict[tuple[int, int], tuple[float, int]] = {}
    for a, p, n in everything.tolist():
        first[a, p] = min(first.get((a, p), (9.0, -1)), (float(distances[a, n]), n))
    listed = [[a, p, n] for (a, p), (_, n) in sorted(first.items())]
    assert mine(rows, labels, MARGIN).tolist() == listed, "mining differs from the mask"
    gold, slope = listed_loss(rows, everything)
    assert_same("the unlisted loss", band_loss(rows, labels), gold, slope)
    if tools is not None:
        theirs = sorted(zip(*(part.tolist() for part in tools[0](rows, labels)), strict=True))
        assert theirs == sorted(map(tuple, everything.tolist())), "the peer's triplets differ from the mask's"
        assert_same("the peer's loss", peer_loss(tools, rows, labels), gold, slope)


def assert_same(name: str, found: Loss, gold: float, slope: torch.Tensor) -> None:
    """Assert that a loss and its gradient are the expected ones."""
    loss, gradient = found
    assert abs(loss - gold) < 1e-9, f"{name} is {loss}, not {gold}"
    assert torch.allclose(gradient, slope, rtol=0, atol=1e-9), f"{name} has another gradient"


def timed(run: Run | None, batch: int, repeat: int, largest: int) -> Cell:
    """Return the best wall time in milliseconds, or why there is none."""
    if run is None:
        return "not installed"
    if batch > largest:
        return f"> {batch**3 / 1e9:.0f} GB"
    rows, labels = make_batch(batch)
    gc.collect()
    times = [seconds(lambda: run(rows, labels))]
    while len(times) <= repeat and sum(times) < LONGEST_S:
        times.append(seconds(lambda: run(rows, labels)))
    return 1e3 * min(times)


def seconds(run: Callable[[], object]) -> float:
    """Return the wall time of one run."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
