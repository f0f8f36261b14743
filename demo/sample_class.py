"""Makes a sample class for `make demo`: a course folder of its own with twelve submissions of lesson 01.

    python demo/sample_class.py TO

The submissions are made from the released notebooks and the worked solutions: right, wrong in
known ways, half done, odd but right, malformed and hostile.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.authoring.reader import LessonSource, read_lesson, without_marks

ROOT = Path(__file__).resolve().parent.parent
LESSON = "01-kernel-attention"
Notebook = dict[str, Any]

ESSAY = (
    "The query factor can be dropped. It is the same for every key of a row, so it stands in the numerator and "
    "in the denominator of the average and cancels. The key factor differs from key to key, so it has to stay."
)


class Maker:
    """Makes submissions of one track."""

    def __init__(self, lesson: LessonSource, track: str) -> None:
        self.lesson, self.track = lesson, track
        self.source = lesson.sources[track]
        self.names = self.source.names("exercise")

    def released(self) -> Notebook:
        """Return the notebook as students get it."""
        path = ROOT / "notebooks" / self.lesson.name / f"{self.track}.ipynb"
        return dict(json.loads(path.read_text("utf-8")))

    def solution(self, name: str) -> str:
        """Return the worked solution of an exercise."""
        return without_marks(self.source.cell("exercise", name).source)

    def mistaken(self, name: str) -> str:
        """Return a worked solution with the first known mistake that edits this track."""
        text, first = self.solution(name), self.lesson.tracks_of(name)[0]
        for mistake in self.lesson.exercises[name].mistakes:
            if mistake.edit and (mistake.track or first) == self.track:
                for old, new in mistake.edit:
                    text = text.replace(old, new)
                return text
        wrong = next((m.line for m in self.lesson.exercises[name].mistakes if m.line), None)
        return (
            text
            if wrong is None
            else text.replace('(2*sigma2))",\n    "', f'(2*sigma2))",\n    "{wrong}",\n    "', 1)
        )

    def filled(self, answers: dict[str, str], essay: str = "") -> Notebook:
        """Return the released notebook with answers in it."""
        notebook = self.released()
        for cell in notebook["cells"]:
            name = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if name in answers:
                cell["source"] = answers[name]
            elif essay and name in self.source.names("written"):
                cell["source"] = essay
        return notebook

    def all_right(self, essay: str = "") -> Notebook:
        """Return a notebook with every worked solution."""
        return self.filled({name: self.solution(name) for name in self.names}, essay)


def text(notebook: Notebook) -> str:
    """Return a notebook's file."""
    return json.dumps(notebook, indent=1)


def all_right(maker: Maker) -> str:
    """Everything right, with the essay."""
    return text(maker.all_right(ESSAY))


def all_wrong(maker: Maker) -> str:
    """Everything wrong, in known ways."""
    return text(maker.filled({name: maker.mistaken(name) for name in maker.names}, "Both can be dropped."))


def two_slips(maker: Maker) -> str:
    """The two commonest slips, the rest right."""
    answers = {name: maker.solution(name) for name in maker.names}
    answers |= {name: maker.mistaken(name) for name in ("softmax_similarity", "rewrite_softmax_similarity")}
    return text(maker.filled(answers, ESSAY))


def half_done(maker: Maker) -> str:
    """The first half right, the rest as released."""
    return text(maker.filled({name: maker.solution(name) for name in maker.names[:4]}))


def empty(maker: Maker) -> str:
    """As released."""
    return text(maker.released())


def deleted_cells(maker: Maker) -> str:
    """Right, but an answer cell and two check cells were deleted."""
    notebook = maker.all_right(ESSAY)
    gone = {"gaussian_kernel", "check_softmax_similarity", "check_kernel_attention"}
    marked = [(cell["metadata"].get("nbgrader", {}).get("grade_id"), cell) for cell in notebook["cells"]]
    notebook["cells"] = [cell for grade_id, cell in marked if grade_id not in gone]
    return text(notebook)


def invalid_json(maker: Maker) -> str:
    """A file that was cut off half-way."""
    whole = all_right(maker)
    return whole[: len(whole) // 2]


def infinite_loop(maker: Maker) -> str:
    """One function never ends; the others are right."""
    answers = {name: maker.solution(name) for name in maker.names}
    answers["squared_distances"] = "def squared_distances(queries, keys):\n    while True:\n        pass\n"
    return text(maker.filled(answers))


def warns(maker: Maker) -> str:
    """Right, but it warns and prints a lot, on stderr too."""
    answers = {name: maker.solution(name) for name in maker.names}
    noisy = 'import sys\nimport warnings\n\nprint("debugging", file=sys.stderr)\nwarnings.warn("careful", stacklevel=1)\n\n'
    answers["softmax_similarity"] = noisy + answers["softmax_similarity"]
    return text(maker.filled(answers, ESSAY))


def odd_but_right(maker: Maker) -> str:
    """Odd answers that are right: loops, other routes, with no metadata left in the notebook."""
    answers = {name: maker.solution(name) for name in maker.names}
    for name in maker.names:
        sources = [
            r.source for r in maker.lesson.exercises[name].also_right if r.source and r.track == maker.track
        ]
        answers[name] = sources[0] if sources else answers[name]
    notebook = maker.filled(answers, ESSAY)
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    return text(notebook)


def hostile(maker: Maker) -> str:
    """Patches the tools, looks for the answers, edits a check, and then kills the process."""
    notebook = maker.filled({"softmax_similarity": maker.solution("softmax_similarity")})
    attack = (
        "import numpy, os, pathlib\n"
        "numpy.allclose = lambda *a, **k: True\n"
        "found = [str(p) for p in pathlib.Path('/').glob('*/*/solutions/*')]\n"
        "print(found)\n"
    )
    own = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "check_gaussian_kernel":
            cell["source"] = "3.0"
    notebook["cells"].insert(2, {**own, "id": "attack", "source": attack})
    notebook["cells"].append({**own, "id": "farewell", "source": "os._exit(0)"})
    return text(notebook)


def naive_and_late(maker: Maker) -> str:
    """Right but for stability, which has points of its own."""
    answers = {name: maker.solution(name) for name in maker.names}
    answers["stable_kernel_attention"] = (
        "def stable_kernel_attention(queries, keys, values):\n"
        "    return kernel_attention(softmax_similarity(queries, keys), values)\n"
    )
    return text(maker.filled(answers, ESSAY))


STUDENTS: dict[str, Callable[[Maker], str]] = {
    "ada": all_right,
    "ben": all_wrong,
    "cleo": half_done,
    "dan": empty,
    "eva": deleted_cells,
    "finn": invalid_json,
    "gina": infinite_loop,
    "hugo": warns,
    "iris": odd_but_right,
    "jon": hostile,
    "kim": two_slips,
    "lea": naive_and_late,
}


def make_course(to: Path) -> None:
    """Write a course folder with the sample class in it."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for folder in (f"solutions/{LESSON}", f"notebooks/{LESSON}"):
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "nbgrader_config.py", to)
    (to / "course.toml").write_text(COURSE, "utf-8")
    lesson = read_lesson(ROOT / "solutions" / LESSON)
    for student, make in STUDENTS.items():
        folder = to / "submitted" / student / LESSON
        folder.mkdir(parents=True)
        for track in ("from_scratch", "pytorch"):
            (folder / f"{track}.ipynb").write_text(make(Maker(lesson, track)), "utf-8")
        day = 3 if student == "lea" else 1
        (folder / "timestamp.txt").write_text(f"2026-09-0{day} 12:00:00 UTC", "utf-8")


COURSE = f"""\
id = "sample-class"
title = "A sample class"

[late]
penalty_per_day = 0.1
most = 0.5
grace_hours = 6

[[lesson]]
name = "{LESSON}"
tracks = ["from_scratch", "pytorch"]
due = 2026-09-01T23:59:00Z
"""


if __name__ == "__main__":
    make_course(Path(sys.argv[1]))
