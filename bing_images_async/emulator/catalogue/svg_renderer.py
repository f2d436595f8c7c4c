"""Renderer of SVGs in a separate process, which may crash or be killed without harm to this one.

resvg has neither a time limit nor a memory limit, and overflows the stack on some input. The worker process has limits
of CPU time and memory; it is started on first use, reused, and replaced after a failure.
"""

import os
import signal
import subprocess
import sys
import threading
from hashlib import blake2b
from pathlib import Path

from ..lru_cache import LruCache
from .svg_check import SvgDocument
from .svg_worker import REPLY, REQUEST

__all__ = ["SvgRenderer"]

_WORKER = Path(__file__).with_name("svg_worker.py")
_MAX_PNG = 64 * 2**20
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP")
"""All that the worker inherits: in particular no key."""


class SvgRenderer:
    """Renders checked SVGs. Thread-safe; one SVG at a time.

    cpu_seconds: limit of CPU time per SVG (not on Windows). wall_seconds: limit of elapsed time per SVG.
    """

    def __init__(self, *, cpu_seconds: int = 2, wall_seconds: float = 10.0) -> None:
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        # An SVG that failed once fails at once the next time: it must not keep the renderer busy.
        self._failures = LruCache[str](256)

    def render(self, document: SvgDocument, width: int, height: int) -> bytes:
        """Return the SVG as PNG of the given size.

        Raises:
            ValueError: resvg cannot render it, or it exceeds the limits.
        """
        markup = document.markup.encode()
        digest = blake2b(markup, digest_size=16).digest()
        with self._lock:
            reason = self._failures.get(digest)
            if reason is None:
                try:
                    return self._request(markup, width, height)
                except ValueError as error:
                    reason = str(error)
                    self._failures.put(digest, reason)
            raise ValueError(reason)

    def close(self) -> None:
        """End the worker process (idempotent)."""
        with self._lock:
            self._stop()

    def _request(self, markup: bytes, width: int, height: int) -> bytes:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        expired = threading.Event()

        def kill() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(self._wall_seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(REQUEST.pack(width, height, self._cpu_seconds, len(markup)) + markup)
            process.stdin.flush()
            header = process.stdout.read(REPLY.size)
            status, length = REPLY.unpack(header) if len(header) == REPLY.size else (0, _MAX_PNG + 1)
            body = process.stdout.read(length) if length <= _MAX_PNG else b""
            complete = len(body) == length
        except OSError:  # a broken pipe: the worker has died
            status, body, complete = 0, b"", False
        finally:
            timer.cancel()
        if not complete:
            self._stop()
            raise ValueError("the SVG takes too long to render" if expired.is_set() else self._reason(process))
        if not status:
            raise ValueError(f"the SVG cannot be rendered: {body.decode(errors='replace')}")
        return body

    @staticmethod
    def _reason(process: subprocess.Popen[bytes]) -> str:
        if sys.platform != "win32" and process.returncode == -signal.SIGXCPU:
            return "the SVG takes too long to render"
        return "the renderer crashed or ran out of memory on the SVG"

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-P", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # data for the dead worker
                    continue
