"""Step 5: into nbgrader's gradebook and feedback pages.

Theory of operation
-------------------
nbgrader's own converters do the writing, so that the gradebook, formgrader, manual grading,
late penalties and export stay nbgrader's.  The grafted notebooks lie in a scratch folder that
nbgrader takes for the submissions, and `InsertOutputs` stands where nbgrader would execute: it
puts the outputs there that judging gave.  `SaveComments` then writes each diagnosis beside its
answer.  One process writes the database.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import functools
import json
import logging
import shutil
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbformat import from_dict
from nbgrader.api import Gradebook, MissingEntry
from nbconvert.exporters import NotebookExporter
from nbconvert.writers import FilesWriter
from nbgrader.converters import Autograde, BaseConverter, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import CheckCellMetadata, Execute, NbGraderPreprocessor, SaveAutoGrades
from traitlets.config import Config

from autograder.authoring import generate
from autograder.course import Assigned, Course, CourseError, find_root, read_course
from autograder.grading.held import HeldGradebook, opened, prepare_tables
from autograder.grading.key import LessonKey, course_secret, read_key
from autograder.grading.mark import Marker
from autograder.grading.pages import PageExporter
from autograder.grading.store import Result
from autograder.judging.exercise import ExerciseError
from autograder.sandbox import best_tier

Find = Callable[[str, str, str], Result | None]
"""From student, lesson and track to the result."""


class Writer:
    """Writes results of one lesson into nbgrader's gradebook, one student at a time.

    pages : whether to make feedback pages too.
    """

    def __init__(
        self, course: Course, lesson: Assigned, key: LessonKey, casebook: bytes, pages: bool = True
    ) -> None:
        self.course, self.lesson, self.key, self.pages = course, lesson, key, pages
        self.reduced = course.grading / "reduced"
        course.grading.mkdir(parents=True, exist_ok=True)
        prepare_tables(course.db_url)
        self._make_assignment(casebook)
        self._book = HeldGradebook(course.db_url)
        weakref.finalize(self, self._book.release)
        config = self._config()
        self._autograde = _AutogradeOne(coursedir=CourseDirectory(config=config), config=config)
        self._feedback = _FeedbackOne(coursedir=CourseDirectory(config=config), config=config)

    def _make_assignment(self, casebook: bytes) -> None:
        """Tell nbgrader of the assignment, with our master notebooks, and of its due date."""
        masters = {
            t: generate.master(self.key.source, self.key.source.sources[t]) for t in self.lesson.tracks
        }
        folder = self.course.grading / "source" / self.lesson.name
        shutil.rmtree(folder, ignore_errors=True)
        generate.lay_out_source(folder, masters, {"casebook.npz": casebook})
        try:
            generate.release(self.lesson.name, masters, {}, self.course.db_url)
        except ExerciseError as error:
            if "there are submissions" in str(error):
                raise CourseError(
                    f"The exercises of {self.lesson.name} have changed since submissions were graded into "
                    f"{self.course.grading / 'gradebook.db'}, and nbgrader cannot change an assignment that "
                    "has submissions. Move that file aside (nothing else is lost: results are kept) and "
                    "grade again."
                ) from error
            raise
        with Gradebook(self.course.db_url) as gradebook:
            due = self.lesson.due.astimezone(datetime.UTC).replace(tzinfo=None) if self.lesson.due else None
            gradebook.update_or_create_assignment(self.lesson.name, duedate=due)

    def roster(self) -> list[str]:
        """Return the students that the gradebook knows."""
        with Gradebook(self.course.db_url) as gradebook:
            return sorted(student.id for student in gradebook.students)

    def write(self, student: str, results: Mapping[str, Result], timestamp: str | None) -> None:
        """Write one student's results (by track) and the feedback pages."""
        folder = self.reduced / student / self.lesson.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for track, result in results.items():
            (folder / f"{track}.ipynb").write_text(json.dumps(result.notebook), "utf-8")
        if timestamp:
            (folder / "timestamp.txt").write_text(timestamp, "utf-8")
        InsertOutputs.find = lambda _student, _lesson, track: results.get(track)
        with self._book.whole():
            _start(self._autograde, student)
            if self.pages:
                _start(self._feedback, student)
            self._settle(student, results)

    def _config(self) -> Config:
        config = Config()
        config.CourseDirectory.root = str(self.course.root)
        config.CourseDirectory.db_url = self.course.db_url
        config.CourseDirectory.course_id = generate.COURSE_ID
        config.CourseDirectory.assignment_id = self.lesson.name
        # nbgrader copies what lies beside the source to every student; nothing reads it there.
        config.CourseDirectory.ignore.append("casebook.npz")
        config.CourseDirectory.source_directory = "grading/source"
        config.CourseDirectory.submitted_directory = "grading/reduced"
        config.CourseDirectory.autograded_directory = "grading/autograded"
        config.CourseDirectory.feedback_directory = "grading/feedback"
        # What the notebooks are made of was released, and so was checked: once at the end is enough.
        config.Autograde.autograde_preprocessors = [s for s in steps(InsertOutputs) if s is not CheckCellMetadata]
        config.Exporter.optimistic_validation = True
        config.AssignLatePenalties.plugin_class = CourseLatePenalty
        config.ClearMarkScheme.enforce_metadata = False
        return config

    def _settle(self, student: str, results: Mapping[str, Result]) -> None:
        """Give zero where a notebook was not submitted or cannot be read: nothing waits for a grader."""
        for track, result in results.items():
            if result.status not in ("malformed", "missing"):
                continue
            try:
                notebook = self._book.find_submission_notebook(track, self.lesson.name, student)
            except MissingEntry:
                continue
            for grade in notebook.grades:
                grade.auto_score, grade.needs_manual_grade = 0, False

    def feedback_page(self, student: str, track: str) -> Path:
        """Return where a student's feedback page lies."""
        return self.course.grading / "feedback" / student / self.lesson.name / f"{track}.html"


def steps(execute: type[NbGraderPreprocessor]) -> list[Any]:
    """Return nbgrader's own autograde steps, with ours in place of Execute and comments after the grades."""
    replaced = [execute if step is Execute else step for step in Autograde().autograde_preprocessors]
    at = replaced.index(SaveAutoGrades) + 1
    return [*replaced[:at], SaveComments, *replaced[at:]]


def sanitising_steps() -> list[Any]:
    """Return nbgrader's own sanitising steps, after grafting."""
    return [GraftAnswers, *Autograde().sanitize_preprocessors]


class _OneStudent:
    """Keeps a converter to one folder: nbgrader takes its name for a pattern, and `a*` would be ada too.

    It serves one student after another, with the same exporter.
    """

    def start(self) -> None:
        """Convert the notebooks of the student, with the exporter that the one before had."""
        about: Any = self
        self.init_notebooks()
        # A writer makes its folder only when it first hears of it.
        about.writer = FilesWriter(parent=self, config=about.config)
        if not about.trait_has_value("exporter"):
            about.exporter = about.exporter_class(parent=self, config=about.config)
            for step in about.preprocessors:
                about.exporter.register_preprocessor(step)
        with contextlib.chdir(about.coursedir.root):
            about.convert_notebooks()

    def init_notebooks(self) -> None:
        """List the notebooks of the student, whatever characters are in the name."""
        about: Any = self
        folder = about._format_source(about.coursedir.assignment_id, about.coursedir.student_id)
        about.notebooks, about.assignments = [], {folder: sorted(map(str, Path(folder).glob("*.ipynb")))}


class _GraftedExporter(NotebookExporter):  # type: ignore[misc]
    """Exports a notebook that this process laid there itself: it is checked once, after the last step.

    nbconvert copies and checks what it reads and after each of its steps, for any notebook may come to it.
    """

    def from_file(self, file_stream: Any, resources: Any = None, **named: Any) -> tuple[str, Any]:
        """Run the steps on a notebook's file; return the new file's text, and the resources."""
        nb, resources = from_dict(json.load(file_stream)), self._init_resources(resources)
        for step in self._preprocessors:
            nb, resources = step(nb, resources)
        self._validate_preprocessor(nb, "the last step")
        resources["output_suffix"] = ".nbconvert"
        return json.dumps(nb) + "\n", resources


class _AutogradeOne(_OneStudent, Autograde):  # type: ignore[misc]
    """Without the sanitising half: grafting has put the answers on the released notebook."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.exporter_class = _GraftedExporter

    @property
    def _input_directory(self) -> str:
        return str(self.coursedir.submitted_directory)

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Convert a grafted notebook."""
        self._sanitizing = False
        self._init_preprocessors()
        BaseConverter.convert_single_notebook(self, notebook_filename)


class _FeedbackOne(_OneStudent, GenerateFeedback):  # type: ignore[misc]
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.exporter_class = PageExporter


def _start(converter: Any, student: str) -> None:
    """Run one of nbgrader's converters; its complaints come back as the exception's text."""
    converter.coursedir.student_id, converter.force = student, True
    said = generate.Said()
    converter.log.setLevel(logging.ERROR)
    converter.log.addHandler(said)
    try:
        converter.start()
    except Exception as error:
        name = type(converter).__mro__[2].__name__
        raise CourseError(f"nbgrader's {name} failed: {said.text or error}"[:600]) from error
    finally:
        converter.log.removeHandler(said)


# ------------------------------------------------------------------------------ nbgrader's steps


class InsertOutputs(NbGraderPreprocessor):  # type: ignore[misc]
    """Stands where nbgrader executes: puts in the outputs that judging gave."""

    find: Find = staticmethod(lambda student, lesson, track: None)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Insert the stored outputs; a notebook without a result scores nothing."""
        about = resources["nbgrader"]
        result = type(self).find(about["student"], about["assignment"], about["notebook"])
        insert(nb, result)
        resources["autograder"] = result
        return nb, resources


def insert(nb: Any, result: Result | None) -> None:
    """Put a result's outputs into a notebook; a check cell without one is worth 0."""
    outputs = result.outputs if result else {}
    for index, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        cell.outputs = [from_dict(output) for output in outputs.get(str(index), [])]
        if cell.metadata.get("nbgrader", {}).get("grade") and not cell.outputs:
            data = {"text/plain": "0.0"}
            nothing = {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}
            cell.outputs = [from_dict(nothing)]


class GraftAnswers(NbGraderPreprocessor):  # type: ignore[misc]
    """First of nbgrader's sanitising steps: grafts the answers, so that nothing stops the others."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Replace the cells by the released ones with the submission's answers in them."""
        about = resources["nbgrader"]
        grafted = marker_of(about["assignment"]).graft_bytes(_file(nb), about["notebook"])
        nb.cells = from_dict(grafted.notebook["cells"])
        nb.metadata = from_dict(grafted.notebook["metadata"])
        return nb, resources


class JudgeOutside(NbGraderPreprocessor):  # type: ignore[misc]
    """Stands where plain `nbgrader autograde` would execute: runs in the sandbox and judges from outside."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Judge the notebook now and put the outputs in."""
        about = resources["nbgrader"]
        result = marker_of(about["assignment"]).judge_bytes(_file(nb), about["notebook"])
        nb.cells = from_dict(result.notebook["cells"])
        insert(nb, result)
        resources["autograder"] = result
        return nb, resources


def _file(nb: Any) -> bytes:
    return json.dumps({"cells": nb.cells, "metadata": nb.metadata, "nbformat": 4}).encode("utf-8")


@functools.cache
def marker_of(lesson: str) -> Marker:
    """Return this process's marker of a lesson; raises CourseError where there is no sandbox."""
    course = read_course(find_root())
    if best_tier() == "none":
        raise CourseError("This machine offers no sandbox; `autograder doctor` says what is missing.")
    assigned = course.lesson(lesson)
    marker = Marker(read_key(course.root, assigned.name, assigned.tracks), course_secret(course.grading))
    atexit.register(marker.close)
    return marker


class SaveComments(NbGraderPreprocessor):  # type: ignore[misc]
    """Writes each diagnosis beside its answer in the gradebook."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Set the automatic comment of every answer cell that has a diagnosis."""
        result, about = resources.get("autograder"), resources["nbgrader"]
        if result is None:
            return nb, resources
        with opened(about["db_url"]) as gradebook:
            for name, text in result.comments.items():
                self._comment(gradebook, name, about, text)
            gradebook.db.commit()
        return nb, resources

    @staticmethod
    def _comment(gradebook: Gradebook, name: str, about: Mapping[str, str], text: str) -> None:
        try:
            comment = gradebook.find_comment(name, about["notebook"], about["assignment"], about["student"])
        except MissingEntry:
            return
        comment.auto_comment = text


class CourseLatePenalty(LateSubmissionPlugin):  # type: ignore[misc]
    """The late policy of course.toml, for nbgrader."""

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float:
        """Return the points that are taken off a notebook's score."""
        course = read_course(find_root())
        return course.late.share(total_seconds_late) * score
