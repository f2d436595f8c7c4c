"""The state of the emulator: journal, profile and counters, and the plan for each API call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import parse_qsl

import anyio
import attrs
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from ..api.auth import credentials
from ..api.endpoint import MAX_URL, url_length
from ..api.links import base_url
from ..caller import is_local
from .emulated_reply import FaultContext
from .fault_rules import parse_rules
from .limits import LimitExceeded, Limits
from .plans import Plan, matching_rule
from .profiles import Profile
from .request_journal import Journal, Record, fingerprint

__all__ = ["Emulator", "FAULT_HEADER"]

FAULT_HEADER = "X-Emulator-Fault"
"""Request header with fault rules for this request, as `FaultRule.parse` reads them; from this machine only."""

_ENDPOINTS = ("/images/search", "/images/details", "/images/trending")


@attrs.define
class _Run:
    """The counters since the profile was set."""

    profile: Profile
    limits: Limits
    requests: int = 0
    started: float | None = None


class Emulator:
    """Journal and profile of an app: `app.state.emulator`.

    journal: the requests that were received.
    profile: limits, latency and faults. It may be set from any thread; this resets quotas and the request count,
        and `start` of rules counts from the next request.
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
        self._run = _Run(profile, profile.limits())
        self._received = 0
        self._started: float | None = None

    @property
    def profile(self) -> Profile:
        return self._run.profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._run = _Run(profile, profile.limits())

    @property
    def requests(self) -> int:
        """Number of API calls since the profile was set."""
        return self._run.requests

    def receive(self, scope: Scope, connection: int | None) -> tuple[Record, Plan | None]:
        """Return the open journal record of a request, and its plan if it is an API call.

        Raises ValueError if the request's fault header is invalid; the request is not recorded then.
        """
        now = anyio.current_time()
        headers = Headers(scope=scope)
        keys = credentials(headers, self._key_header)
        plan = self._plan(scope, headers, keys, now) if scope["path"].endswith(_ENDPOINTS) else None
        self._started = now if self._started is None else self._started
        self._received += 1
        record = Record(
            number=self._received,
            time=now - self._started,
            method=scope["method"],
            path=scope["path"][:MAX_URL],
            # Nothing of a request is kept that authentication or the length check will refuse.
            query=tuple(_query_without_keys(scope, keys)) if self._is_recordable(scope, keys) else (),
            key=fingerprint(keys[0], self._seed) if keys else None,
            connection=connection,
        )
        self.journal.add(record)
        return record, plan

    def _is_recordable(self, scope: Scope, keys: list[str]) -> bool:
        is_call = scope["path"].endswith(_ENDPOINTS)
        return url_length(Request(scope)) <= MAX_URL and not (is_call and not self._is_allowed(keys))

    def _is_allowed(self, keys: list[str]) -> bool:
        return self._keys is None or (len(keys) == 1 and keys[0] in self._keys)

    def finish(self, record: Record) -> None:
        """Replace the open record of a request by its final one."""
        assert self._started is not None
        self.journal.finish(attrs.evolve(record, elapsed=anyio.current_time() - self._started - record.time))

    def _plan(self, scope: Scope, headers: Headers, keys: list[str], now: float) -> Plan:
        requested = parse_rules(headers.get(FAULT_HEADER, "")) if is_local(scope) else ()
        run = self._run
        run.started = now if run.started is None else run.started
        run.requests += 1
        key = f"{self._seed}/{run.requests}"
        rule = matching_rule(
            requested,
            run.profile.faults,
            run.requests,
            now - run.started,
            key=key,
            is_search=scope["path"].endswith(_ENDPOINTS[0]),
        )
        context = FaultContext(
            key=key,
            amount=None if rule is None else rule.amount,
            now=self.now(),
            url=f"{base_url(Request(scope))}{scope['path']}?{scope['query_string'].decode('latin-1')}",
            offset=_offset(scope),
        )
        plan = Plan(context=context, rule=rule)
        if plan.never_arrives:
            return plan
        latency = run.profile.latency.draw(key)
        exceeded = self._count(run.limits, keys, now)
        if exceeded is not None:
            return Plan(context=context, exceeded=exceeded, latency=latency)
        return attrs.evolve(plan, latency=latency)

    def _count(self, limits: Limits, keys: list[str], now: float) -> LimitExceeded | None:
        """Count the call against the limits of its key, unless authentication will refuse it anyway."""
        return limits.count(keys[0] if keys else "", now) if self._is_allowed(keys) else None


def _pairs(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace")


def _query_without_keys(scope: Scope, keys: list[str]) -> Iterator[tuple[str, str]]:
    for name, value in _pairs(scope):
        yield name, "***" if name.lower() == "subscription-key" or value in keys else value


def _offset(scope: Scope) -> int:
    text = dict(_pairs(scope)).get("offset", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
