"""What samples must be like: named statistics, each with its right value and its standard error.

Theory of operation
-------------------
A statistic turns a sample into one number or a few, and knows what these should be and by how much
they may be off: six standard errors, or nothing for what is exact.  A sample is then judged
like any output, number by number, and a known mistake is recognised by its own numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ROOM = 6.0
"""Standard errors that a statistic may be off."""

Statistic = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Measured, right, and allowed difference."""


def measure(name: str, sample: np.ndarray, arguments: Mapping[str, Any]) -> Statistic:
    """Return a statistic of a sample; all three arrays have one shape."""
    measured, right, error = STATISTICS[name](sample, arguments)
    shape = np.shape(measured)
    return (
        np.asarray(measured, np.float64),
        np.broadcast_to(right, shape).astype(np.float64),
        np.broadcast_to(ROOM * np.asarray(error), shape).astype(np.float64),
    )


def shape(arguments: Mapping[str, Any], draws: int) -> tuple[int, ...]:
    """Return the shape that a sample must have."""
    if "dim" in arguments:
        one: tuple[int, ...] = (int(arguments["num_frequencies"]), int(arguments["dim"]))
    else:
        one = (int(arguments["num_identities"]) * int(arguments["per_identity"]),)
    return one if draws == 1 else (draws, *one)


# -------------------------------------------------------------------------------- frequencies


def _scaled(sample: np.ndarray, arguments: Mapping[str, Any]) -> np.ndarray:
    """Return the frequencies times σ: standard normal entries, if right."""
    scaled: np.ndarray = np.asarray(sample, np.float64) * float(arguments["sigma2"]) ** 0.5
    return scaled


def _mean(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    return w.mean(axis=0), 0.0, len(w) ** -0.5


def _variance(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    return np.mean(w**2), 1.0, (2 / w.size) ** 0.5


def _variance_per_column(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    return np.mean(w**2, axis=0), 1.0, (2 / len(w)) ** 0.5


def _covariance(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    eye = np.eye(w.shape[1])
    return w.T @ w / len(w), eye, ((1 + eye) / len(w)) ** 0.5


def _fourth_moment(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    return np.mean(w**4), 3.0, (96 / w.size) ** 0.5


def _independent_rows(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    products = np.mean(w[1:] * w[:-1])
    return products, 0.0, (len(w[1:]) * w.shape[1]) ** -0.5


def _blocks(w: np.ndarray) -> np.ndarray:
    """Return the whole blocks of D rows, (blocks, D, D)."""
    dim = w.shape[1]
    return w[: len(w) // dim * dim].reshape(-1, dim, dim)


def _directions(w: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(w, axis=1, keepdims=True)
    return w / np.where(lengths > 0, lengths, 1.0)


def _orthogonal_blocks(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return 0 if rows of a block, the last, shorter one too, are orthogonal, else 1."""
    u = _directions(_scaled(sample, arguments))
    rough = 1e-4 if np.asarray(sample).dtype == np.float32 else 1e-7
    dim = u.shape[1]
    blocks = [u[i : i + dim] for i in range(0, len(u), dim)]
    worst = max(float(np.abs(b @ b.T - np.eye(len(b))).max()) for b in blocks)
    return float(worst > rough), 0.0, 1e-9


def _row_lengths(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    dim, squares = w.shape[1], np.sum(w**2, axis=1)
    right = np.array([dim, 2.0 * dim])
    errors = np.array([2.0 * dim, 8.0 * dim**2 + 48 * dim])
    return np.array([squares.mean(), np.mean((squares - dim) ** 2)]), right, (errors / len(w)) ** 0.5


def _independent_lengths(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    w = _scaled(sample, arguments)
    squares = np.sum(w**2, axis=1)
    centred = squares - squares.mean()
    spread = float(np.mean(centred**2))
    equal = spread <= 1e-12 * float(squares.mean()) ** 2
    correlation = 1.0 if equal else float(np.mean(centred[1:] * centred[:-1])) / spread
    return correlation, 0.0, len(w) ** -0.5


def _independent_blocks(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return the mean cos² between a row and the same row of the block before."""
    blocks = _blocks(_directions(_scaled(sample, arguments)))
    dim = blocks.shape[1]
    cosines = np.sum(blocks[1:] * blocks[:-1], axis=2)
    error = (2 * (dim - 1) / (dim**2 * (dim + 2)) / max(cosines.size, 1)) ** 0.5
    return np.mean(cosines**2), 1 / dim, error


def _uniform_directions(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return per column E[u²]·D and E[u⁴]·D(D+2)/3, which are one."""
    u = _directions(_scaled(sample, arguments))
    dim = u.shape[1]
    fourth = 3 / (dim * (dim + 2))
    eighth = 105 / (dim * (dim + 2) * (dim + 4) * (dim + 6))
    measured = np.stack([np.mean(u**2, axis=0) * dim, np.mean(u**4, axis=0) / fourth])
    errors = np.array([[(fourth - 1 / dim**2) ** 0.5 * dim], [(eighth - fourth**2) ** 0.5 / fourth]])
    return measured, 1.0, errors / len(u) ** 0.5


# -------------------------------------------------------------------------------------- batches


def _eligible(arguments: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels that have enough images, and how many each has."""
    found, counts = np.unique(np.asarray(arguments["labels"]), return_counts=True)
    enough = counts >= int(arguments["per_identity"])
    return found[enough], counts[enough]


def _batch_structure(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return the share of draws that break each rule, in the order of `SAYS`."""
    labels = np.asarray(arguments["labels"])
    indices = np.atleast_2d(np.asarray(sample))
    inside = np.all((indices >= 0) & (indices < len(labels)) & (indices == np.floor(indices)), axis=1)
    safe = np.where(inside[:, None], indices, 0).astype(np.int64)
    groups = labels[safe].reshape(len(safe), int(arguments["num_identities"]), int(arguments["per_identity"]))
    repeats = [len(np.unique(row)) < len(row) for row in safe]
    mixed = np.any(groups != groups[:, :, :1], axis=(1, 2))
    twice = [len(np.unique(row)) < len(row) for row in groups[:, :, 0]]
    few = ~np.all(np.isin(groups, _eligible(arguments)[0]), axis=(1, 2))
    broken = np.array([~inside, repeats, mixed, twice, few], dtype=np.float64)
    return broken.mean(axis=1), 0.0, 1e-9


def _shares(sample: np.ndarray, arguments: Mapping[str, Any], images: bool) -> tuple[Any, Any, Any]:
    labels, wanted = np.asarray(arguments["labels"]), int(arguments["per_identity"])
    found, counts = _eligible(arguments)
    indices = np.atleast_2d(np.asarray(sample)).astype(np.int64)
    chosen = int(arguments["num_identities"]) / len(found)
    if images:
        which = np.flatnonzero(np.isin(labels, found))
        right = chosen * wanted / counts[np.searchsorted(found, labels[which])]
        measured = np.array([np.mean(np.any(indices == i, axis=1)) for i in which])
    else:
        drawn = labels[np.clip(indices, 0, len(labels) - 1)]
        measured = np.array([np.mean(np.any(drawn == label, axis=1)) for label in found])
        right = np.full(len(found), chosen)
    return measured, right, (right * (1 - right) / len(indices) + 1e-12) ** 0.5


def _identities_uniform(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return _shares(sample, arguments, images=False)


def _images_uniform(sample: np.ndarray, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return _shares(sample, arguments, images=True)


STATISTICS: dict[str, Callable[[np.ndarray, Mapping[str, Any]], tuple[Any, Any, Any]]] = {
    "mean": _mean,
    "variance": _variance,
    "variance_per_column": _variance_per_column,
    "covariance": _covariance,
    "fourth_moment": _fourth_moment,
    "independent_rows": _independent_rows,
    "orthogonal_blocks": _orthogonal_blocks,
    "row_lengths": _row_lengths,
    "independent_lengths": _independent_lengths,
    "independent_blocks": _independent_blocks,
    "uniform_directions": _uniform_directions,
    "batch_structure": _batch_structure,
    "identities_uniform": _identities_uniform,
    "images_uniform": _images_uniform,
}
SAYS: dict[str, str] = {
    "mean": "the mean of the frequencies",
    "variance": "the variance of the frequencies, times σ²,",
    "variance_per_column": "the variance of a column, times σ²,",
    "covariance": "the covariance of the frequencies, times σ²,",
    "fourth_moment": "the fourth moment of the frequencies, times σ⁴,",
    "independent_rows": "the product of neighbouring rows, times σ²/D,",
    "orthogonal_blocks": "the count of blocks whose rows aren't orthogonal (0 none, 1 some)",
    "row_lengths": "the mean or variance of the rows' squared lengths, times σ²,",
    "independent_lengths": "the correlation between the lengths of neighbouring rows",
    "independent_blocks": "the mean cos² between rows of one block and the next",
    "uniform_directions": "a moment of the rows' directions, relative to uniform ones,",
    "batch_structure": "the share of batches that break a rule (inside the range, no image twice, one"
    " identity after another, no identity twice, enough images each)",
    "identities_uniform": "the share of batches that an identity is in",
    "images_uniform": "the share of batches that an image is in",
}
