"""PyTorch's operations, looked at one by one while a call runs; PyTorch is imported at first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from autograder.judging.values import is_tensor

Look = Callable[[Any, tuple[Any, ...], Mapping[str, Any], Any], None]
"""Told of an operation, its arguments by place and by name, and what it gave."""


def watching(look: Look) -> AbstractContextManager[Any]:
    """Return a context in which each operation is looked at once it has run, below autograd."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            result = func(*args, **kwargs)
            look(func, args, kwargs, result)
            return result

    mode: AbstractContextManager[Any] = Watch()  # type: ignore[no-untyped-call]
    return mode


def tensors_in(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the tensors among an operation's arguments or results, in lists too: its schema knows nothing deeper."""
    for value in values:
        if is_tensor(value):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_in(value)


def place(tensor: Any) -> int:
    """Return what tells one storage from another while both are alive."""
    return int(tensor.untyped_storage()._cdata)
