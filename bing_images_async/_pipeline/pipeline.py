"""What a session and its siblings share: the carrier, and every link of the chain that keeps a state.

The chain, outermost first (docs/design.md says why in this order):

    deadline, coalesce, retry
        then per attempt: users' middleware, latch, breaker, permits, rate limit, budget, guards, terminal
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import anyio
import httpx
from attrs import field, frozen

from .._protocol.credentials import Auth
from .._protocol.messages import Reply
from .._transport.body import BodyLimits
from .._transport.pool import ConnectionPool
from ..errors import BingImagesError
from ..events import CallFinished, CallStarted, Dispatcher
from ..params import CommonParams
from .budget import Budget, BudgetGuard, Estimate
from .call import Call, InFlight, Link, Middleware, Send, compose
from .circuit_breaker import CircuitBreaker
from .coalesce import Coalesce
from .concurrency import ConcurrencyLimiter
from .deadline import Deadline
from .error_cache import ErrorCache
from .rate_limit import RateLimit, RateLimiter
from .retry import Retry, RetryBudget, RetryPolicy
from .send import KeySource, SendStep

__all__ = ["Pipeline", "SessionStats"]


@frozen(kw_only=True)
class SessionStats:
    """A session and its siblings at one moment; counts are since it was made."""

    calls: int
    """Calls that passed their checks."""
    succeeded: int
    failed: int
    """Calls that ended in an error."""
    cancelled: int
    attempts: int
    """Requests that were sent."""
    retries: int
    throttled: int
    """Answers that said there were too many requests."""
    waiting: int
    """Calls that wait: for the service to come back, for a permit, or for their slot."""
    in_flight: int
    """Requests that are on the wire."""
    permits: int
    """Attempts that may be under way at once; falls when the service is congested."""
    permits_in_use: int
    rate: float | None
    """Requests per second at this moment; `None` if unpaced."""
    breaker: str
    """`closed`, `open` or `half-open`."""
    latched: str | None
    """The error that calls get without being sent, by its name."""
    latched_for: float | None = None
    """Seconds for which calls get it; `None` if there is none."""
    next_probe: float | None = None
    """Seconds until a call with `on_outage="wait"` asks the service again; `None` if those calls get it as well."""
    budget_spent: int | None
    """Requests of the budget that were sent, or are about to be; `None` without a budget."""
    budget_left: int | None
    """Requests that may still be sent."""
    cost: float | None
    """Of `budget_spent`, if the budget knows what requests cost."""
    retry_tokens: int
    """What is left of the retry budget (of 500)."""
    idle_connections: int | None
    """`None` with a client of the user's own."""
    open_connections: int | None


@frozen
class Counts:
    """Mutable counters behind `SessionStats`."""

    values: dict[str, int] = field(
        factory=lambda: dict.fromkeys(("calls", "succeeded", "failed", "cancelled", "attempts", "retries"), 0)
    )

    def add(self, name: str, number: int = 1) -> None:
        """Count."""
        self.values[name] += number


class Pipeline:
    """Made once per session; `chain()` makes a `Send` for each of its siblings."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        pool: ConnectionPool | None,
        key: KeySource,
        auth: Auth,
        origin: str,
        *,
        rate_limit: RateLimit | None,
        max_concurrency: int,
        longest_pause: float,
        budget: Budget | None,
        middleware: Sequence[Middleware],
        events: Dispatcher,
        draw: random.Random,
    ) -> None:
        self.events = events
        self.counts = Counts()
        self.max_concurrency = max_concurrency
        self._rate_limit = rate_limit
        self._budget = budget
        self._spending = None if budget is None else BudgetGuard(budget)
        self._pool = pool
        self._in_flight = InFlight()
        self._draw = draw.random
        self._retry_budget = RetryBudget()
        self._middleware = tuple(middleware)
        self._deadline = Deadline()
        self._coalesce = Coalesce()
        self._concurrency = ConcurrencyLimiter(max_concurrency, self._in_flight, events)
        self._limiter = RateLimiter(
            rate_limit, random=self._draw, events=events, longest_pause=longest_pause, on_pause=self._deadline.pause
        )
        self._circuit_breaker = CircuitBreaker(
            self._in_flight, random=self._draw, events=events, on_open=self._turn_back, on_close=self._limiter.restart
        )
        self._error_cache = ErrorCache(key.ask, longest_pause=longest_pause, events=events, on_hold=self._turn_back)
        self.terminal = SendStep(
            client, key, auth, origin, self._in_flight, BodyLimits(), self._recheck, is_lent=pool is None
        )

    def chain(self, policy: RetryPolicy) -> Send:
        """The whole chain, with `policy` for its retries."""
        retry = Retry(policy, self._retry_budget, random=self._draw, events=self.events)
        latch, breaker, spending = self._error_cache, self._circuit_breaker, self._spending
        first: tuple[Link, ...] = () if spending is None else (spending.gate,)
        last: tuple[Link, ...] = () if spending is None else (spending,)
        links: tuple[Link, ...] = (
            self._deadline,
            self._coalesce,
            retry,
            *first,
            *self._middleware,
            latch,
            breaker,
            self._concurrency,
            latch.guard,  # nobody goes and waits for a slot that is of no use
            self._limiter,
            *last,
            latch.guard,
            breaker.guard,
            self._count,
        )
        return compose(links, self.terminal)

    async def fetch(self, call: Call) -> Reply:
        """A file of the service's own, within the call's deadline; no part of the API's quota."""
        return await self._deadline(call, self.terminal.fetch)

    @contextmanager
    def watch(self, call: Call, question: CommonParams) -> Generator[None]:
        """Count `call`, tell observers of it, and write on its error what was tried."""
        counts, events = self.counts, self.events
        counts.add("calls")
        if events:
            query = getattr(question, "query", None)
            events.emit(
                CallStarted(
                    at=call.started, call=call.number, endpoint=call.endpoint, priority=call.priority, query=query
                )
            )
        ended = "cancelled"
        failure: str | None = "Cancelled"
        try:
            yield
            ended, failure = "succeeded", None
        except BingImagesError as error:
            ended, failure = "failed", type(error).__name__
            error.attempts = tuple(call.attempts)
            error.reason = call.reason
            raise
        except Exception as error:  # a middleware's own
            ended, failure = "failed", type(error).__name__
            raise
        finally:
            counts.add(ended)
            if events:
                events.emit(
                    CallFinished(
                        at=anyio.current_time(),
                        call=call.number,
                        endpoint=call.endpoint,
                        elapsed=anyio.current_time() - call.started,
                        attempts=len(call.attempts),
                        error=failure,
                    )
                )

    def stats(self) -> SessionStats:
        """A snapshot."""
        pool, spending = self._pool, self._spending
        return SessionStats(
            **self.counts.values,
            throttled=self._limiter.throttled,
            waiting=sum(
                link.waiting for link in (self._error_cache, self._circuit_breaker, self._concurrency, self._limiter)
            ),
            in_flight=self._in_flight.requests,
            permits=self._concurrency.limit,
            permits_in_use=self._concurrency.in_use,
            rate=self._limiter.rate,
            breaker=self._circuit_breaker.state,
            latched=self._error_cache.error,
            latched_for=self._error_cache.retry_after,
            next_probe=self._error_cache.next_probe,
            budget_spent=None if spending is None else spending.requests,
            budget_left=None if spending is None else spending.left,
            cost=None if spending is None else spending.cost,
            retry_tokens=self._retry_budget.tokens,
            idle_connections=None if pool is None else pool.idle_connections,
            open_connections=None if pool is None else pool.open_connections,
        )

    def estimate(self, *, queries: int, requests: int, most: int) -> Estimate:
        """What so many requests cost and how long they take, under the session's budget and rate limit."""
        budget, limit = self._budget, self._rate_limit
        return Estimate(
            queries=queries,
            requests=requests,
            most=most,
            cost=None if budget is None else budget.cost(requests),
            highest_cost=None if budget is None else budget.cost(most),
            seconds=None if limit is None else max(0, requests - limit.burst) * limit.spacing,
            budget_left=None if self._spending is None else self._spending.left,
        )

    async def _count(self, call: Call, send: Send, /) -> Reply:
        """The last link: whatever went to the wire was an attempt, of one call, however it ended."""
        try:
            return await send(call)
        finally:
            if call.sent is not None:
                self.counts.add("attempts")
                self.counts.add("retries", min(1, len(call.attempts)))

    def _recheck(self, call: Call) -> None:
        self._error_cache.check(call)
        self._circuit_breaker.check(call)

    def _turn_back(self) -> None:
        """A gate was shut: nobody who is not on the wire yet may stay on the way there."""
        self._concurrency.dismiss()
        self._limiter.abort()
