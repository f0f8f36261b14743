"""Step 2: a student's answers, grafted on the released notebook.

Everything that was locked is as released again; only answer cells and the student's own extra
cells come from the submission.  The result is what is run, what goes into the gradebook, and
what the feedback page shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autograder.grading.reduce import Answers, Extra


@dataclass
class Released:
    """A released notebook: its JSON, and the exercises that it asks for, in order."""

    notebook: dict[str, Any]
    names: list[str]

    @classmethod
    def from_text(cls, text: str) -> Released:
        """Read a released notebook; an exercise is an answer cell or a written question."""
        notebook = json.loads(text)
        for cell in notebook["cells"]:
            if isinstance(cell["source"], list):
                cell["source"] = "".join(cell["source"])
        marks = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
        return cls(notebook, [m["grade_id"] for m in marks if m.get("solution")])

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.notebook)

    def copy(self) -> dict[str, Any]:
        """Return a copy of the notebook; text is read faster than objects are copied."""
        return dict(json.loads(self._text))

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The released cells."""
        return list(self.notebook["cells"])

    def stub(self, name: str) -> str:
        """Return the text of an answer cell as released."""
        marks = [(c["metadata"].get("nbgrader", {}).get("grade_id"), c["source"]) for c in self.cells]
        return str(dict(marks)[name])


@dataclass
class Grafted:
    """A grafted notebook and, per cell, whether it is run and which exercise it checks."""

    notebook: dict[str, Any]
    roles: list[str] = field(default_factory=list)
    """Per cell: "text", "code" (released), "own" (the student's), "study", "answer:NAME" or "check:NAME"."""


def graft(released: Released, answers: Answers, everything: bool = False) -> Grafted:
    """Put answers and extra cells into a copy of the released notebook.

    everything : keep the student's notes and edited figures too, which grading leaves out.
    """
    notebook = released.copy()
    cells: list[dict[str, Any]] = []
    roles: list[str] = []

    def add_extras(index: int) -> None:
        for number, extra in enumerate(answers.extras.get(index, [])):
            source = extra.source if everything else extra.graded_source
            if source.strip():
                cells.append(_own_cell(extra, source, f"own-{index + 1}-{number}"))
                roles.append("own" if extra.type == "code" else "text")

    add_extras(-1)
    for index, cell in enumerate(notebook["cells"]):
        cells.append(_filled(cell, answers))
        roles.append(role_of(cell))
        add_extras(index)
    notebook["cells"] = cells
    return Grafted(notebook, roles)


def role_of(cell: dict[str, Any]) -> str:
    """Say what a released cell is for."""
    marks = cell["metadata"].get("nbgrader", {})
    grade_id = str(marks.get("grade_id", ""))
    if cell["cell_type"] != "code":
        return "text"
    if marks.get("grade") and grade_id.startswith("check_"):
        return f"check:{grade_id.removeprefix('check_')}"
    if marks.get("solution"):
        return f"answer:{grade_id}"
    return "study" if "study" in cell["metadata"].get("tags", []) else "code"


def _filled(cell: dict[str, Any], answers: Answers) -> dict[str, Any]:
    marks = cell["metadata"].get("nbgrader", {})
    if marks.get("solution"):
        given = answers.code if cell["cell_type"] == "code" else answers.written
        cell["source"] = given.get(marks["grade_id"], cell["source"])
        if cell["cell_type"] != "code" and answers.pictures.get(marks["grade_id"]):
            cell["attachments"] = answers.pictures[marks["grade_id"]]
    return cell


def _own_cell(extra: Extra, source: str, cell_id: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": extra.type, "id": cell_id, "metadata": {}, "source": source}
    if extra.type == "code":
        cell |= {"execution_count": None, "outputs": []}
    elif extra.pictures:
        cell["attachments"] = extra.pictures
    return cell


def with_notice(released: Released, heading: str, text: str) -> dict[str, Any]:
    """Return the released notebook with a notice on top: what a student with an unreadable file gets back."""
    notebook = released.copy()
    notice = {"cell_type": "markdown", "id": "notice", "metadata": {}, "source": f"**{heading}**\n\n{text}"}
    notebook["cells"].insert(0, notice)
    return notebook


def attempted(released: Released, answers: Answers) -> Sequence[str]:
    """Return the exercises whose answer differs from the released stub."""
    coded = [n for n, source in answers.code.items() if source.strip() != released.stub(n).strip()]
    return [*coded, *answers.written]
