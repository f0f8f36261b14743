"""How much memory a call asks for, without a wall clock.

NumPy reports what it allocates to `tracemalloc`; PyTorch's tensors are seen by a
`TorchDispatchMode`.  Both give the same answer on a loaded laptop and an idle server.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Cost:
    """What a call cost.

    peak_bytes : the most memory alive at once (NumPy), or the largest tensor made (PyTorch).
    """

    peak_bytes: int = 0


@contextmanager
def numpy_cost() -> Iterator[Cost]:
    """Measure the peak of what is allocated inside the block, beyond what was there before."""
    cost = Cost()
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield cost
    finally:
        _, peak = tracemalloc.get_traced_memory()
        cost.peak_bytes = max(0, peak - before)
        if not running:
            tracemalloc.stop()


@contextmanager
def torch_cost() -> Iterator[Cost]:
    """Measure the largest tensor that an operation inside the block makes, and NumPy's peak."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
        largest = 0

        def __torch_dispatch__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if hasattr(leaf, "untyped_storage"):
                    self.largest = max(self.largest, leaf.untyped_storage().nbytes())
            return result

    with numpy_cost() as cost, Largest() as mode:  # type: ignore[no-untyped-call]
        yield cost
    cost.peak_bytes = max(cost.peak_bytes, mode.largest)
