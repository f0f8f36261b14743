"""Imports run downwards only, and judging touches neither files nor processes nor Jupyter."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "autograder"
MAY_IMPORT = {
    "judging": {"judging"},
    "notebook": {"notebook", "judging"},
    "authoring": {"authoring", "judging", "course"},
    "sandbox": {"sandbox", "judging"},
    "grading": {"grading", "sandbox", "authoring", "judging", "course", "tables"},
}
SANDBOX_NEEDS = {"observe", "call", "limits", "tree"}
OUTSIDE = {
    "pathlib", "shutil", "tempfile", "subprocess", "multiprocessing", "socket", "signal", "sqlite3", "glob",
    "IPython", "ipykernel", "jupyter_client", "nbformat", "nbclient", "nbconvert", "nbgrader", "jupytext",
}  # fmt: skip


def imports(text: str) -> Iterator[str]:
    """Yield the full names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(wing: str) -> list[Path]:
    return sorted((PACKAGE / wing).rglob("*.py"))


def forbidden(wing: str, text: str) -> list[str]:
    """Return the imports of other wings that a wing may not have."""
    ours = [name.split(".") for name in imports(text) if name.startswith("autograder.")]
    return [".".join(p) for p in ours if p[1] not in {*MAY_IMPORT[wing], "__version__"}]


@pytest.mark.parametrize("wing", list(MAY_IMPORT))
def test_do_imports_run_downwards_only(wing):
    assert {
        path.name: found for path in modules(wing) if (found := forbidden(wing, path.read_text("utf-8")))
    } == {}


def test_would_an_import_upwards_be_found():
    assert forbidden("judging", "def f():\n    from autograder.grading import run") == [
        "autograder.grading.run"
    ]
    assert forbidden("sandbox", "from autograder.notebook.lesson import Lesson") != []


def test_is_every_wing_looked_at():
    wings = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert wings == set(MAY_IMPORT)


def test_does_the_sandbox_know_nothing_of_what_is_right():
    named = {
        part
        for path in modules("sandbox")
        for name in imports(path.read_text("utf-8"))
        if name.startswith("autograder.judging")
        for part in name.split(".")[2:3]
    }
    assert named <= SANDBOX_NEEDS


@pytest.mark.parametrize("path", modules("judging"), ids=lambda path: path.stem)
def test_does_judging_import_nothing_of_the_world_outside(path):
    roots = {name.split(".")[0] for name in imports(path.read_text("utf-8"))}
    assert roots & OUTSIDE == set()


@pytest.mark.parametrize("path", modules("judging"), ids=lambda path: path.stem)
def test_does_judging_read_of_the_system_its_environment_at_most(path):
    tree = ast.parse(path.read_text("utf-8"))
    nodes = list(ast.walk(tree))
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert used <= {"environ"}
    assert "open" not in called


def test_does_a_student_s_notebook_load_neither_pytorch_nor_the_instructor_s_half():
    shown = "import sys, autograder; print(*sorted(m for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    heavy = {"torch", "nbgrader", "nbformat", "jupytext", "IPython", "matplotlib"}
    assert heavy & set(loaded) == set()
    assert [m for m in loaded if m.startswith(("autograder.authoring", "autograder.grading"))] == []
