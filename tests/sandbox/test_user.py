"""The walls as an ordinary user, tried by root in a process of another user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attacks import as_user
from autograder.sandbox import best_tier
from tests.sandbox.conftest import TIERS

TRY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from autograder.sandbox import Limits, Sandbox, SessionDied
with Sandbox(tier=sys.argv[2], torch=False) as sandbox, sandbox.session() as session:
    assert session.run_cell("import os, wave; open('mine', 'w').write('x')", "1").error is None
    session.run_cell("import socket", "2")
    attempts = ["os.setuid(0)", f"os.kill({os.getppid()}, 15)", "socket.create_connection(('127.0.0.1', 9))"]
    attempts += [f"open('/proc/{os.getpid()}/environ')", f"open('{sys.argv[3]}')"]
    for attempt in attempts:
        assert session.run_cell(attempt, "3").error is not None, attempt
    with session.narrowed(2**27) as narrow:
        assert narrow is (sys.argv[2] == "full"), "narrowed"
        taken = session.run_cell("b = bytearray(2**28)", "4").error
        assert (taken is not None) is narrow, taken
    usage = session.close()
print(os.getuid(), usage.tier)
"""


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="all tests already run as an ordinary user"
)
@pytest.mark.parametrize("tier", ["restricted", "full"])
def test_do_the_walls_stand_for_an_ordinary_user(tier: str, tmp_path: Path) -> None:
    if TIERS.index(tier) > TIERS.index(best_tier()) or not as_user.can_become():
        pytest.skip("this machine lacks the tier, or setpriv and unshare to become another user")
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    root = str(Path(__file__).resolve().parents[2])
    python = [sys.executable, "-B", "-c", TRY, root, tier, str(secret)]
    ran = subprocess.run(
        as_user.command(python), capture_output=True, text=True, timeout=120, cwd="/", check=False
    )
    if "mount" in ran.stderr:
        pytest.skip(f"root may not mount here: {ran.stderr}")
    assert ran.stdout == f"12345 {tier}\n", ran.stderr
