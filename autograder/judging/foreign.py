"""Running code that isn't ours: its errors, prints and warnings are caught and described."""

from __future__ import annotations

import contextlib
import dis
import linecache
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autograder.judging.limits import BoundedText, TimeLimit, time_limit

MAX_TEXT = 2000
PACKAGE = __file__.replace("\\", "/").rsplit("/judging/", 1)[0] + "/"
EMPTY_BODY = {"RESUME", "NOP", "LOAD_CONST", "POP_TOP", "RETURN_VALUE", "RETURN_CONST"}


@dataclass
class Run:
    """What running foreign code gave: a value or an error, and what it printed and warned."""

    value: Any = None
    error: dict[str, Any] | None = None
    printed: BoundedText = field(default_factory=BoundedText)
    warned: list[str] = field(default_factory=list)


def run_quietly(action: Callable[[], Any], wall_limit_s: float) -> Run:
    """Run foreign code; catch what it raises, prints and warns."""
    run = Run()
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
        told["depth"] = len(frames)
    return told


def _safe_text(error: BaseException) -> str:
    try:
        return str(error)[:MAX_TEXT]
    except BaseException:
        return "(the error's own message could not be read)"


def _is_foreign(filename: str) -> bool:
    name = filename.replace("\\", "/")
    ours = name.startswith(PACKAGE)
    return not ours and not any(part in name for part in ("/site-packages/", "/lib/python", "<frozen"))


def is_unwritten(error: dict[str, Any]) -> bool:
    """Whether an error is the released stub's own, raised by the answer itself and not by something it calls."""
    return error["type"] == "NotImplementedError" and not error["message"] and error.get("depth", 1) == 1


def is_stub(answer: Any) -> bool:
    """Whether a function's body is still empty: only a docstring, ``...``, ``pass`` or the stub's raise."""
    if not isinstance(answer, types.FunctionType):
        return False
    code = answer.__code__
    if code.co_names == ("NotImplementedError",):
        return True
    doc_only = all(const is None or const is Ellipsis or const == answer.__doc__ for const in code.co_consts)
    return doc_only and all(step.opname in EMPTY_BODY for step in dis.get_instructions(code))
