"""Semi-hard mining, and mining with the loss forward and backward: the lesson's answers against peers.

Theory of operation
-------------------
Two operations on B unit rows of 128 components, 8 per identity, margin 0.2, squared distances.  *Mine* is one
negative per anchor–positive pair: lesson 05's worked solution against pytorch-metric-learning's miner, which
lists all semi-hard triplets (a larger output), and against a (B, B, B) mask.  *Loss* is the same number for
everybody, the mean loss of all semi-hard triplets, with its gradient at the rows.  Ours needs no list of
triplets: each triplet pulls by one unit at an entry of a (B, B) table of weights, and the gradient is a graph
Laplacian times the rows (2(diag(W·1) − W)F for the symmetric W).  Losses and gradients are asserted equal.  The
floor is the distance matrix alone, which everybody has to make.

Run ``python benchmarks/mining.py [B …]``; pytorch-metric-learning is left out where it cannot be imported.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from autograder.authoring.reader import read_source
from autograder.authoring.worked import Worked

LESSON = Path(__file__).resolve().parents[1] / "solutions" / "05-triplet-mining"
SIZES = (256, 512, 1024, 2048)
DIM, PER_IDENTITY, MARGIN = 128, 8, 0.2
LARGEST_CUBE = 512
Batch = tuple[torch.Tensor, torch.Tensor]
Loss = tuple[float, torch.Tensor]


def make_batch(batch: int) -> Batch:
    """Return unit rows (batch, DIM) around one centre per identity, shuffled, and their labels."""
    draw = torch.Generator().manual_seed(batch)
    labels = torch.arange(batch // PER_IDENTITY).repeat_interleave(PER_IDENTITY)
    labels = labels[torch.randperm(batch, generator=draw)]
    centres = torch.randn(batch, DIM, generator=draw)
    rows = 0.35 * centres[labels] + torch.randn(batch, DIM, generator=draw)
    return torch.nn.functional.normalize(rows), labels


def distance_matrix(rows: torch.Tensor) -> torch.Tensor:
    """Return squared distances (B, B)."""
    gram = rows @ rows.T
    norms = gram.diagonal()
    return (norms[:, None] + norms - 2 * gram).clamp_(min=0)


def positives_of(labels: torch.Tensor) -> torch.Tensor:
    """Return each anchor's positives (B, K − 1), where every identity has the same number K of images."""
    same = (labels[:, None] == labels).fill_diagonal_(False)
    return same.nonzero()[:, 1].reshape(len(labels), -1)


def band_loss(rows: torch.Tensor, labels: torch.Tensor) -> Loss:
    """Return the mean loss of all semi-hard triplets and its gradient (B, DIM), without listing them."""
    distances = distance_matrix(rows)
    far = distances.masked_fill(labels[:, None] == labels, torch.inf)  # negatives alone
    weights = torch.zeros_like(distances)
    for p in positives_of(labels).T:
        near = distances.gather(1, p[:, None])
        inside = (far > near) & (far < near + MARGIN)
        weights -= inside
        weights.scatter_add_(1, p[:, None], inside.sum(dim=1, keepdim=True).to(weights.dtype))
    count = float(weights.clamp(min=0).sum())
    loss = float((weights * distances).sum()) / count + MARGIN
    both = weights + weights.T
    return loss, 2 * (both.sum(dim=1)[:, None] * rows - both @ rows) / count


def cube_mining(rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return all semi-hard triplets (T, 3) from a (B, B, B) mask."""
    distances = distance_matrix(rows)
    same = labels[:, None] == labels
    gaps = distances[:, None, :] - distances[:, :, None]
    pairs = same & ~torch.eye(len(labels), dtype=torch.bool)
    return (pairs[:, :, None] & ~same[:, None, :] & (gaps > 0) & (gaps < MARGIN)).nonzero()


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
    return float(loss), gradient


def best_ms(action: Callable[[], object], repeats: int = 5, budget_s: float = 8.0) -> float:
    """Return the shortest of a few runs in milliseconds; stops when the budget is spent."""
    times: list[float] = []
    while not times or (len(times) < repeats and sum(times) < budget_s):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def check(mine: Callable[..., torch.Tensor], tools: tuple[Any, Any] | None) -> None:
    """Assert that everybody computes the same on a batch of 256."""
    rows, labels = make_batch(256)
    rows = rows.double()
    distances = distance_matrix(rows)
    first: dict[tuple[int, int], tuple[float, int]] = {}
    for a, p, n in cube_mining(rows, labels).tolist():
        first[a, p] = min(first.get((a, p), (9.0, -1)), (float(distances[a, n]), n))
    listed = [[a, p, n] for (a, p), (_, n) in sorted(first.items())]
    assert mine(rows, labels, MARGIN).tolist() == listed, "mining differs from the mask"
    if tools is not None:
        (ours, slope), (theirs, peers) = band_loss(rows, labels), peer_loss(tools, rows, labels)
        assert abs(ours - theirs) < 1e-9, (ours, theirs)
        assert torch.allclose(slope, peers, atol=1e-9), "the gradients differ"


def line(batch: int, mine: Callable[..., torch.Tensor], tools: tuple[Any, Any] | None) -> str:
    """Measure one batch size and return its line of the table."""
    rows, labels = make_batch(batch)
    floor = best_ms(lambda: distance_matrix(rows))
    ours = best_ms(lambda: mine(rows, labels, MARGIN))
    loss = best_ms(lambda: band_loss(rows, labels))
    cube = best_ms(lambda: cube_mining(rows, labels)) if batch <= LARGEST_CUBE else None
    theirs = None if tools is None else best_ms(lambda: tools[0](rows, labels))
    peers = None if tools is None else best_ms(lambda: peer_loss(tools, rows, labels))
    mining = f"{ours:8.1f} {_ms(theirs):>9} {_ratio(theirs, ours):>6} {_ms(cube):>8}"
    return f"{batch:5d} {floor:8.1f} | {mining} | {loss:8.1f} {_ms(peers):>9} {_ratio(peers, loss):>6}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _ratio(theirs: float | None, ours: float) -> str:
    return "-" if theirs is None else f"{theirs / ours:.1f}x"


def main() -> None:
    """Print one line for each batch size."""
    mine = Worked(read_source(LESSON / "pytorch.py")).answer("mine_semi_hard")
    tools = peer()
    check(mine, tools)
    print(
        f"threads {torch.get_num_threads()}, d = {DIM}, {PER_IDENTITY} per identity; milliseconds, best of 5"
    )
    heads = f"{'mine':>8} {'peer':>9} {'ratio':>6} {'cube':>8} | {'loss':>8} {'peer':>9} {'ratio':>6}"
    print(f"{'B':>5} {'floor':>8} | {heads}")
    for batch in [int(word) for word in sys.argv[1:]] or SIZES:
        print(line(batch, mine, tools))


if __name__ == "__main__":
    main()
