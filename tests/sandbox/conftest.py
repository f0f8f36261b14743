"""One warm parent per tier for all tests, and what the tests of the sandbox share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autograder.judging.observe import Call
from autograder.sandbox import Sandbox, best_tier

SECRET = "a-secret-of-the-grader-6f1e"
TIERS = ["none", "restricted", "full"]


@pytest.fixture(scope="session")
def started() -> Iterator[dict[str, Sandbox]]:
    """The sandboxes that are up, by tier."""
    made: dict[str, Sandbox] = {}
    yield made
    for sandbox in made.values():
        sandbox.close()


def _of_tier(tier: str, started: dict[str, Sandbox]) -> Sandbox:
    if TIERS.index(tier) > TIERS.index(best_tier()):
        pytest.skip(f"this machine does not offer the tier {tier}")
    if tier not in started:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("A_SECRET", SECRET)
            started[tier] = Sandbox(tier=tier)
    return started[tier]


@pytest.fixture(params=TIERS)
def sandbox(request: pytest.FixtureRequest, started: dict[str, Sandbox]) -> Sandbox:
    """A sandbox of each tier that the machine offers."""
    return _of_tier(request.param, started)


@pytest.fixture(params=["restricted", "full"])
def walled(request: pytest.FixtureRequest, started: dict[str, Sandbox]) -> Sandbox:
    """A sandbox of each tier that confines."""
    return _of_tier(request.param, started)


@pytest.fixture
def best(started: dict[str, Sandbox]) -> Sandbox:
    """The best sandbox of this machine, for questions that are the same in every tier."""
    return _of_tier(best_tier(), started)


@pytest.fixture
def full(started: dict[str, Sandbox]) -> Sandbox:
    return _of_tier("full", started)


@pytest.fixture
def call() -> Call:
    """A call of a function of one matrix."""
    return Call("function", {"returns": ["y"]}, arguments={"x": np.arange(6.0).reshape(2, 3)})


def descendants(pid: int) -> set[int]:
    """Return the processes below one, as the system's /proc tells them."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found
