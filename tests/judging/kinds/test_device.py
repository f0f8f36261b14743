"""Does an answer follow its arguments to another device?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograder.judging.kinds import device
from autograder.judging.observe import Call, observe

torch = pytest.importorskip("torch")
CONSTANT = torch.ones(2, 3, dtype=torch.float64)
TABLE = np.ones((2, 3))
CERTAIN: dict[str, Callable[[Any], Any]] = {
    "derived": lambda x: (x * 2 + x.mean()).clamp(min=0.5) @ x.T,
    "like it": lambda x: x + torch.zeros_like(x) + x.new_ones(2, 3),
    "in place": lambda x: x.clone().mul_(2).sqrt_(),
    "several at once": lambda x: torch.stack(x.abs().unbind()),
}
ASKED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a device named": (lambda x: torch.zeros_like(x, device="cpu") + 1, "lost"),
    "the argument's device": (lambda x: x + torch.ones(2, 3, dtype=x.dtype, device=x.device), "kept"),
    "a constant from outside": (lambda x: x * CONSTANT, "mixed"),
    "a table of NumPy's": (lambda x: x * torch.from_numpy(TABLE), "mixed"),
    "returned as it came": (lambda x: torch.from_numpy(TABLE), "lost"),
    "a number looked at": (lambda x: x * float(x.sum()), "unknown"),
    "made from nothing": (lambda x: torch.randn(2, 3), "lost"),
}


def call() -> Call:
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    options = {"returns": ["result"], "properties": []}
    return Call("function", options, framework="torch", arguments={"x": x}, repeat=True)


@pytest.mark.parametrize("name", CERTAIN)
def test_is_the_other_device_left_out_where_nothing_could_differ(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(device, "on_meta", lambda arguments: pytest.fail("called there"))
        assert observe(CERTAIN[name], call()).facts["device"] == "kept"
    # And it is the same there.
    monkeypatch.setattr(device, "watched", lambda arguments, again, outputs: (again(arguments), False))
    assert observe(CERTAIN[name], call()).facts["device"] == "kept"


@pytest.mark.parametrize("name", ASKED)
def test_is_an_answer_asked_there_that_could_differ(name: str) -> None:
    answer, expected = ASKED[name]
    assert observe(answer, call()).facts["device"] == expected


def test_is_the_place_of_what_is_gone_not_taken_for_its_own() -> None:
    def answer(x: Any) -> Any:
        for _ in range(50):
            x = x * 1.0
            x = x + 0 * torch.from_numpy(TABLE)
        return x

    assert observe(answer, call()).facts["device"] == "mixed"
