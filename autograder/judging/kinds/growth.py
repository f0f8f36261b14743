"""How a function's cost grows with the number of rows.

Theory of operation
-------------------
A case's arguments are repeated along an axis to two sizes, and memory and operations are counted
at both.  Some quadratic work leaves no trace in memory: a sum over all earlier rows in C, an
einsum of three operands.  So the process's own CPU time is read too, without any counting, at
sizes that double until a call takes long enough to be clear of noise and its growth is clearly
one or the other; where the ratio looks bad and the time is short, both sizes are measured once
more and the better ratio counts.  A grader may read the CPU time from outside instead (`judge`, `cpu_s`).
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.judging.call import Call, Give, Observation
from autograder.judging.cost import Cost, numpy_cost, torch_cost
from autograder.judging.foreign import run_quietly
from autograder.judging.values import as_outputs, hand_over, is_tensor, to_array

CLEAR_S, ENOUGH_S = 0.25, 3.0
EARLY_S, EARLY = 0.1, 4.6
"""A growth below this is clear earlier: what is quadratic in it is too little to be seen at `CLEAR_S` too."""
UNCLEAR = 5.5, 11.5
"""Growth between these may be a small cost per pair beside a large one per row; more rows tell."""
MOST_ROWS = 32768
RETRY_ABOVE = 7.0


def add(seen: Observation, function: Callable[..., Any], call: Call, give: Give | None) -> None:
    """Add the fact ``growth``: bytes and operations by size, CPU seconds at two sizes, operations called."""
    sizes = [int(size) for size in call.linear["sizes"]]
    rows: dict[str, Any] = {"sizes": sizes, "total_bytes": [], "peak_bytes": [], "operations": []}
    cost = Cost()
    for size in sizes:
        cost, error = _counted(seen, function, grown(call, size), give)
        if error is not None:
            seen.facts["growth"] = {"error": error, "size": size}
            return
        for name in ("total_bytes", "peak_bytes", "operations"):
            rows[name].append(getattr(cost, name))
    seen.facts["growth"] = rows | {"called": sorted(cost.called)}
    if not call.linear["outside"] and not _steep(rows):
        seen.facts["growth"]["cpu_s"] = cpu(lambda size: _seconds(function, call, give, size), sizes[0])


def grown(call: Call, size: int) -> Call:
    """Return the call with the named arguments repeated to a number of rows."""
    axis = int(call.linear["axis"])
    arguments = dict(call.arguments)
    for name in call.linear["grow"]:
        array = np.asarray(arguments[name])
        times = -(-size // array.shape[axis])
        repeated = np.concatenate([array] * times, axis=axis)
        arguments[name] = np.take(repeated, range(size), axis=axis)
    upstream = {"all": np.ones(1)} if call.linear["backward"] and call.framework == "torch" else {}
    return replace(call, arguments=arguments, upstream=upstream, linear={})


def _steep(rows: Mapping[str, Any]) -> bool:
    return any(rows[n][-1] > 6 * rows[n][0] for n in ("total_bytes", "peak_bytes", "operations"))


def _counted(
    seen: Observation, function: Callable[..., Any], call: Call, give: Give | None
) -> tuple[Cost, dict[str, Any] | None]:
    arguments = hand_over(call, give)

    def action() -> Any:
        return _forward_and_backward(function, arguments, call)

    with torch_cost(trace_numpy=False) if call.framework == "torch" else numpy_cost() as cost:
        run = run_quietly(action, call.wall_limit_s)
    if run.error is None:
        _keep_first_rows(seen, run.value, call)
    return cost, run.error


def _forward_and_backward(function: Callable[..., Any], arguments: Mapping[str, Any], call: Call) -> Any:
    value = function(*arguments.values())
    if call.upstream:
        leaves = value if isinstance(value, (tuple, list)) else [value]
        sum(leaf.sum() for leaf in leaves if is_tensor(leaf) and leaf.requires_grad).backward()
    return value


def _keep_first_rows(seen: Observation, value: Any, call: Call) -> None:
    """Keep, as "<output> of many rows", as many first rows as the small result has."""
    outputs = as_outputs(value, list(call.options.get("returns", ["result"]))) or {}
    for name, output in outputs.items():
        array, _ = to_array(output)
        small = seen.outputs.get(name)
        if array is not None and small is not None and array.ndim == small.ndim and array.ndim:
            first = array[tuple(slice(side) for side in small.shape)]
            seen.outputs[f"{name} of many rows"] = np.array(first)


def cpu(seconds: Callable[[int], float], first: int) -> dict[str, list[float]]:
    """Return CPU seconds at two numbers of rows, the second four times the first.

    Parameters
    ----------
    seconds : calls with a number of rows and says what that took.
    first : the smallest number of rows.
    """
    seconds(first)  # starts threads and loads what the first call needs
    size, spent = first, [seconds(first)]
    while True:
        size *= 2
        spent.append(seconds(size))
        if len(spent) < 3:
            continue
        small, large = spent[-3], spent[-1]
        if CLEAR_S / 2 <= large < 4 * CLEAR_S and large >= RETRY_ABOVE * small:
            spent[-3] = small = max(small, seconds(size // 4))
            spent[-1] = large = min(large, seconds(size))
        if _is_clear(size, small, large):
            return {"rows": [size // 4, size], "seconds": [small, large]}


def _is_clear(size: int, small: float, large: float) -> bool:
    """Whether a call took long enough, and its growth is like N or far from it."""
    if size >= MOST_ROWS or large >= ENOUGH_S or (large >= EARLY_S and large < EARLY * small):
        return True
    return large >= CLEAR_S and not UNCLEAR[0] * small < large < UNCLEAR[1] * small


def _seconds(function: Callable[..., Any], call: Call, give: Give | None, size: int) -> float:
    large = grown(replace(call, linear={**call.linear, "backward": False}), size)
    arguments = hand_over(large, give)
    with _no_collection(), _one_thread():
        begun = time.process_time()
        run = run_quietly(lambda: function(*arguments.values()), call.wall_limit_s)
        spent = time.process_time() - begun
    return float("inf") if run.error is not None else spent


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch, if it is there at all, to one thread: others that wait for work count as busy."""
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "set_num_threads"):
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector off: one round over all that the libraries hold outweighs a call."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
