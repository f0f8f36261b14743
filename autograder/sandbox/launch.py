"""Starting a fresh Python that knows nothing of ours but the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from autograder.sandbox.scratch import PLACES

_START = """
import sys
sys.path.append(sys.argv.pop(1))
from autograder.sandbox.{module} import main
main()
"""


def start(module: str, scratch: Path, **streams: Any) -> subprocess.Popen[bytes]:
    """Run ``main`` of a module of this wing in an isolated Python with a clean environment."""
    root = Path(__file__).resolve().parents[2]
    line = [sys.executable, "-I", "-B", "-c", _START.format(module=module), str(root)]
    return subprocess.Popen(
        line,
        env=clean_environment(scratch),
        cwd=scratch,
        close_fds=True,
        start_new_session=True,
        **{"stdout": subprocess.DEVNULL, **streams},
    )


def clean_environment(scratch: Path) -> dict[str, str]:
    """Return the whole environment of a process that runs foreign code."""
    home = str(scratch)
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "SYSTEMDRIVE") if name in os.environ}
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {
        **kept,
        **dict.fromkeys(threads, "1"),
        **dict.fromkeys(PLACES, home),
        "AUTOGRADER_JUDGED": "1",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PATH": os.defpath,
        "USER": "student",
    }
