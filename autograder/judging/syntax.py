"""Python's parser, for several threads.

In some versions of Python threads that build syntax trees at once disturb each other's count of
how deep they are, and one of them gets a SystemError (CPython issue 106905).
"""

from __future__ import annotations

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()


def parse(source: str) -> ast.Module:
    """Return a module's syntax tree; raises what `ast.parse` raises."""
    with _ONE_AT_A_TIME:
        return ast.parse(source)


def parse_expression(source: str) -> ast.expr:
    """Return an expression's syntax tree; raises what `ast.parse` raises."""
    with _ONE_AT_A_TIME:
        return ast.parse(source, mode="eval").body
