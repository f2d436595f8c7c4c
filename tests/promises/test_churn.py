"""Connections heal: `python -m benchmarks churn` in short, which says what is promised and checks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


SHORT = ["--seconds=3", "--callers=100", "--permits=32"]  # leaves a core room for other things
LONG = ["--seconds=30"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "storm", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.figures)]
)
def test_connections_heal_whatever_is_cancelled(backend: str, storm: list[str]) -> None:
    """In a process of its own, where a warning is an error, too."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "churn", f"--backend={backend}"]
    run = subprocess.run([*command, *storm], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
