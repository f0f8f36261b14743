"""Values on their way into a call and out of it: arguments, arrays, tensors, plain numbers."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograder.judging.call import Call, Give
from autograder.judging.named import FUNCTIONS

GIVEN, SEED = "$function", "$seed"


def is_tensor(value: Any) -> bool:
    """Whether the value is a PyTorch tensor; PyTorch is not imported for that."""
    # While another thread is importing it, it has no Tensor yet, and nobody here has one either.
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor is not None and bool(isinstance(value, tensor))


# --------------------------------------------------------------------------------------- inwards


def hand_over(call: Call, give: Give | None = None) -> dict[str, Any]:
    """Return fresh arguments in the call's framework and memory layout."""
    return {name: _hand(value, call, give) for name, value in call.arguments.items()}


def _hand(value: Any, call: Call, give: Give | None) -> Any:
    if isinstance(value, np.ndarray):
        return _array_or_tensor(lay_out(value, call.layout), call)
    if isinstance(value, Mapping):
        if set(value) == {SEED}:
            return generator(value[SEED], call.framework)
        if set(value) == {GIVEN}:
            return find_function(str(value[GIVEN]), give)
        return {key: _hand(item, call, give) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hand(item, call, give) for item in value]
    return value


def _array_or_tensor(array: np.ndarray, call: Call) -> Any:
    if call.framework != "torch":
        return array
    import torch

    tensor = torch.from_numpy(array)
    return tensor.requires_grad_(bool(call.upstream) and tensor.is_floating_point())


def generator(seed: int, framework: str) -> Any:
    """Return a seeded generator of the framework."""
    if framework != "torch":
        return np.random.default_rng(seed)
    import torch

    return torch.Generator().manual_seed(seed)


def find_function(name: str, give: Give | None) -> Any:
    """Return a built-in function, or the one that `give` finds; raises KeyError otherwise."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if give is None:
        raise KeyError(name)
    return give(name)


def lay_out(array: np.ndarray, layout: str) -> np.ndarray:
    """Return a copy that lies in memory as the layout says."""
    if layout == "fortran":
        return np.array(array, order="F")
    if layout == "strided" and array.ndim:
        room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        room[..., ::2] = array
        return room[..., ::2]
    return np.array(array, order="C")


def copy(value: Any) -> Any:
    """Return a deep copy of arrays and tensors, also within lists, tuples and dictionaries."""
    if is_tensor(value):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [copy(item) for item in value]
    return value.copy() if isinstance(value, np.ndarray) else value


def unchanged(before: Any, after: Any) -> bool:
    """Whether a value is, to the last bit, what its copy was."""
    if is_tensor(after):
        after, before = after.detach().numpy(), before.numpy()
    if isinstance(after, np.ndarray):
        return bool(before.shape == after.shape and before.tobytes() == after.tobytes())
    if isinstance(after, Mapping):
        return before.keys() == after.keys() and all(unchanged(before[k], after[k]) for k in after)
    if isinstance(after, (list, tuple)):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return bool(before is after or before == after)


# -------------------------------------------------------------------------------------- outwards


def to_array(value: Any) -> tuple[np.ndarray | None, str | None]:
    """Return a plain array, or what is wrong with the value: none, ragged, object, text, array_failed."""
    if value is None:
        return None, "none"
    try:
        if is_tensor(value):
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


def to_integers(value: Any) -> tuple[np.ndarray | None, str | None]:
    """Return whole numbers of any size: int64 or bool where they fit, else Python ints in an object array.

    A float is refused, with the problem "not_int", even where it has no fraction.
    """
    array, problem = to_array(value)
    if problem == "object" and not is_tensor(value):
        whole = np.asarray(value, dtype=object)
        if all(type(item) is int or isinstance(item, np.integer) for item in whole.ravel()):
            return np.array([int(item) for item in whole.ravel()], object).reshape(whole.shape), None
    if array is None:
        return None, problem
    if array.dtype.kind not in "biu":
        return None, "not_int"
    return array, None


def dtype_name(value: Any, array: np.ndarray) -> str:
    """Return "float32" and the like, for a tensor as for an array."""
    return _name(value.dtype if is_tensor(value) else array.dtype)


@functools.cache
def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


# -------------------------------------------------------------------------------- several outputs


def as_outputs(value: Any, names: list[str], form: str = "tuple") -> dict[str, Any] | None:
    """Return a result's parts by the outputs' names, or None where they aren't these."""
    if form == "dict":
        parts = _flatten(value) if isinstance(value, Mapping) else {}
        return {name: parts[name] for name in names} if set(parts) == set(names) else None
    if len(names) == 1:
        return {names[0]: value}
    if isinstance(value, (tuple, list)) and len(value) == len(names):
        return dict(zip(names, value, strict=True))
    return None


def _flatten(tree: Mapping[Any, Any], above: str = "") -> dict[str, Any]:
    """Return the leaves of nested dictionaries by dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves.update(_flatten(value, f"{above}{key}."))
        else:
            leaves[f"{above}{key}"] = value
    return leaves


def count_problem(value: Any, names: list[str], form: str = "tuple") -> dict[str, Any]:
    """Say what is wrong with a result that `as_outputs` could not take apart."""
    if value is None:
        return {"what": "none"}
    if form == "dict" and isinstance(value, Mapping):
        keys = sorted(_flatten(value))
        return {
            "what": "keys",
            "missing": sorted(set(names) - set(keys)),
            "extra": sorted(set(keys) - set(names))[:9],
        }
    if form == "dict":
        return {"what": "not_a_dict", "got": type(value).__name__}
    if isinstance(value, (tuple, list)):
        return {"what": "count", "got": len(value), "expected": len(names)}
    return {"what": "not_a_tuple", "got": type(value).__name__, "expected": len(names)}
