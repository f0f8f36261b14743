"""The public half of a lesson as data: bytes in, cases out.

A casebook is one ``.npz`` archive: ``meta``, a JSON text, and the arrays that it refers to.  It
holds inputs, right outputs and the outputs of the known mistakes, and no code.  It is read
without pickle.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.judging import tree
from autograder.judging.prepare import Prepared

FORMAT = 1


class CasebookError(Exception):
    """The casebook cannot be used; the message says what to do."""


def dump(lesson: str, exercises: Sequence[Prepared]) -> bytes:
    """Return a lesson's prepared exercises as the bytes of a casebook; equal input, equal bytes."""
    data = {"format": FORMAT, "lesson": lesson, "exercises": [e.tree() for e in exercises]}
    skeleton, arrays = tree.split(_shared(data, {}))
    meta = json.dumps(skeleton, ensure_ascii=True, separators=(",", ":"), allow_nan=True)
    columns: dict[str, Any] = {"meta": np.frombuffer(meta.encode("ascii"), np.uint8)}
    columns.update({f"a{i:05d}": array for i, array in enumerate(arrays)})
    with io.BytesIO() as stream:
        np.savez_compressed(stream, **columns)
        return stream.getvalue()


def _shared(data: Any, seen: dict[tuple[Any, ...], Any]) -> Any:
    """Let equal arrays be one array: tracks share their cases."""
    if isinstance(data, np.ndarray) and data.dtype.kind != "O":
        return seen.setdefault((data.dtype.str, data.shape, data.tobytes()), data)
    if isinstance(data, dict):
        return {key: _shared(value, seen) for key, value in data.items()}
    return [_shared(value, seen) for value in data] if isinstance(data, (list, tuple)) else data


def load(data: bytes) -> tuple[str, dict[tuple[str, str], Prepared]]:
    """Return the lesson's name and its exercises by (name, track).

    Raises
    ------
    CasebookError
        If the bytes are not a casebook that this version can read.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            meta = json.loads(archive["meta"].tobytes().decode("ascii"))
            arrays = [archive[f"a{i:05d}"] for i in range(len(archive.files) - 1)]
        if meta["format"] != FORMAT:
            raise CasebookError(
                f"it is of format {meta['format']} and this program reads format {FORMAT}: "
                "take the casebook and the autograder package from the same release"
            )
        whole = tree.join(meta, arrays)
        exercises = [Prepared.from_tree(entry) for entry in whole["exercises"]]
    except (
        ValueError,
        KeyError,
        TypeError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        json.JSONDecodeError,
    ) as error:
        raise CasebookError(f"it is damaged ({type(error).__name__})") from error
    return str(whole["lesson"]), {(e.name, e.track): e for e in exercises}
