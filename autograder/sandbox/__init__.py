"""A process for code that we don't trust: confine, wire, warm parent, answerer."""

from autograder.sandbox.probe import best_tier, describe_machine
from autograder.sandbox.session import Sandbox, Session
from autograder.sandbox.terms import CellResult, Limits, SessionDied, Usage

__all__ = [
    "CellResult",
    "Limits",
    "Sandbox",
    "Session",
    "SessionDied",
    "Usage",
    "best_tier",
    "describe_machine",
]
