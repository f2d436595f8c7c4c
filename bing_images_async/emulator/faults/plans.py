"""What befalls each request: decided when it comes, from the profile, the limits and the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import parse_qsl

import anyio
import attrs
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from ..api.endpoint import base_of, credentials
from .connection_faults import UNREACHED
from .emulated_reply import Case
from .fault_rules import FaultRule, parse_rules
from .limits import Limits, Refusal
from .profiles import Profile
from .request_journal import Journal, Record, fingerprint

__all__ = ["Emulator", "FAULT_HEADER", "Fate", "is_local", "is_loopback"]

FAULT_HEADER = "X-Emulator-Fault"
"""With it a request from this machine asks for faults of its own: rules as `FaultRule.parse` reads them."""

_ENDPOINTS = ("/images/search", "/images/details", "/images/trending")


@attrs.frozen(kw_only=True)
class Fate:
    """What is to happen to a request."""

    case: Case
    rule: FaultRule | None = None
    refusal: Refusal | None = None
    latency: float = 0.0

    @property
    def fault(self) -> str:
        """The name of its fault, or nothing."""
        return "" if self.rule is None else self.rule.fault

    @property
    def cause(self) -> str | None:
        """What to call it in the journal."""
        return self.refusal.limit if self.refusal is not None else self.fault or None

    @property
    def is_ordinary(self) -> bool:
        return self.rule is None and self.refusal is None and self.latency == 0.0


@attrs.define
class _Course:
    """The time since a profile was set: what it has counted."""

    profile: Profile
    limits: Limits
    requests: int = 0
    started: float | None = None


class Emulator:
    """What an app remembers of its requests and how it treats them: `app.state.emulator`.

    journal: what came in.
    profile: what it puts up with and how it fails. Setting it, from any thread, begins anew: nothing is used of
        the quotas, requests count from 1, and `start` of rules from the next request.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int,
        keys: frozenset[str] | None,
        key_header: str | None,
        now: Callable[[], datetime],
    ) -> None:
        self.journal = Journal()
        self.now = now
        self._seed = seed
        self._keys = keys
        self._key_header = key_header
        self._course = _Course(profile, profile.limits())
        self._received = 0
        self._started: float | None = None

    @property
    def profile(self) -> Profile:
        return self._course.profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._course = _Course(profile, profile.limits())

    @property
    def requests(self) -> int:
        """API calls since the profile was set."""
        return self._course.requests

    def receive(self, scope: Scope, connection: int | None) -> tuple[Record, Fate | None]:
        """The open record of a request, and its fate if it is a call of the API.

        Raises ValueError if it asks for a fault that cannot be; then there is no record.
        """
        now = anyio.current_time()
        headers = Headers(scope=scope)
        keys = credentials(headers, self._key_header)
        fate = self._fate(scope, headers, keys, now) if scope["path"].endswith(_ENDPOINTS) else None
        self._started = now if self._started is None else self._started
        self._received += 1
        record = Record(
            number=self._received,
            time=now - self._started,
            method=scope["method"],
            path=scope["path"],
            query=tuple(_without_keys(scope, keys)),
            key=fingerprint(keys[0], self._seed) if keys else None,
            connection=connection,
        )
        self.journal.add(record)
        return record, fate

    def finish(self, record: Record) -> None:
        """Puts the record down as over."""
        assert self._started is not None
        self.journal.finish(attrs.evolve(record, elapsed=anyio.current_time() - self._started - record.time))

    def _fate(self, scope: Scope, headers: Headers, keys: list[str], now: float) -> Fate:
        asked = parse_rules(headers.get(FAULT_HEADER, "")) if is_local(scope) else ()
        course = self._course
        course.started = now if course.started is None else course.started
        course.requests += 1
        chance = f"{self._seed}/{course.requests}"
        is_search = scope["path"].endswith(_ENDPOINTS[0])
        rule = None
        for index, candidate in enumerate((*asked, *course.profile.faults), -len(asked)):
            key = f"{chance}/{index}"
            if candidate.befalls(course.requests, now - course.started, key=key, is_search=is_search):
                rule = candidate
                break
        case = Case(
            key=chance,
            amount=None if rule is None else rule.amount,
            now=self.now(),
            url=f"{base_of(Request(scope))}{scope['path']}?{scope['query_string'].decode('latin-1')}",
            offset=_offset(scope),
        )
        if rule is not None and rule.fault in UNREACHED:
            return Fate(case=case, rule=rule)
        latency = course.profile.latency.draw(chance)
        refusal = self._refusal(course.limits, keys, now)
        if refusal is not None:
            return Fate(case=case, refusal=refusal, latency=latency)
        return Fate(case=case, rule=rule, latency=latency)

    def _refusal(self, limits: Limits, keys: list[str], now: float) -> Refusal | None:
        """Counts the call, unless the gate will not let its key in anyway."""
        if self._keys is None:
            return limits.enter(keys[0] if keys else "", now)
        return limits.enter(keys[0], now) if len(keys) == 1 and keys[0] in self._keys else None


def is_local(scope: Scope) -> bool:
    """Does the request come from this machine, and from no proxy on it that would speak for others?"""
    headers = Headers(scope=scope)
    if any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via")):
        return False
    client = scope.get("client")
    return client is not None and is_loopback(client[0])


def is_loopback(host: str) -> bool:
    """Does the host name this machine? A name other than localhost does not, wherever it leads."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _pairs(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace")


def _without_keys(scope: Scope, keys: list[str]) -> Iterator[tuple[str, str]]:
    for name, value in _pairs(scope):
        yield name, "***" if name.lower() == "subscription-key" or value in keys else value


def _offset(scope: Scope) -> int:
    asked = dict(_pairs(scope)).get("offset", "0")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
