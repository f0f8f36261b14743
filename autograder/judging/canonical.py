"""What is compared where several results are right.

Theory of operation
-------------------
Features are right in any order of their columns, a threshold is right if it accepts the right
pairs.  So a comparison turns a result into what all right results share, and that is compared
entry by entry like any other output.  It works on arrays and on tensors, where gradients pass
through it, and is done to the oracle's and the mistakes' outputs too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograder.judging.call import WrongForm
from autograder.judging.values import is_tensor, to_array


def canonical(
    compare: Mapping[str, str], values: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the outputs with those in `compare` replaced by what is compared.

    Raises WrongForm where an output has not the form that its comparison needs.
    """
    outputs: dict[str, Any] = {}
    for name, value in values.items():
        words = compare.get(name, "").split()
        if not words:
            outputs[name] = value
            continue
        outputs.update(COMPARISONS[words[0]](name, _live(name, value), [arguments[w] for w in words[1:]]))
    return outputs


def comparisons(compare: str | Mapping[str, str], returns: Sequence[str]) -> dict[str, str]:
    """Return a comparison by output; raises ValueError where one is not known."""
    named = dict.fromkeys(returns, compare) if isinstance(compare, str) else dict(compare)
    named = {name: words for name, words in named.items() if words}
    unknown = [w for w in named.values() if w.split()[0] not in COMPARISONS]
    if unknown or not set(named) <= set(returns):
        raise ValueError(f"compare={compare!r}: known are {', '.join(COMPARISONS)}, for {', '.join(returns)}")
    return named


def _live(name: str, value: Any) -> Any:
    """Return a tensor as it is, and anything else as an array."""
    if is_tensor(value):
        return value
    array, problem = to_array(value)
    if array is None:
        raise WrongForm(f"The output {name} cannot be turned into an array of numbers ({problem}).")
    return array


def _matrix(name: str, value: Any) -> Any:
    if value.ndim != 2:
        raise WrongForm(f"The {name} has shape {tuple(value.shape)}; it should have one row per position.")
    return value


def _gram(name: str, value: Any, _: Sequence[Any]) -> dict[str, Any]:
    rows = _matrix(name, value)
    return {f"{name} row·row": rows @ rows.T}


def _columns(name: str, value: Any, _: Sequence[Any]) -> dict[str, Any]:
    return {f"{name} columns": np.array(_matrix(name, value).shape[1])} | _gram(name, value, _)


def _row_set(name: str, value: Any, _: Sequence[Any]) -> dict[str, Any]:
    rows = _matrix(name, value)
    array = rows.detach().numpy() if is_tensor(rows) else rows
    order = np.lexsort(array.T[::-1]).tolist() if array.size else []
    return {name: rows[order]}


def _accepted(name: str, value: Any, distances: Sequence[Any]) -> dict[str, Any]:
    """Return which distances are at most the threshold."""
    if value.ndim or np.isnan(float(value)):
        raise WrongForm(f"The {name} is one number; got {value}.")
    limit = float(value)
    taken = [np.asarray(d.detach() if is_tensor(d) else d) <= limit for d in distances]
    return {f"{name} accepts {i}": t for i, t in enumerate(taken)}


COMPARISONS: dict[str, Callable[[str, Any, Sequence[Any]], dict[str, Any]]] = {
    "gram": _gram,
    "columns": _columns,
    "row_set": _row_set,
    "accepted": _accepted,
}
