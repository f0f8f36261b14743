"""Step 1: a submission, whatever it is, reduced to its answers.

Theory of operation
-------------------
A submission's file is read as JSON and nothing in it is believed.  Each of its cells is matched
with a cell of the released notebook: by grade_id, by cell id, by the exercise's name that it
defines, or by having the very same text.  A matched answer cell gives an answer.  Any other
cell of the student's own (helpers, imports, a second try, notes) is an *extra*, kept in its
place after the cell above it.  Everything else, outputs and metadata and edits of locked cells,
is dropped; what was tampered with is noted for the instructor, not judged.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.judging.syntax import parse

MAX_BYTES = 64 * 2**20
MAX_SOURCE = 400_000
MAX_CELLS = 2000
STUB_TEXT = "YOUR ANSWER HERE"
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


Pictures = dict[str, dict[str, str]]
"""What was pasted into a cell: by file name and media type, base64."""


class Malformed(Exception):
    """A submission that cannot be read at all; the message is for the student."""


@dataclass(frozen=True)
class Given:
    """One cell as submitted, after normalising."""

    type: str
    source: str
    id: str
    grade_id: str
    pictures: Pictures = field(default_factory=dict)


@dataclass(frozen=True)
class Extra:
    """A cell of the student's own; `study` where it is a figure's cell that was edited."""

    source: str
    type: str = "code"
    study: bool = False
    pictures: Pictures = field(default_factory=dict)

    @property
    def graded_source(self) -> str:
        """The code of it that is run when grading: of an edited figure its definitions, of prose none."""
        if self.type != "code":
            return ""
        return _definitions(self.source) if self.study else self.source


@dataclass
class Answers:
    """What is left of a submission.

    code : answers by exercise, as source text.
    written : answers in prose by exercise; pictures : what was pasted into them.
    extras : by the index of the released cell that they follow (−1: before all), the student's own cells.
    noted : what an instructor may want to look at.
    """

    code: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Pictures] = field(default_factory=dict)
    extras: dict[int, list[Extra]] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)


def read_cells(data: bytes) -> list[Given]:
    """Return the cells of a submitted notebook.

    Raises
    ------
    Malformed
        If the bytes are not a notebook; the message says what to do.
    """
    if len(data) > MAX_BYTES:
        raise Malformed(too_large(len(data)))
    if not data.strip():
        raise Malformed("The file is empty. Save the notebook in Jupyter and submit it again.")
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError) as error:
        told = f" ({error})" if isinstance(error, json.JSONDecodeError) else ""
        raise Malformed(
            f"The file is not valid JSON{told}. Open it in Jupyter, save, and submit it again."
        ) from None
    cells = _cell_list(notebook)
    if len(cells) > MAX_CELLS:
        raise Malformed(f"The notebook has {len(cells)} cells; at most {MAX_CELLS} are graded.")
    return [given for given in map(_normalise, cells) if given is not None]


def too_large(size: int) -> str:
    """Return what a student is told whose file has that many bytes."""
    return f"The file has {size >> 20} MB. Clear all outputs, save, and submit again."


def _cell_list(notebook: Any) -> list[Any]:
    if isinstance(notebook, dict):
        sheets = notebook.get("worksheets")
        if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict):
            notebook = sheets[0]
        if isinstance(notebook.get("cells"), list):
            return list(notebook["cells"])
    raise Malformed(
        "The file is JSON, but not a notebook: it has no list of cells. Submit the .ipynb file itself."
    )


def _normalise(cell: Any) -> Given | None:
    """Return a cell in its simplest form, or None if it is none."""
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    if not isinstance(source, str):
        return None
    return Given(
        type="code" if cell.get("cell_type") == "code" else "markdown",
        source=_printable(source[:MAX_SOURCE]),
        id=str(cell.get("id", "")),
        grade_id=grade_id if isinstance(grade_id, str) else "",
        pictures=_pictures(cell.get("attachments")),
    )


def _pictures(attachments: Any) -> Pictures:
    """Return those attachments that are pictures, and nothing that a page would run."""
    found: Pictures = {}
    for name, forms in attachments.items() if isinstance(attachments, dict) else []:
        for form in PICTURES if isinstance(forms, dict) else []:
            data = "".join(forms[form]) if _is_text(forms.get(form)) else ""
            if re.fullmatch(r"[A-Za-z0-9+/=\s]+", data):
                found[_printable(name)] = {form: data}
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(part, str) for part in value)
    )


def _printable(source: str) -> str:
    """Return the text without surrogates and NULs, which neither Python nor SQLite takes."""
    return source.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def reduce(cells: Sequence[Given], released: Sequence[Any], names: Sequence[str]) -> Answers:
    """Reduce submitted cells to answers.

    Parameters
    ----------
    released : the cells of the released notebook.
    names : the exercises of this notebook.
    """
    matcher = _Matcher(released, names)
    answers = Answers()
    anchor = -1
    for given in cells:
        index = matcher.claim(given)
        if index is None:
            _take_extra(answers, given, anchor, matcher)
            continue
        anchor = index
        _take_claimed(answers, given, index, released[index], matcher)
    for index in matcher.unclaimed_answers():
        answers.noted.append(f"the cell {_grade_id(released[index])} is missing")
    return answers


class _Matcher:
    """Matches submitted cells with released ones; each released cell is claimed once."""

    def __init__(self, released: Sequence[Any], names: Sequence[str]) -> None:
        self.released, self.names = released, names
        self.by_grade_id = {_grade_id(c): i for i, c in enumerate(released) if _grade_id(c)}
        self.by_id = {str(c.get("id")): i for i, c in enumerate(released) if c.get("id")}
        self.by_text: dict[str, list[int]] = {}
        for i, cell in enumerate(released):
            self.by_text.setdefault(cell["source"].strip(), []).append(i)
        self.claimed: set[int] = set()

    def claim(self, given: Given) -> int | None:
        """Return the index of the released cell that this one is, or None if it's the student's own."""
        for index in self._candidates(given):
            if index not in self.claimed and self.released[index]["cell_type"] == given.type:
                self.claimed.add(index)
                return index
        return None

    def _candidates(self, given: Given) -> list[int]:
        found = [self.by_grade_id[given.grade_id]] if given.grade_id in self.by_grade_id else []
        if given.id in self.by_id:
            found.append(self.by_id[given.id])
        if given.type == "code":
            defined = defined_names(given.source)
            found += [self.by_grade_id[n] for n in self.names if n in defined and n in self.by_grade_id]
        return found + self.by_text.get(given.source.strip(), [])

    def is_ours(self, given: Given) -> bool:
        """Whether a cell repeats a released one, is a check, or is prose of another release."""
        if given.source.strip() in self.by_text or given.grade_id.startswith(("check_", "question_")):
            return True
        match = re.fullmatch(r"(\w+)-\d+", given.id, re.ASCII)
        return match is not None and given.type != "code" and match[1] in {"start", *self.by_grade_id}

    def question_above(self, anchor: int) -> str | None:
        """Return the written exercise whose question or answer cell is the anchor."""
        if anchor < 0:
            return None
        grade_id = _grade_id(self.released[anchor]).removeprefix("question_")
        index = self.by_grade_id.get(grade_id)
        is_written = index is not None and self.released[index]["cell_type"] == "markdown"
        return grade_id if is_written and grade_id in self.names else None

    def unclaimed_answers(self) -> list[int]:
        """Return the released answer cells that nothing in the submission is."""
        return [i for g, i in self.by_grade_id.items() if g in self.names and i not in self.claimed]


def _grade_id(cell: Mapping[str, Any]) -> str:
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))


def _take_claimed(answers: Answers, given: Given, index: int, released: Any, matcher: _Matcher) -> None:
    marks = released["metadata"].get("nbgrader", {})
    changed = given.source.strip() != released["source"].strip()
    if marks.get("solution"):
        if given.type == "code":
            answers.code[marks["grade_id"]] = given.source
        elif changed:
            answers.written[marks["grade_id"]] = given.source
            answers.pictures[marks["grade_id"]] = given.pictures
    elif changed and marks.get("locked"):
        answers.noted.append(f"the locked cell {marks['grade_id']} was edited (ignored)")
    elif changed and given.type == "code":
        is_study = "study" in released["metadata"].get("tags", [])
        if given.source.strip():
            answers.extras.setdefault(index, []).append(Extra(given.source, study=is_study))


def _take_extra(answers: Answers, given: Given, anchor: int, matcher: _Matcher) -> None:
    if not given.source.strip() or matcher.is_ours(given):
        return
    question = matcher.question_above(anchor)
    if given.type == "code" or question is None:
        answers.extras.setdefault(anchor, []).append(Extra(given.source, given.type, pictures=given.pictures))
    elif given.source.strip() != STUB_TEXT:
        answers.written[question] = "\n\n".join(
            filter(None, [answers.written.get(question, ""), given.source])
        )
        answers.pictures[question] = {**answers.pictures.get(question, {}), **given.pictures}


@functools.lru_cache(maxsize=1024)
def defined_names(source: str) -> frozenset[str]:
    """Return the names that a cell defines at its top level; guesses where it doesn't parse."""
    try:
        body = parse(_without_magics(source)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        functions = re.findall(r"^(?:async +def|def|class) +(\w+)", source, re.MULTILINE)
        return frozenset([*functions, *re.findall(r"^(\w+) *=(?!=)", source, re.MULTILINE)])
    names: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return frozenset(names)


def _without_magics(source: str) -> str:
    return "\n".join(
        "" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()
    )


def _definitions(source: str) -> str:
    """Return only the imports, functions and classes of a cell: what others may need of a figure."""
    try:
        body = parse(_without_magics(source)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    kept = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return "\n\n".join(ast.unparse(node) for node in body if isinstance(node, kept))
