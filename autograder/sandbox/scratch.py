"""A session's working folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

PLACES = ("HOME", "TMPDIR", "TEMP", "TMP", "USERPROFILE", "IPYTHONDIR", "MPLCONFIGDIR")


def lay_files(files: Mapping[str, bytes], folder: Path, owner: int | None = None) -> None:
    """Write files below a folder, read-only, for a user if one is named.

    Raises OSError for a name that leads out of the folder.
    """
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise OSError(f"{name!r} leads out of the working folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)
    if owner is not None:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, owner, owner)


def settle(folder: str) -> None:
    """Work in the folder, and make it the place for everything that libraries like to write."""
    os.chdir(folder)
    for name in PLACES:
        os.environ[name] = folder
    tempfile.tempdir = None
