"""What an answer's observer and its judge need to know about its kind, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autograder.judging import derivation
from autograder.judging.canonical import comparisons
from autograder.judging.exercise import (
    Derivation,
    Derivations,
    ExerciseError,
    Function,
    Kind,
    Module,
    Property,
    Reply,
    Sampler,
    Step,
    Trained,
)
from autograder.judging.metrics import METRICS
from autograder.judging.statistics import STATISTICS

PROPERTIES = ("causal", "prefix", "permuted", "symmetric", "zero_diagonal", "rows_sum_to_one", "unit_rows")


def options(name: str, kind: Kind, properties: Sequence[Property], track: str) -> dict[str, Any]:
    """Return a kind's options in a track.  Raises ExerciseError where one has an unknown name."""
    if isinstance(kind, Derivation):
        return derivation.options(kind)
    if isinstance(kind, Derivations):
        return {"chains": {chain: derivation.options(told) for chain, told in kind.chains.items()}}
    if isinstance(kind, Reply):
        if len(kind.parts) != len(kind.answer):
            raise ExerciseError(f"{name}: the answer has not the parts {', '.join(kind.parts)}")
        return {"parts": list(kind.parts)}
    named = {**_of_values(name, kind), "properties": [[p.name, list(p.of)] for p in properties]}
    if isinstance(kind, Trained):
        named["bar"] = _bar(name, kind, track)
    unknown = {p.name for p in properties} - set(PROPERTIES)
    unknown |= set(named.get("statistics", [])) - set(STATISTICS)
    unknown |= {named["metric"]} - set(METRICS) if "metric" in named else set()
    if unknown:
        raise ExerciseError(f"{name}: {', '.join(sorted(unknown))} is not known")
    return named


def _of_values(name: str, kind: Kind) -> dict[str, Any]:
    base: dict[str, Any] = {"returns": ["result"], "integer": False, "at_least": None}
    if isinstance(kind, Function):
        return base | _of_function(name, kind)
    told: dict[str, Any]
    if isinstance(kind, Step):
        returns = [*kind.returns, *kind.state]
        told = {"returns": returns, "step_returns": list(kind.returns)}
        return (
            base | told | {"state": list(kind.state), "over": list(kind.over), "takes": ["state", *kind.over]}
        )
    if isinstance(kind, Module):
        returns = [*kind.returns, *(["steps"] if kind.steps else [])]
        return base | {
            "returns": returns,
            "build": list(kind.build),
            "inputs": list(kind.inputs),
            "steps": kind.steps,
        }
    if isinstance(kind, Sampler):
        told = {"returns": list(kind.returns), "draws": kind.draws}
        return base | told | {"statistics": list(kind.statistics)}
    if isinstance(kind, Trained):
        told = {"returns": ["embeddings"], "held_out": kind.held_out, "labels": kind.labels}
        return base | told | {"metric": kind.metric, "metric_options": dict(kind.options)}
    return {}


def _bar(name: str, kind: Trained, track: str) -> float:
    if not isinstance(kind.bar, Mapping):
        return kind.bar
    if track not in kind.bar:
        raise ExerciseError(f"{name}: there is no bar for the track {track}")
    return kind.bar[track]


def _of_function(name: str, kind: Function) -> dict[str, Any]:
    try:
        compare = comparisons(kind.compare, kind.returns)
    except ValueError as error:
        raise ExerciseError(f"{name}: {error}") from None
    told: dict[str, Any] = {"returns": list(kind.returns), "at_least": kind.at_least, "form": kind.form}
    told["integer"] = kind.integer if isinstance(kind.integer, bool) else list(kind.integer)
    told["plain"] = kind.plain if isinstance(kind.plain, bool) else list(kind.plain)
    return told | {"compare": compare}


def statement(options: Mapping[str, Any], chain: str | None) -> dict[str, Any]:
    """Return the statement of a derivation, or of one of several; ExerciseError if there is none."""
    if "chains" not in options:
        return dict(options)
    if chain not in options["chains"]:
        raise ExerciseError(f"no chain {chain!r}; there are {', '.join(options['chains'])}")
    return dict(options["chains"][chain])
