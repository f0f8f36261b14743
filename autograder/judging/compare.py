"""How far two arrays are apart, in tolerances."""

from __future__ import annotations

import numpy as np

COARSE = 3e-5
"""Relative tolerances from here on are float32's."""
FAR = 100.0
"""A known mistake must be at least this many tolerances away from what is right."""
TINY = float(np.finfo(np.float64).tiny)


def distance(got: np.ndarray, expected: np.ndarray, rtol: float, scale: float = 0.0) -> float:
    """Return the largest |got − expected| in units of the tolerance; at most 1 means equal.

    The tolerance of an entry is rtol·(|expected| + f·s), where s is max|expected| or, if that is
    more, `scale`, and f is 10⁻³, or 10⁻² where rtol is float32's: sums of terms that nearly
    cancel are off by a few roundings of the terms.  Infinite or NaN entries count as equal only to
    the same entry.  Arrays of different shapes are infinitely far apart.
    """
    if got.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    units = entrywise(got, expected, rtol, scale)
    return float(np.max(units))


def entrywise(got: np.ndarray, expected: np.ndarray, rtol: float, scale: float = 0.0) -> np.ndarray:
    """Return |got − expected| in tolerances, entry by entry; the shapes are equal."""
    got, expected = _numbers(got), _numbers(expected)
    finite = np.isfinite(got) & np.isfinite(expected)
    all_finite = bool(finite.all())
    magnitudes = np.abs(expected if all_finite else np.where(np.isfinite(expected), expected, 0.0))
    scale = max(scale, float(magnitudes.max(initial=0.0)))
    floor = 1e-3 if rtol < COARSE else 1e-2
    tolerance = rtol * (magnitudes + floor * scale) + TINY
    with np.errstate(all="ignore"):
        if all_finite:
            return np.asarray(np.abs(got - expected) / tolerance)
        units = np.abs(np.where(finite, got - expected, 0.0)) / tolerance
    same_odd = (got == expected) | (np.isnan(got) & np.isnan(expected))
    return np.where(finite, units, np.where(same_odd, 0.0, np.inf))


def exactly_equal(got: np.ndarray, expected: np.ndarray) -> bool:
    """Whether whole numbers of any size are equal; floats count by their exact value."""
    if got.shape != expected.shape:
        return False
    return bool(got.astype(object).ravel().tolist() == expected.astype(object).ravel().tolist())


def _numbers(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, copy=False)
