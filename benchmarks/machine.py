"""The machine: who runs on which core, what a process has used, and what a reader of the figures must know of it."""

from __future__ import annotations

import datetime
import os
import platform
import re
from contextlib import suppress
from pathlib import Path

__all__ = ["Memory", "describe", "pin_server"]

_MIB = 1024 * 1024


def pin_server() -> None:
    """Keep this process on the first core, where the system allows that; `launch.py` puts clients on the last."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


class Memory:
    """How far the memory of this process grows above where it stands now.

    Linux tells; elsewhere the peak is that of the whole life of the process, which imports may have set.
    """

    def __init__(self) -> None:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
        self._start = _resident()

    def growth(self) -> float:
        """MiB between the start and the peak since."""
        return max(0.0, (_peak() - self._start) / _MIB)


def _status(name: str) -> int | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _resident() -> int:
    resident = _status("VmRSS")
    return _lifetime_peak() if resident is None else resident


def _peak() -> int:
    # Not `ru_maxrss` if there is better: a new process inherits that of its parent.
    peak = _status("VmHWM")
    return _lifetime_peak() if peak is None else peak


def _lifetime_peak() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def describe() -> dict[str, str]:
    """What stands above the tables: processor, cores, system, Python, date. Nothing that names a person or a host."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "load before": _load(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _cores() -> str:
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        "1, which client and server share: CPU per page holds, pages per second do not" if number == 1 else str(number)
    )


def _load() -> str:
    """What others make of the machine: figures of a busy one are noise."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown"
