"""A session's working folder."""

from __future__ import annotations

import contextlib
import os
import secrets
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


def remove(folder: Path) -> None:
    """Remove a folder, however deep the folders in it: what lies deeper is first moved up.

    Call it when nothing runs there any more; what cannot be removed is left.
    """
    number = 0
    with contextlib.suppress(OSError):
        while inner := _emptied(folder):
            for path in inner:
                for deeper in _emptied(path):
                    number += 1
                    os.rename(deeper, folder / f"moved-up-{number}-{secrets.token_hex(8)}")
                os.rmdir(path)
        os.rmdir(folder)


def _emptied(folder: Path) -> list[Path]:
    """Remove a folder's files and return the folders in it, all of them open to us."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                folders.append(Path(entry.path))
            else:
                os.unlink(entry.path)
    return folders


def settle(folder: str) -> None:
    """Work in the folder, and make it the place for everything that libraries like to write."""
    os.chdir(folder)
    for name in PLACES:
        os.environ[name] = folder
    tempfile.tempdir = None
