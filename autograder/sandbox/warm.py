"""The warm parent: a Python that has imported what notebooks import, and forks for each session.

Theory of operation
-------------------
Importing PyTorch and matplotlib takes seconds, a fork takes milliseconds.  This process imports
them once and does a little with each, because much is imported at first use.  It has one thread,
since a fork copies only the thread that calls it; it knows no exercise and holds no secret, so
that foreign code, which inherits its memory, finds nothing there.  It never speaks with foreign
code: the grader sends it two sockets per session, and the fork takes them along.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from typing import Any

from autograder.sandbox import answerer, kernel
from autograder.sandbox.keeper import keep
from autograder.sandbox.terms import Limits
from autograder.sandbox.wire import Wire


def main() -> None:
    """Warm up, say so, and fork a keeper for each pair of sockets until the grader hangs up."""
    control = Wire(socket.socket(fileno=os.dup(0)))
    answerer.silence()
    try:
        order = control.receive()
        kernel.adopt_orphans()
        shell = warm_up(order["torch"])
    except Exception:
        control.send({"failed": traceback.format_exc()[-2000:]})
        return
    control.send({"ready": True})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while _fork_one(control, shell):
        pass


def warm_up(with_torch: bool) -> Any:
    """Import and use what notebooks use; return the shell that every session starts from.

    Raises RuntimeError where a library has started a thread.
    """
    import numpy as np

    np.linalg.svd(np.random.default_rng(0).normal(size=(4, 4)))
    _draw_a_figure()
    if with_torch:
        _take_a_training_step()
    shell = answerer.make_shell()
    answerer.run_cell(shell, "def f(x):\n    return x\nf(1)", 100)
    shell.reset(new_session=True)
    threads = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else ["one"]
    if len(threads) != 1:
        raise RuntimeError(f"the warm parent has {len(threads)} threads; a fork would lose all but one")
    gc.collect()
    gc.freeze()
    return shell


def _draw_a_figure() -> None:
    import io

    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], label="a line")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    plt.close(figure)


def _take_a_training_step() -> None:
    import torch

    torch.set_num_threads(1)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()


def _fork_one(control: Wire, shell: Any) -> bool:
    message, fds, _, _ = socket.recv_fds(control.sock, 16, 2)
    if len(fds) != 2:
        return bool(message)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        try:
            keep(Wire(socket.socket(fileno=fds[0])), fds[1], lambda fd, limits: _answer(fd, limits, shell))
        finally:
            os._exit(0)
    for fd in fds:
        os.close(fd)
    return True


def _answer(wire_fd: int, limits: Limits, shell: Any) -> None:
    _draw_new_seeds()
    answerer.serve(Wire(socket.socket(fileno=wire_fd)), shell, limits.output_bytes)


def _draw_new_seeds() -> None:
    """Give each session random numbers of its own: a fork repeats its parent's."""
    sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
