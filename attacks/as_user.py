"""Running a command of root's as an ordinary user that nobody else is."""

from __future__ import annotations

import os
import shutil
import sys

UID = 12345
# A Python below root's closed home folder is made reachable in a mount namespace of the command's own.
_BECOME = f"""
set -e
if ! setpriv --reuid {UID} --regid {UID} --clear-groups test -r "$1/lib"; then
    home=$(echo "$1" | cut -d/ -f1-2)
    mount -t tmpfs -o mode=755 none /mnt
    mkdir /mnt/kept && mount --bind "$1" /mnt/kept
    mount -t tmpfs -o mode=755 none "$home"
    mkdir -p "$1" && mount --move /mnt/kept "$1"
fi
shift
exec setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all "$@"
"""


def can_become() -> bool:
    """Whether this is root, with the tools to become another user."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return is_root and all(map(shutil.which, ("setpriv", "unshare")))


def command(line: list[str]) -> list[str]:
    """Return a command line that runs another one as the user."""
    return ["unshare", "--mount", "sh", "-c", _BECOME, "sh", sys.base_prefix, *line]
