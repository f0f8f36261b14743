"""What an attack is: a submission that tries to get what it does not deserve."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Notebook = dict[str, Any]
WRONG = "def softmax_similarity(queries, keys):\n    return np.zeros((len(queries), len(keys)))\n"
WORKED = "the worked solution"
"""Stands in `also` for the worked solution of an exercise."""


@dataclass(frozen=True)
class Attack:
    """One hostile submission of lesson 01.

    Parameters
    ----------
    tries : one sentence.
    cell : code in a cell of the student's own above the attacked answer.
    answer : the attacked answer's cell; by default it gives zeros and deserves nothing.
    also : other answers, by exercise.
    farewell : code in a cell at the end of the notebook.
    edit : a last change of the whole notebook; it may return the file's bytes.
    deserves : the points that the honest part of it is worth.
    beats_stock : whether it got full marks from stock nbgrader 0.9.6 when it was tried there.

    In the code @COURSE@ stands for the course's folder, @PID@ for the grader's process, @PORT@,
    @PATH@ and @ABSTRACT@ for servers that the grader's user runs.
    """

    name: str
    tries: str
    cell: str = ""
    answer: str = WRONG
    exercise: str = "softmax_similarity"
    track: str = "from_scratch"
    also: Mapping[str, str] = field(default_factory=dict)
    farewell: str = ""
    edit: Callable[[Notebook], Notebook | bytes] | None = None
    deserves: float = 0.0
    beats_stock: bool = False

    def file(self, released: Notebook, worked: Callable[[str], str], places: Mapping[str, str]) -> bytes:
        """Return the submission."""
        answers = {self.exercise: self.answer, **self.also}
        notebook = json.loads(json.dumps(released))
        cells = []
        for cell in notebook["cells"]:
            grade_id = grade_id_of(cell)
            if grade_id == self.exercise and self.cell:
                cells.append(own(self.cell, "attack"))
            if grade_id in answers:
                text = answers[grade_id]
                cell["source"] = worked(grade_id) if text == WORKED else text
            cells.append(cell)
        notebook["cells"] = [*cells, own(self.farewell, "farewell")] if self.farewell else cells
        edited = notebook if self.edit is None else self.edit(notebook)
        data = edited if isinstance(edited, bytes) else json.dumps(edited).encode()
        for name, value in places.items():
            data = data.replace(b"@" + name.encode() + b"@", value.encode())
        return data


def own(source: str, cell_id: str) -> Notebook:
    """Return a code cell of the student's own."""
    return {
        "cell_type": "code", "id": cell_id, "metadata": {}, "outputs": [], "execution_count": None, "source": source,
    }  # fmt: skip


def grade_id_of(cell: Notebook) -> str:
    """Return what nbgrader knows a cell by."""
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))
