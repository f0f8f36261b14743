"""Grading a class: ours, stock nbgrader and Otter-Grader on the same notebooks, in one run.

    python -m benchmarks.grading [--students 60] [--stock 60] [--otter 3] [--most 300] [--others 60]
        [--lessons NAME …] [--work DIR]

The shortest lesson is measured in every way; the others with ours and with stock nbgrader, which takes
minutes for a submission of some.  Processor seconds are the kernel's account of a command with
everything that it started.  Writes docs/grading-speed.md, which says what each side does, and its picture.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import random
import resource
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.authoring import generate
from autograder.authoring.reader import LessonSource, read_lesson

ROOT = Path(__file__).resolve().parent.parent
LESSON = "01-kernel-attention"
OTHERS = {
    "02-random-features": (60, 4),
    "03-causal-linear-attention": (60, 2),
    "04-triplet-loss": (60, 4),
    "05-triplet-mining": (12, 1),
}
"""How many submissions of each other lesson ours grades, and how many of them stock nbgrader."""
TRACKS = {"from_scratch": "NumPy", "pytorch": "PyTorch"}
AIMS = {"from_scratch": 8, "pytorch": 30}
DOC, PICTURE = ROOT / "docs" / "grading-speed.md", ROOT / "docs" / "img" / "grading-speed.png"
LOOK_EVERY_S = 0.5
Scores = dict[tuple[str, str], float]
"""From student and exercise to points."""

# ------------------------------------------------------------------------------------ measuring


@dataclass
class Cost:
    """What a command used, with all its processes."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    submissions: int = 1

    def each(self, of: str = "cpu_s") -> float:
        return float(getattr(self, of)) / self.submissions


class Bench:
    """Where commands are run, and what was found."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.costs: dict[tuple[str, str], Cost] = {}
        self.growth: dict[str, list[tuple[int, Cost]]] = {track: [] for track in TRACKS}
        self.compared: dict[tuple[str, str], tuple[int, int]] = {}
        self.others: dict[tuple[str, str], tuple[Cost, Cost]] = {}
        self.both: Cost | None = None
        self.notes: list[str] = []

    def run(self, command: list[str], folder: Path, submissions: int, **variables: str) -> Cost:
        """Run a command; raises RuntimeError where it fails."""
        before, begun = _children_s(), time.perf_counter()
        scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        settings = {**os.environ, "PATH": scripts, "MPLBACKEND": "Agg", **variables}
        log = self.work / "log.txt"
        with log.open("w") as out:
            process = subprocess.Popen(command, cwd=folder, env=settings, stdout=out, stderr=out)
            with _peak(process.pid) as peak:
                process.wait()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}:\n{log.read_text('utf-8')[-3000:]}")
        return Cost(_children_s() - before, time.perf_counter() - begun, peak[0], submissions)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _peak(pid: int) -> Iterator[list[float]]:
    """Look now and then at the memory of a process and its descendants, shared pages counted once."""
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            peak[0] = max(peak[0], sum(map(_pss_mb, _tree(pid))))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(c) for t in threads for c in (t / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(inner for child in children for inner in _tree(child))]


def _pss_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


# -------------------------------------------------------------------------------------- the class


@dataclass
class Class:
    """Submissions of one track by student; `honest` are all of them, `right` those with every answer."""

    track: str
    notebooks: dict[str, str] = field(default_factory=dict)
    right: set[str] = field(default_factory=set)


class Students:
    """Writes submissions: right ones, odd but right ones, and ones with mistakes of the catalogue."""

    def __init__(self, lesson: LessonSource, track: str) -> None:
        sample = runpy.run_path(str(ROOT / "demo" / "sample_class.py"))
        self.maker: Any = sample["Maker"](lesson, track)
        self.lesson, self.track, self.essay = lesson, track, sample["ESSAY"]

    def make(self, count: int) -> Class:
        """Return a class: of ten students four are right, two odd but right, three slip, one is half done."""
        made = Class(self.track)
        for number in range(count):
            student, rng = f"student-{number:03}", random.Random(number)
            notebook = self._submission(number % 10, rng)
            # No two files are the same, so that nothing is judged once for two students.
            notebook["cells"].append(_prose(f"Submitted by {student}."))
            made.notebooks[student] = json.dumps(notebook)
            if number % 10 < 6:
                made.right.add(student)
        return made

    def _submission(self, sort: int, rng: random.Random) -> Any:
        answers = {name: self.maker.solution(name) for name in self.maker.names}
        if sort in (4, 5):
            answers = {name: rng.choice([text, *self._odd(name)]) for name, text in answers.items()}
        for name in rng.sample(sorted(answers), {6: 1, 7: 1, 8: 2}.get(sort, 0)):
            answers[name] = rng.choice([*self._slips(name), self.maker.mistaken(name)])
        if sort == 9:
            answers = {name: answers[name] for name in list(answers)[: len(answers) // 2]}
        return self.maker.filled(answers, self.essay)

    def _odd(self, name: str) -> list[str]:
        rights = self.lesson.exercises[name].also_right
        return [right.source for right in rights if right.source and right.track == self.track]

    def _slips(self, name: str) -> list[str]:
        """Return the worked solution with each of the known mistakes that edit it."""
        made, text = [], self.maker.solution(name)
        for mistake in self.lesson.exercises[name].mistakes:
            if mistake.edit and all(text.count(old) == 1 for old, _ in mistake.edit):
                slipped = text
                for old, new in mistake.edit:
                    slipped = slipped.replace(old, new)
                made.append(slipped)
        return made


def _prose(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "own", "metadata": {}, "source": text}


def _submit(folder: Path, lesson: LessonSource, track: str, notebooks: dict[str, str]) -> None:
    for student, text in notebooks.items():
        there = folder / "submitted" / student / lesson.name
        there.mkdir(parents=True, exist_ok=True)
        (there / f"{track}.ipynb").write_text(text, "utf-8")


# ------------------------------------------------------------------------------------------- ours


def ours(bench: Bench, lesson: LessonSource, groups: list[Class], *options: str) -> tuple[Cost, Scores]:
    """Grade a class, in one track or more, with `autograder grade`; return the cost and the points."""
    folder, count = bench.work / "ours", sum(len(group.notebooks) for group in groups)
    for part in (f"solutions/{lesson.name}", f"notebooks/{lesson.name}", "data"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    tracks = json.dumps([group.track for group in groups])
    course = f'id = "bench"\n[[lesson]]\nname = "{lesson.name}"\ntracks = {tracks}\n'
    (folder / "course.toml").write_text(course, "utf-8")
    for group in groups:
        _submit(folder, lesson, group.track, group.notebooks)
    rows = bench.work / "rows.json"
    command = [sys.executable, "-m", "autograder", "grade", lesson.name, "--json", str(rows), *options]
    cost = bench.run(command, folder, count, PYTHONPATH=str(ROOT))
    found = json.loads(rows.read_text("utf-8"))
    shutil.rmtree(folder)
    return cost, {
        (row["student"], entry["exercise"]): entry["points"] for row in found for entry in row["exercises"]
    }


# ---------------------------------------------------------------------------------- stock nbgrader

STOCK_CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "bench"
c.Execute.timeout = 1800
"""


def stock(bench: Bench, lesson: LessonSource, group: Class, checks: bool = True) -> tuple[Cost, Scores]:
    """Grade a class with `nbgrader autograde`, without anything of ours in its configuration.

    checks : False leaves nothing in the check cells but a number, so that they cost nothing.
    """
    folder = bench.work / f"stock-{group.track}-{checks}"
    master = generate.master(lesson, lesson.sources[group.track])
    for cell in [] if checks else master.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith("check_"):
            cell.source = "1.0"
    casebook = (ROOT / "notebooks" / lesson.name / "casebook.npz").read_bytes()
    files = {"casebook.npz": casebook, **generate.public_parts(lesson)}
    generate.lay_out_source(folder / "source" / lesson.name, {group.track: master}, files)
    # That is where nbgrader's own step for mark schemes would ask for another kind of cell.
    (folder / "nbgrader_config.py").write_text(
        STOCK_CONFIG + "c.ClearMarkScheme.enforce_metadata = False\n", "utf-8"
    )
    bench.run([sys.executable, "-m", "nbgrader", "generate_assignment", lesson.name], folder, 1)
    _submit(folder, lesson, group.track, group.notebooks)
    command = [sys.executable, "-m", "nbgrader", "autograde", lesson.name]
    found = {"PYTHONPATH": str(ROOT), "AUTOGRADER_DATA": str(ROOT / "data")}
    cost = bench.run(command, folder, len(group.notebooks), **found)
    scores = _gradebook_scores(folder / "gradebook.db", lesson)
    shutil.rmtree(folder)
    return cost, scores


def _gradebook_scores(path: Path, lesson: LessonSource) -> Scores:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{path}") as gradebook:
        return {
            (submission.student.id, grade.cell.name.removeprefix("check_")): grade.auto_score or 0.0
            for submission in gradebook.assignment_submissions(lesson.name)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


# ------------------------------------------------------------------------------------------- Otter


class Otter:
    """Otter-Grader in an environment of its own, which sees the packages of this one."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.folder = bench, bench.work / "otter-environment"
        self.command = self.folder / "bin" / "otter"
        self.missing = ""
        try:
            self._install()
        except RuntimeError as error:
            self.missing = str(error).strip().splitlines()[-1][:200]

    def _install(self) -> None:
        self.bench.run([sys.executable, "-m", "venv", str(self.folder)], self.bench.work, 1)
        (here,) = self.folder.glob("lib/python*/site-packages")
        ours_first = Path(importlib.metadata.distribution("nbgrader").locate_file(""))
        (here / "graders.pth").write_text(f"{ours_first}\n", "utf-8")
        pip = [str(self.folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "otter-grader>=6,<8"]
        self.bench.run([*pip, "--constraint", str(ROOT / "constraints.txt")], self.bench.work, 1)

    @property
    def version(self) -> str:
        (found,) = self.folder.glob("lib/python*/site-packages/otter_grader-*.dist-info")
        return found.name.removesuffix(".dist-info").split("-")[1]

    def run(self, lesson: LessonSource, group: Class, count: int) -> tuple[Cost, float]:
        """Run the first submissions, all of them right; return the cost and the least share of points."""
        folder = self.bench.work / f"otter-{group.track}"
        (folder / "tests").mkdir(parents=True)
        for name in lesson.sources[group.track].names("exercise"):
            points = lesson.exercises[name].points
            code = f'>>> lesson.check("{name}", {name}).points == {points!r}\nTrue'
            suite = {"cases": [{"code": code}], "scored": True, "type": "doctest"}
            test = {"name": name, "points": points, "suites": [suite]}
            (folder / "tests" / f"{name}.py").write_text(f"OK_FORMAT = True\ntest = {test!r}\n", "utf-8")
        make = ["generate", "-t", "tests", "-o", "autograder.zip", "--no-requirements", "--no-environment"]
        self._call(folder, make)
        costs, shares = [], []
        for student in sorted(group.right)[:count]:
            (folder / f"{group.track}.ipynb").write_text(_without_checks(group.notebooks[student]), "utf-8")
            costs.append(
                self._call(folder, ["run", "-a", "autograder.zip", "-o", ".", f"{group.track}.ipynb"])
            )
            tests = json.loads((folder / "results.json").read_text("utf-8"))["tests"]
            tests = [test for test in tests if test.get("max_score")]
            shares.append(sum(t["score"] for t in tests) / sum(t["max_score"] for t in tests))
        peak = max(cost.peak_mb for cost in costs)
        total = Cost(sum(c.cpu_s for c in costs), sum(c.wall_s for c in costs), peak, len(costs))
        return total, min(shares)

    def _call(self, folder: Path, arguments: list[str]) -> Cost:
        course = {"AUTOGRADER_COURSE": str(ROOT), "PYTHONPATH": str(ROOT)}
        return self.bench.run([str(self.command), *arguments], folder, 1, **course)


def _without_checks(text: str) -> str:
    """Return a notebook without check cells: Otter runs its tests at the end."""
    notebook = json.loads(text)
    notebook["cells"] = [
        cell
        for cell in notebook["cells"]
        if not cell["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("check_")
    ]
    return json.dumps(notebook)


# ----------------------------------------------------------------------------------- the whole run


def main() -> None:
    """Measure everything, compare the scores, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--stock", type=int, default=60, help="how many of them stock nbgrader grades")
    parser.add_argument("--otter", type=int, default=3, help="how many of them Otter runs; 0 for none")
    parser.add_argument("--most", type=int, default=300, help="size of the largest class; 0 for none")
    parser.add_argument("--others", type=int, default=60, help="at most so many of each other lesson")
    parser.add_argument("--lessons", nargs="*", default=[*OTHERS], help="the other lessons to measure")
    parser.add_argument("--work", type=Path, help="an empty folder to work in")
    options = parser.parse_args()
    lesson = read_lesson(ROOT / "solutions" / LESSON)
    with tempfile.TemporaryDirectory(dir=options.work, ignore_cleanup_errors=True) as work:
        bench = Bench(Path(work))
        otter = Otter(bench) if options.otter else None
        for track in TRACKS:
            measure(bench, lesson, track, options, otter)
        groups = [Students(lesson, track).make(options.students) for track in TRACKS]
        bench.both = ours(bench, lesson, groups, "--no-feedback")[0]
        for name in options.lessons:
            for track in TRACKS:
                measure_other(bench, read_lesson(ROOT / "solutions" / name), track, options.others)
        write_page(bench, options, otter)
    for track, words in TRACKS.items():
        for name, (cost, theirs) in _by_lesson(bench, track).items():
            print(f"{words}, {name}: {_times(cost, theirs):.1f} times; the aim is {AIMS[track]}")
    print(f"Wrote {DOC.relative_to(ROOT)}")


def measure(
    bench: Bench, lesson: LessonSource, track: str, options: argparse.Namespace, otter: Otter | None
) -> None:
    """Grade the class of one track in every way, and compare the scores."""
    group = Students(lesson, track).make(options.students)
    few = Class(track, dict(list(group.notebooks.items())[: options.stock]), group.right)
    fewer = Class(track, dict(list(group.notebooks.items())[: max(6, options.stock // 10)]), group.right)

    def tell(name: str, cost: Cost) -> None:
        bench.costs[track, name] = cost
        print(f"{track:13} {name:16} {cost.each():6.3f} CPU s, {cost.each('wall_s'):6.3f} s", flush=True)

    cost, scores = ours(bench, lesson, [group], "--no-feedback")
    tell("ours", cost)
    tell("ours, pages", ours(bench, lesson, [group])[0])
    cost, theirs = stock(bench, lesson, few)
    tell("stock", cost)
    bench.compared[lesson.name, track] = compare(scores, theirs)
    tell("stock, no checks", stock(bench, lesson, fewer, checks=False)[0])
    if otter is not None and not otter.missing:
        cost, least = otter.run(lesson, group, options.otter)
        tell("otter", cost)
        if least < 1:
            bench.notes.append(f"Otter gave right {TRACKS[track]} submissions {least:.0%} of the points.")
    for size in sorted({options.students, options.most} - {0}):
        larger = Students(lesson, track).make(size)
        cost = (
            bench.costs[track, "ours"]
            if size == options.students
            else ours(bench, lesson, [larger], "--no-feedback")[0]
        )
        bench.growth[track].append((size, cost))
        print(f"{track:13} {size:4} submissions: {cost.cpu_s:.1f} CPU s, {cost.peak_mb:.0f} MB", flush=True)


def measure_other(bench: Bench, lesson: LessonSource, track: str, most: int) -> None:
    """Grade a class of another lesson with ours, some of it with stock nbgrader, and compare the scores."""
    count, few = OTHERS[lesson.name]
    group = Students(lesson, track).make(min(count, most))
    cost, scores = ours(bench, lesson, [group], "--no-feedback")
    some = Class(track, dict(list(group.notebooks.items())[: min(few, most)]), group.right)
    theirs, their_scores = stock(bench, lesson, some)
    bench.others[lesson.name, track] = cost, theirs
    bench.compared[lesson.name, track] = compare(scores, their_scores)
    print(f"{track:13} {lesson.name:28} {cost.each():6.3f} CPU s, stock {theirs.each():6.3f}", flush=True)


def _by_lesson(bench: Bench, track: str) -> dict[str, tuple[Cost, Cost]]:
    """Return what ours and stock nbgrader took, by lesson."""
    first = {LESSON: (bench.costs[track, "ours"], bench.costs[track, "stock"])}
    return first | {name: costs for (name, of), costs in bench.others.items() if of == track}


def _times(ours: Cost, stock: Cost) -> float:
    return stock.each() / ours.each()


def compare(scores: Scores, theirs: Scores) -> tuple[int, int]:
    """Return how many points were compared, and how many of them differ; written answers have none yet."""
    keys = sorted(scores.keys() & theirs.keys())
    differ = [key for key in keys if abs(scores[key] - theirs[key]) > 1e-9]
    for key in differ:
        print(f"  differs: {key}: ours {scores[key]:g}, stock {theirs[key]:g}")
    return len(keys), len(differ)


# ------------------------------------------------------------------------------------------ the page

PAGE = """\
# How fast a class is graded

<!-- Written by `make bench-grading`; everything below was measured in one run on one machine. -->

{machine} {students} submissions of lesson `{lesson}`, the shortest,
in each track: of ten students, four have right answers, two odd but right ones, three make one or two mistakes of the
catalogue, and one has done half.

Processor seconds for each submission, the kernel's account over the whole tree of processes:

| | {columns} |
|---|{rule}|
{rows}

**Stock nbgrader takes {ratios} as many processor seconds as `autograder grade`.** The aims were {aims}. Both tracks in one
command take ours {both} CPU s for each submission. {fixed}
{others}
{scores}

![Processor seconds for each submission, and how they grow with the class](img/grading-speed.png)

## What is in the numbers

- *ours*: the whole command `autograder grade --no-feedback` with all cores: reading the lesson, warming the sandbox, every
  submission in a sandboxed process, judged on fresh cases from outside, written to nbgrader's gradebook, and the report.
  *with pages* also makes nbgrader's feedback pages. Figures and other cells that are only to look at are not run.
- *stock nbgrader*: the whole command `nbgrader autograde` with nothing of ours in its configuration, on the notebooks
  as they were released, with `lesson.check` on the public cases in the check cells; {stock} submissions in each track. It
  runs every cell in a kernel of the submission's own, without a sandbox, and makes no pages.
- *stock, checks that cost nothing*: the same with a bare number in each check cell, for {few} submissions in each track:
  what nbgrader takes if checks took no time at all. The ratio to that is {bare}.
- *Otter-Grader*: {otter}

## Memory, and larger classes

{growth}

The memory of a process tree is looked at every {look} s, with pages that processes share counted once.

| | {columns} |
|---|{rule}|
{memory}
"""

NAMES = {
    "ours": "**ours**",
    "ours, pages": "ours, with pages",
    "stock": "stock nbgrader",
    "stock, no checks": "stock, checks that cost nothing",
    "otter": "Otter-Grader",
}


def write_page(bench: Bench, options: argparse.Namespace, otter: Otter | None) -> None:
    """Write docs/grading-speed.md and its picture."""
    columns = [f"{words}: {what}" for words in TRACKS.values() for what in ("CPU s", "wall s")]
    sizes = [f"{words}, peak MB" for words in TRACKS.values()]
    text = PAGE.format(
        machine=_machine(),
        students=options.students,
        lesson=LESSON,
        columns=" | ".join(columns),
        rule="--:|" * (len(columns) - 1) + "--:",
        rows="\n".join(_rows(bench, lambda c: f"{c.each():.2f} | {c.each('wall_s'):.2f}")),
        ratios=" and ".join(_ratios(bench, "stock")),
        aims=" and ".join(f"{AIMS[t]} ({words})" for t, words in TRACKS.items()),
        bare=" and ".join(_ratios(bench, "stock, no checks")),
        others=_other_lessons(bench),
        scores=_score_words(bench),
        stock=options.stock,
        both=f"{bench.both.each():.2f}" if bench.both else "?",
        fixed=" ".join(_fixed(bench)),
        few=max(6, options.stock // 10),
        otter=_otter_words(otter, options.otter) + "".join(f" {note}" for note in bench.notes),
        growth="\n".join(_growth_words(bench)),
        look=LOOK_EVERY_S,
        memory="\n".join(_rows(bench, lambda c: f"{c.peak_mb:.0f}")),
    )
    # The last table has a column for each track only.
    head, tail = text.rsplit(" | ".join(columns), 1)
    tail = tail.replace("--:|" * (len(columns) - 1) + "--:", "--:|" * (len(sizes) - 1) + "--:", 1)
    DOC.write_text(head + " | ".join(sizes) + tail, "utf-8")
    draw(bench)


def _rows(bench: Bench, cell: Callable[[Cost], str]) -> Iterator[str]:
    for name, words in NAMES.items():
        costs = [bench.costs.get((track, name)) for track in TRACKS]
        if all(costs):
            yield f"| {words} | {' | '.join(cell(cost) for cost in costs if cost)} |"


def _ratios(bench: Bench, name: str) -> Iterator[str]:
    for track, words in TRACKS.items():
        ratio = bench.costs[track, name].each() / bench.costs[track, "ours"].each()
        yield f"{ratio:.1f} times ({words})"


OTHER_LESSONS = """
## Lesson by lesson

Stock nbgrader runs every cell, also the studies with their trainings and measurements. Ours leaves out cells that are only
to look at; what an exercise asks for is run in both.

| lesson | track | ours: submissions | CPU s each | stock: submissions | CPU s each | stock / ours |
|---|---|--:|--:|--:|--:|--:|
{rows}

{together}
"""


def _other_lessons(bench: Bench) -> str:
    """Return the table of the lessons that were measured, and what one student's notebooks take together."""
    if not bench.others:
        return ""
    rows, together = [], []
    for track, words in TRACKS.items():
        found = _by_lesson(bench, track)
        for name, (cost, theirs) in found.items():
            cells = [
                str(cost.submissions),
                f"{cost.each():.2f}",
                str(theirs.submissions),
                f"{theirs.each():.2f}",
            ]
            rows.append(f"| {name} | {words} | {' | '.join(cells)} | **{_times(cost, theirs):.1f}** |")
        all_ours, all_stock = (sum(pair[side].each() for pair in found.values()) for side in (0, 1))
        together.append(
            f"One student's {len(found)} {words} notebooks take stock nbgrader {all_stock:.0f} CPU s and ours "
            f"{all_ours:.1f}, {all_stock / all_ours:.1f} times less."
        )
    return OTHER_LESSONS.format(rows="\n".join(rows), together=" ".join(together))


def _fixed(bench: Bench) -> Iterator[str]:
    """Say what is left for no submission at all on the line through two sizes of a class."""
    for track, words in TRACKS.items():
        (first, small), (last, large) = bench.growth[track][0], bench.growth[track][-1]
        if last > first:
            start = small.cpu_s - first * (large.cpu_s - small.cpu_s) / (last - first)
            yield f"On the line through {first} and {last} submissions, {start:.0f} CPU s are a command's own ({words})."


def _score_words(bench: Bench) -> str:
    compared = sum(count for count, _ in bench.compared.values())
    differ = sum(count for _, count in bench.compared.values())
    told = "all are the same" if not differ else f"**{differ} differ**"
    return f"Of {compared} points that both gave (one for each exercise of each submission), {told}."


def _otter_words(otter: Otter | None, count: int) -> str:
    if otter is None:
        return "left out of this run."
    if otter.missing:
        return f"could not be installed here ({otter.missing})."
    return (
        f"`otter run` {otter.version}, one command for each of {count} right submissions in each track, without its "
        "container: all cells, and at the end a test for each exercise that calls `lesson.check`."
    )


def _growth_words(bench: Bench) -> Iterator[str]:
    for track, words in TRACKS.items():
        (first, small), (last, large) = bench.growth[track][0], bench.growth[track][-1]
        if first == last:
            continue
        each = (large.cpu_s - small.cpu_s) / (last - first)
        yield (
            f"- {words}: from {first} to {last} submissions, ours grows from {small.cpu_s:.0f} to {large.cpu_s:.0f} "
            f"CPU s, {each:.2f} for each further one ({bench.costs[track, 'stock'].each() / each:.1f} times less than "
            f"stock nbgrader's average), and its memory from {small.peak_mb:.0f} to {large.peak_mb:.0f} MB."
        )


def _machine() -> str:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {name: importlib.metadata.version(name) for name in ("nbgrader", "torch", "numpy")}
    named = ", ".join(f"{name} {version.partition('+')[0]}" for name, version in versions.items())
    return (
        f"Measured with {os.cpu_count()} {platform.machine()} cores and {memory_gb:.0f} GB of memory, "
        f"Python {platform.python_version()}, {named}."
    )


def draw(bench: Bench) -> None:
    """Draw the costs, and how ours grows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (bars, lines) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    names = [name for name in NAMES if all((track, name) in bench.costs for track in TRACKS)]
    for shift, (track, words) in zip((0.2, -0.2), TRACKS.items(), strict=True):
        values = [bench.costs[track, name].each() for name in names]
        places = [len(names) - 1 - i + shift for i in range(len(names))]
        drawn = bars.barh(places, values, 0.38, label=words)
        bars.bar_label(drawn, [f" {value:.2f}" for value in values], fontsize=8)
        sizes, costs = zip(*bench.growth[track], strict=True)
        lines.plot(sizes, [cost.cpu_s for cost in costs], "o-", label=f"ours, {words}")
    bars.set_yticks(range(len(names)), [NAMES[name].strip("*") for name in reversed(names)])
    bars.set_xscale("log")
    bars.margins(x=0.15)
    bars.set_xlabel("CPU seconds for each submission (log scale)")
    lines.set_xlabel("submissions")
    lines.set_ylabel("CPU seconds in all")
    lines.set_xlim(0)
    lines.set_ylim(0)
    for axis in (bars, lines):
        axis.legend(frameon=False, fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
