"""Makes the pictures of docs/img: `make pictures`, after `make demo`.

The card is a screenshot of JupyterLab in headless Chromium, taken by the browser test; the class table is what the
command prints for the sample class.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "img"
WIDTH = 112


def card() -> None:
    """Take a screenshot of a check cell with its card, in the light and the dark theme."""
    command = [sys.executable, "-m", "pytest", "-q", str(ROOT / "tests" / "test_browser.py")]
    subprocess.run(command, env={**os.environ, "SCREENSHOTS": str(IMAGES)}, check=True, cwd=ROOT)


def class_table() -> None:
    """Draw what `autograder report` prints for the sample class, up to the commonest mistakes."""
    command = [sys.executable, "-m", "autograder", "report", "01"]
    environment = {**os.environ, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1"}
    run = subprocess.run(
        command, env=environment, check=True, cwd=ROOT / "demo" / "course", capture_output=True, text=True
    )
    shown = run.stdout.split("01-kernel-attention, pytorch")[0]
    slips = run.stdout.split("The commonest mistakes")[1].split("Not graded")[0]
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text.from_ansi(shown + "The commonest mistakes" + slips))
    console.save_svg(str(IMAGES / "class-table.svg"), title="autograder grade 01-kernel-attention")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    card()
    class_table()
