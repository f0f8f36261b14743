"""Nested data with arrays in it, split into JSON and arrays and joined again.

Casebooks and the pipe to a sandboxed process carry the same thing: dictionaries, lists,
strings, numbers, and NumPy arrays somewhere inside.  Pickle could carry it, and could carry
code too, so it is never used: the structure travels as JSON, the arrays as plain bytes.  Object
arrays of Python ints, which may be of any size, travel in the JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MARK = "$array"
INTEGERS = "$integers"
_PLAIN = frozenset({type(None), bool, int, float, str})


def split(tree: Any) -> tuple[Any, list[np.ndarray]]:
    """Return the tree with each array replaced by ``{"$array": i}``, and the arrays; one that occurs twice is one."""
    arrays: list[np.ndarray] = []
    return _replace(tree, arrays, {}), arrays


def _replace(tree: Any, arrays: list[np.ndarray], places: dict[int, int]) -> Any:
    # Most of a tree is plain, and asking about abstract classes takes long.
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, np.ndarray):
        if tree.dtype.kind == "O":
            return {INTEGERS: [list(tree.shape), _whole(tree.ravel().tolist())]}
        if id(tree) not in places:
            places[id(tree)] = len(arrays)
            arrays.append(tree)
        return {MARK: places[id(tree)]}
    if isinstance(tree, np.generic):
        return tree.item()
    if isinstance(tree, (dict, Mapping)):
        return {str(key): _replace(value, arrays, places) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_replace(value, arrays, places) for value in tree]
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise TypeError(f"a tree holds arrays, numbers, text, lists and dictionaries, not {type(tree).__name__}")


def _whole(numbers: list[Any]) -> list[int]:
    if not all(type(number) is int for number in numbers):
        raise TypeError("an array of objects may hold nothing but Python ints")
    return numbers


def _integers(form: Any) -> np.ndarray:
    try:
        shape, numbers = form
        return np.array(_whole(numbers), object).reshape([int(side) for side in shape])
    except TypeError as error:
        raise ValueError(f"not an array of integers: {error}") from None


def join(skeleton: Any, arrays: Sequence[np.ndarray]) -> Any:
    """Undo `split`.  Raises ValueError where the skeleton asks for an array that isn't there."""
    if isinstance(skeleton, dict):
        if set(skeleton) == {MARK}:
            index = skeleton[MARK]
            if not isinstance(index, int) or not 0 <= index < len(arrays):
                raise ValueError(f"array {index!r} is missing: {len(arrays)} arrays are there")
            return arrays[index]
        if set(skeleton) == {INTEGERS}:
            return _integers(skeleton[INTEGERS])
        return {key: join(value, arrays) for key, value in skeleton.items()}
    if isinstance(skeleton, list):
        return [join(value, arrays) for value in skeleton]
    return skeleton
