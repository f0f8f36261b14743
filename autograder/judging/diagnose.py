"""From an observation to one sentence that helps.

Theory of operation
-------------------
`inspect` looks at one case and stops at the first thing that is wrong, in the order: raised an
error, type, shape, dtype, not finite, values, properties (autograd, gradient, changed
arguments, memory, growth, device, repeatability).  `known_mistake` looks at all cases together: the
answer is a known slip if its outputs equal that slip's outputs on every case.  Where neither a
slip nor an early failure explains the values, `symptom` names the plainest pattern that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.judging.compare import distance, entrywise, exactly_equal
from autograder.judging.kinds.function import named
from autograder.judging.metrics import metric
from autograder.judging.observe import Observation
from autograder.judging.prepare import Prepared, PreparedCase
from autograder.judging.statistics import SAYS

ERROR, TYPE, SHAPE, DTYPE, FINITE, VALUES, PROPERTY = range(7)
STAGE_PROPERTIES = {
    ERROR: "error",
    TYPE: "type",
    SHAPE: "shape",
    DTYPE: "dtype",
    FINITE: "finite",
    VALUES: "values",
}
GRADIENT_RTOL = 1e-5
MOST_GROWTH = 6.0
"""From N to 4N; linear work grows fourfold, quadratic work sixteenfold."""
MOST_CPU_GROWTH = 11.0
CLEAR_CPU_S = 0.125
COMPARED = {
    "row·row": "table of inner products between the rows of",
    "columns": "number of columns of",
    "accepts": "choice of what is accepted by",
}
GRADIENT_SAYS = {
    False: " Is a step done outside autograd?",
    True: " Compare what backward returns for it with the formula, term by term.",
}
GROWTH_SAYS = {
    "total_bytes": "memory asked for in total",
    "peak_bytes": "memory held at once",
    "operations": "number of operations",
}
RELATED = {
    "causal": "It depends on the future: changing later rows changes earlier outputs.",
    "prefix": "On the first rows alone the outputs are others than on the whole.",
    "permuted": "It depends on the order of rows that belong together, which should not matter.",
}
EXACT: dict[str, Callable[[np.ndarray, float], bool]] = {
    "symmetric": lambda a, rtol: bool(np.array_equal(a, a.T)),
    "zero_diagonal": lambda a, rtol: not np.any(np.diagonal(a)),
    "rows_sum_to_one": lambda a, rtol: bool(np.allclose(a.sum(axis=1), 1.0, rtol=10 * rtol)),
    "unit_rows": lambda a, rtol: bool(np.allclose(np.linalg.norm(a, axis=1), 1.0, rtol=10 * rtol)),
}
EXACT_SAYS = {
    "symmetric": (
        "not exactly symmetric",
        "The result is symmetric up to rounding only; it should be so exactly.",
    ),
    "zero_diagonal": (
        "the diagonal is not zero",
        "The diagonal should be exactly zero, and rounding left something.",
    ),
    "rows_sum_to_one": ("rows don't sum to one", "The rows of the result should sum to one."),
    "unit_rows": ("rows not of length one", "The rows of the result should have length one."),
}


@dataclass(frozen=True)
class Finding:
    """What is wrong with one case.

    breaks : the property, in the words of `Mistake.breaks`.
    brief : a few words for the table.
    says : a sentence or two for the diagnosis.
    """

    stage: int
    breaks: str
    brief: str
    says: str
    output: str | None = None


def tolerance(case: PreparedCase, got: np.ndarray) -> float:
    """Return the relative tolerance: float32 anywhere means the float32 one."""
    is_coarse = any(
        v.dtype.kind == "f" and v.dtype.itemsize <= 4
        for v in (got, *case.arguments.values())
        if isinstance(v, np.ndarray)
    )
    return case.rtol32 if is_coarse else case.rtol


def inspect(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    """Return the first thing that is wrong with what was seen, or None."""
    if case.raises is not None:
        return _raises(prepared, case, seen)
    steps: list[Callable[[Prepared, PreparedCase, Observation], Finding | None]] = [
        _error,
        _form,
        _shapes,
        _dtypes,
        _finite,
        _values,
        _range,
        _exactly,
        _related,
        _metric,
        _autograd,
        _gradcheck,
        _changed,
        _memory,
        _growth,
        _state_size,
        _random,
        _device,
        _repeatable,
    ]
    for step in steps:
        finding = step(prepared, case, seen)
        if finding is not None:
            return finding
    return None


# ------------------------------------------------------------------------------- early failures


def _error(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    if seen.error is None:
        return None
    kind, message = str(seen.error.get("type")), str(seen.error.get("message"))
    names = ", ".join(prepared.options.get("takes", case.arguments))
    if kind == "WrongForm":
        return Finding(TYPE, "type", "another form", message)
    if kind == "NotAFunction":
        says = (
            f"The check needs the function itself, but got {message}. Pass {prepared.name}, without brackets."
        )
        return Finding(ERROR, "error", "not a function", says)
    if kind == "WrongArguments":
        says = f"The function is called with ({names}), in this order, but yours is {message}."
        return Finding(ERROR, "error", "other arguments", says)
    if kind == "TimeLimit":
        says = f"The function did not come back: {message}. Look for a loop that never ends."
        return Finding(ERROR, "error", "did not come back", says)
    if kind == "NotImplementedError" and not message and seen.error.get("function"):
        says = f"The function calls {seen.error['function']}, which is not written yet."
        return Finding(ERROR, "error", f"needs {seen.error['function']}", says)
    if "leaf" in message and "in-place" in message:
        says = (
            "The function changes one of its arguments in place, which autograd forbids. Make a new tensor."
        )
        return Finding(ERROR, "error", "changes an argument in place", says)
    says = f"The function raised {kind}: {message}" if message else f"The function raised {kind}."
    if seen.error.get("line"):
        says += f"  It happened in line {seen.error.get('line_number')}: {seen.error.get('line')}"
    return Finding(ERROR, "error", f"raised {kind}", says)


def _raises(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    """Judge a case in which the answer must raise an error."""
    raised = None if seen.error is None else seen.error.get("type")
    if raised == case.raises:
        return None
    if raised in ("NotAFunction", "WrongArguments", "TimeLimit"):
        return _error(prepared, case, seen)
    brief = f"raised {raised}" if raised else f"no {case.raises}"
    says = f"With these arguments ({case.says}) a {case.raises} is asked for, but "
    says += f"the function raised {raised}." if raised else "the function returned as if nothing were wrong."
    return Finding(ERROR, "error", brief, says)


def _form(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    problem = seen.facts.get("problem")
    if problem is not None:
        says = _form_sentence(prepared, problem)
        return Finding(TYPE, "type", str(problem.get("what")).replace("_", " "), says, problem.get("output"))
    plain = named(prepared.options, "plain")
    for name, got in seen.outputs.items():
        if name not in seen.facts.get("tensors", {name: 0}):
            continue
        if got.dtype.kind == "c" and not _is_complex(case.expected.get(name)):
            says = f"The {_label(prepared, name)} has complex numbers, where real ones are asked for."
            return Finding(TYPE, "type", "complex numbers", says, name)
        if name.split(" ")[0] in plain:
            continue
        if prepared.framework == "torch" and not seen.facts.get("tensors", {}).get(name, False):
            kind = seen.facts.get("types", {}).get(name)
            says = (
                f"The {_label(prepared, name)} is a {kind}. Return a torch.Tensor, made by PyTorch operations"
                " from the arguments, so that autograd can follow it."
            )
            return Finding(TYPE, "type", f"a {kind}, not a tensor", says, name)
    return None


def _is_complex(array: np.ndarray | None) -> bool:
    return array is not None and array.dtype.kind == "c"


def _form_sentence(prepared: Prepared, problem: Mapping[str, Any]) -> str:
    names = ", ".join(prepared.options["returns"])
    what = problem.get("what")
    label = _label(prepared, problem["output"]) if problem.get("output") else "result"
    sentences = {
        "none": f"The {label} is None. Does the function end in a return statement?",
        "count": f"The function returned {problem.get('got')} things; return {problem.get('expected')}: ({names}).",
        "not_a_tuple": f"The function returned one {problem.get('got')}; return a tuple of {problem.get('expected')}:"
        f" ({names}).",
        "ragged": f"The {label} is a ragged list: its rows have different lengths. Return one rectangular array.",
        "object": f"The {label} is an array of Python objects, not of numbers. Is a None or a list among its entries?",
        "text": f"The {label} holds text, not numbers.",
        "array_failed": f"The {label} cannot be turned into an array of numbers.",
        "not_int": f"The {label} is a {problem.get('got')}. Return a whole number: a Python int, which is exact"
        " however large it is.",
        "keys": f"The dictionary lacks {problem.get('missing') or 'nothing'} and has beside what is asked for"
        f" {problem.get('extra') or 'nothing'}; its keys are ({names}).",
        "not_a_dict": f"The function returned a {problem.get('got')}; return a dictionary with the keys ({names}).",
        "form": str(problem.get("says")),
        "sample_shape": f"What was drawn has shape {problem.get('got')}; it should be"
        f" {problem.get('expected')}.",
        "sample_numbers": "What was drawn is not all real, finite numbers.",
    }
    return sentences.get(str(what), f"The {label} cannot be read.")


def _label(prepared: Prepared, output: str) -> str:
    base, _, compared = output.partition(" ")
    label = "result" if len(prepared.options["returns"]) == 1 else f"output {base}"
    word = compared.split(" ")[0]
    return f"{COMPARED[word]} the {label}" if word in COMPARED else label


def _shapes(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    for name, expected in case.expected.items():
        got = seen.outputs.get(name)
        if got is None:
            return Finding(
                TYPE, "type", f"no {name}", f"The {_label(prepared, name)} did not come back.", name
            )
        if got.shape != expected.shape:
            given = ", ".join(
                f"{n} {v.shape}" for n, v in case.arguments.items() if isinstance(v, np.ndarray)
            )
            says = f"The {_label(prepared, name)} has shape {got.shape}; for {given} it should be {expected.shape}."
            if got.ndim == 2 and got.T.shape == expected.shape:
                says += " It looks transposed."
            return Finding(SHAPE, "shape", f"shape {got.shape}, not {expected.shape}", says, name)
    return None


def _dtypes(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    if prepared.framework != "torch" or prepared.kind in ("sampler", "trained"):
        return None
    free = named(prepared.options, "integer") | named(prepared.options, "plain")
    floats = {
        v.dtype.name for v in case.arguments.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"
    }
    expected = max(floats, key=len, default="float32") if len(floats) != 1 else next(iter(floats))
    for name, dtype in seen.facts.get("dtypes", {}).items():
        if name.split(" ")[0] in free or name.endswith(" columns"):
            continue
        if dtype != expected:
            says = f"The {_label(prepared, name)} is {dtype}; for these arguments it should be {expected}."
            says += " " + (
                "Keep the arguments' dtype." if floats else "Promote integers to the default dtype."
            )
            return Finding(DTYPE, "dtype", f"{dtype}, not {expected}", says, name)
    return None


def _finite(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    for name, got in seen.outputs.items():
        if got.dtype.kind not in "fc":
            continue
        odd = ~np.isfinite(got)
        if odd.any():
            count = f"{int(odd.sum())} of {got.size} entries"
            word = "NaN" if np.isnan(got).any() else "infinite"
            says = f"{count} of the {_label(prepared, name)} are {word}. Something overflowed, or was divided by zero."
            return Finding(FINITE, "values", f"{count} {word}", says, name)
    return None


def _values(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    for name, expected in case.expected.items():
        got = seen.outputs[name]
        if same(prepared, case, name, got, expected):
            continue
        label = _label(prepared, name)
        if name in case.spread:
            brief, says = _statistic(name, got, expected, case.spread[name])
        elif got.dtype.kind == "O" or expected.dtype.kind == "O":
            brief = f"expected {_first_unlike(expected, got)}, got {_first_unlike(got, expected)}"
            says = f"The {label} is off: {brief}."
        elif expected.dtype.kind == "b" and expected.size == got.size == 1:
            brief = f"expected {bool(expected.item())}, got {bool(got.item())}"
            says = f"The {label} is off: {brief}."
        else:
            rtol = 0.0 if name in named(prepared.options, "integer") else tolerance(case, got)
            brief, says = symptom(_as_numbers(got), _as_numbers(expected), max(rtol, 1e-9), label)
        says += "".join(f" {RELATED[p]}" for p in seen.facts.get("broken", []) if p in RELATED)
        return Finding(VALUES, "values", brief, says, name)
    return None


def _statistic(name: str, got: np.ndarray, expected: np.ndarray, spread: np.ndarray) -> tuple[str, str]:
    """Say by how much a statistic is off, where it is most."""
    worst = int(np.argmax(np.abs(got - expected) / spread))
    value, right, room = (float(a.flat[worst]) for a in (got, expected, spread))
    brief = f"{name}: {value:.4g}, not {right:.4g}"
    allowed = f" (chance allows ±{room:.2g})" if room > 1e-6 else ""
    return brief, f"Over all that was drawn, {SAYS[name]} is {value:.4g} where {right:.4g} is right{allowed}."


def _as_numbers(array: np.ndarray) -> np.ndarray:
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def _first_unlike(one: np.ndarray, other: np.ndarray) -> str:
    pairs = zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)
    return str(next((a for a, b in pairs if a != b), ""))


# ----------------------------------------------------------------------------------- properties


def _range(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    least = prepared.options["at_least"]
    if least is None:
        return None
    lowest = {n: float(v.min(initial=least)) for n, v in seen.outputs.items() if v.dtype.kind in "biuf"}
    for name, low in (lowest | dict(seen.facts.get("minima", {}))).items():
        if low < least and (name in seen.facts.get("minima", {}) or not seen.facts.get("minima")):
            says = f"The {_label(prepared, name)} is right up to rounding, but an entry is {low:.3g},"
            says += f" below {least:g}, which it can never be. Guard against rounding."
            return Finding(PROPERTY, "range", f"an entry is {low:.3g}", says, name)
    return None


def _exactly(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    """Check the properties that the outputs show by themselves."""
    for name in [name for name, _ in prepared.options.get("properties", []) if name in EXACT]:
        for output, got in seen.outputs.items():
            if got.ndim == 2 and not EXACT[name](got, tolerance(case, got)):
                return Finding(PROPERTY, name, EXACT_SAYS[name][0], EXACT_SAYS[name][1], output)
    return None


def _related(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    for name in seen.facts.get("broken", []):
        if name in RELATED:
            return Finding(PROPERTY, name, f"not {name}", f"The values are right here, but: {RELATED[name]}")
    return None


def _metric(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    """Judge a trained embedding by labels that it never saw."""
    if prepared.kind != "trained":
        return None
    rows, labels = seen.outputs["embeddings"], np.asarray(case.private[prepared.options["labels"]])
    if rows.ndim != 2 or len(rows) != len(labels):
        says = f"The embedding of {len(labels)} images has shape {rows.shape}; one row for each is asked for."
        return Finding(SHAPE, "shape", f"shape {rows.shape}", says, "embeddings")
    if np.abs(np.linalg.norm(rows.astype(np.float64), axis=1) - 1).max(initial=0.0) > 1e-3:
        says = (
            "The embedding's rows are not of length one. Normalise them inside the callable that you return."
        )
        return Finding(PROPERTY, "unit_rows", "rows not of length one", says)
    name, bar = prepared.options["metric"], prepared.options["bar"]
    value = metric(name, rows, labels, prepared.options["metric_options"])
    if value >= bar:
        return None
    says = f"On what it has not seen, {name.replace('_', ' ')} is {value:.3f}; {bar:g} or more is asked for."
    return Finding(PROPERTY, "metric", f"{value:.3f}, not {bar:g}", says)


def _autograd(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    if not case.upstream:
        return None
    cut = seen.facts.get("cut_off", [])
    if cut:
        label = _label(prepared, cut[0])
        says = (
            f"The values are right, but the {label} is cut off from autograd, so no gradient can flow back."
            " Stay within PyTorch operations on the arguments: no .detach(), .numpy(), .item() or torch.tensor(…)."
        )
        return Finding(PROPERTY, "autograd", "cut off from autograd", says, cut[0])
    if "backward_error" in seen.facts:
        says = f"The backward pass raised {seen.facts['backward_error'].get('type')}: "
        says += str(seen.facts["backward_error"].get("message"))
        return Finding(PROPERTY, "gradient", "the backward pass failed", says)
    scale = max((abs(slope) for slope in case.slopes.values()), default=0.0)
    for name, slope in case.slopes.items():
        got = seen.gradients.get(name)
        if got is None and abs(slope) <= 1e-6 * scale:
            continue
        if got is None:
            says = f"The values are right, but no gradient reaches {name}."
            return Finding(PROPERTY, "autograd", f"no gradient reaches {name}", says)
        if _slope_off(got, case.directions[name], slope, scale):
            says = f"The values are right, but the gradient that reaches {name} is not."
            says += GRADIENT_SAYS[prepared.kind == "autograd_function"]
            return Finding(PROPERTY, "gradient", f"wrong gradient for {name}", says)
    return None


def _slope_off(gradient: np.ndarray, direction: np.ndarray, slope: float, scale: float) -> bool:
    """Whether a gradient has another slope along a direction than it should."""
    if gradient.shape != direction.shape:
        return True
    along = np.array(np.sum(gradient.astype(np.float64) * direction))
    return distance(along, np.array(slope), GRADIENT_RTOL, scale) > 1


def _changed(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    changed = seen.facts.get("changed", [])
    if not changed:
        return None
    says = f"The function changes its argument {changed[0]}. Work on a copy, or avoid operations in place such as +=."
    return Finding(PROPERTY, "changes_arguments", f"changes {changed[0]}", says)


def _memory(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    limits = (
        ("peak_bytes", case.peak_bytes, "held {} MB at once"),
        ("largest_bytes", case.largest_bytes, "asked for {} MB at once"),
        ("total_bytes", case.total_bytes, "asked for {} MB in all"),
    )
    for fact, limit, did in limits:
        if limit is None or seen.facts.get(fact, 0) <= limit:
            continue
        got, most = seen.facts[fact] / 2**20, limit / 2**20
        did = did.format(f"{got:.3g}")
        says = f"The values are right, but the call {did}; {most:.3g} MB must do here."
        return Finding(PROPERTY, "memory", f"needs {got:.3g} MB, not {most:.3g}", says)
    return None


def _growth(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    """Judge how the cost grows from one number of rows to four times as many."""
    if not case.linear:
        return None
    grown = seen.facts.get("growth", {})
    if "error" in grown or "sizes" not in grown:
        error = grown.get("error") or {"type": "nothing", "message": ""}
        says = f"With {grown.get('size', 'many')} rows the function raised {error.get('type')}: {error.get('message')}"
        return Finding(PROPERTY, "not_linear", "fails for many rows", says)
    first, last = grown["sizes"][0], grown["sizes"][-1]
    for name, words in GROWTH_SAYS.items():
        few, many = grown[name][0], grown[name][-1]
        if many > MOST_GROWTH * last / first / 4 * few and many > 2**16:
            brief = f"{words} ×{many / max(few, 1):.1f} from N = {first} to {last}"
            return Finding(PROPERTY, "not_linear", brief, _not_linear(words, many / max(few, 1), first, last))
    return _called(case, grown) or _cpu(grown) or _first_rows(prepared, case, seen)


def _not_linear(words: str, factor: float, first: int, last: int) -> str:
    return (
        f"The values are right, but from N = {first} to N = {last} the {words} grows {factor:.1f}-fold, where"
        f" a linear answer's grows {last / first:g}-fold. What is done once per pair of rows?"
    )


def _called(case: PreparedCase, grown: Mapping[str, Any]) -> Finding | None:
    called = [c for c in grown["called"] if any(word in c for word in case.linear["forbid"])]
    if not called:
        return None
    says = f"The values are right, but {called[0]} looks at every pair of rows: that is quadratic in N."
    return Finding(PROPERTY, "not_linear", f"calls {called[0]}", says)


def _cpu(grown: Mapping[str, Any]) -> Finding | None:
    spent = grown.get("cpu_s")
    if not spent or spent["seconds"][1] < CLEAR_CPU_S:
        return None
    factor = spent["seconds"][1] / max(spent["seconds"][0], 1e-9)
    if factor <= MOST_CPU_GROWTH:
        return None
    first, last = spent["rows"]
    says = _not_linear("CPU time", factor, first, last)
    return Finding(PROPERTY, "not_linear", f"CPU time ×{factor:.1f} from N = {first} to {last}", says)


def _first_rows(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    if not case.linear["same_rows"]:
        return None
    for name, expected in case.expected.items():
        got = seen.outputs.get(f"{name} of many rows")
        if got is not None and not same(prepared, case, name, got, expected):
            says = f"With few rows the {_label(prepared, name)} is right, with many it is not."
            return Finding(VALUES, "values", "wrong for many rows", says, name)
    return None


def _gradcheck(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    said = seen.facts.get("gradcheck")
    if not said:
        return None
    return Finding(PROPERTY, "gradcheck", "gradcheck fails", f"torch.autograd.gradcheck says: {said}")


def _state_size(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    sizes = seen.facts.get("state_sizes") or [0, 0]
    if sizes[0] == sizes[1]:
        return None
    says = f"The state holds {sizes[0]} numbers after the first step and {sizes[1]} after the last; it may not grow."
    return Finding(PROPERTY, "growing_state", "the state grows", says)


def _random(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    """Judge what a sampler does with the generator that it is given."""
    if prepared.kind != "sampler":
        return None
    if seen.facts.get("global_rng") or not seen.facts.get("same_seed", True):
        says = "The result depends on, or changes, a global generator. Draw from the generator that is given, and from"
        return Finding(PROPERTY, "global_rng", "uses a global generator", f"{says} nothing else.")
    if seen.facts.get("other_seed"):
        says = "Generators with different seeds give the same result. Draw from the one that is given."
        return Finding(PROPERTY, "seed", "the seed does not matter", says)
    return None


def _device(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    if seen.facts.get("device") not in ("mixed", "lost"):
        return None
    says = "The values are right, but a tensor is made on the CPU whatever the arguments' device. Pass device=… along."
    return Finding(PROPERTY, "device", "does not follow the device", says)


def _repeatable(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    if seen.facts.get("repeatable", True):
        return None
    says = "Two calls with the same arguments give different results. Does something outside the function change?"
    return Finding(PROPERTY, "not_repeatable", "differs between two calls", says)


# ------------------------------------------------------------------------------- known mistakes


def known_mistake(prepared: Prepared, pairs: Sequence[tuple[PreparedCase, Observation]]) -> str | None:
    """Return the id of the mistake whose outputs equal the answer's on every case, or None."""
    for mistake in prepared.mistakes:
        cases = [(case, seen) for case, seen in pairs if mistake in case.wrong]
        if cases and all(_makes_it(prepared, mistake, case, seen) for case, seen in cases):
            return mistake
    return None


def _makes_it(prepared: Prepared, mistake: str, case: PreparedCase, seen: Observation) -> bool:
    wrong = case.wrong[mistake]
    if "error" in wrong:
        return seen.error is not None and seen.error.get("type") == wrong["error"]
    if seen.error is not None or not seen.outputs:
        return False
    if not wrong.keys() <= seen.outputs.keys():
        return False
    if case.spread:
        return _alike_by_chance(case, seen, wrong)
    return all(same(prepared, case, n, seen.outputs[n], wrong[n]) for n in wrong)


def _alike_by_chance(case: PreparedCase, seen: Observation, wrong: Mapping[str, np.ndarray]) -> bool:
    """Whether two samples have the same statistics; larger ones vary more than right ones would."""
    right = {n: float(np.abs(case.expected[n]).max()) for n in wrong}
    scales = {n: max(1.0, float(np.abs(wrong[n]).max()) / right[n]) for n in wrong if right[n]}
    for name in wrong:
        scale = scales.get(name, max(scales.values(), default=1.0))
        if np.any(np.abs(seen.outputs[name] - wrong[name]) > 1.5 * scale * case.spread[name]):
            return False
    return True


def same(prepared: Prepared, case: PreparedCase, name: str, got: np.ndarray, other: np.ndarray) -> bool:
    """Whether two values of an output are equal within the case's tolerance."""
    if name in case.spread:
        return got.shape == other.shape and bool(np.all(np.abs(got - other) <= case.spread[name]))
    if name in named(prepared.options, "integer"):
        return exactly_equal(got, other)
    return distance(got, other, tolerance(case, got)) <= 1


# ------------------------------------------------------------------------------------- symptoms


def symptom(got: np.ndarray, expected: np.ndarray, rtol: float, label: str) -> tuple[str, str]:
    """Return the plainest pattern in wrong values of the right shape: a few words, and a sentence."""
    with np.errstate(all="ignore"):
        for test in (_whole_pattern, _function_pattern, _place_pattern, _row_sums):
            found = test(got, expected, rtol, label)
            if found is not None:
                return found
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(entrywise(got, expected, rtol))), got.shape))
    place = f" at {list(index)}" if index else ""
    brief = f"expected {expected[index]:.5g}{place}, got {got[index]:.5g}"
    return brief, f"The {label} is off: {brief}."


def _close(got: np.ndarray, expected: np.ndarray, rtol: float) -> bool:
    return distance(got, expected, rtol) <= 1


def _whole_pattern(got: np.ndarray, expected: np.ndarray, rtol: float, label: str) -> tuple[str, str] | None:
    if got.ndim == 2 and got.shape[0] == got.shape[1] and got.size > 1 and _close(got.T, expected, rtol):
        return "transposed", f"The {label} is transposed: rows and columns are swapped."
    if _close(-got, expected, rtol) and np.any(expected):
        return "the sign is flipped", f"The {label} has the opposite sign everywhere."
    if got.size < 2 or not np.all(np.isfinite(expected)):
        return None
    largest = np.argmax(np.abs(expected))
    factor = float(got.flat[largest] / expected.flat[largest]) if expected.flat[largest] else 0.0
    if factor and np.ptp(expected) > 0 and _close(got / factor, expected, rtol):
        return (
            f"{factor:.5g} times too large",
            f"The {label} is {factor:.5g} times what it should be, everywhere.",
        )
    offset = float(got.flat[largest] - expected.flat[largest])
    if np.ptp(expected) > 0 and _close(got - offset, expected, rtol):
        return f"off by {offset:.5g}", f"The {label} is off by the same amount everywhere: {offset:.5g}."
    return None


def _function_pattern(
    got: np.ndarray, expected: np.ndarray, rtol: float, label: str
) -> tuple[str, str] | None:
    if np.all((expected == 0) | (expected == 1)) and np.all((got == 0) | (got == 1)):
        return None
    patterns: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
        ("the square of", np.square),
        ("the square root of", np.sqrt),
        ("the logarithm of", np.log),
        ("the exponential of", np.exp),
        ("one over", np.reciprocal),
    ]
    with np.errstate(all="ignore"):
        for words, function in patterns:
            changed = function(expected.astype(np.float64))
            if np.all(np.isfinite(changed)) and _close(got, changed, rtol):
                return f"{words} it", f"The {label} is {words} what it should be."
    return None


def _place_pattern(got: np.ndarray, expected: np.ndarray, rtol: float, label: str) -> tuple[str, str] | None:
    if got.ndim == 0 or got.shape[0] < 3:
        return None
    wrong = entrywise(got, expected, rtol) > 1
    rows = np.asarray(wrong.reshape(wrong.shape[0], -1).any(axis=1))
    for place, index in (("first", 0), ("last", -1)):
        others = np.delete(rows, index)
        if rows[index] and not others.any():
            return f"only the {place} row is wrong", f"The {label} is right except for its {place} row."
        if not rows[index] and others.all():
            return f"only the {place} row is right", f"Only the {place} row of the {label} is right."
    if (
        got.ndim == 2
        and got.shape[0] == got.shape[1]
        and np.array_equal(wrong, np.eye(len(wrong), dtype=bool))
    ):
        return "only the diagonal is wrong", f"The {label} is right except on the diagonal."
    return None


def _row_sums(got: np.ndarray, expected: np.ndarray, rtol: float, label: str) -> tuple[str, str] | None:
    if got.ndim != 2 or got.shape[1] < 2 or not np.allclose(expected.sum(axis=1), 1.0, rtol=1e-4):
        return None
    if np.allclose(got.sum(axis=1), 1.0, rtol=1e-4):
        return None
    return (
        "rows don't sum to one",
        f"The rows of the {label} should sum to one; yours sum to {got.sum(axis=1)[0]:.4g}.",
    )
