"""How good an embedding is, from its rows and labels that the answer never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np


def metric(name: str, rows: np.ndarray, labels: np.ndarray, options: Mapping[str, float]) -> float:
    """Return the named metric of embeddings (B, E) with labels (B,)."""
    return METRICS[name](np.asarray(rows, np.float64), np.asarray(labels), options)


def _squared_distances(rows: np.ndarray) -> np.ndarray:
    norms = np.sum(rows**2, axis=1)
    squares: np.ndarray = norms[:, None] + norms[None, :] - 2 * rows @ rows.T
    return squares.clip(min=0)


def val_at_far(rows: np.ndarray, labels: np.ndarray, options: Mapping[str, float]) -> float:
    """Return the best VAL at a FAR of at most ``far``, over all pairs (Schroff et al. 2015, section 4)."""
    upper = np.triu_indices(len(rows), 1)
    distances = _squared_distances(rows)[upper]
    same = (labels[:, None] == labels[None, :])[upper]
    order = np.argsort(distances, kind="stable")
    distances, same = distances[order], same[order]
    last_of_its_value = np.append(distances[1:] > distances[:-1], True)
    false = np.cumsum(~same) / max(int(np.sum(~same)), 1)
    true = np.cumsum(same) / max(int(np.sum(same)), 1)
    allowed = last_of_its_value & (false <= options["far"])
    return float(true[allowed].max(initial=0.0))


def nearest_neighbour(rows: np.ndarray, labels: np.ndarray, _: Mapping[str, float]) -> float:
    """Return how often the nearest other row has the same label."""
    distances = _squared_distances(rows)
    np.fill_diagonal(distances, np.inf)
    return float(np.mean(labels[np.argmin(distances, axis=1)] == labels))


METRICS: dict[str, Callable[[np.ndarray, np.ndarray, Mapping[str, float]], float]] = {
    "val_at_far": val_at_far,
    "nearest_neighbour": nearest_neighbour,
}
