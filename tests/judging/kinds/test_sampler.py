"""Samplers are judged by statistics, by structure and by what they do with the generator."""

import numpy as np
import pytest

from autograder.judging.exercise import Case, Sampler, Seed
from tests.judging.kinds.small import exercise, mistake, verdict


def many(rng):
    return {"num_frequencies": 8003, "dim": 4, "sigma2": 2.3, "rng": Seed(int(rng.integers(2**31)))}


def right(r, d, s, rng):
    return rng.normal(size=(r, d)) / np.sqrt(s)


def orthogonal(r, d, s, rng, lengths="chi", fresh=True):
    blocks = []
    for _ in range(-(-r // d)):
        if fresh or not blocks:
            q, _ = np.linalg.qr(rng.normal(size=(d, d)))
        norms = np.linalg.norm(rng.normal(size=(d, d)), axis=1) if lengths == "chi" else np.full(d, d**0.5)
        blocks.append(q.T * norms[:, None])
    return np.concatenate(blocks)[:r] / np.sqrt(s)


GAUSSIAN = exercise(
    Sampler(statistics=("mean", "variance", "covariance", "fourth_moment", "independent_rows")),
    Case("many", "many of them", many),
    mistakes=[
        mistake("std_sigma", lambda r, d, s, rng: rng.normal(size=(r, d)) * np.sqrt(s)),
        mistake("std_sigma2", lambda r, d, s, rng: rng.normal(size=(r, d)) / s),
        mistake("uniform", lambda r, d, s, rng: rng.uniform(-1, 1, size=(r, d)) * np.sqrt(3 / s)),
    ],
)
BLOCKS = exercise(
    Sampler(
        statistics=(
            "variance_per_column",
            "orthogonal_blocks",
            "row_lengths",
            "independent_lengths",
            "independent_blocks",
            "uniform_directions",
        )
    ),
    Case("many", "many of them", many),
)


def test_do_right_frequencies_pass():
    assert verdict(GAUSSIAN, right).passed
    assert verdict(
        GAUSSIAN, lambda r, d, s, rng: rng.multivariate_normal(np.zeros(d), np.eye(d) / s, r)
    ).passed


def test_do_right_frequencies_pass_in_pytorch():
    import torch

    def drawn(r, d, s, rng):
        return torch.randn(r, d, generator=rng) / s**0.5

    assert verdict(GAUSSIAN, drawn, "pytorch", framework="numpy").passed


@pytest.mark.parametrize("slip", GAUSSIAN.mistakes, ids=lambda m: m.id)
def test_is_a_slip_known_by_its_statistics(slip):
    def other(r, d, s, rng):
        rng.normal(size=7)
        return slip.function(r, d, s, rng)

    assert verdict(GAUSSIAN, other).mistake == slip.id


def test_is_the_odd_statistic_named():
    assert (
        "fourth moment"
        in verdict(GAUSSIAN, lambda r, d, s, rng: rng.laplace(size=(r, d)) / (2 * s) ** 0.5).says
    )


def test_is_a_repeated_row_seen():
    assert not verdict(GAUSSIAN, lambda r, d, s, rng: np.tile(rng.normal(size=d) / s**0.5, (r, 1))).passed


def test_is_the_wrong_shape_told():
    assert "(8003, 4)" in verdict(GAUSSIAN, lambda r, d, s, rng: right(d, r, s, rng)).says


def test_must_the_given_generator_be_used():
    assert verdict(GAUSSIAN, lambda r, d, s, rng: np.random.randn(r, d) / s**0.5).breaks == ("global_rng",)
    fixed = verdict(GAUSSIAN, lambda r, d, s, rng: right(r, d, s, np.random.default_rng(1)))
    assert fixed.breaks == ("seed",)


def test_do_orthogonal_frequencies_pass():
    assert verdict(BLOCKS, orthogonal).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (right, "orthogonal"),
        (lambda r, d, s, rng: orthogonal(r, d, s, rng, lengths="equal"), "lengths"),
        (lambda r, d, s, rng: orthogonal(r, d, s, rng, fresh=False), ""),
        (
            lambda r, d, s, rng: np.resize(np.eye(d), (r, d)) * rng.chisquare(d, size=(r, 1)) ** 0.5 / s**0.5,
            "",
        ),
    ],
    ids=["not_orthogonal", "equal_lengths", "one_block_repeated", "axes_only"],
)
def test_are_wrong_orthogonal_frequencies_caught(wrong, says):
    said = verdict(BLOCKS, wrong)
    assert not said.passed
    assert says in said.says


# --------------------------------------------------------------------------------------- batches

LABELS = np.array([3, 3, 3, 8, 8, 1, 1, 1, 1, 5, 8, 9, 9, 9])


def batch(labels, p, k, rng):
    names, counts = np.unique(labels, return_counts=True)
    if np.sum(counts >= k) < p:
        raise ValueError("too few identities")
    chosen = rng.choice(names[counts >= k], p, replace=False)
    return np.concatenate([rng.choice(np.flatnonzero(labels == c), k, replace=False) for c in chosen])


def labelled(p):
    def draw(rng):
        return {
            "labels": LABELS,
            "num_identities": p,
            "per_identity": 3,
            "rng": Seed(int(rng.integers(2**31))),
        }

    return draw


BATCHES = exercise(
    Sampler(statistics=("batch_structure", "identities_uniform", "images_uniform"), draws=400),
    Case("batches", "many batches", labelled(2)),
    Case("too_few", "too few identities", labelled(5), raises="ValueError"),
)


def first_images(labels, p, k, rng):
    chosen = rng.choice([1, 3, 8, 9], p, replace=False)
    if p > 4:
        raise ValueError("too few")
    return np.concatenate([np.flatnonzero(labels == c)[:k] for c in chosen])


def with_repeats(labels, p, k, rng):
    if p > 4:
        raise ValueError("too few")
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == c), k) for c in rng.choice([1, 3, 8, 9], p, replace=False)]
    )


def test_do_right_batches_pass():
    assert verdict(BATCHES, batch).passed


def test_are_repeated_images_caught():
    assert "rule" in verdict(BATCHES, with_repeats).says


def test_are_images_that_never_come_caught():
    assert (
        "an image is in" in verdict(BATCHES, first_images).says.replace("images", "image")
        or not verdict(BATCHES, first_images).passed
    )
