"""Calling an answer on a case, and what came of it.

Theory of operation
-------------------
A `Call` says how to call an answer; an `Observation` says what calling it gave: named arrays,
facts about them, or an error.  Both are trees of plain data, because when grading they cross a
pipe between two processes, and nothing else does.  A `Kind` knows how to make the one from the
other.  Nothing here knows what would have been right.
"""

from __future__ import annotations

import contextlib
import inspect
import linecache
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from autograder.judging.cost import Cost, numpy_cost, torch_cost
from autograder.judging.limits import BoundedText, TimeLimit, time_limit

MAX_TEXT = 2000


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
        seen = cls(**tree)
        arrays = [*seen.outputs.values(), *(g for g in seen.gradients.values() if g is not None)]
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise ValueError("an observation's outputs and gradients are arrays")
        if not isinstance(seen.facts, dict) or not isinstance(seen.error, (dict, type(None))):
            raise ValueError("an observation's facts and error are dictionaries")
        return seen


class Kind(Protocol):
    """One sort of answer, and how to look at it."""

    def observe(self, answer: Any, call: Call) -> Observation:
        """Try the answer as the call says; never raises for anything that the answer does."""
        ...


def observe(answer: Any, call: Call) -> Observation:
    """Try an answer as the call says, with its kind's `Kind`."""
    return KINDS[call.kind].observe(answer, call)


# ------------------------------------------------------------------------- running foreign code


@dataclass
class _Run:
    value: Any = None
    error: dict[str, Any] | None = None
    printed: BoundedText = field(default_factory=BoundedText)
    warned: list[str] = field(default_factory=list)


def run_quietly(action: Callable[[], Any], wall_limit_s: float) -> _Run:
    """Run foreign code; catch what it raises, prints and warns."""
    run = _Run()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(run.printed),
        contextlib.redirect_stderr(run.printed),
    ):
        warnings.simplefilter("always")
        try:
            with time_limit(wall_limit_s):
                run.value = action()
        except TimeLimit as stopped:
            run.error = describe_error(stopped)
            run.error["message"] = f"it was still running after {wall_limit_s:g} seconds"
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            run.error = describe_error(error)
    run.warned = sorted({f"{w.category.__name__}: {w.message}"[:200] for w in caught})[:5]
    return run


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return type, message, and the last line that belongs to the answer, not to a library."""
    told: dict[str, Any] = {"type": type(error).__name__, "message": _safe_text(error)}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_foreign(f.filename)]
    if frames:
        last = frames[-1]
        line = last.line or linecache.getline(last.filename, last.lineno or 0)
        told.update(line=(line or "").strip()[:300], line_number=last.lineno, function=last.name)
    return told


def _safe_text(error: BaseException) -> str:
    try:
        return str(error)[:MAX_TEXT]
    except BaseException:
        return "(the error's own message could not be read)"


def _is_foreign(filename: str) -> bool:
    name = filename.replace("\\", "/")
    return not any(part in name for part in ("/autograder/", "/site-packages/", "/lib/python", "<frozen"))


# ------------------------------------------------------------------------------- a function


class FunctionKind:
    """A function from arrays to one array or a tuple of arrays.

    Options: ``returns``, the names of the outputs.  Facts: ``types`` and ``dtypes`` by output,
    ``problem`` where the result has no right form, ``changed`` arguments, ``printed``,
    ``warnings``, ``peak_bytes``, ``repeatable``, ``cut_off`` outputs (no autograd), ``device``.
    """

    def observe(self, answer: Any, call: Call) -> Observation:
        """Call the function on copies of the arguments."""
        refusal = _refuse(answer, call)
        if refusal is not None:
            return refusal
        arguments = _hand_over(call)
        given = {name: _copy(value) for name, value in arguments.items()}
        with _measuring(call) as cost:
            run = run_quietly(lambda: answer(*arguments.values()), call.wall_limit_s)
        seen = _describe_result(run, call)
        if call.measure:
            seen.facts["peak_bytes"] = cost.peak_bytes
        seen.facts["changed"] = [n for n, v in arguments.items() if not _unchanged(given[n], v)]
        if run.error is None and seen.facts.get("problem") is None:
            _add_gradients(seen, run.value, arguments, call)
            _add_repeat(seen, answer, call)
            _add_device(seen, answer, call)
        return seen


def _refuse(answer: Any, call: Call) -> Observation | None:
    if is_stub(answer):
        return Observation(facts={"not_attempted": True})
    if not callable(answer):
        shown = f"a value of type {type(answer).__name__}"
        return Observation(error={"type": "NotAFunction", "message": shown})
    try:
        inspect.signature(answer).bind(*call.arguments.values())
    except TypeError:
        told = f"{getattr(answer, '__name__', 'it')}{inspect.signature(answer)}"
        return Observation(error={"type": "WrongArguments", "message": told[:300]})
    except ValueError:
        return None
    return None


def is_stub(answer: Any) -> bool:
    """Whether a function's body is still empty: only a docstring, ``...``, ``pass`` or the stub's raise."""
    if not isinstance(answer, types.FunctionType):
        return False
    code = answer.__code__
    if code.co_names == ("NotImplementedError",):
        return True
    doc_only = all(const is None or const is Ellipsis or const == answer.__doc__ for const in code.co_consts)
    return not code.co_names and doc_only and not code.co_cellvars and len(code.co_code) <= 12


def _hand_over(call: Call) -> dict[str, Any]:
    """Return fresh arguments in the call's framework and memory layout."""
    arguments: dict[str, Any] = {}
    for name, value in call.arguments.items():
        arguments[name] = _lay_out(value, call.layout) if isinstance(value, np.ndarray) else value
    if call.framework == "torch":
        import torch

        for name, value in arguments.items():
            if isinstance(value, np.ndarray):
                tensor = torch.from_numpy(value)
                arguments[name] = tensor.requires_grad_(bool(call.upstream) and tensor.is_floating_point())
    return arguments


def _lay_out(array: np.ndarray, layout: str) -> np.ndarray:
    if layout == "fortran":
        return np.array(array, order="F")
    if layout == "strided" and array.ndim:
        room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        room[..., ::2] = array
        return room[..., ::2]
    return np.array(array, order="C")


def _copy(value: Any) -> Any:
    if _is_tensor(value):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def _unchanged(before: Any, after: Any) -> bool:
    if _is_tensor(after):
        after, before = after.detach().numpy(), before.numpy()
    if isinstance(after, np.ndarray):
        return before.shape == after.shape and before.tobytes() == after.tobytes()
    return bool(before == after)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(isinstance(value, torch.Tensor))


@contextlib.contextmanager
def _measuring(call: Call) -> Iterator[Cost]:
    if not call.measure:
        yield Cost()
        return
    with torch_cost() if call.framework == "torch" else numpy_cost() as cost:
        yield cost


def _describe_result(run: _Run, call: Call) -> Observation:
    seen = Observation(error=run.error)
    if run.printed.characters:
        seen.facts["printed"] = {"lines": run.printed.lines, "head": run.printed.kept[:200]}
    if run.warned:
        seen.facts["warnings"] = run.warned
    if run.error is not None:
        seen.facts["not_attempted"] = run.error["type"] == "NotImplementedError" and not run.error["message"]
        return seen
    names = list(call.options.get("returns", ["result"]))
    values = _as_outputs(run.value, names)
    if values is None:
        seen.facts["problem"] = _count_problem(run.value, len(names))
        return seen
    seen.facts["types"] = {name: type(value).__name__ for name, value in values.items()}
    seen.facts["tensors"] = {name: _is_tensor(value) for name, value in values.items()}
    for name, value in values.items():
        array, problem = to_array(value)
        if problem is not None or array is None:
            seen.facts["problem"] = {"output": name, "what": problem}
            return seen
        seen.outputs[name] = array
    seen.facts["dtypes"] = {name: _dtype_name(value, seen.outputs[name]) for name, value in values.items()}
    return seen


def _as_outputs(value: Any, names: list[str]) -> dict[str, Any] | None:
    if len(names) == 1:
        return {names[0]: value}
    if isinstance(value, (tuple, list)) and len(value) == len(names):
        return dict(zip(names, value, strict=True))
    return None


def _count_problem(value: Any, count: int) -> dict[str, Any]:
    if value is None:
        return {"what": "none"}
    if isinstance(value, (tuple, list)):
        return {"what": "count", "got": len(value), "expected": count}
    return {"what": "not_a_tuple", "got": type(value).__name__, "expected": count}


def to_array(value: Any) -> tuple[np.ndarray | None, str | None]:
    """Return a plain array, or what is wrong with the value: none, ragged, object, text, array_failed."""
    if value is None:
        return None, "none"
    try:
        if _is_tensor(value):
            tensor = value.detach().cpu()
            array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
        else:
            array = np.asarray(value)
    except ValueError as error:
        return None, "ragged" if "inhomogeneous" in str(error) else "array_failed"
    except BaseException:
        return None, "array_failed"
    if array.dtype.kind == "O":
        return None, "object"
    if array.dtype.kind not in "biufc":
        return None, "text"
    return np.array(array, subok=False), None


def _dtype_name(value: Any, array: np.ndarray) -> str:
    return str(value.dtype).removeprefix("torch.") if _is_tensor(value) else str(array.dtype)


def _add_gradients(seen: Observation, value: Any, arguments: Mapping[str, Any], call: Call) -> None:
    """Add the vector–Jacobian products that the call asks for."""
    if call.framework != "torch" or not call.upstream:
        return
    import torch

    outputs = _as_outputs(value, list(call.options.get("returns", ["result"]))) or {}
    seen.facts["cut_off"] = [n for n, v in outputs.items() if not (_is_tensor(v) and v.requires_grad)]
    inputs = {n: v for n, v in arguments.items() if _is_tensor(v) and v.requires_grad}
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


def _add_repeat(seen: Observation, answer: Any, call: Call) -> None:
    if not call.repeat:
        return
    arguments = _hand_over(call)
    again = _describe_result(run_quietly(lambda: answer(*arguments.values()), call.wall_limit_s), call)
    same = again.outputs.keys() == seen.outputs.keys() and all(
        np.array_equal(seen.outputs[n], again.outputs[n], equal_nan=True) for n in seen.outputs
    )
    seen.facts["repeatable"] = same


def _add_device(seen: Observation, answer: Any, call: Call) -> None:
    """Try once on PyTorch's data-free "meta" device: a tensor made on the CPU shows there."""
    if call.framework != "torch" or not call.repeat:
        return
    import torch

    arguments = {n: v.detach().to("meta") if _is_tensor(v) else v for n, v in _hand_over(call).items()}
    run = run_quietly(lambda: answer(*arguments.values()), call.wall_limit_s)
    if run.error is not None:
        mixed = (
            "on the same device" in run.error["message"]
            or "found at least two devices" in run.error["message"]
        )
        seen.facts["device"] = "mixed" if mixed else "unknown"
        return
    outputs = _as_outputs(run.value, list(call.options.get("returns", ["result"]))) or {}
    stays = all(isinstance(v, torch.Tensor) and v.device.type == "meta" for v in outputs.values())
    seen.facts["device"] = "kept" if stays else "lost"


# ------------------------------------------------------------------------------ a derivation


class DerivationKind:
    """A list of lines of text.  Facts: ``lines``, or ``problem``."""

    def observe(self, answer: Any, call: Call) -> Observation:
        """Take the lines as text; nothing is evaluated here."""
        if isinstance(answer, str):
            answer = [line for line in answer.splitlines() if line.strip()]
        if not isinstance(answer, (list, tuple)):
            return Observation(facts={"problem": {"what": "not_lines", "got": type(answer).__name__}})
        texts = [line for line in answer if line is not Ellipsis]
        wrong = [type(line).__name__ for line in texts if not isinstance(line, str)]
        if wrong:
            return Observation(facts={"problem": {"what": "not_text", "got": wrong[0]}})
        return Observation(facts={"lines": [line[:MAX_TEXT] for line in texts[:200]]})


KINDS: dict[str, Kind] = {"function": FunctionKind(), "derivation": DerivationKind()}


def call_from_tree(tree: Mapping[str, Any]) -> Call:
    """Undo `Call.tree`."""
    return Call(**{str(name): value for name, value in tree.items()})


__all__ = ["KINDS", "Call", "Kind", "Observation", "call_from_tree", "is_stub", "observe", "to_array"]
