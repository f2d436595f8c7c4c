"""Workers: a module of `benchmarks.speed` run in the peers' Python, on a core of its own, with one line of JSON to say.

A worker is a module with an `if __name__ == "__main__":` part that prints its result with `tell`. It imports its
library (`bing_images_async`) from the checkout that is measured, and everything of `benchmarks` from this one.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .tables import Plan

__all__ = ["WorkerError", "run_worker"]

_LAUNCH = Path(__file__).with_name("launch.py")
_UNWANTED = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONASYNCIODEBUG"}


class WorkerError(Exception):
    """A worker that ended badly, or in time did not end; the message is the last it said."""


def run_worker(plan: Plan, module: str, *arguments: object, timeout: float = 600.0) -> Any:
    """What the worker `module` of this package (such as `"peers.decode"`) has to say, parsed.

    `arguments` reach it as text, in `sys.argv[1:]`. Raises `WorkerError` if it fails or takes longer than `timeout`
    seconds.
    """
    command: list[str | Path] = [
        plan.peers,
        "-P",
        _LAUNCH,
        plan.checkout,
        f"{__package__}.{module}",
        *map(str, arguments),
    ]
    options: dict[str, Any] = {"env": _environment(plan), "timeout": timeout}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except subprocess.TimeoutExpired:
        raise WorkerError(f"{module} did not finish in {timeout:g} s") from None
    said = done.stdout.splitlines()
    if done.returncode or not said:
        raise WorkerError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(said[-1])


def _environment(plan: Plan) -> dict[str, str]:
    """Compiled modules are kept beside the peers: neither checkout is written to, and no import compiles twice."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    return {**kept, "PYTHONPYCACHEPREFIX": str(plan.peers.parent.parent / "pycache"), "PYTHONHASHSEED": "0"}
