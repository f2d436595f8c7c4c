"""Environments, and the launcher of workers and servers: functions of `benchmarks` that run in processes of their own.

An environment has the peers' pinned packages and the library's own dependencies. It is made once, kept in the user's
cache folder, and made anew when `peers.txt`, those dependencies or the version of Python change: each measured
revision of the library has its own.

A process (worker.py) imports `bing_images_async` from the library
that is measured and `benchmarks` from this checkout. Servers run on the first core, workers on the last.
"""

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).with_name("peers.txt")

_UNWANTED = {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONASYNCIODEBUG"}


@frozen
class Library:
    """What is measured: a folder that holds `bing_images_async`, and a Python that has its dependencies."""

    folder: Path
    python: Path


HERE = Library(ROOT, Path(sys.executable))
"""This checkout in the running Python."""


@frozen(kw_only=True)
class Plan:
    """What a measurement may take."""

    full: bool
    """Everything, or what five minutes allow."""
    rounds: int
    library: Library
    only_ours: bool = False
    """Leave the peers out, for `compare`."""


@contextmanager
def library_at(revision: str | None, cache: Path | None = None) -> Iterator[Library]:
    """The library of a revision, in a temporary folder while the block runs; `None` is this checkout as it stands."""
    if revision is None:
        yield Library(ROOT, environment(ROOT, cache))
        return
    command = ["git", "archive", "--format=tar", revision, "bing_images_async", "pyproject.toml"]
    packed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if packed.returncode:
        raise SystemExit(f"{revision!r} is no revision of this repository with a library in it.")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Library(Path(folder), environment(Path(folder), cache))


def environment(checkout: Path, cache: Path | None = None) -> Path:
    """Return the Python of the environment for `checkout`; making one takes a minute. Exits if pip fails."""
    needed = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["dependencies"]
    what = [platform.python_implementation(), platform.python_version(), platform.machine(), *sorted(needed)]
    digest = hashlib.sha256("\n".join([*what, PEERS.read_text()]).encode()).hexdigest()[:12]
    caches = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = caches / "bing-images-benchmarks" / digest
    if not (root / "complete").exists():
        print(f"Making an environment in {root}, once …", file=sys.stderr, flush=True)
        shutil.rmtree(root, ignore_errors=True)
        venv.create(root, with_pip=True, symlinks=True)
        # In two steps: where a revision needs other versions than the pinned ones, it gets them.
        for packages in (["--requirement", PEERS], needed):
            install = [root / "bin/python", "-m", "pip", "install", "--quiet", *packages]
            if subprocess.run(install, check=False).returncode:
                raise SystemExit("pip could not install the packages above. Check the network, then run this again.")
        (root / "complete").touch()  # last: an environment without it was interrupted
    return root / "bin/python"


class WorkerError(Exception):
    """A worker that failed or took too long; the message is the last that it wrote."""


def _process(library: Library, core: Any, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what `subprocess` needs. Compiled modules are kept beside the environment: no checkout is written to."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    path = os.pathsep.join([str(library.folder), str(ROOT)])
    compiled = str(library.python.parent.parent / "pycache")
    pin = (lambda: os.sched_setaffinity(0, {core(os.sched_getaffinity(0))})) if sys.platform == "linux" else None
    return {
        "args": [library.python, "-P", "-m", "benchmarks.worker", function, json.dumps(arguments)],
        "env": {**kept, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": compiled, "PYTHONHASHSEED": "0"},
        "preexec_fn": pin,
        "text": True,
    }


def run_worker(library: Library, function: str, *, timeout: float = 600.0, **arguments: Any) -> Any:
    """Return the result of a worker: `module:function`, or a module without an import before its clock.

    Raises `WorkerError` if it fails or takes longer than `timeout`.
    """
    process = _process(library, max, function, arguments)
    if ":" not in function:
        process["args"][3:5] = [f"benchmarks.{function}"]
    try:
        done = subprocess.run(**process, capture_output=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise WorkerError(f"did not finish in {timeout:g} s") from None
    if done.returncode or not done.stdout:
        raise WorkerError(f"{function} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def run_workers(library: Library, rounds: int, function: str, **arguments: Any) -> dict[str, list[float]]:
    """Return the values by candidate of so many runs of a worker, joined."""
    joined: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, values in run_worker(library, function, **arguments).items():
            joined.setdefault(name, []).extend(values)
    return joined


def started(library: Library, function: str, **arguments: Any) -> subprocess.Popen[str]:
    """Start a server; its first line on stdout is its port."""
    return subprocess.Popen(**_process(library, min, function, arguments), stdout=subprocess.PIPE)
