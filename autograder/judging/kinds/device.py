"""Whether an answer follows its arguments to another device, on a machine that may have only one.

Theory of operation
-------------------
PyTorch's "meta" device has no data: an answer that makes a tensor on the CPU and mixes it with
its arguments, or returns it, fails or shows there.  But most operations take long on it, for
they are written in Python.  So a call on the CPU is watched first.  Where every operation's
tensors come from the arguments, and none names a device or gives plain numbers, the same
operations would have run wherever the arguments are, and the call on "meta" can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from autograder.judging.foreign import Run
from autograder.judging.operations import place, tensors_in, watching
from autograder.judging.values import is_tensor

Arguments = Mapping[str, Any]
Again = Callable[[Arguments], Run]
Outputs = Callable[[Run], Iterable[Any]]
"""From a call's run to those of its outputs that must be tensors."""


def follow(fresh: Callable[[], Arguments], again: Again, outputs: Outputs) -> tuple[Run, str]:
    """Call an answer again; return the run on the CPU, and the fact ``device``.

    fresh : makes the arguments anew, for an answer may change them.
    """
    run, is_certain = watched(fresh(), again, outputs)
    return run, "kept" if is_certain else told_by(again(on_meta(fresh())), outputs)


def watched(arguments: Arguments, again: Again, outputs: Outputs) -> tuple[Run, bool]:
    """Call on tensors of the CPU; also return whether the answer follows its arguments for certain."""
    known = {place(tensor) for tensor in tensors_in(arguments.values())}
    # What an operation made is kept alive: else its place could be another tensor's soon.
    made: list[Any] = []
    strays: list[Any] = []

    def look(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        given = list(tensors_in((*args, *kwargs.values())))
        results = list(tensors_in((result,)))
        derived = given and results and kwargs.get("device") is None
        if not derived or any(place(tensor) not in known for tensor in given):
            strays.append(func)
        made.extend(results)
        known.update(map(place, results))

    with watching(look):
        run = again(arguments)
    follows = run.error is None and not strays
    return run, follows and all(is_tensor(v) and place(v) in known for v in outputs(run))


def on_meta(arguments: Arguments) -> dict[str, Any]:
    """Return the arguments with their tensors on the "meta" device."""
    return {n: v.detach().to("meta") if is_tensor(v) else v for n, v in arguments.items()}


def told_by(run: Run, outputs: Outputs) -> str:
    """Judge a call on the "meta" device: a tensor made on the CPU shows there."""
    if run.error is not None:
        words = ("on the same device", "found at least two devices", "is not on the expected device")
        return "mixed" if any(w in run.error["message"] for w in words) else "unknown"
    return "kept" if all(is_tensor(v) and v.device.type == "meta" for v in outputs(run)) else "lost"
