"""How much memory and work a call asks for, without a wall clock.

Theory of operation
-------------------
NumPy reports what it allocates to `tracemalloc`, which knows the sum and the peak of what is
alive, but not what has come and gone.  So the peak is read and set back after every bytecode
instruction of the code that is measured: what rose above the level before was asked for by that
one instruction.  PyTorch's tensors are seen by a `TorchDispatchMode`, one operation at a time.
Both give the same answer on a loaded laptop and an idle server.
"""

from __future__ import annotations

import functools
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from autograder.judging import operations
from autograder.judging.operations import place, tensors_in, watching

SMALL_BYTES = 256
"""Pieces below this are Python's own objects (the measuring makes some too) and aren't added up."""


@dataclass
class Cost:
    """What a call cost.

    peak_bytes : the most memory alive at once (NumPy), or the largest tensor made (PyTorch).
    total_bytes : all that was asked for, also what was given back at once.
    largest_bytes : the largest single piece, array or tensor.
    operations : multiplications and additions of matrix products (PyTorch alone).
    called : names of PyTorch's operations that ran.
    """

    peak_bytes: int = 0
    total_bytes: int = 0
    largest_bytes: int = 0
    operations: int = 0
    called: set[str] = field(default_factory=set)


class _Meter:
    """Reads tracemalloc after every instruction; `settle` adds up what has risen since."""

    def __init__(self, cost: Cost, passed_over: tuple[str, ...]) -> None:
        self.cost, self.passed_over = cost, passed_over
        tracemalloc.reset_peak()
        self.level = self.start = tracemalloc.get_traced_memory()[0]

    def settle(self) -> None:
        """Add what rose above the last level."""
        now, peak = tracemalloc.get_traced_memory()
        rise = peak - self.level
        if rise >= SMALL_BYTES:
            self.cost.total_bytes += rise
            self.cost.largest_bytes = max(self.cost.largest_bytes, rise)
            self.cost.peak_bytes = max(self.cost.peak_bytes, peak - self.start)
        tracemalloc.reset_peak()
        self.level = now

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Follow a frame instruction by instruction, for `sys.settrace`; one that is passed over, as a whole."""
        if event == "call":
            if frame.f_code.co_filename.startswith(self.passed_over):
                self.settle()
                return None
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        self.settle()
        return self.trace


@contextmanager
def numpy_cost(passed_over: tuple[str, ...] = ()) -> Iterator[Cost]:
    """Measure what is allocated inside the block, by functions that the block calls.

    passed_over : beginnings of files' names; what their code asks for between two calls is one piece.
    """
    cost = Cost()
    running, before = tracemalloc.is_tracing(), sys.gettrace()
    if not running:
        tracemalloc.start()
    meter = _Meter(cost, passed_over)
    sys.settrace(meter.trace)
    try:
        yield cost
    finally:
        sys.settrace(before)
        meter.settle()
        if not running:
            tracemalloc.stop()


def _products() -> dict[Any, Callable[..., int]]:
    """Return how many multiply-adds an operation takes, by PyTorch's name for it."""
    import torch
    from torch.utils.flop_counter import flop_registry

    aten = torch.ops.aten
    more: dict[Any, Callable[..., int]] = {
        aten.mv: lambda a, *rest, **_: 2 * a.numel(),
        aten.addmv: lambda out, a, *rest, **_: 2 * a.numel(),
        aten.dot: lambda a, *rest, **_: 2 * a.numel(),
    }
    return {**flop_registry, **more}


@contextmanager
def torch_cost(trace_numpy: bool = True) -> Iterator[Cost]:
    """Measure the tensors that operations inside the block make, and NumPy's memory beside them."""
    import torch

    tensors, products = Cost(), _products()
    kinds: dict[Any, tuple[str, Callable[..., int] | None]] = {}

    def look(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        if func not in kinds:
            packet = getattr(func, "_overloadpacket", None)
            kinds[func] = str(packet).removeprefix("aten."), products.get(packet)
        name, count = kinds[func]
        tensors.called.add(name)
        if count is not None:
            tensors.operations += count(*args, **kwargs, out_val=result)
        known = {place(tensor) for tensor in tensors_in((*args, *kwargs.values()))}
        for tensor in tensors_in((result,)):
            if place(tensor) not in known:
                size = tensor.untyped_storage().nbytes()
                tensors.total_bytes += size
                tensors.largest_bytes = max(tensors.largest_bytes, size)

    _warm()
    watch = watching(look)
    if not trace_numpy:
        with watch:
            yield tensors
        tensors.peak_bytes = tensors.largest_bytes
        return
    # PyTorch runs hundreds of Python instructions around each operation, and the watch some more.
    own = (torch.__file__.removesuffix("__init__.py"), __file__, operations.__file__)
    with numpy_cost(own) as cost, watch:
        yield cost
    cost.peak_bytes = max(cost.peak_bytes, tensors.largest_bytes)
    cost.largest_bytes = max(cost.largest_bytes, tensors.largest_bytes)
    cost.total_bytes += tensors.total_bytes
    cost.operations, cost.called = tensors.operations, tensors.called


@functools.cache
def _warm() -> None:
    """Let PyTorch import what the first dispatched operation needs, before anything is counted."""
    import torch

    with watching(lambda *_: None):
        torch.ones(2).sum()
