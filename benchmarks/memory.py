"""Memory of this process, as Linux tells it."""

import re
from pathlib import Path


class Memory:
    """Growth of the memory of this process above where it stands now, in MiB."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        self._start = resident()

    def growth(self) -> float:
        """Return the peak since the start, less the start."""
        return max(0.0, (resident("VmHWM") - self._start) / 2**20)


def resident(name: str = "VmRSS") -> int:
    """Return the bytes of this process that are in memory."""
    return 1024 * int(re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])
