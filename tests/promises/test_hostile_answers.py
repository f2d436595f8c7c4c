"""Whatever a body holds, gunzip included: 150 ms and 60 MiB beyond the body, through a session and over a socket."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")

SECONDS = 0.15
MIB = 60
PROGRAM = Path(__file__).with_name("hostile_answers.py")


@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.figures)])
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.timeout(900)
def test_hostile_answers_cost_little_time_and_memory(anyio_backend: str, length: str) -> None:
    """The event loop is held up by CPU time, which the load of the machine does not change."""
    command = [sys.executable, str(PROGRAM), anyio_backend, length]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    measured = [json.loads(line) for line in lines]
    assert len(measured) > 50
    slow = max(measured, key=lambda one: one["stall"])
    large = max(measured, key=lambda one: one["memory"] - one["size"])
    print(f"\n{anyio_backend}: {len(measured)} bodies")
    for title, one in (("longest stall", slow), ("most memory", large)):
        print(
            f"  {title}: {one['stall'] * 1000:.0f} ms ({one['stall_by_clock'] * 1000:.0f} by the clock), "
            f"{one['memory']:.0f} MiB with a body of {one['size']:.1f}, {one['ended']}: {one['body']}"
        )
    assert slow["stall"] <= SECONDS, slow
    assert large["memory"] - large["size"] <= MIB, large
    assert not [one for one in measured if one["ended"] == "an answer" and "unknown" not in one["body"]]
