"""Inside the process that runs foreign code: cells, and calls of what they defined.

Theory of operation
-------------------
An IPython shell keeps the notebook's names.  Requests come one at a time over the wire; each
carries an id drawn by the grader, and the reply repeats it.  Foreign code shares this process
and could change anything here, so a reply is a claim, never a verdict: the grader judges it as
it would judge what the answer itself returned.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from autograder.judging.limits import BoundedText
from autograder.judging.observe import Give, Observation, call_from_tree, describe_error, observe
from autograder.sandbox.asking import Asking
from autograder.sandbox.confine import limit_resources
from autograder.sandbox.scratch import settle
from autograder.sandbox.terms import Limits
from autograder.sandbox.wire import Wire


def make_shell() -> Any:
    """Return an IPython shell that writes no history and draws no tracebacks."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell.instance(config=config, colors="NoColor")
    shell.showtraceback = lambda *args, **kwargs: None
    shell.showsyntaxerror = lambda *args, **kwargs: None
    # %matplotlib asks for an event loop of windows; there are none here.
    shell.enable_gui = lambda gui=None: None
    transform = shell.transform_cell
    shell.transform_cell = lambda source: source if _is_python(source) else transform(source)
    return shell


def _is_python(source: str) -> bool:
    """Whether a cell is Python as it stands, so that IPython has no magics to translate in it."""
    try:
        ast.parse(source)
    except Exception:
        return False
    return True


def serve(wire: Wire, shell: Any, output_room: int) -> None:
    """Answer requests until the grader hangs up."""
    me = os.getpid()
    while True:
        try:
            request = wire.receive()
        except EOFError:
            return
        reply = _answer(wire, shell, request, output_room)
        if os.getpid() != me:
            # A cell forked, and its copy came back here: only the first process may answer.
            os._exit(0)
        _reply(wire, request["id"], reply)


def _reply(wire: Wire, request_id: str, reply: Mapping[str, Any]) -> None:
    try:
        wire.send({"id": request_id, "reply": reply})
    except (TypeError, ValueError, RecursionError) as error:
        failed = Observation(error=describe_error(error), facts={"observer_failed": True})
        told = {"status": "error", "stdout": "", "cut": False, "error": describe_error(error)}
        wire.send({"id": request_id, "reply": failed.tree() if "facts" in reply else told})


def _answer(wire: Wire, shell: Any, request: Mapping[str, Any], output_room: int) -> dict[str, Any]:
    if request["op"] == "run_cell":
        return run_cell(shell, request["source"], output_room)
    with Asking(wire, request["id"], request["call"]["framework"]) as asking:
        return observe_name(shell.user_ns, request["name"], request["call"], asking.give).tree()


def run_cell(shell: Any, source: str, output_room: int) -> dict[str, Any]:
    """Run a cell; return its status, what it printed, and its error."""
    printed = BoundedText(output_room)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            result = shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
    except BaseException as raised:
        error = raised
    told = None if error is None else _describe(error)
    cut = printed.characters > output_room
    return {"status": "error" if told else "ok", "stdout": printed.kept, "cut": cut, "error": told}


def _describe(error: BaseException) -> dict[str, Any]:
    told = describe_error(error)
    if isinstance(error, SyntaxError) and "line" not in told:
        told.update(line=(error.text or "").strip()[:300], line_number=error.lineno)
    return told


def observe_name(
    names: Mapping[str, Any], name: str, call: Mapping[str, Any], give: Give | None = None
) -> Observation:
    """Observe what the name stands for now; a missing name gives the fact ``undefined``.

    give : finds the functions that arguments name.
    """
    if name not in names:
        return Observation(facts={"undefined": True})
    try:
        return observe(names[name], call_from_tree(call), give)
    except BaseException as error:
        return Observation(error=describe_error(error), facts={"observer_failed": True})


def silence() -> None:
    """Point the standard streams at nothing, so that no print reaches the wire or a disk."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)


def main() -> None:
    """Answer one session in a process of its own, unconfined: where the platform offers nothing better."""
    order = json.loads(sys.stdin.readline())
    sock = socket.create_connection(("127.0.0.1", order["port"]), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(order["token"].encode())
    sock.settimeout(None)
    settle(order["scratch"])
    silence()
    shell = make_shell()
    limits = Limits(**order["limits"])
    limit_resources(limits)
    serve(Wire(sock), shell, limits.output_bytes)
