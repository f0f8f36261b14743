"""A class: reduce, graft, run and judge, write; and the report.

Grading is five small steps, each in a file of its own:

1. `reduce`   a submission, whatever it is, to its answers;
2. `graft`    the answers on the released notebook;
3. `run`      the grafted cells in a sandboxed process, judged from outside at the check cells;
4. `store`    the result, under what it depends on, so that nothing is graded twice or lost;
5. `gradebook`  into nbgrader's gradebook and feedback pages, in one process.

`pipeline` puts them together for a class.
"""

import contextlib
import sys


def _import_jsonschema() -> None:
    """Import what nbformat needs, without a grammar of web addresses that takes seconds to build.

    No schema of a notebook asks for it, and jsonschema does without where it isn't installed.
    """
    grammar = "rfc3987_syntax"
    if "jsonschema" in sys.modules or grammar in sys.modules:
        return
    sys.modules[grammar] = None  # type: ignore[assignment]
    try:
        with contextlib.suppress(ImportError):
            import jsonschema  # noqa: F401
    finally:
        del sys.modules[grammar]


_import_jsonschema()
