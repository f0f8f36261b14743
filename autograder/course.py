"""A course's root and its `course.toml`: which lessons and tracks are assigned, when, and the late policy."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "course.toml"
TRACKS = ("from_scratch", "pytorch", "reading")


class CourseError(Exception):
    """Something about the course's files must be put right first; the message says what."""


@dataclass(frozen=True)
class Assigned:
    """A lesson that is assigned: its tracks, and when it is due (None: never late)."""

    name: str
    tracks: tuple[str, ...]
    due: datetime.datetime | None = None


@dataclass(frozen=True)
class Late:
    """The late policy: the share of a notebook's points lost per day begun, at most `most`."""

    penalty_per_day: float = 0.0
    most: float = 1.0
    grace_hours: float = 0.0

    def share(self, seconds_late: float) -> float:
        """Return the share of the points that is taken off."""
        beyond = seconds_late - 3600 * self.grace_hours
        if beyond <= 0:
            return 0.0
        return min(self.most, self.penalty_per_day * -(-beyond // 86400))


@dataclass(frozen=True)
class Course:
    """A course: its root folder and what `course.toml` says.

    gradebook : the address of nbgrader's database, where it isn't a file under `grading/`.
    """

    root: Path
    id: str
    title: str
    lessons: dict[str, Assigned] = field(default_factory=dict)
    late: Late = Late()
    gradebook: str | None = None

    @property
    def grading(self) -> Path:
        """The folder of everything that grading makes."""
        return self.root / "grading"

    @property
    def db_url(self) -> str:
        """nbgrader's gradebook."""
        return self.gradebook or f"sqlite:///{self.grading / 'gradebook.db'}"

    def lesson(self, name: str) -> Assigned:
        """Return an assigned lesson; a unique beginning of its name is enough."""
        found = [lesson for key, lesson in self.lessons.items() if key.startswith(name)]
        if name in self.lessons:
            return self.lessons[name]
        if len(found) != 1:
            known = ", ".join(self.lessons) or "none"
            raise CourseError(f"No assigned lesson {name!r} in {FILE}. Assigned: {known}.")
        return found[0]


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder at or above `start` with a course.toml; raises CourseError."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    raise CourseError(f"No {FILE} in {here} or above it. Change into the course's folder first.")


def read_course(root: Path) -> Course:
    """Read `root`/course.toml; raises CourseError with what to change in it."""
    path = root / FILE
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        lessons = {entry["name"]: _assigned(entry) for entry in data.get("lesson", [])}
        late = Late(**data.get("late", {}))
        return Course(root, data["id"], data.get("title", data["id"]), lessons, late, data.get("db_url"))
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path} is not valid TOML: {error}") from error
    except (KeyError, TypeError) as error:
        raise CourseError(f"{path}: an entry is missing or unknown: {error}") from error


def _assigned(entry: dict[str, Any]) -> Assigned:
    tracks = tuple(entry.get("tracks", ("from_scratch", "pytorch")))
    unknown = [track for track in tracks if track not in TRACKS]
    if unknown:
        raise CourseError(
            f"{FILE}: lesson {entry['name']}: unknown track {unknown[0]!r}; tracks are {', '.join(TRACKS)}"
        )
    due = entry.get("due")
    if due is not None and not isinstance(due, datetime.datetime):
        raise CourseError(
            f"{FILE}: lesson {entry['name']}: due is a date and time such as 2027-01-29T23:59:00Z"
        )
    if due is not None and due.tzinfo is None:
        due = due.replace(tzinfo=datetime.UTC)
    return Assigned(entry["name"], tracks, due)
