"""The environment of the peers: made once, kept in the user's cache folder, made anew when `peers.txt` changes."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["PEERS", "environment", "key", "versions"]

PEERS = Path(__file__).parents[1] / "peers.txt"
"""The pinned packages."""

_COMPLETE = "complete"
"""A file that is written last: an environment without it was interrupted."""


def environment(folder: Path | None = None) -> Path:
    """The Python in which all of `PEERS` is installed. Makes the environment if it is not there: a minute or two.

    It lies in a subfolder of `folder` (by default of the user's cache) that is named after the packages and the
    version of Python. Exits if pip fails.
    """
    root = (folder or _cache()) / key()
    python = root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (root / _COMPLETE).exists():
        print(f"Making the peers' environment ({PEERS.name}), once …", file=sys.stderr, flush=True)
        shutil.rmtree(root, ignore_errors=True)
        venv.create(root, with_pip=True, symlinks=os.name != "nt")
        install = [python, "-m", "pip", "install", "--quiet", "--requirement", PEERS]
        if subprocess.run(install, check=False).returncode:
            raise SystemExit(f"pip could not install the peers ({PEERS.name}); it said why. Is there a network?")
        (root / _COMPLETE).touch()
    return python


def key() -> str:
    """Names the environment: other packages or another Python, another name."""
    what = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}".encode()
    return f"peers-{hashlib.sha256(what + PEERS.read_bytes()).hexdigest()[:12]}"


def _cache() -> Path:
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "bing-images-benchmarks"


def versions() -> str:
    """The pinned packages in one line."""
    lines = (line.partition(";")[0].strip() for line in PEERS.read_text().splitlines())
    return ", ".join(line.replace("==", " ") for line in lines if line and not line.startswith("#"))
