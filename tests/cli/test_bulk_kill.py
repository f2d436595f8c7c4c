"""`python -m benchmarks kill` in short, which says what is promised and checks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_killed_three_times_and_gone_on_every_result_is_there_once(form: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "kill", "--queries=200", "--kills=3"]
    command += ["--concurrency=8", f"--output-format={form}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results 200, missing 0, duplicates 0" in done.stdout
