"""One notebook: its bytes in, its result out.

A result depends on the submission's bytes, the lesson's version and the course's secret alone,
so that it is the same in whatever process, and on whatever machine, it is reached.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from autograder.grading import graft
from autograder.grading.draws import Draws
from autograder.grading.key import LessonKey
from autograder.grading.reduce import Answers, Malformed, defined_names, read_cells, reduce
from autograder.grading.run import Runner, RunResult
from autograder.grading.store import Result, result_key
from autograder.judging.judge import blank, judge
from autograder.judging.prepare import Prepared
from autograder.judging.verdict import GRADER_FAILED, NOT_ATTEMPTED, NOT_YET, Verdict
from autograder.sandbox import Sandbox


@dataclass(frozen=True)
class Task:
    """One notebook of one submission: what to grade, or why it can't be."""

    student: str
    track: str
    data: bytes
    problem: str = ""
    status: str = "graded"


class Marker:
    """Marks notebooks of one lesson, in any number of threads, with one warm sandbox for all.

    tier : the sandbox to insist on, or None for the best that the machine offers.
    """

    def __init__(self, key: LessonKey, secret: bytes, tier: str | None = None) -> None:
        self.key, self.secret, self.tier = key, secret, tier
        self.draws = Draws(key, secret)
        self._warm: Sandbox | None = None
        self._lock = threading.Lock()

    def result_key(self, task: Task) -> str:
        """Return the name under which a task's result is kept."""
        return result_key(task.data, self.key.version, task.track, self.secret)

    def mark(self, task: Task) -> Result:
        """Return a task's result; whatever happens is a result too."""
        try:
            result = self._mark(task)
        except Malformed as error:
            result = unread(self.key, task.track, "malformed", str(error))
        except Exception as error:
            result = failed(self.key, task.track, error)
        result.key, result.version = self.result_key(task), self.key.version
        return result

    def _mark(self, task: Task) -> Result:
        if task.problem:
            return unread(self.key, task.track, task.status, task.problem)
        return self.judge_bytes(task.data, task.track)

    def close(self) -> None:
        """End the sandboxes; the next judgement starts new ones."""
        with self._lock:
            if self._warm is not None:
                self._warm.close()
            self._warm = None

    def graft_bytes(self, data: bytes, track: str) -> graft.Grafted:
        """Reduce and graft one notebook; raises Malformed where it can't be read."""
        released = self.key.released[track]
        return graft.graft(released, reduce(read_cells(data), released.cells, released.names))

    def judge_bytes(self, data: bytes, track: str) -> Result:
        """Reduce, graft, run and judge one notebook; raises Malformed where it can't be read."""
        released = self.key.released[track]
        answers = reduce(read_cells(data), released.cells, released.names)
        grafted = graft.graft(released, answers)

        def prepare(name: str, explain: bool) -> Prepared:
            drawn = self.draws.explained if explain else self.draws.fresh
            return drawn(name, track, data)

        attempted = attempted_names(released, answers)
        run = Runner(
            self._sandbox(),
            grafted,
            prepare,
            attempted,
            self.key.files,
            self.key.limits(track),
            functions=self.key.functions,
            roomy=lambda name: self.key.roomy(name, track),
        ).run()
        run.noted = [*answers.noted, *run.noted]
        return as_result(self.key, track, grafted, run, answers)

    def _sandbox(self) -> Sandbox:
        """Return the sandbox; made at the first submission that is run."""
        with self._lock:
            if self._warm is None:
                self.key.load_framework()
                self._warm = Sandbox(tier=self.tier, torch="pytorch" in self.key.tracks)
            return self._warm


def attempted_names(released: graft.Released, answers: Answers) -> set[str]:
    """Return the exercises that the student wrote something for, wherever it stands."""
    extras = [extra for extras in answers.extras.values() for extra in extras]
    elsewhere = {name for extra in extras for name in defined_names(extra.graded_source)}
    return {*graft.attempted(released, answers), *(n for n in released.names if n in elsewhere)}


def as_result(key: LessonKey, track: str, grafted: graft.Grafted, run: RunResult, answers: Answers) -> Result:
    """Put a run and the answers in prose together."""
    verdicts = dict(run.verdicts)
    for name in key.released[track].names:
        if name not in verdicts:
            verdicts[name] = _by_hand(key, track, name, answers)
    ordered = [verdicts[name] for name in key.released[track].names]
    return Result(
        status=run.status,
        exercises=[verdict.json() for verdict in ordered],
        notebook=grafted.notebook,
        outputs={str(index): outputs for index, outputs in run.outputs.items()},
        comments={v.exercise: v.says for v in ordered if v.says and v.outcome not in ("passed", "pending")},
        reasons=run.reasons,
        noted=run.noted,
        cpu_s=run.cpu_s,
        wall_s=run.wall_s,
        peak_bytes=run.peak_bytes,
        tier=run.tier,
        max_score=key.points(track),
    )


def _by_hand(key: LessonKey, track: str, name: str, answers: Answers) -> Verdict:
    prepared = key.fresh(name, track, 0)
    if prepared.kind != "written":
        return blank(prepared, NOT_ATTEMPTED)
    if name not in answers.written:
        return blank(prepared, NOT_ATTEMPTED, "No answer was written.")
    return judge(prepared, lambda case: None)  # type: ignore[arg-type, return-value]


def unread(key: LessonKey, track: str, status: str, why: str) -> Result:
    """Return the result of a notebook that isn't there or can't be read: no points, and the reason."""
    released = key.released[track]
    heading = "This notebook was not submitted." if status == "missing" else "Your file could not be read."
    blanks = [
        blank(key.fresh(name, track, 0), NOT_ATTEMPTED if status == "missing" else NOT_YET, why)
        for name in released.names
    ]
    return Result(
        status=status,
        exercises=[verdict.json() for verdict in blanks],
        notebook=graft.with_notice(released, heading, why),
        reasons=[why],
        max_score=key.points(track),
    )


def failed(key: LessonKey, track: str, error: Exception) -> Result:
    """Return the result of a notebook at which the grader itself failed."""
    result = unread(
        key, track, "crashed", f"The grader failed, not the submission: {type(error).__name__}: {error}"[:400]
    )
    for entry in result.exercises:
        entry["outcome"] = GRADER_FAILED
    return result
