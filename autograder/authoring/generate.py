"""From a notebook source to the notebooks that people open.

One source gives three notebooks: the *master*, with nbgrader's metadata and the worked
solutions, which only nbgrader's generate_assignment reads; the *release*, which that makes of
it; and the *worked* notebook, executed, for reading on the web.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from traitlets.config import Config

from autograder.authoring.reader import Cell, LessonSource, Source, without_marks
from autograder.judging.exercise import Exercise, ExerciseError, Written

EXECUTE_LIMIT_S = 900
COURSE_ID = "default_course"
"""What nbgrader calls a course whose steps name none; PostgreSQL insists on a name, the same everywhere."""


# ----------------------------------------------------------------------------------- cell by cell


def master(lesson: LessonSource, source: Source) -> nbformat.NotebookNode:
    """Return the master notebook of a source, with nbgrader's metadata and derived cell ids."""
    cells = list(_cells(lesson.exercises, source))
    _name_cells(cells)
    notebook = new_notebook(cells=cells)
    notebook.nbformat_minor = 5
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "autograder": {"lesson": source.lesson, "track": source.track},
    }
    return notebook


def _cells(exercises: Mapping[str, Exercise], source: Source) -> Iterator[Any]:
    origin = f"<!-- Generated from solutions/{source.lesson}/{source.track}.py by `make build`; change it there. -->"
    first = True
    for cell in source.cells:
        if cell.tag == "written":
            yield from _written(cell, exercises[cell.value])
            continue
        made = new_code_cell(cell.source) if cell.type == "code" else new_markdown_cell(cell.source)
        if first and cell.type == "markdown":
            made.source, first = f"{origin}\n{made.source}", False
        _tag(made, cell, exercises)
        yield made


def _tag(made: Any, cell: Cell, exercises: Mapping[str, Exercise]) -> None:
    name = cell.value
    if cell.tag == "setup":
        made.metadata["nbgrader"] = _nbgrader("setup", locked=True)
    elif cell.tag == "exercise":
        made.metadata["nbgrader"] = _nbgrader(name, solution=True)
    elif cell.tag == "check":
        made.source = made.source or f'lesson.check("{name}", {name})'
        made.metadata["nbgrader"] = _nbgrader(
            f"check_{name}", grade=True, locked=True, points=exercises[name].points
        )
    elif cell.tag == "study":
        made.metadata["tags"] = ["study"]


def _written(cell: Cell, exercise: Exercise) -> Iterator[Any]:
    """Yield the locked question, with its mark scheme, and the cell for the answer, graded by hand."""
    assert isinstance(exercise.kind, Written)
    rubric = "\n".join(
        f"- {points:g} point{'s' * (points != 1)}: {what}" for points, what in exercise.kind.rubric
    )
    scheme = f"<!-- BEGIN MARK SCHEME -->\n**Mark scheme**\n\n{rubric}\n<!-- END MARK SCHEME -->"
    question = new_markdown_cell(f"{cell.source}\n\n{scheme}")
    question.metadata["nbgrader"] = _nbgrader(f"question_{cell.value}", locked=True)
    yield question
    answer = new_markdown_cell(exercise.kind.model_answer)
    answer.metadata["nbgrader"] = _nbgrader(cell.value, grade=True, solution=True, points=exercise.points)
    yield answer


def _nbgrader(grade_id: str, points: float | None = None, **flags: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {"grade_id": grade_id, "schema_version": 3}
    metadata.update({flag: flags.get(flag, False) for flag in ("grade", "locked", "solution", "task")})
    if points is not None:
        metadata["points"] = points
    return metadata


def _name_cells(cells: list[Any]) -> None:
    """Give every cell an id from the exercise that it belongs to, so that ids stay when text changes."""
    last, count = "start", 0
    for cell in cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id:
            last, count, cell["id"] = grade_id, 0, grade_id[:64]
        else:
            count += 1
            cell["id"] = f"{last[:58]}-{count}"


# -------------------------------------------------------------------------------------- notebooks


def dump(notebook: nbformat.NotebookNode) -> str:
    """Return a notebook's text: sorted keys, one space of indentation, a final newline."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def release(
    lesson: str,
    masters: Mapping[str, nbformat.NotebookNode],
    files: Mapping[str, bytes],
    db_url: str | None = None,
) -> dict[str, str]:
    """Run nbgrader's generate_assignment on a clean scratch folder; return the release by track.

    Parameters
    ----------
    masters : by track.
    files : public files that lie beside the notebooks.
    db_url : the gradebook that learns of the assignment; None uses one that is thrown away.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        lay_out_source(root / "source" / lesson, masters, files)
        generate_assignment(root, lesson, db_url or f"sqlite:///{root}/gradebook.db")
        made = {t: nbformat.read(root / "release" / lesson / f"{t}.ipynb", as_version=4) for t in masters}
        return {track: dump(notebook) for track, notebook in made.items()}


def lay_out_source(
    folder: Path, masters: Mapping[str, nbformat.NotebookNode], files: Mapping[str, bytes]
) -> None:
    """Write master notebooks and public files, and nothing else, to a folder that nbgrader reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for track, notebook in masters.items():
        (folder / f"{track}.ipynb").write_text(dump(notebook), "utf-8")
    for name, data in files.items():
        (folder / name).write_bytes(data)


def generate_assignment(root: Path, lesson: str, db_url: str) -> None:
    """Run nbgrader's GenerateAssignment on `root`/source into `root`/release."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    from autograder.authoring.steps import preprocessors

    put_scripts_on_path()
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = db_url
    config.CourseDirectory.course_id = COURSE_ID
    config.CourseDirectory.assignment_id = lesson
    config.GenerateAssignment.preprocessors = preprocessors()
    config.ClearMarkScheme.enforce_metadata = False
    converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
    converter.force = True
    said = Said()
    converter.log.setLevel(logging.ERROR)
    converter.log.addHandler(said)
    try:
        converter.start()
    except Exception as error:
        raise ExerciseError(f"nbgrader could not generate {lesson}: {said.text[-1500:]}") from error
    finally:
        converter.log.removeHandler(said)


class Said(logging.Handler):
    """Keeps what nbgrader logs, which its exceptions only refer to."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.text += record.getMessage() + "\n"


def put_scripts_on_path() -> None:
    """Let nbgrader find ``alembic``, which it runs by name, where the environment isn't activated."""
    scripts = sysconfig.get_path("scripts")
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])


def worked(lesson: LessonSource, source: Source) -> nbformat.NotebookNode:
    """Return the worked notebook, not yet executed, with a fingerprint of what its outputs depend on."""
    notebook = master(lesson, source)
    for cell in notebook.cells:
        cell.source = without_marks(cell.source)
    notebook.metadata["autograder"]["fingerprint"] = fingerprint(lesson, source)
    return notebook


def fingerprint(lesson: LessonSource, source: Source) -> str:
    """Return a digest of everything that a worked notebook's outputs depend on."""
    digest = hashlib.sha256(source.path.read_bytes())
    for path in [*sorted((lesson.folder / "exercises").glob("*.py")), *_public_paths(lesson)]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def _public_paths(lesson: LessonSource) -> list[Path]:
    return sorted((lesson.folder / "public").glob("*.py"))


def public_parts(lesson: LessonSource) -> dict[str, bytes]:
    """Return the code that is released beside the notebooks, by file name, marked as generated."""
    origin = f"# Copied from solutions/{lesson.name}/public/ by `make build`; change it there.\n"
    return {path.name: origin.encode() + path.read_bytes() for path in _public_paths(lesson)}


def execute(notebook: nbformat.NotebookNode, files: Mapping[str, bytes], data: Path) -> None:
    """Run a notebook in a kernel, in a course folder of its own with the public files and the data sets.

    Raises nbclient's CellExecutionError on any error in a cell.
    """
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "notebooks" / notebook.metadata["autograder"]["lesson"]
        folder.mkdir(parents=True)
        if data.is_dir():
            (Path(scratch) / "data").symlink_to(data.resolve(), target_is_directory=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        client = NotebookClient(
            notebook,
            timeout=EXECUTE_LIMIT_S,
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)


def same_source(first: nbformat.NotebookNode, second: nbformat.NotebookNode) -> bool:
    """Whether two notebooks have the same cells and metadata, whatever their outputs."""
    return _bare(first) == _bare(second)


def _bare(notebook: nbformat.NotebookNode) -> str:
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copy.cells:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
    copy.metadata["language_info"] = {}
    return dump(copy)
