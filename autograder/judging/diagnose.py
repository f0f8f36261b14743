"""From an observation to one sentence that helps.

Theory of operation
-------------------
`inspect` looks at one case and stops at the first thing that is wrong, in the order: raised an
error, type, shape, dtype, not finite, values, properties (autograd, gradient, changed
arguments, memory, device, repeatability).  `known_mistake` looks at all cases together: the
answer is a known slip if its outputs equal that slip's outputs on every case.  Where neither a
slip nor an early failure explains the values, `symptom` names the plainest pattern that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.judging.compare import distance, entrywise
from autograder.judging.observe import Observation
from autograder.judging.prepare import Prepared, PreparedCase

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
    coarse = ("float32", "float16")
    inputs = [v.dtype.name for v in case.arguments.values() if isinstance(v, np.ndarray)]
    return case.rtol32 if got.dtype.name in coarse or any(d in coarse for d in inputs) else case.rtol


def inspect(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    """Return the first thing that is wrong with what was seen, or None."""
    steps: list[Callable[[Prepared, PreparedCase, Observation], Finding | None]] = [
        _error,
        _form,
        _shapes,
        _dtypes,
        _finite,
        _values,
        _range,
        _autograd,
        _changed,
        _memory,
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
    names = ", ".join(case.arguments)
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
    says = f"The function raised {kind}: {message}" if message else f"The function raised {kind}."
    if seen.error.get("line"):
        says += f"  It happened in line {seen.error.get('line_number')}: {seen.error.get('line')}"
    return Finding(ERROR, "error", f"raised {kind}", says)


def _form(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    problem = seen.facts.get("problem")
    if problem is not None:
        says = _form_sentence(prepared, problem)
        return Finding(TYPE, "type", str(problem.get("what")).replace("_", " "), says, problem.get("output"))
    for name, got in seen.outputs.items():
        if got.dtype.kind == "c" and case.expected[name].dtype.kind != "c":
            says = f"The {_label(prepared, name)} has complex numbers, where real ones are asked for."
            return Finding(TYPE, "type", "complex numbers", says, name)
        if prepared.framework == "torch" and not seen.facts.get("tensors", {}).get(name, False):
            kind = seen.facts.get("types", {}).get(name)
            says = (
                f"The {_label(prepared, name)} is a {kind}. Return a torch.Tensor, made by PyTorch operations"
                " from the arguments, so that autograd can follow it."
            )
            return Finding(TYPE, "type", f"a {kind}, not a tensor", says, name)
    return None


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
    }
    return sentences.get(str(what), f"The {label} cannot be read.")


def _label(prepared: Prepared, output: str) -> str:
    return "result" if len(prepared.options["returns"]) == 1 else f"output {output}"


def _shapes(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    for name, expected in case.expected.items():
        got = seen.outputs[name]
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
    if prepared.framework != "torch" or prepared.options["integer"]:
        return None
    floats = {
        v.dtype.name for v in case.arguments.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"
    }
    expected = max(floats, key=len, default="float32") if len(floats) != 1 else next(iter(floats))
    for name, dtype in seen.facts.get("dtypes", {}).items():
        if dtype != expected:
            says = f"The {_label(prepared, name)} is {dtype}; for these arguments it should be {expected}."
            says += " " + (
                "Keep the arguments' dtype." if floats else "Promote integers to the default dtype."
            )
            return Finding(DTYPE, "dtype", f"{dtype}, not {expected}", says, name)
    return None


def _finite(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    for name, got in seen.outputs.items():
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
        rtol = 0.0 if prepared.options["integer"] else tolerance(case, got)
        if prepared.options["integer"]:
            wrong = not np.array_equal(got, expected)
        else:
            wrong = distance(got, expected, rtol) > 1
        if wrong:
            brief, says = symptom(got, expected, max(rtol, 1e-9), _label(prepared, name))
            return Finding(VALUES, "values", brief, says, name)
    return None


# ----------------------------------------------------------------------------------- properties


def _range(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    least = prepared.options["at_least"]
    for name, got in seen.outputs.items():
        if least is not None and float(got.min(initial=least)) < least:
            says = f"The {_label(prepared, name)} is right up to rounding, but an entry is {got.min():.3g},"
            says += f" below {least:g}, which it can never be. Guard against rounding."
            return Finding(PROPERTY, "range", f"an entry is {got.min():.3g}", says, name)
    return None


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
    scale = max((float(np.abs(g).max(initial=0.0)) for g in case.expected_gradients.values()), default=0.0)
    for name, expected in case.expected_gradients.items():
        got = seen.gradients.get(name)
        if got is None:
            if float(np.max(np.abs(expected), initial=0.0)) <= 1e-6 * scale:
                continue
            says = f"The values are right, but no gradient reaches {name}."
            return Finding(PROPERTY, "autograd", f"no gradient reaches {name}", says)
        if distance(got, expected, GRADIENT_RTOL, scale) > 1:
            says = f"The values are right, but the gradient that reaches {name} is not. Is a step done outside autograd?"
            return Finding(PROPERTY, "gradient", f"wrong gradient for {name}", says)
    return None


def _changed(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    changed = seen.facts.get("changed", [])
    if not changed:
        return None
    says = f"The function changes its argument {changed[0]}. Work on a copy, or avoid operations in place such as +=."
    return Finding(PROPERTY, "changes_arguments", f"changes {changed[0]}", says)


def _memory(prepared: Prepared, case: PreparedCase, seen: Observation) -> Finding | None:
    if case.peak_bytes is None or seen.facts.get("peak_bytes", 0) <= case.peak_bytes:
        return None
    got, most = seen.facts["peak_bytes"] / 2**20, case.peak_bytes / 2**20
    says = f"The values are right, but the call held {got:.1f} MB at once; {most:.1f} MB must do here."
    return Finding(PROPERTY, "memory", f"needs {got:.1f} MB, not {most:.1f}", says)


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
    return all(same(prepared, case, seen.outputs[n], wrong[n]) for n in prepared.options["returns"])


def same(prepared: Prepared, case: PreparedCase, got: np.ndarray, other: np.ndarray) -> bool:
    """Whether two outputs are equal within the case's tolerance."""
    if prepared.options["integer"]:
        return bool(np.array_equal(got, other))
    return distance(got, other, tolerance(case, got)) <= 1


# ------------------------------------------------------------------------------------- symptoms


def symptom(got: np.ndarray, expected: np.ndarray, rtol: float, label: str) -> tuple[str, str]:
    """Return the plainest pattern in wrong values of the right shape: a few words, and a sentence."""
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
