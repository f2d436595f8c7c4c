"""The program of the SVG worker process: it renders what it reads from stdin and writes PNGs to stdout.

A request is width, height, CPU seconds and length (four unsigned 32-bit numbers, big-endian) and the SVG in UTF-8. A
reply is a byte (1: PNG, 0: error message in UTF-8), the length, and the bytes. `svg_renderer` starts and kills it.
"""

import struct
import sys

import resvg_py

try:
    import resource
except ImportError:  # Windows: the parent's time limit remains
    resource = None  # type: ignore[assignment]

REQUEST = struct.Struct(">IIII")
REPLY = struct.Struct(">BI")
MAX_MEMORY = 512 * 2**20
"""Bytes of address space."""


def main() -> None:
    """Serve requests until stdin is closed."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    while len(header := source.read(REQUEST.size)) == REQUEST.size:
        width, height, cpu_seconds, length = REQUEST.unpack(header)
        markup = source.read(length).decode()
        _limit_cpu(cpu_seconds)
        try:
            status, body = 1, resvg_py.svg_to_bytes(svg_string=markup, width=width, height=height)
        except Exception as error:  # noqa: BLE001  # resvg's errors have no common class
            status, body = 0, str(error).encode()
        target.write(REPLY.pack(status, len(body)) + body)
        target.flush()


def _limit_cpu(seconds: int) -> None:
    """Let the kernel end this process after so many seconds of CPU time, also if the parent has died."""
    if resource is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + 1 + seconds, hard))


if __name__ == "__main__":
    main()
