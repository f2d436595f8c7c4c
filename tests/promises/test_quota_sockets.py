"""Quota over a real socket: `python -m benchmarks quota`, which checks the promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.figures
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_quota_over_a_socket_is_never_exceeded(backend: str) -> None:
    """50/s for 10 s in real time, so a busy machine can disturb it."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "quota", f"--backend={backend}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
