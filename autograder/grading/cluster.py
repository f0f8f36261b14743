"""Marking on the workers of a Dask cluster.

Theory of operation
-------------------
What is handed over is the task's bytes, the lesson's name and version, and the course's secret;
what comes back is a result.  Every worker reads the course from the same folder, so it has to be
there for all of them; one with another version of the lesson refuses.  A task whose worker dies
is run again elsewhere: the same bytes give the same result, so running twice does no harm.  The
results are stored, and the gradebook is written, by the process that runs the command.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograder.course import CourseError
from autograder.grading.key import read_key
from autograder.grading.mark import Marker, Task, failed
from autograder.grading.store import Result

CONNECT_LIMIT_S = 30
WORKERS_LIMIT_S = 120


def mark_on(
    address: str, root: Path, marker: Marker, tasks: Mapping[int, Task]
) -> Iterator[tuple[int, Result]]:
    """Yield results as they are ready.

    Raises
    ------
    CourseError
        Where Dask isn't installed, no scheduler answers at the address, or it has no workers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise CourseError("--scheduler needs Dask: pip install 'autograder[cluster]'.") from None
    try:
        client = Client(address, timeout=CONNECT_LIMIT_S)
    except (OSError, ValueError) as error:
        raise CourseError(f"No Dask scheduler answers at {address}: {error}") from error
    key = marker.key
    course = (str(root), key.source.name, key.tracks, key.version, marker.secret, marker.tier)
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_LIMIT_S)
        except TimeoutError:
            raise CourseError(
                f"The scheduler at {address} has no workers; start some on the machines."
            ) from None
        waiting = {client.submit(mark, course, asdict(task), pure=False): n for n, task in tasks.items()}
        for future in as_completed(waiting):
            number = waiting[future]
            try:
                yield number, Result(**future.result())
            except Exception as error:
                yield number, failed(key, tasks[number].track, error)


def mark(course: tuple[Any, ...], task: dict[str, Any]) -> dict[str, Any]:
    """Mark one task, on a worker."""
    return asdict(_marker(*course).mark(Task(**task)))


@functools.lru_cache(maxsize=4)
def _marker(
    root: str, lesson: str, tracks: tuple[str, ...], version: str, secret: bytes, tier: str | None
) -> Marker:
    key = read_key(Path(root), lesson, tracks)
    if key.version != version:
        raise CourseError(
            f"{root} on this worker has another version of {lesson}; copy the course there again."
        )
    return Marker(key, secret, tier)
