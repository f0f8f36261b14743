"""What is asked of an answer, and what came of it: plain data that may cross a pipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.judging import claims

Give = Callable[[str], Callable[..., Any]]
"""Finds the function that an argument names; raises KeyError where there is none."""


class WrongForm(Exception):
    """An answer has not the form that its kind asks for; the message is for the student."""


@dataclass(frozen=True)
class Call:
    """How to call an answer once.

    kind, options : which `Kind` observes, and what it needs to know.
    framework : "numpy" or "torch": what the arguments are handed over as.
    arguments : by name, in the order in which they are passed.
    upstream : in PyTorch, the gradient of the loss for each output; empty asks for no gradients.
    measure : measure memory.
    repeat : call twice and say whether both gave the same.
    layout : "plain", "fortran" or "strided".
    wall_limit_s : seconds before the call is interrupted.
    properties : relations between calls to look at, as (name, arguments) pairs.
    linear : how to grow the arguments, to see how the cost grows; empty asks for nothing.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    framework: str = "numpy"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[str, np.ndarray] = field(default_factory=dict)
    measure: bool = False
    repeat: bool = False
    layout: str = "plain"
    wall_limit_s: float = 10.0
    properties: Sequence[Any] = ()
    linear: Mapping[str, Any] = field(default_factory=dict)

    def tree(self) -> dict[str, Any]:
        """Return the call as plain data for `tree.split`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass
class Observation:
    """What calling an answer gave.

    outputs : arrays by name; empty where there was an error.
    gradients : by argument's name, an array, or None where no gradient arrived.
    facts : what else was seen, as plain data (see `FunctionKind`).
    error : None, or a dictionary with type, message, and the line of the answer's own code.
    """

    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    gradients: dict[str, np.ndarray | None] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    def tree(self) -> dict[str, Any]:
        """Return the observation as plain data for `tree.split`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_tree(cls, tree: Any) -> Observation:
        """Undo `tree`; raises ValueError where the data is not an observation."""
        if not isinstance(tree, dict) or set(tree) != set(cls.__dataclass_fields__):
            raise ValueError("this is not an observation")
        refusal = claims.refuse(**tree)
        if refusal is not None:
            raise ValueError(f"this is not an observation: {refusal}")
        return cls(**tree)


def call_from_tree(tree: Mapping[str, Any]) -> Call:
    """Undo `Call.tree`."""
    return Call(**{str(name): value for name, value in tree.items()})
