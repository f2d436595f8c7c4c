"""Retries with exponential back-off, full jitter and a retry budget.

`RetryPolicy.decide` is the rule, a function of plain values. `RetryBudget` limits the extra load that retries cause
during an outage. `Retry` is the loop: every attempt passes all later steps and takes its own permit and slot; no
permit or slot is held during the back-off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta

import anyio
from attrs import field, frozen

from .. import _validation as checks
from .._protocol.messages import Reply
from ..errors import ApiError, BingImagesError
from ..events import AttemptFinished, Dispatcher, RetryScheduled
from ..models import Attempt
from .call import Call, Send
from .classification import failure_of, is_throttle, is_transient, pause_of

__all__ = ["Decision", "Retry", "RetryBudget", "RetryPolicy"]


def _duration(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _duration_or_none(value: float | timedelta | None) -> float | None:
    return None if value is None else _duration(value)


def _in_seconds(_: object, attribute: object, value: object) -> None:
    name = getattr(attribute, "name", "")
    if name != "attempt_timeout" and value is None:
        raise checks.refuse(name, value, "it must be 0 or more seconds")
    if checks.number(name, value, 0.0, 1e9) == 0.0 and name == "attempt_timeout":
        raise checks.refuse(name, value, "it must be above 0 (None means no limit)")


def _attempts(_: object, __: object, value: object) -> None:
    if checks.integer("attempts", value, 1, 1_000) is None:
        raise checks.refuse("attempts", value, "it must be an int from 1 to 1,000")


@frozen
class Decision:
    """Decision after a failed attempt: retry or not, seconds to wait, and the reason."""

    retry: bool
    wait: float
    reason: str


@frozen
class RetryPolicy:
    """Retry policy of a session. Durations are seconds or `timedelta`.

    The back-off before retry k is drawn from 0 to min(cap, base·2^(k-1)) seconds ("full jitter").

    Args:
        attempts: attempts in all, 1 to 1,000; 1 means no retry.
        attempt_timeout: limit for one attempt after it was sent; `None` for no limit.
        max_retry_after: longest pause that a call waits for when the service asks for one.
        base: back-off limit of the first retry.
        cap: back-off limit of any retry.

    Raises:
        InvalidRequestError: a value is out of range.
    """

    attempts: int = field(default=3, validator=_attempts)
    attempt_timeout: float | None = field(default=10.0, converter=_duration_or_none, validator=_in_seconds)
    max_retry_after: float = field(default=60.0, converter=_duration, validator=_in_seconds)
    base: float = field(default=0.1, converter=_duration, validator=_in_seconds)
    cap: float = field(default=20.0, converter=_duration, validator=_in_seconds)

    def decide(self, *, attempt: int, failure: BingImagesError, endpoint: str, left: float, draw: float) -> Decision:
        """Decide whether to retry.

        Args:
            attempt: number of the failed attempt, from 1.
            failure: how it failed.
            endpoint: `search`, `details` or `trending`.
            left: seconds to the deadline of the call.
            draw: random number in [0, 1).
        """
        throttled = is_throttle(failure)
        if not throttled and not is_transient(failure, endpoint):
            return Decision(False, 0.0, "not_retryable")
        if attempt >= self.attempts:
            return Decision(False, 0.0, "attempts")
        asked = failure.retry_after if isinstance(failure, ApiError) else None
        if throttled:
            assert isinstance(failure, ApiError)
            wait = pause_of(failure)  # the limiter adds its own jitter, for all calls together
        else:
            wait = max(asked or 0.0, draw * min(self.cap, self.base * 2.0 ** min(attempt - 1, 60)))
        if asked is not None and asked > self.max_retry_after:
            return Decision(False, wait, "retry_after")
        if wait > left:
            return Decision(False, wait, "deadline")
        return Decision(True, wait, "throttled" if throttled else "transient")


class RetryBudget:
    """Token bucket of a session: a retry takes tokens, a success returns them. No retry while it is empty."""

    SIZE = 500
    TRANSIENT = 14
    THROTTLE = 5

    def __init__(self) -> None:
        self._tokens = self.SIZE

    @property
    def tokens(self) -> int:
        """Tokens left."""
        return self._tokens

    def spend(self, cost: int) -> bool:
        """Take `cost` tokens; return false, and take none, if there are fewer."""
        if cost > self._tokens:
            return False
        self._tokens -= cost
        return True

    def give(self, tokens: int) -> None:
        """Return `tokens`, up to the size of the bucket."""
        self._tokens = min(self.SIZE, self._tokens + tokens)


def _name(failure: BaseException | None) -> str:
    return "Cancelled" if isinstance(failure, anyio.get_cancelled_exc_class()) else type(failure).__name__


class Retry:
    """Step that repeats failed attempts."""

    def __init__(
        self, policy: RetryPolicy, budget: RetryBudget, *, random: Callable[[], float], events: Dispatcher
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._random = random
        self._events = events

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send attempts until one succeeds or is not retried."""
        counted = 0  # attempts that count against `RetryPolicy.attempts`
        cost = 0  # tokens taken for the current retry
        has_resent = False
        while True:
            try:
                reply, failure = await self._attempt(call, send)
            except BaseException:
                self._budget.give(cost)  # cancelled: the result of the retry is unknown
                raise
            if call.state.sent is None:
                self._budget.give(cost)  # the retry was refused before it was sent
                cost = 0
            if failure is None:
                assert reply is not None
                self._budget.give(max(1, cost))
                return reply
            if call.state.may_resend and not has_resent and self._policy.attempts > 1:
                has_resent = call.state.needs_new_connection = True
                continue
            # With `on_outage="wait"`, a failed probe does not count as an attempt of its call.
            waits = call.on_outage == "wait" and (call.state.is_probe or not is_throttle(failure))
            counted += not (waits and call.state.is_probe)
            decision = self._decide(call, max(1, counted), failure)
            cost = 0 if waits else RetryBudget.THROTTLE if is_throttle(failure) else RetryBudget.TRANSIENT
            if not decision.retry or not self._budget.spend(cost):
                call.state.reason = "retry_budget" if decision.retry else decision.reason
                if reply is not None:
                    return reply
                raise failure
            await self._back_off(call, decision, failure, cost)

    def _decide(self, call: Call, attempt: int, failure: BingImagesError) -> Decision:
        if call.on_outage == "wait" and is_throttle(failure) and attempt < self._policy.attempts:
            # The next attempt waits in the rate limit or, for a long pause, in the error cache; both pause its clock.
            return Decision(True, 0.0, "throttled")
        left = call.deadline - anyio.current_time()
        return self._policy.decide(
            attempt=attempt, failure=failure, endpoint=call.endpoint, left=left, draw=self._random()
        )

    async def _attempt(self, call: Call, send: Send) -> tuple[Reply | None, BingImagesError | None]:
        """Send one attempt and record it; return its reply and its failure."""
        began = anyio.current_time()
        call.state.sent, call.state.is_probe, call.state.may_resend = None, False, False
        call.state.attempt_timeout = math.inf if self._policy.attempt_timeout is None else self._policy.attempt_timeout
        reply: Reply | None = None
        failure: BingImagesError | None
        try:
            reply = await send(call)
            failure = failure_of(call, reply)
        except BingImagesError as error:
            failure = error
        except BaseException as error:  # cancelled, perhaps by the call's own deadline: record it too
            self._note(call, began, None, error)
            raise
        self._note(call, began, reply, failure)
        return reply, failure

    def _note(self, call: Call, began: float, reply: Reply | None, failure: BaseException | None) -> None:
        if call.state.sent is None:
            return
        ended = anyio.current_time()
        attempt = Attempt(
            number=len(call.state.attempts) + 1,
            started=began - call.started,
            elapsed=ended - began,
            status=None if reply is None else reply.status,
            error=None if reply is not None else _name(failure),
            waited=call.state.waited,
        )
        call.state.attempts.append(attempt)
        call.state.waited = {}
        if self._events:
            self._events.emit(
                AttemptFinished(
                    at=ended,
                    call=call.number,
                    number=attempt.number,
                    elapsed=attempt.elapsed,
                    status=attempt.status,
                    error=attempt.error,
                    waited=attempt.waited,
                )
            )

    async def _back_off(self, call: Call, decision: Decision, failure: BingImagesError, cost: int) -> None:
        self._events.emit(
            RetryScheduled(
                at=anyio.current_time(),
                call=call.number,
                number=len(call.state.attempts) + 1,
                wait=decision.wait,
                error=type(failure).__name__,
            )
        )
        try:
            with call.waiting("back_off"):
                await anyio.sleep(decision.wait)
        except BaseException:
            self._budget.give(cost)
            raise
