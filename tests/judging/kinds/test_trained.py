"""Training functions are judged by what their result does with images that they haven't seen."""

from dataclasses import replace

import numpy as np
import pytest

from autograder.judging.exercise import Case, ExerciseError, Seed, Trained
from autograder.judging.metrics import metric
from tests.judging.kinds.small import exercise, prepared, verdict


def draw(rng):
    centres = rng.normal(size=(9, 5))
    labels = np.repeat(np.arange(9), 4)
    images = centres[labels] + 0.05 * rng.normal(size=(36, 5))
    return {
        "images": images[:20],
        "labels": labels[:20],
        "rng": Seed(3),
        "held_out": images[20:],
        "held_out_labels": labels[20:],
    }


TRAINED = exercise(
    Trained(
        held_out="held_out", labels="held_out_labels", metric="val_at_far", options={"far": 0.02}, bar=0.9
    ),
    Case("unseen", "", draw, wall_limit_s=30),
)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_does_a_good_embedding_pass():
    assert verdict(TRAINED, lambda images, labels, rng: unit).passed


def test_is_a_poor_embedding_told_its_metric():
    poor = verdict(TRAINED, lambda images, labels, rng: lambda x: unit(rng.normal(size=x.shape)))
    assert poor.breaks == ("metric",)
    assert "0.9 or more" in poor.says


def test_is_a_collapsed_embedding_poor():
    assert verdict(TRAINED, lambda images, labels, rng: lambda x: unit(np.ones_like(x))).breaks == ("metric",)


def test_has_each_track_its_bar():
    kind = replace(TRAINED.kind, bar={"from_scratch": 0.5, "pytorch": 0.7})
    assert prepared(replace(TRAINED, kind=kind)).options["bar"] == 0.5
    assert prepared(replace(TRAINED, kind=kind), "pytorch").options["bar"] == 0.7
    with pytest.raises(ExerciseError, match="no bar for the track reading"):
        prepared(replace(TRAINED, kind=kind), "reading")


def test_must_rows_have_unit_length():
    assert verdict(TRAINED, lambda images, labels, rng: lambda x: x).breaks == ("unit_rows",)


def test_is_no_callable_explained():
    assert "callable" in verdict(TRAINED, lambda images, labels, rng: 3).says


def test_do_the_held_out_labels_stay_with_the_judge():
    made = prepared(TRAINED)
    assert set(made.call(made.cases[0]).arguments) == {"images", "labels", "rng", "held_out"}


def test_is_the_metric_right_on_four_points():
    rows = np.array([[0.0], [1.0], [1.5], [3.5]])
    assert metric("val_at_far", rows, np.array([0, 0, 1, 1]), {"far": 0.0}) == 0.0
    assert metric("val_at_far", rows, np.array([0, 0, 1, 1]), {"far": 0.25}) == 0.5
    assert metric("nearest_neighbour", rows, np.array([0, 0, 1, 1]), {}) == 0.5
