"""The pipeline of a session: creates every step that keeps state, and shares them with the session's siblings.

The steps, outermost first. docs/design.md gives the reason for the order and shows the signals between steps.

     1  deadline           one monotonic deadline over everything below
     2  coalesce           equal calls in flight share one request
     3  retry              the loop; the steps below run once per attempt
     4  budget             first check: fail before the attempt waits for anything
     5  user middleware
     6  error cache        reply from memory after a refused key, a used-up quota or suspected abuse
     7  circuit breaker    while the service is down: fail, or wait for a probe
     8  concurrency        limit the attempts at a time
     9  error cache        second check: do not wait for a slot that cannot be used
    10  rate limit         limit the requests per second
    11  budget             reserve one request
    12  error cache, circuit breaker: last check, because the attempt has waited
    13  counting
    14  send               add the key, send, read the reply within bounds
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Literal

import anyio
import httpx
from attrs import asdict

from .._protocol.credentials import Auth
from .._protocol.messages import Reply
from .._transport.body import BodyLimits
from .._transport.pool import ConnectionPool
from ..errors import BingImagesError
from ..events import CallFinished, CallStarted, Dispatcher
from ..params import CommonParams
from .budget import Budget, BudgetGuard, Estimate
from .call import Call, InFlight, Middleware, Send, Step, compose
from .circuit_breaker import CircuitBreaker
from .coalesce import Coalesce
from .concurrency import ConcurrencyLimiter
from .deadline import Deadline
from .error_cache import ErrorCache
from .rate_limit import RateLimit, RateLimiter
from .retry import Retry, RetryBudget, RetryPolicy
from .send import KeySource, SendStep
from .signals import Signals
from .stats import Counters, SessionStats

__all__ = ["Pipeline"]


class Pipeline:
    """The shared steps of a session and its siblings; `build()` joins them with one retry policy to a `Send`.

    Args:
        client: sends the requests.
        pool: the connections of the session's own client; `None` for a lent client.
        key: the source of the key.
        auth: the header that carries the key.
        origin: scheme, host and port of the only server that gets the key.
        longest_pause: seconds; the error cache keeps a rejection that asks for a longer pause.
        draw: the source of jitter.
    """

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
        self.max_concurrency = max_concurrency
        self._events = events
        self._counters = Counters()
        self._pool = pool
        self._draw = draw
        self._rate_limit = rate_limit
        self._middleware = tuple(middleware)
        self._in_flight = InFlight()
        self._retry_budget = RetryBudget()
        self._budget = None if budget is None else BudgetGuard(budget)

        signals = Signals(abort_waiting=self._abort_waiting)
        jitter = draw.random
        self._deadline = Deadline(signals)
        self._coalesce = Coalesce()
        self._error_cache = ErrorCache(key.get, longest_pause=longest_pause, events=events, signals=signals)
        self._circuit_breaker = CircuitBreaker(self._in_flight, random=jitter, events=events, signals=signals)
        self._concurrency = ConcurrencyLimiter(max_concurrency, self._in_flight, events)
        self._limiter = RateLimiter(
            rate_limit, random=jitter, events=events, longest_pause=longest_pause, signals=signals
        )
        self._send = SendStep(client, key, auth, origin, self._in_flight, BodyLimits(), is_lent=pool is None)

    def build(self, policy: RetryPolicy) -> Send:
        """Join all steps, with `policy` for the retries."""
        budget = self._budget
        steps: list[Step] = [
            self._deadline,
            self._coalesce,
            Retry(policy, self._retry_budget, random=self._draw.random, events=self._events),
            *(() if budget is None else (budget.check_first,)),
            *self._middleware,
            self._error_cache,
            self._circuit_breaker,
            self._concurrency,
            self._error_cache.guard,
            self._limiter,
            *(() if budget is None else (budget,)),
            self._error_cache.guard,
            self._circuit_breaker.guard,
            self._count,
        ]
        return compose(steps, self._send)

    async def fetch(self, call: Call) -> Reply:
        """Fetch a file from the service's own host within the call's deadline. No limit and no budget counts it."""
        return await self._deadline(call, self._send.fetch)

    def close(self) -> None:
        """End every call with `SessionStateError`."""
        self._deadline.close()

    @contextmanager
    def watch(self, call: Call, question: CommonParams) -> Generator[None]:
        """Count `call`, emit its events, and set `attempts` and `reason` of its error."""
        counters, events = self._counters, self._events
        counters.calls += 1
        if events:
            query = getattr(question, "query", None)
            events.emit(
                CallStarted(
                    at=call.started, call=call.number, endpoint=call.endpoint, priority=call.priority, query=query
                )
            )
        ended: Literal["succeeded", "failed", "cancelled"] = "cancelled"
        failure: str | None = "Cancelled"
        try:
            yield
            ended, failure = "succeeded", None
        except BingImagesError as error:
            ended, failure = "failed", type(error).__name__
            error.attempts = call.attempts
            error.reason = call.state.reason
            raise
        except Exception as error:  # raised by a middleware
            ended, failure = "failed", type(error).__name__
            raise
        finally:
            setattr(counters, ended, getattr(counters, ended) + 1)
            if events:
                events.emit(
                    CallFinished(
                        at=anyio.current_time(),
                        call=call.number,
                        endpoint=call.endpoint,
                        elapsed=anyio.current_time() - call.started,
                        attempts=len(call.state.attempts),
                        error=failure,
                    )
                )

    def stats(self) -> SessionStats:
        """Return a snapshot of the counters and of the state of each step."""
        pool, budget = self._pool, self._budget
        waiting = (self._error_cache, self._circuit_breaker, self._concurrency, self._limiter)
        return SessionStats(
            **asdict(self._counters),
            throttled=self._limiter.throttled,
            waiting=sum(step.waiting for step in waiting),
            in_flight=self._in_flight.requests,
            permits=self._concurrency.limit,
            permits_in_use=self._concurrency.in_use,
            rate=self._limiter.rate,
            breaker=self._circuit_breaker.state,
            latched=self._error_cache.error,
            latched_for=self._error_cache.retry_after,
            next_probe=self._error_cache.next_probe,
            budget_spent=None if budget is None else budget.requests,
            budget_left=None if budget is None else budget.left,
            cost=None if budget is None else budget.cost,
            retry_tokens=self._retry_budget.tokens,
            idle_connections=None if pool is None else pool.idle_connections,
            open_connections=None if pool is None else pool.open_connections,
        )

    def estimate(self, *, queries: int, requests: int, most: int) -> Estimate:
        """Estimate the cost and the duration of a run under the budget and the rate limit."""
        budget, limit = self._budget, self._rate_limit
        return Estimate(
            queries=queries,
            requests=requests,
            most=most,
            cost=None if budget is None else budget.cost_of(requests),
            highest_cost=None if budget is None else budget.cost_of(most),
            seconds=None if limit is None else max(0, requests - limit.burst) * limit.spacing,
            budget_left=None if budget is None else budget.left,
        )

    async def _count(self, call: Call, send: Send, /) -> Reply:
        """Count the attempt if it was sent, whatever its result."""
        try:
            return await send(call)
        finally:
            if call.state.sent is not None:
                self._counters.attempts += 1
                self._counters.retries += bool(call.state.attempts)

    def _abort_waiting(self) -> None:
        self._concurrency.abort()
        self._limiter.abort()
