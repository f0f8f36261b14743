import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from autograder.judging.cost import numpy_cost, torch_cost

MEGABYTE = 2**20


def test_is_the_peak_seen_though_the_array_is_gone_at_the_end():
    with numpy_cost() as cost:
        np.ones(MEGABYTE // 8).sum()
    assert MEGABYTE <= cost.peak_bytes < 1.5 * MEGABYTE


def test_does_what_was_there_before_count_for_nothing():
    before = np.ones(4 * MEGABYTE // 8)
    with numpy_cost() as cost:
        np.ones(MEGABYTE // 8).sum()
    assert before.nbytes == 4 * MEGABYTE
    assert cost.peak_bytes < 1.5 * MEGABYTE


def test_is_tracing_off_again_afterwards():
    with numpy_cost():
        assert tracemalloc.is_tracing()
    assert not tracemalloc.is_tracing()


def test_does_tracing_that_was_on_before_stay_on():
    tracemalloc.start()
    try:
        with numpy_cost():
            pass
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_is_the_cost_known_when_the_call_raises():
    with pytest.raises(ZeroDivisionError), numpy_cost() as cost:
        np.ones(MEGABYTE // 8)[0] / (1 // 0)
    assert cost.peak_bytes >= MEGABYTE


@pytest.fixture
def loaded():
    """PyTorch with everything that a first dispatched operation imports."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Passing(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    with Passing():
        torch.ones(1).sum()


@pytest.mark.usefixtures("loaded")
def test_is_the_largest_tensor_seen():
    import torch

    with torch_cost() as cost:
        torch.ones(MEGABYTE // 4).sum()
    assert MEGABYTE <= cost.peak_bytes < 1.5 * MEGABYTE


def test_is_the_first_measurement_like_the_second():
    measure = """
import torch
from autograder.judging.cost import torch_cost
for _ in range(2):
    with torch_cost() as cost:
        torch.ones(2**18).sum()
    print(cost.peak_bytes)
"""
    run = subprocess.run([sys.executable, "-c", measure], capture_output=True, text=True, check=True)
    first, second = map(int, run.stdout.split())
    assert first < 2 * second


@pytest.mark.usefixtures("loaded")
def test_does_a_view_count_with_the_storage_behind_it():
    import torch

    row = torch.ones(1, 4)
    with torch_cost() as cost:
        row.expand(MEGABYTE, 4).sum()
    assert cost.peak_bytes < MEGABYTE


@pytest.mark.usefixtures("loaded")
def test_is_an_array_seen_that_a_tensor_function_makes():
    with torch_cost() as cost:
        np.ones(MEGABYTE // 8).sum()
    assert cost.peak_bytes >= MEGABYTE
