"""nbgrader's gradebook, held open while a student is written.

Theory of operation
-------------------
Each of nbgrader's steps opens the gradebook anew and commits after every cell.  Opening it looks
at all tables, and a new connection has nothing prepared.  Here one gradebook serves all steps,
and all that is written for one student is one transaction: it is there whole, or not at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from nbgrader import api
from nbgrader.api import Gradebook
from nbgrader.converters import autograde
from nbgrader.preprocessors import getgrades, latesubmissions, saveautogrades

_USERS = (autograde, getgrades, latesubmissions, saveautogrades)
"""nbgrader's modules that open a gradebook when a submission is written."""


def opened(db_url: str) -> Gradebook:
    """Return the gradebook as nbgrader's steps get it: the one that is held, or else a new one."""
    return saveautogrades.Gradebook(db_url)


def prepare_tables(db_url: str) -> None:
    """Make a new gradebook's tables, or leave those that are there.

    nbgrader asks the command ``alembic`` for the version of its tables; the library knows it too.
    """
    with mock.patch.object(api, "get_alembic_version", _tables_version):
        Gradebook(db_url).close()


def _tables_version() -> str:
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(Path(api.__file__).parent / "alembic")).get_current_head())


class HeldGradebook(Gradebook):  # type: ignore[misc]
    """A gradebook that steps may open, commit and close; that happens in `whole` alone."""

    def __init__(self, db_url: str) -> None:
        super().__init__(db_url)
        # The session's own attribute goes before its class's method.
        self.db().commit = self._settle

    def _settle(self) -> None:
        """Do what others see of a commit: what is read next is read anew, scores and all."""
        self.db.flush()
        self.db.expire_all()

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Have nbgrader's steps use this gradebook; commit at the end, unless something was raised."""
        session = self.db()
        with contextlib.ExitStack() as stack:
            for user in _USERS:
                stack.enter_context(mock.patch.object(user, "Gradebook", lambda *_: self))
            try:
                yield
                type(session).commit(session)
            except BaseException:
                session.rollback()
                raise

    def close(self) -> None:
        """Let go of what was read; the connection stays."""
        self.db.expire_all()

    def release(self) -> None:
        """Close the connection."""
        super().close()
