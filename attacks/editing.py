"""Attacks on the notebook itself: edited checks, points, metadata, ids, forms and sizes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

from attacks.attack import Attack, Notebook, grade_id_of, own

CHECK = "check_softmax_similarity"
Edit = Callable[[Notebook], Notebook | bytes]


def marks(notebook: Notebook, grade_id: str) -> Notebook:
    """Return the nbgrader metadata of a cell."""
    return next(
        dict.__getitem__(c["metadata"], "nbgrader") for c in notebook["cells"] if grade_id_of(c) == grade_id
    )


def each_check(notebook: Notebook, source: str) -> Notebook:
    """Put a text into every check cell."""
    for cell in notebook["cells"]:
        if grade_id_of(cell).startswith("check_"):
            cell["source"] = source
    return notebook


def outputs_of_a_pass(notebook: Notebook) -> Notebook:
    """Put the outputs of passing checks into the file."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            data = {"text/plain": "99.0", "text/html": "<b>passed</b><script>alert(1)</script>"}
            cell["outputs"] = [
                {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}
            ]
    return notebook


def more_points(notebook: Notebook) -> Notebook:
    """Raise the points of every check."""
    for cell in notebook["cells"]:
        if grade_id_of(cell).startswith("check_"):
            cell["metadata"]["nbgrader"]["points"] = 1000
    return notebook


def manual_score(notebook: Notebook) -> Notebook:
    """Write scores into the metadata, where a gradebook would keep them."""
    notebook["metadata"]["nbgrader"] = {"score": 99, "manual_score": 99}
    for cell in notebook["cells"]:
        cell["metadata"].update(score=99, manual_score=99, auto_score=99, extra_credit=99)
        cell["metadata"].get("nbgrader", {}).update(
            score=99, manual_score=99, needs_manual_grade=False, extra_credit=99
        )
    return notebook


def check_as_answer(notebook: Notebook) -> Notebook:
    """Turn the check into an answer cell and the answer into a check."""
    marks(notebook, CHECK).update(grade=False, solution=True, locked=False, grade_id="softmax_similarity")
    return notebook


def ids_swapped(notebook: Notebook) -> Notebook:
    """Give the check of a hard exercise the id of an easy one."""
    for cell in notebook["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if str(mark.get("grade_id", "")).startswith("check_"):
            mark["grade_id"] = CHECK
    return notebook


def schema(version: object) -> Edit:
    """Return an edit that sets the metadata's version."""

    def edit(notebook: Notebook) -> Notebook:
        for cell in notebook["cells"]:
            cell["metadata"].get("nbgrader", {}).update(schema_version=version)
        return notebook

    return edit


def duplicated(notebook: Notebook) -> Notebook:
    """Put every answer and every check in twice, the second with a trick."""
    twice = copy.deepcopy(notebook["cells"])
    for cell in twice:
        if grade_id_of(cell).startswith("check_"):
            cell["source"] = "99.0"
    notebook["cells"] += twice
    return notebook


def ungraded(notebook: Notebook) -> Notebook:
    """Say of every check that it is not graded."""
    for cell in notebook["cells"]:
        cell["metadata"].get("nbgrader", {}).update(grade=False, task=True, points=99)
    return notebook


def other_kernel(notebook: Notebook) -> Notebook:
    """Ask for another kernel and another language."""
    notebook["metadata"]["kernelspec"] = {
        "name": "../../../../bin/sh",
        "display_name": "sh",
        "language": "bash",
    }
    return notebook


def study_cells(notebook: Notebook) -> Notebook:
    """Hide code in cells that aren't run, and mark the checks as such."""
    for cell in notebook["cells"]:
        cell["metadata"]["tags"] = ["study", "raises-exception", "skip-execution"]
    return notebook


def code_in_prose(notebook: Notebook) -> Notebook:
    """Put scripts and pictures that run into cells of prose."""
    script = "<script>alert(document.cookie)</script><iframe src='file:///etc/passwd'></iframe>"
    picture = {"x.svg": {"image/svg+xml": "<svg onload='alert(1)'/>"}}
    notebook["cells"].append(
        {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": script, "attachments": picture}
    )
    return notebook


def huge(notebook: Notebook) -> bytes:
    """Make a file of seventy megabytes of outputs."""
    text = json.dumps(notebook)[:-1]
    return (text + ', "padding": "' + "x" * 70_000_000 + '"}').encode()


def many_cells(notebook: Notebook) -> Notebook:
    """Add fifty thousand cells."""
    notebook["cells"] += [own("1", f"c{i}") for i in range(50_000)]
    return notebook


def deep(notebook: Notebook) -> bytes:
    """Nest the metadata a million levels deep."""
    return json.dumps(notebook)[:-1].encode() + b', "deep": ' + b"[" * 10**6 + b"]" * 10**6 + b"}"


def odd_types(notebook: Notebook) -> Notebook:
    """Put numbers where texts are expected and texts where lists are."""
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] = [None, 5, "x", [], {"nbgrader": 3}, {"nbgrader": {"grade_id": [1]}}][number % 6]
        cell["id"] = number
    notebook["metadata"] = "none"
    return notebook


def check_magics(notebook: Notebook) -> Notebook:
    """Insert cells of magics that read files and run programs."""
    for line in (
        "%load @COURSE@/solutions/01-kernel-attention/from_scratch.py",
        "!cat @COURSE@/grading/secret.key",
        "%%bash\ncat @COURSE@/grading/*",
        "%run @COURSE@/solutions/01-kernel-attention/from_scratch.py",
        "%env",
        "%autoreload 2",
    ):
        notebook["cells"].insert(2, own(line, f"magic-{len(notebook['cells'])}"))
    return notebook


def edited(name: str, edit: Edit, beats_stock: bool = False, cell: str = "") -> Attack:
    """Return an attack that is an edit of the notebook; the attacked answer gives zeros."""
    tries = (edit.__doc__ or "").strip()
    return Attack(name, tries, cell, edit=edit, beats_stock=beats_stock)


SCHEMAS = [
    Attack(
        f"schema_version_{name}",
        f"Sets the schema version of nbgrader's metadata to {version!r}.",
        edit=schema(version),
    )
    for name, version in (("1", 1), ("99", 99), ("text", "3; drop table grade"))
]
ATTACKS = [
    Attack(
        "check_returns_points",
        "Replaces the checks by the number of points.",
        edit=lambda n: each_check(n, "99.0"),
    ),
    Attack(
        "check_prints_pass",
        "Replaces the checks by code that changes the other answers' verdicts.",
        edit=lambda n: each_check(n, "lesson.check = lambda *a: 99.0\n99.0"),
    ),
    edited("outputs_of_a_pass", outputs_of_a_pass),
    edited("more_points", more_points),
    edited("manual_score", manual_score, beats_stock=True),
    edited("check_as_answer", check_as_answer),
    edited("ids_swapped", ids_swapped),
    *SCHEMAS,
    edited("duplicated_cells", duplicated),
    edited("ungraded_checks", ungraded),
    edited("other_kernel", other_kernel),
    edited("study_tags", study_cells),
    edited("code_in_prose", code_in_prose),
    edited("huge_file", huge),
    edited("many_cells", many_cells),
    edited("deep_json", deep),
    edited("odd_types", odd_types),
    edited("magics", check_magics),
]
