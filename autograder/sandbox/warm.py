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

import contextlib
import functools
import gc
import math
import os
import socket
import sys
import traceback
from typing import Any

from autograder.judging.observe import Call, observe
from autograder.sandbox import answerer, confine, kernel
from autograder.sandbox.keeper import fork_keeper
from autograder.sandbox.terms import Limits
from autograder.sandbox.wire import Wire

_FIRST_CELL = """
import autograder
lesson = autograder.lesson("rehearsal", track="from_scratch")
def f(x):
    return x
f(1)
"""


def main() -> None:
    """Warm up, say so, and fork a keeper for each pair of sockets until the grader hangs up."""
    control = Wire(socket.socket(fileno=os.dup(0)))
    answerer.silence()
    # Nothing that is imported is garbage; looking for some takes a seventh of the time.
    gc.disable()
    try:
        order = control.receive()
        kernel.adopt_orphans()
        shell = warm_up(order["torch"])
        confine.readable_paths()  # looked up once for all keepers
        kernel.use_large_pages()
    except Exception:
        control.send({"failed": traceback.format_exc()[-2000:]})
        return
    control.send({"ready": True})
    while _fork_one(control, shell, order["tier"]):
        _reap()
    _reap()
    # Nothing is open and nothing is to be saved: taking all the libraries down takes long.
    os._exit(0)


def warm_up(with_torch: bool) -> Any:
    """Import and use what notebooks use; return the shell that every session starts from.

    Raises RuntimeError where a library has started a thread.
    """
    import numpy as np

    np.linalg.svd(np.random.default_rng(0).normal(size=(4, 4)))
    _draw_a_figure()
    _rearrange()
    if with_torch:
        _take_a_training_step()
    _rehearse("torch" if with_torch else "numpy")
    shell = answerer.make_shell()
    answerer.run_cell(shell, _FIRST_CELL, 100)
    # A reset looks for garbage, a fork writes where it does: all that is here stays, and is passed over.
    gc.freeze()
    shell.reset(new_session=True)
    threads = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else ["one"]
    if len(threads) != 1:
        raise RuntimeError(f"the warm parent has {len(threads)} threads; a fork would lose all but one")
    gc.freeze()
    gc.enable()
    return shell


def _draw_a_figure() -> None:
    import io

    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], label="a line")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    plt.close(figure)


def _rearrange() -> None:
    import sympy

    x, y = sympy.symbols("x y", positive=True)
    sympy.simplify(sympy.sympify("exp(a)*exp(b) - exp(a + b)") + sympy.exp(x) / sympy.exp(y))
    sympy.diff(sympy.log(x) * y**2, x).subs({x: 2, y: 3}).evalf(30)


def _rehearse(framework: str) -> None:
    """Call an answer once as a grader has answers called: with gradients and every measurement."""
    import numpy as np

    x = np.ones((2, 2))
    call = Call(
        kind="function",
        options={"returns": ["result"], "properties": []},
        framework=framework,
        arguments={"x": x},
        upstream={"result": x} if framework == "torch" else {},
        measure=True,
        repeat=True,
        wall_limit_s=math.inf,
    )
    observe(lambda x: (x * x + x @ x).clip(0.5), call)


def _take_a_training_step() -> None:
    import torch

    torch.set_num_threads(1)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()


def _fork_one(control: Wire, shell: Any, tier: str) -> bool:
    message, fds, _, _ = socket.recv_fds(control.sock, 16, 2)
    if len(fds) != 2:
        return bool(message)
    answer = functools.partial(_answer, shell=shell)
    fork_keeper(tier, fds[0], fds[1], answer, without=[control.sock.fileno()])
    for fd in fds:
        os.close(fd)
    return True


def _reap() -> None:
    """Collect the keepers that have ended: what they used then counts as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _answer(wire_fd: int, limits: Limits, shell: Any) -> None:
    _draw_new_seeds()
    answerer.serve(Wire(socket.socket(fileno=wire_fd)), shell, limits.output_bytes)


def _draw_new_seeds() -> None:
    """Give each session random numbers of its own: a fork repeats its parent's."""
    sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
