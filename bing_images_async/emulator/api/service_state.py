"""What all requests share: catalogue, seed, clock, history, and the pages already written."""

import gzip
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Generic, TypeVar, TypeVarTuple

import attrs
from anyio import to_thread

from ..catalogue.factories import Catalogue
from .answers import Style
from .links import Links
from .markets import language_of
from .search_history import History

_Value = TypeVar("_Value")
_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


@attrs.define
class Body:
    """The bytes of an answer, compressed at most once however often it is sent."""

    plain: bytes
    _packed: bytes | None = attrs.field(default=None, init=False)

    def packed(self) -> bytes:
        if self._packed is None:
            self._packed = gzip.compress(self.plain, compresslevel=2, mtime=0)
        return self._packed


@attrs.define
class Recent(Generic[_Value]):
    """Remembers the `size` values used last."""

    size: int
    _values: OrderedDict[Hashable, _Value] = attrs.field(factory=OrderedDict[Hashable, _Value], init=False)

    def get(self, key: Hashable) -> _Value | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def put(self, key: Hashable, value: _Value) -> None:
        self._values[key] = value
        while len(self._values) > self.size:
            self._values.popitem(last=False)


@attrs.frozen
class Page:
    """A page of search as it was written."""

    body: Body
    trend: str | None
    """The query to count for trending, as it was searched; None if nothing had all of its words."""


@attrs.frozen(eq=False)
class Service:
    catalogue: Catalogue
    keys: frozenset[str] | None
    """The keys that are let in; None lets everyone in."""
    key_header: str | None
    """One more header that may carry the key, for clients made for a gateway."""
    seed: int
    now: Callable[[], datetime]
    invented: bool
    history: History
    identities: random.Random
    """What trace ids are drawn from."""
    pages: Recent[Page] = attrs.field(factory=lambda: Recent[Page](128), init=False)
    thumbnails: Recent[bytes] = attrs.field(factory=lambda: Recent[bytes](512), init=False)

    async def run(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """Calls something that uses the catalogue, in a worker thread if the catalogue touches a file.

        One in memory is called where we are: a thread would cost more than the call, and a test in virtual
        time could not wait for it.
        """
        if self.catalogue.blocking:
            return await to_thread.run_sync(function, *arguments)
        return function(*arguments)

    async def recall(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """The same for the history, which may be in a file when the catalogue is not, or the reverse."""
        if self.history.blocking:
            return await to_thread.run_sync(function, *arguments)
        return function(*arguments)

    def style(self, base: str, market: str, ui_language: str, *, plain: bool) -> Style:
        today = self.now().replace(hour=0, minute=0, second=0, microsecond=0)
        links = Links(base, market, ui_language)
        return Style(links, language_of(market), self.seed, plain, self.invented, today)

    def identity(self) -> str:
        """32 hexadecimal digits: a trace, session or client id."""
        return f"{self.identities.getrandbits(128):032X}"
