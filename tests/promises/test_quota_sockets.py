"""The quota is used and never exceeded on a real socket: `python -m benchmarks quota`, which checks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.figures
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_server_on_a_socket_throttles_nothing(backend: str) -> None:
    """50/s for 10 s; real time, so a machine with better things to do can spoil it."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "quota", f"--backend={backend}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
