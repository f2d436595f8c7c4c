"""Recovery of connections: a short run of `python -m benchmarks churn`, which states and checks the promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


SHORT = ["--seconds=3", "--callers=100", "--permits=32"]  # does not use a whole core
LONG = ["--seconds=30"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "storm", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.figures)]
)
def test_connections_recover_from_cancellations(backend: str, storm: list[str]) -> None:
    """In its own process, in which warnings are errors."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "churn", f"--backend={backend}"]
    run = subprocess.run([*command, *storm], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
