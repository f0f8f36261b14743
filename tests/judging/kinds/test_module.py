"""Layers are given their parameters, and run as a whole and step by step."""

import numpy as np
import torch
from torch import nn

from autograder.judging.exercise import Case, Given, Module
from tests.judging.kinds.small import exercise, verdict


class Running(nn.Module):
    grows = False

    def __init__(self, width, feature_map):
        super().__init__()
        self.value = nn.Linear(width, width)
        self.feature_map = feature_map

    def forward(self, x):
        return self.feature_map(self.value(x)).cumsum(1)

    def initial_state(self, batch_size):
        return (
            [self.value.bias.new_zeros(batch_size, 1)]
            if self.grows
            else self.value.bias.new_zeros(batch_size, 1)
        )

    def step(self, x_i, state):
        now = self.feature_map(self.value(x_i))
        if self.grows:
            state = [*state, now]
            return sum(state), state
        return now + state, now + state


class Growing(Running):
    grows = True


class Detached(Running):
    def forward(self, x):
        return self.feature_map(nn.functional.linear(x, self.value.weight.detach(), self.value.bias)).cumsum(
            1
        )


class Renamed(nn.Module):
    def __init__(self, width, feature_map):
        super().__init__()
        self.v = nn.Linear(width, width)

    def forward(self, x):
        return self.v(x)


def oracle(width, feature_map, x, weight, bias):
    return np.cumsum(feature_map(x @ weight.T + bias), axis=1)


def draw(rng):
    told = {"width": 3, "feature_map": Given("elu_plus_one"), "x": rng.normal(size=(2, 4, 3))}
    return told | {"value.weight": rng.normal(size=(3, 3)), "value.bias": rng.normal(size=3)}


LAYER = exercise(
    Module(build=("width", "feature_map"), steps=True),
    Case("typical", "", draw),
    Case("float32", "", draw, dtype="float32"),
    oracle=oracle,
)


def test_does_a_right_layer_pass():
    assert verdict(LAYER, Running, "pytorch").passed


def test_may_the_state_not_grow():
    growing = verdict(LAYER, Growing, "pytorch")
    assert growing.breaks == ("growing_state",)


def test_must_gradients_reach_the_parameters():
    assert verdict(LAYER, Detached, "pytorch").breaks == ("autograd",)


def test_is_a_missing_member_named():
    assert "value.weight" in verdict(LAYER, Renamed, "pytorch").says


def test_is_a_layer_that_steps_otherwise_wrong():
    class Late(Running):
        def step(self, x_i, state):
            return state + 0 * x_i, self.feature_map(self.value(x_i)) + state

    assert "steps" in verdict(LAYER, Late, "pytorch").says


def test_is_something_else_refused():
    assert "torch.nn.Module" in verdict(LAYER, torch.relu, "pytorch").says
