# Copied from solutions/04-triplet-loss/public/ by `make build`; change it there.
"""Functions from an array of any shape to one number, to try `numerical_gradient` on."""

from __future__ import annotations

import numpy as np


def weights_like(x):
    """Return the numbers 1, 2, 3, … in the shape of x, so that no two entries are alike."""
    return np.arange(1.0, np.size(x) + 1).reshape(np.shape(x))


def waves(x):
    """Σ i · sin(x_i): every entry has a slope of its own."""
    return np.sum(weights_like(x) * np.sin(x))


def stiff_bowl(x):
    """1000 Σ i · x_i²: a slope that changes quickly."""
    return 1000.0 * np.sum(weights_like(x) * x * x)


def stiff_valley(x):
    """1000 (Σ i · x_i)²: the slope at one entry depends on all the others."""
    return 1000.0 * np.sum(weights_like(x) * x) ** 2


def anchors_loss(x):
    """Σ_b max(0, d_ap − d_an + 0.5) of anchors x, with fixed positives and negatives."""
    positives = 0.3 * np.cos(weights_like(x))
    negatives = 0.9 * np.sin(2.0 * weights_like(x))
    terms = np.sum((x - positives) ** 2 - (x - negatives) ** 2, axis=-1) + 0.5
    return np.sum(terms * (np.real(terms) > 0))
