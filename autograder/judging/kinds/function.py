"""A function from arguments to one output or several, and what else its calls show.

Other kinds turn their answer into such a function (`FunctionKind.adapt`) and are then looked at
in the same way.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from autograder.judging.call import Call, Give, Observation, WrongForm
from autograder.judging.canonical import canonical
from autograder.judging.cost import Cost, numpy_cost, torch_cost
from autograder.judging.foreign import Run, is_stub, is_unwritten, run_quietly
from autograder.judging.kinds import device, growth, relations
from autograder.judging.values import (
    as_outputs,
    copy,
    count_problem,
    dtype_name,
    hand_over,
    is_tensor,
    to_array,
    to_integers,
    unchanged,
)

Adapted = tuple[Callable[..., Any], dict[str, Any]]


class FunctionKind:
    """A function from arrays to one array or a tuple of arrays.

    Options: ``returns``, the names of the outputs; ``form``, ``integer``, ``plain``, ``compare``
    as in `exercise.Function`.  Facts: ``types``, ``dtypes`` and ``tensors`` by output, ``minima`` of
    outputs that are compared otherwise than by entry, ``problem`` where the result has no right
    form, ``changed`` arguments, ``printed``, ``warnings``, ``peak_bytes``, ``largest_bytes``, ``total_bytes``,
    ``repeatable``, ``cut_off`` outputs (no autograd), ``device``, ``broken`` properties, ``growth``.
    """

    has_device = True
    measures_backward = False
    """Whether a limit on memory holds for the backward pass too, because the answer wrote it."""

    def observe(self, answer: Any, call: Call, give: Give | None = None) -> Observation:
        """Call the function on copies of the arguments."""
        refusal = self.refuse(answer, call)
        if refusal is not None:
            return refusal
        arguments = hand_over(call, give)
        given = copy(arguments)
        function, facts = self.adapt(answer, call)
        with _measuring(call, call.measure) as cost:
            run = run_quietly(lambda: function(*arguments.values()), call.wall_limit_s)
        seen, live = describe_result(run, call, arguments)
        if call.measure:
            _note(cost, seen)
        changed = [n for n, v in arguments.items() if not unchanged(given[n], v)]
        seen.facts["changed"] = changed + facts.pop("changed", [])
        seen.facts.update(facts)
        if run.error is None and seen.facts.get("problem") is None:
            again = call.measure and self.measures_backward
            with _measuring(call, again) as cost:
                add_gradients(seen, live, arguments, call)
            if again:
                _note(cost, seen)
            self.look_again(seen, answer, call, give)
        return seen

    def refuse(self, answer: Any, call: Call) -> Observation | None:
        """Say why the answer cannot be called at all, or None."""
        if is_stub(answer):
            return Observation(facts={"not_attempted": True})
        if not callable(answer):
            shown = f"a value of type {type(answer).__name__}"
            return Observation(error={"type": "NotAFunction", "message": shown})
        return refuse_arguments(answer, len(self.takes(call)))

    def takes(self, call: Call) -> list[str]:
        """Return the names of what the answer itself is called with."""
        return list(call.arguments)

    def adapt(self, answer: Any, call: Call) -> Adapted:
        """Return the answer as a function of the arguments, and facts that its calls fill in."""
        return answer, {}

    def look_again(self, seen: Observation, answer: Any, call: Call, give: Give | None) -> None:
        """Call again in other ways, for what one call cannot show."""

        def again(arguments: Mapping[str, Any]) -> Run:
            function, _ = self.adapt(answer, call)
            return run_quietly(lambda: function(*arguments.values()), call.wall_limit_s)

        def tensors(run: Run) -> list[Any]:
            outputs = as_outputs(run.value, list(call.options.get("returns", ["result"]))) or {}
            return [v for n, v in outputs.items() if n not in named(call.options, "plain")]

        if call.repeat:

            def fresh() -> dict[str, Any]:
                return hand_over(call, give)

            if self.has_device and call.framework == "torch" and _only_arrays(call):
                run, seen.facts["device"] = device.follow(fresh, again, tensors)
            else:
                run = again(fresh())
            seen.facts["repeatable"] = _same(seen, describe_result(run, call, call.arguments)[0])
        broken = relations.broken(
            seen, call, lambda changed: describe_result(again(changed), call, changed)[0], give
        )
        if broken:
            seen.facts["broken"] = broken
        if call.linear:
            function, _ = self.adapt(answer, call)
            growth.add(seen, function, call, give)


# --------------------------------------------------------------------------------- before a call


def refuse_arguments(answer: Any, count: int) -> Observation | None:
    """Say so where the answer cannot be called with this many arguments."""
    try:
        inspect.signature(answer).bind(*range(count))
    except TypeError:
        told = f"{getattr(answer, '__name__', 'it')}{inspect.signature(answer)}"
        return Observation(error={"type": "WrongArguments", "message": told[:300]})
    except ValueError:
        return None
    return None


@contextlib.contextmanager
def _measuring(call: Call, wanted: bool) -> Iterator[Cost]:
    if not wanted:
        yield Cost()
        return
    with torch_cost() if call.framework == "torch" else numpy_cost() as cost:
        yield cost


# ---------------------------------------------------------------------------------- after a call


def describe_result(run: Run, call: Call, arguments: Mapping[str, Any]) -> tuple[Observation, dict[str, Any]]:
    """Return what a call gave: as arrays and facts, and the outputs as they are, for autograd."""
    seen = Observation(error=run.error)
    if run.printed.characters:
        seen.facts["printed"] = {"lines": run.printed.lines, "head": run.printed.kept[:200]}
    if run.warned:
        seen.facts["warnings"] = run.warned
    if run.error is not None:
        seen.facts["not_attempted"] = is_unwritten(run.error)
        return seen, {}
    names = list(call.options.get("returns", ["result"]))
    form = call.options.get("form", "tuple")
    values = as_outputs(run.value, names, form)
    if values is None:
        seen.facts["problem"] = count_problem(run.value, names, form)
        return seen, {}
    seen.facts["types"] = {name: type(value).__name__ for name, value in values.items()}
    try:
        live = _compared(seen, values, call, arguments)
    except WrongForm as error:
        seen.facts["problem"] = {"what": "form", "says": str(error)}
        return seen, {}
    _add_arrays(seen, live, call)
    return seen, live


def _compared(
    seen: Observation, values: dict[str, Any], call: Call, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the outputs as they are compared."""
    compare = call.options.get("compare") or {}
    live = canonical(compare, values, arguments) if compare else values
    minima = {name: to_array(values[name])[0] for name in compare}
    seen.facts["tensors"] = {name: is_tensor(values[name.split(" ")[0]]) for name in live}
    if minima:
        kept = {n: a.astype(np.float64) for n, a in minima.items() if a is not None}
        seen.facts["minima"] = {n: float(a.min(initial=np.inf)) for n, a in kept.items()}
        seen.facts["types"] = {name: seen.facts["types"][name.split(" ")[0]] for name in live}
    return live


def _add_arrays(seen: Observation, live: Mapping[str, Any], call: Call) -> None:
    whole = plain_integers(call.options)
    for name, value in live.items():
        array, problem = to_integers(value) if name in whole else to_array(value)
        if problem is not None or array is None:
            seen.facts["problem"] = {"output": name, "what": problem, "got": type(value).__name__}
            return
        seen.outputs[name] = array
    seen.facts["dtypes"] = {name: dtype_name(value, seen.outputs[name]) for name, value in live.items()}


def plain_integers(options: Mapping[str, Any]) -> set[str]:
    """Return the outputs that are Python ints of any size."""
    return named(options, "integer") & named(options, "plain")


def named(options: Mapping[str, Any], option: str) -> set[str]:
    """Return the outputs that an option holds for: it is a bool for all, or a list of names."""
    value = options.get(option, False)
    return set(options.get("returns", ["result"])) if value is True else set(value or ())


def _same(seen: Observation, again: Observation) -> bool:
    return again.outputs.keys() == seen.outputs.keys() and all(
        np.array_equal(seen.outputs[n], again.outputs[n], equal_nan=seen.outputs[n].dtype.kind in "fc")
        for n in seen.outputs
    )


def _note(cost: Cost, seen: Observation) -> None:
    """Keep what a call cost, where it is more than what is known already."""
    for name in ("peak_bytes", "largest_bytes", "total_bytes"):
        seen.facts[name] = max(seen.facts.get(name, 0), getattr(cost, name))


def add_gradients(
    seen: Observation, live: Mapping[str, Any], arguments: Mapping[str, Any], call: Call
) -> None:
    """Add the vector–Jacobian products that the call asks for."""
    if call.framework != "torch" or not call.upstream:
        return
    import torch

    outputs = {n: v for n, v in live.items() if n in call.upstream}
    seen.facts["cut_off"] = [n for n, v in outputs.items() if not (is_tensor(v) and v.requires_grad)]
    inputs = {n: v for n, v in arguments.items() if is_tensor(v) and v.requires_grad}
    kept = {n: v for n, v in outputs.items() if n not in seen.facts["cut_off"]}
    if not kept or not inputs or any(v.shape != call.upstream[n].shape for n, v in kept.items()):
        return

    def backward() -> tuple[Any, ...]:
        loss = sum((v * torch.from_numpy(call.upstream[n]).to(v.dtype)).sum() for n, v in kept.items())
        return torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)

    run = run_quietly(backward, call.wall_limit_s)
    if run.error is not None:
        seen.facts["backward_error"] = run.error
        return
    for name, gradient in zip(inputs, run.value, strict=True):
        seen.gradients[name] = None if gradient is None else to_array(gradient)[0]


# ------------------------------------------------------------------------------ another device


def _only_arrays(call: Call) -> bool:
    return not any(isinstance(value, (Mapping, list, tuple)) for value in call.arguments.values())
