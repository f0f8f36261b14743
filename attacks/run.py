"""Tries every attack and writes what it got to docs/attacks.md; exits with 1 if one got anything.

    python -m attacks.run                 all attacks, as the current user and, where that is root, as another
    python -m attacks.run --only NAME …   some of them, shown and not written

Theory of operation
-------------------
A run makes a course full of planted secrets and marks each hostile submission as `autograder
grade` would.  An attack gets something if its notebook earns more than its honest part is
worth, if a secret stands in what came back or a server had a visitor, if a process or a file is
left, if the course's files changed, if the grader itself failed, or if an honest submission
after it is not judged as before.  The limits are tight, so that the whole ends soon.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from attacks import as_user, editing, lying, reading, using
from attacks.attack import Attack, Notebook
from attacks.course import (
    LESSON,
    ROOT,
    TRACKS,
    Servers,
    left_behind,
    make_course,
    plant,
    processes_below,
    state,
)
from autograder.authoring.reader import read_lesson, without_marks
from autograder.grading import run as running
from autograder.grading.key import course_secret, read_key
from autograder.grading.mark import Marker, Task
from autograder.grading.store import Result
from autograder.judging.verdict import GRADER_FAILED
from autograder.sandbox import Limits, best_tier

ATTACKS: list[Attack] = [*reading.ATTACKS, *lying.ATTACKS, *using.ATTACKS, *editing.ATTACKS]
TIGHT = Limits(cpu_s=8.0, wall_s=25.0, memory_bytes=2**29, scratch_bytes=2**24)
CELL_LIMIT_S, CALL_LIMIT_S = 5.0, 1.5
HONEST = Attack("honest", "Answers one exercise right.", answer="the worked solution", deserves=1)


@dataclass
class Outcome:
    """What an attack got in one run.

    got : what it should not have got; empty is as it should be.
    told : what came of it, in a few words.
    """

    name: str
    told: str
    got: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Range:
    """Where attacks are tried: a course, its grader, servers, and an eye on all of them."""

    def __init__(self, folder: Path, tier: str) -> None:
        self.planted = plant()
        self.course = folder / "course"
        make_course(self.course, self.planted)
        os.environ["GRADER_CANARY"] = self.planted["environment"]
        self.in_memory = [self.planted["memory"]] * 3
        self.tier = tier
        self.lesson = read_lesson(self.course / "solutions" / LESSON)
        key = read_key(self.course, LESSON, TRACKS)
        self.marker = Marker(key, course_secret(self.course / "grading"), tier)
        self.servers = Servers(folder, self.planted["server"])
        self.before = left_behind()
        self._try(HONEST)
        self.warm = processes_below(os.getpid())
        self.state = state(self.course)

    def released(self, track: str) -> Notebook:
        """Return the notebook as students get it."""
        path = self.course / "notebooks" / LESSON / f"{track}.ipynb"
        return dict(json.loads(path.read_text("utf-8")))

    def worked(self, track: str, name: str) -> str:
        """Return a worked solution."""
        return without_marks(self.lesson.sources[track].cell("exercise", name).source)

    def attack(self, attack: Attack) -> Outcome:
        """Try an attack and, where it ended badly, an honest submission after it."""
        begun = time.monotonic()
        self.servers.visits.clear()
        try:
            result = self._try(attack)
        except Exception as error:
            return Outcome(attack.name, "", [f"stopped the batch: {type(error).__name__}: {error}"])
        outcome = Outcome(attack.name, tell(result, attack), list(self._gains(attack, result)))
        if result.status != "graded":
            outcome.got += self.honest()
        outcome.seconds = time.monotonic() - begun
        return outcome

    def honest(self) -> list[str]:
        """Return whether an honest submission is misjudged."""
        same = self._try(HONEST).score == HONEST.deserves
        return [] if same else ["an honest submission after it was misjudged"]

    def _try(self, attack: Attack) -> Result:
        servers = {
            "PORT": str(self.servers.port),
            "PATH": self.servers.path,
            "ABSTRACT": self.servers.abstract,
        }
        places = {"COURSE": str(self.course), "PID": str(os.getpid()), **servers}
        data = attack.file(self.released(attack.track), functools.partial(self.worked, attack.track), places)
        return self.marker.mark(Task("mallory", attack.track, data))

    def _gains(self, attack: Attack, result: Result) -> Iterator[str]:
        if result.score > attack.deserves:
            yield f"{result.score - attack.deserves:g} points too many"
        if result.score < attack.deserves:
            yield f"{attack.deserves - result.score:g} points lost that were earned"
        if any(entry["outcome"] == GRADER_FAILED for entry in result.exercises):
            yield "the grader failed: " + "; ".join(result.reasons)[:200]
        back = json.dumps(asdict(result))
        yield from [f"the secret of the {kind}" for kind, secret in self.planted.items() if secret in back]
        if self.servers.visits:
            yield f"a visit to {self.servers.visits}"
        if result.status != "malformed" and result.tier != self.tier:
            yield f"ran in the tier {result.tier}"
        shown = [
            o.get("data", {}).get("text/html", "") for outputs in result.outputs.values() for o in outputs
        ]
        if any("<script" in html for html in shown) or "\\u001b" in json.dumps(result.outputs):
            yield "a script or a terminal sequence in the outputs"
        yield from self._left()

    def _left(self) -> Iterator[str]:
        until = time.monotonic() + 3.0
        while (left := self._processes()) and time.monotonic() < until:
            time.sleep(0.02)
        if left:
            yield f"left processes: {left}"
        new = [name for name in left_behind() if name not in self.before]
        if new:
            yield f"left files: {new}"
        if state(self.course) != self.state:
            yield "changed the course's files"

    def _processes(self) -> dict[int, str]:
        return {pid: name for pid, name in processes_below(os.getpid()).items() if pid not in self.warm}


def tell(result: Result, attack: Attack) -> str:
    """Return what came of an attack: the points, and the words about the attacked answer."""
    verdict = next(entry for entry in result.exercises if entry["exercise"] == attack.exercise)
    says = verdict["diagnosis"]["says"] or next(iter(result.reasons), "")
    return (
        f"{verdict['points']:g} of {verdict['max_points']:g}, {verdict['outcome'].replace('_', ' ')}: {says}"
    )


def try_all(names: list[str], tier: str) -> list[Outcome]:
    """Try the attacks in this process."""
    running.Limits = lambda: TIGHT  # type: ignore[misc, assignment]
    running.CELL_LIMIT_S, running.CALL_LIMIT_S = CELL_LIMIT_S, CALL_LIMIT_S
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="attacked-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        ground = Range(Path(folder), tier)
        with ground.servers:
            for attack in [a for a in ATTACKS if not names or a.name in names]:
                outcomes.append(ground.attack(attack))
                last = outcomes[-1]
                print(
                    f"{last.seconds:5.1f} s  {last.name}: {last.got or last.told}",
                    file=sys.stderr,
                    flush=True,
                )
            outcomes[-1].got += ground.honest()
        ground.marker.close()
    return outcomes


# ------------------------------------------------------------------------------------- whole runs


def runs() -> list[tuple[str, str]]:
    """Return as whom and in which tier the attacks are tried."""
    tiers = [tier for tier in ("full", "restricted") if tier == best_tier() or best_tier() == "full"]
    people = ["root", "a user"] if as_user.can_become() else ["root" if os.geteuid() == 0 else "a user"]
    return [(who, tier) for tier in tiers for who in people]


def finish(who: str, tier: str, names: list[str]) -> list[Outcome]:
    """Make a run in a process of its own.  Raises CalledProcessError where the run itself fails."""
    line = [
        sys.executable,
        "-B",
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from attacks.run import main; main()",
    ]
    line += ["--worker", "--tier", tier, *(["--only", *names] if names else [])]
    if who == "a user" and os.geteuid() == 0:
        line = as_user.command(line)
    ran = subprocess.run(line, stdout=subprocess.PIPE, text=True, cwd="/", check=True)
    return [Outcome(**entry) for entry in json.loads(ran.stdout.splitlines()[-1])]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--tier", default=None)
    parser.add_argument("--here", action="store_true", help="as the current user in the best tier alone")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps([asdict(outcome) for outcome in try_all(given.only, given.tier)]))
        return
    chosen = runs()[:1] if given.here else [pair for pair in runs() if given.tier in (None, pair[1])]
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(chosen, pool.map(lambda pair: finish(*pair, given.only), chosen), strict=True))
    if not given.only and not given.here and given.tier is None:
        page = importlib.import_module("attacks.page")
        (ROOT / "docs" / "attacks.md").write_text(page.page(ATTACKS, results), "utf-8")
    won = [(*run, o.name, o.got) for run, outcomes in results.items() for o in outcomes if o.got]
    for line in won:
        print(*line, file=sys.stderr)
    sys.exit(1 if won else 0)


if __name__ == "__main__":
    main()
