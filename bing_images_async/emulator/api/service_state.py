"""The state that all requests share: catalogue, settings, clock, search history and caches."""

import gzip
import random
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, TypeVarTuple

import attrs
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from ..catalogue.interface import Catalogue
from ..lru_cache import LruCache
from .answers import AnswerContext
from .links import Links
from .search_history import History

_MAX_UPLOADS = 2

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


@attrs.define
class Body:
    """The bytes of an answer; they are compressed at most once."""

    plain: bytes
    _compressed: bytes | None = attrs.field(default=None, init=False)

    def compressed(self) -> bytes:
        if self._compressed is None:
            self._compressed = gzip.compress(self.plain, compresslevel=2, mtime=0)
        return self._compressed


@attrs.frozen
class SearchPage:
    """A cached answer of search."""

    body: Body
    counted_query: str | None
    """The query that counts for trending; None if nothing matches all of its words."""


@attrs.frozen(eq=False)
class ServiceState:
    """Catalogue, settings, clock, search history and caches of one app."""

    catalogue: Catalogue
    keys: frozenset[str] | None
    """The accepted keys; None accepts every key and no key."""
    key_header: str | None
    """Name of one more header that may contain the key."""
    seed: int
    now: Callable[[], datetime]
    invent_modules: bool
    history: History
    id_source: random.Random
    """Random source of trace, session and client ids."""
    _upload_limiter: RunVar[CapacityLimiter] = attrs.field(
        factory=lambda: RunVar[CapacityLimiter]("uploads"), init=False
    )
    pages: LruCache[SearchPage] = attrs.field(factory=lambda: LruCache[SearchPage](128), init=False)

    @property
    def upload_limiter(self) -> CapacityLimiter:
        """Limits the number of uploads in memory; one per event loop."""
        try:
            return self._upload_limiter.get()
        except LookupError:
            limiter = CapacityLimiter(_MAX_UPLOADS)
            self._upload_limiter.set(limiter)
            return limiter

    async def run(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """Call a function that uses the catalogue, in a worker thread if the catalogue reads files.

        A catalogue in memory is called directly: a thread would cost more than the call, and a test in virtual time
        cannot wait for threads.
        """
        if self.catalogue.blocking:
            return await to_thread.run_sync(function, *arguments)
        return function(*arguments)

    async def run_with_history(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """Call a function that uses the search history, in a worker thread if the history is a file."""
        if self.history.blocking:
            return await to_thread.run_sync(function, *arguments)
        return function(*arguments)

    def answer_context(self, links: Links, language: str, *, documented_only: bool) -> AnswerContext:
        """Return the context of an answer with names in a language."""
        today = self.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return AnswerContext(
            links=links,
            language=language,
            seed=self.seed,
            documented_only=documented_only,
            invent_modules=self.invent_modules,
            today=today,
        )

    def new_id(self) -> str:
        """Return 32 hexadecimal digits: a trace, session or client id."""
        return f"{self.id_source.getrandbits(128):032X}"
