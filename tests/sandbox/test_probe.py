"""What the machine offers, found by trying."""

from __future__ import annotations

import platform
import time

import pytest

from autograder.sandbox import Sandbox, best_tier, describe_machine, probe


def test_is_the_best_tier_found_once() -> None:
    first = best_tier()
    begun = time.monotonic()
    assert best_tier() == first
    assert time.monotonic() - begun < 0.1
    assert first in ("full", "restricted", "none")


def test_does_every_row_have_a_state_and_a_sentence() -> None:
    for what, state, says in describe_machine():
        assert what
        assert state in ("yes", "no", "limited")
        assert says.endswith(".")


def test_does_a_platform_without_walls_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    probe._probe.cache_clear()
    try:
        assert best_tier() == "none"
        assert describe_machine()[0][1] == "no"
    finally:
        probe._probe.cache_clear()


def test_is_an_unknown_tier_refused() -> None:
    with pytest.raises(ValueError, match="not a tier"):
        Sandbox(tier="half")
