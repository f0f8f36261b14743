import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.judging.compare import distance, entrywise

NUMBERS = st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=8).map(np.array)


@given(NUMBERS)
def test_is_an_array_at_no_distance_from_itself(array):
    assert distance(array, array, 1e-6) == 0


@given(NUMBERS, st.floats(1e-3, 1e3))
def test_is_half_the_relative_tolerance_close_enough(array, scale):
    assert distance(array * (1 + 0.5e-6) * scale, array * scale, 1e-6) <= 1


def test_is_the_distance_counted_in_tolerances():
    assert distance(np.array([1.0 + 5e-4]), np.array([1.0]), 1e-4) == pytest.approx(5, rel=1e-2)


def test_are_other_shapes_infinitely_far():
    assert distance(np.ones((2, 1)), np.ones(2), 1e-6) == math.inf


def test_are_empty_arrays_equal():
    assert distance(np.ones((0, 3)), np.ones((0, 3)), 1e-6) == 0


def test_does_an_entry_of_zero_take_its_scale_from_the_others():
    expected = np.array([0.0, 1.0])
    assert distance(np.array([1e-10, 1.0]), expected, 1e-6) <= 1
    assert distance(np.array([1e-8, 1.0]), expected, 1e-6) > 1


def test_does_a_given_scale_forgive_small_entries():
    assert distance(np.array([1e-8]), np.array([0.0]), 1e-6, scale=100.0) <= 1


def test_is_a_zero_expected_everywhere_met_exactly():
    assert distance(np.zeros(3), np.zeros(3), 1e-6) == 0
    assert distance(np.array([1e-30]), np.zeros(1), 1e-6) > 1


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_is_an_odd_entry_equal_to_the_same_one_only(odd):
    odd_one, plain = np.array([odd, 1.0]), np.array([2.0, 1.0])
    assert distance(odd_one, odd_one, 1e-6) == 0
    assert distance(odd_one, plain, 1e-6) == math.inf
    assert distance(plain, odd_one, 1e-6) == math.inf


def test_are_infinities_of_other_signs_far():
    assert distance(np.array([np.inf]), np.array([-np.inf]), 1e-6) == math.inf


def test_does_an_infinite_entry_leave_the_others_strict():
    expected = np.array([np.inf, 1.0])
    assert distance(np.array([np.inf, 1.1]), expected, 1e-6) > 100


def test_is_an_imaginary_part_seen():
    assert distance(np.array([1 + 1j]), np.array([1.0]), 1e-6) > 100


def test_is_each_entry_told_apart():
    units = entrywise(np.array([1.0, 2.0, 3.1]), np.array([1.0, 2.0, 3.0]), 1e-6)
    assert (units > 1).tolist() == [False, False, True]


def test_are_booleans_compared_as_numbers():
    assert distance(np.array([True, False]), np.array([1, 0]), 1e-6) == 0
