"""One direction of a connection: delays, fragments, loss and breaks."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterator
from random import Random

import anyio
import anyio.lowlevel
import attrs


@attrs.frozen
class Link:
    """Properties of a network.

    latency: seconds one way. jitter: uniform, ± seconds around it; order is kept. fragment: largest piece in bytes,
    sizes are uniform from 1. loss: probability that one write, and all later ones in its direction, never arrive.
    window: bytes in flight before writers wait.
    """

    latency: float = 0.0
    jitter: float = 0.0
    fragment: int | None = None
    loss: float = 0.0
    window: int = 65_536

    def delay(self, random: Random) -> float:
        """Return the seconds one way, drawn for each piece."""
        return max(0.0, self.latency + (random.uniform(-self.jitter, self.jitter) if self.jitter > 0 else 0.0))


class End(enum.Enum):
    CLOSED = "closed"
    RESET = "reset"


@attrs.define
class Pipe:
    """One direction. silent: returns true while the network drops what is sent."""

    link: Link
    random: Random
    silent: Callable[[], bool]
    drip: float | None = None  # seconds per byte, from the next write on
    _pieces: deque[tuple[float, bytes | End]] = attrs.field(factory=deque, init=False)
    _unread: int = attrs.field(default=0, init=False)
    _last_due: float = attrs.field(default=0.0, init=False)
    _severed: bool = attrs.field(default=False, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _abandoned: bool = attrs.field(default=False, init=False)
    _arrival: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _room: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def send(self, data: bytes) -> None:
        """Return when all data is in flight. Raises BrokenPipeError if either side has ended this direction."""
        await anyio.lowlevel.checkpoint()
        for piece in self._fragments(data):
            while self._unread >= self.link.window and not self._ended and not self._abandoned:
                self._room = anyio.Event()
                await self._room.wait()
            if self._ended or self._abandoned:
                raise BrokenPipeError
            self._unread += len(piece)
            self._enqueue(piece, pause=self.drip or 0.0)

    async def receive(self, max_bytes: int) -> bytes:
        """Return the next piece; b"" after the end. Raises ConnectionResetError after a reset."""
        await anyio.lowlevel.checkpoint()
        while not self.readable():
            self._arrival = anyio.Event()
            with anyio.CancelScope() as until_due:
                if self._pieces:
                    until_due.deadline = self._pieces[0][0]
                await self._arrival.wait()
        due, piece = self._pieces[0]
        if piece is End.RESET:
            raise ConnectionResetError
        if piece is End.CLOSED:
            return b""
        self._pieces.popleft()
        if len(piece) > max_bytes:
            self._pieces.appendleft((due, piece[max_bytes:]))
        self._unread -= len(piece[:max_bytes])
        self._room.set()
        return piece[:max_bytes]

    def readable(self) -> bool:
        """Return true if `receive` would return or raise at once."""
        return bool(self._pieces) and self._pieces[0][0] <= anyio.current_time()

    def broken(self) -> bool:
        """Return true after a reset has arrived."""
        return self.readable() and self._pieces[0][1] is End.RESET

    def end(self, how: End = End.CLOSED) -> None:
        """End this direction after the data that is in flight."""
        if not self._ended:
            self._ended = True
            self._enqueue(how)
            self._room.set()

    def abandon(self) -> None:
        """Close the reading end: data is dropped, and writing fails."""
        self._abandoned = True
        self._room.set()

    def _enqueue(self, piece: bytes | End, pause: float = 0.0) -> None:
        lost = self.link.loss > 0 and piece is not End.CLOSED and self.random.random() < self.link.loss
        self._severed = self._severed or lost or self.silent()
        if self._severed:
            return
        arrival = anyio.current_time() + self.link.delay(self.random)
        self._last_due = max(arrival, self._last_due + pause)
        self._pieces.append((self._last_due, piece))
        self._arrival.set()

    def _fragments(self, data: bytes) -> Iterator[bytes]:
        largest = 1 if self.drip is not None else self.link.fragment
        start = 0
        while start < len(data):
            size = self.link.window if largest is None else self.random.randint(1, largest)
            yield data[start : start + size]
            start += size
