"""`autograder release`: the folder that students receive, with nothing of `solutions/` in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.course import Assigned, Course, CourseError

PUBLIC = ("*.npz", "*.py", "*.csv", "*.json", "*.txt", "*.png")
"""What may lie beside a released notebook."""


def write_release(course: Course, lessons: Sequence[Assigned], track: str | None, to: Path) -> Iterator[Path]:
    """Write the students' folder and yield the files in it.

    Raises
    ------
    CourseError
        Where `to` already holds something else, or a lesson isn't built or not assigned in the track.
    """
    if to.exists() and any(to.iterdir()) and not (to / "START.md").is_file():
        raise CourseError(f"{to} is not empty and is not an earlier release; name another folder.")
    chosen = {lesson.name: [t for t in lesson.tracks if track in (None, t)] for lesson in lessons}
    for name, tracks in chosen.items():
        if not tracks:
            raise CourseError(f"course.toml does not assign {name} in the track {track!r}.")
        _copy_lesson(course.root / "notebooks" / name, to / "notebooks" / name, tracks)
    _copy_data(course.root / "data", to)
    wheel = build_wheel(course.root, [to / "notebooks" / name for name in chosen], to)
    with_torch = any("pytorch" in tracks for tracks in chosen.values())
    _write_start(course, chosen, wheel, with_torch, to)
    yield from sorted(path for path in to.rglob("*") if path.is_file())


def _copy_data(data: Path, to: Path) -> None:
    """Copy the data sets that the released notebooks name, without their generators."""
    shutil.rmtree(to / "data", ignore_errors=True)
    text = "".join(path.read_text("utf-8") for path in (to / "notebooks").rglob("*.ipynb"))
    for folder in sorted(data.iterdir()) if data.is_dir() else []:
        if folder.is_dir() and folder.name in text:
            shutil.copytree(folder, to / "data" / folder.name, ignore=_not_data)


def _not_data(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith((".py", ".pyc")) or name == "__pycache__"}


def _copy_lesson(source: Path, target: Path, tracks: Sequence[str]) -> None:
    if not source.is_dir():
        raise CourseError(f"{source} is missing. Run `make build` first.")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    names = [f"{track}.ipynb" for track in tracks]
    files = [source / name for name in names] + [path for pattern in PUBLIC for path in source.glob(pattern)]
    for path in files:
        if not path.is_file():
            raise CourseError(f"{path} is missing. Run `make build` first.")
        shutil.copy(path, target / path.name)


def build_wheel(root: Path, lessons: Sequence[Path], to: Path) -> Path:
    """Build a wheel of the package with the lessons' casebooks in it; return its path."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "source"
        package = tree / "autograder"
        shutil.copytree(root / "autograder", package, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(root / name, tree / name)
        (package / "casebooks").mkdir(exist_ok=True)
        for lesson in lessons:
            shutil.copy(lesson / "casebook.npz", package / "casebooks" / f"{lesson.name}.npz")
            _copy_notebooks(lesson, package / "released" / lesson.name)
        command = [sys.executable, "-m", "pip", "wheel", str(tree), "--no-deps", "--no-build-isolation"]
        done = subprocess.run(
            [*command, "--quiet", "-w", scratch], capture_output=True, text=True, check=False
        )
        made = sorted(Path(scratch).glob("autograder-*.whl"))
        if done.returncode or not made:
            raise CourseError(f"The package could not be built: {done.stderr[-800:]}")
        to.mkdir(parents=True, exist_ok=True)
        for old in to.glob("autograder-*.whl"):
            old.unlink()
        return Path(shutil.copy(made[0], to / made[0].name))


def _copy_notebooks(lesson: Path, to: Path) -> None:
    """Copy a released lesson's notebooks as they are, for `autograder update`."""
    to.mkdir(parents=True)
    for path in lesson.glob("*.ipynb"):
        shutil.copy(path, to)


def _write_start(
    course: Course, chosen: dict[str, list[str]], wheel: Path, with_torch: bool, to: Path
) -> None:
    extras = "lab,pytorch" if with_torch else "lab"
    (to / "requirements.txt").write_text(f"./{wheel.name}[{extras}]\n", "utf-8")
    (to / "environment.yml").write_text(ENVIRONMENT.format(wheel=wheel.name, extras=extras), "utf-8")
    listed = "\n".join(f"- `notebooks/{name}/{t}.ipynb`" for name, tracks in chosen.items() for t in tracks)
    only_numpy = ONLY_NUMPY.format(wheel=wheel.name) if with_torch else ""
    first = next(iter(chosen))
    exercise = _first_exercise(to / "notebooks" / first / f"{chosen[first][0]}.ipynb")
    start = START.format(
        title=course.title, listed=listed, first=first, only_numpy=only_numpy, exercise=exercise
    )
    (to / "START.md").write_text(start, "utf-8")


def _first_exercise(path: Path) -> str:
    marks = [cell["metadata"].get("nbgrader", {}) for cell in json.loads(path.read_text("utf-8"))["cells"]]
    return str(next(mark["grade_id"] for mark in marks if mark.get("solution")))


ENVIRONMENT = """\
# conda env create -f environment.yml, in this folder
name: autograder-course
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
      - "./{wheel}[{extras}]"
"""

ONLY_NUMPY = """
If you only take the NumPy track, `pip install "./{wheel}[lab]"` leaves PyTorch out.
On Linux without an NVIDIA card, PyTorch's install page tells how to get the much smaller CPU build
first; the line above then keeps it.
"""

START = """\
# {title}

## Start

You need Python 3.11 or newer. Open a terminal in this folder.

On Linux and macOS:

```
python3 -m venv .venv
. .venv/bin/activate
pip install -r requirements.txt
jupyter lab notebooks
```

On Windows:

```
py -m venv .venv
.venv\\Scripts\\activate
pip install -r requirements.txt
jupyter lab notebooks
```

With conda: `conda env create -f environment.yml`, then `conda activate autograder-course`.
{only_numpy}
## Work

{listed}

Open a notebook and run its cells from the top. Where a cell says `YOUR CODE HERE`, write your
answer. The cell below it checks the answer and shows a card: what passed, what didn't, and why.

- `lesson.hint("{exercise}")` gives a hint for the exercise of that name, then the next one.
- `lesson.progress()` shows what has passed.
- `autograder update NOTEBOOK`, in the terminal, puts your answers on a newer release of the notebook once
  that is installed; with `--reset NAME` it gives that exercise back as it was. Your old file is kept.

Keep the cells with the checks, and keep the notebooks' names: grading looks for them. You may add
cells of your own anywhere.

## Hand in

Save the notebooks and hand in the `.ipynb` files of the folder `notebooks/{first}` (and of the other
lessons), under their own names.
"""
