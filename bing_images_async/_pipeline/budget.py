"""A budget: so many requests and no more, whatever retries and pages add up to."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from attrs import field, frozen

from .. import _validation as checks
from .._protocol.messages import Reply
from ..errors import BudgetExceededError
from .call import Call, Send

__all__ = ["Budget", "Estimate", "BudgetGuard"]


def _requests(_: object, __: object, value: Any) -> None:
    if checks.integer("requests", value, 0, 10**12) is None:
        raise checks.refuse("requests", value, "it must be an int of 0 or more")


def _cost(_: object, __: object, value: Any) -> None:
    checks.number("cost_per_1000", value, 0.0, 1e9)


@frozen
class Budget:
    """At most `requests` requests by a session and its siblings; `cost_per_1000` is what a thousand of them cost.

    Every request counts, retries included, for every request may be billed. Give the same `Budget` to several
    sessions and each has its own `requests`. Raises `InvalidRequestError` for numbers that cannot be.
    """

    requests: int = field(validator=_requests)
    cost_per_1000: float | None = field(default=None, kw_only=True, validator=_cost)

    def cost(self, requests: int) -> float | None:
        """What `requests` cost, if it is known what a thousand cost."""
        return None if self.cost_per_1000 is None else requests * self.cost_per_1000 / 1000


@frozen(kw_only=True)
class Estimate:
    """What a run would take (`session.estimate`), beside what is left of the session's budget."""

    queries: int
    requests: int
    """As a rule: full pages, nothing repeated."""
    most: int
    """At most: every attempt made that the session's `RetryPolicy` allows, and pages with a single new image each.

    Only the probes during an outage that a run waits for come on top."""
    cost: float | None
    """Of `requests`, in the currency of `Budget.cost_per_1000`; `None` without one."""
    highest_cost: float | None
    """Of `most`."""
    seconds: float | None
    """For `requests` at the pace of the session's rate limit; `None` if it has none."""
    budget_left: int | None
    """Requests that may still be sent; `None` without a budget."""

    @property
    def fits(self) -> bool:
        """Not even the most would exceed the budget."""
        return self.budget_left is None or self.most <= self.budget_left


class BudgetGuard:
    """The link that reserves a request before it is sent, and gives it back if it is not."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._reserved = 0

    @property
    def requests(self) -> int:
        """Requests that were sent or are about to be."""
        return self._reserved

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return self._budget.requests - self._reserved

    def cost_of(self, requests: int) -> float | None:
        """What `requests` cost, if it is known what a thousand cost."""
        return self._budget.cost(requests)

    @property
    def cost(self) -> float | None:
        """Of what was spent, if it is known."""
        return self._budget.cost(self._reserved)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Raises `BudgetExceededError` instead of sending one request too many."""
        self._check()
        self._reserved += 1
        try:
            return await send(call)
        finally:
            if call.state.sent is None:
                self._reserved -= 1

    def check_first(self, call: Call, send: Send, /) -> Awaitable[Reply]:
        """The first look, so that nobody waits for a slot that would be of no use."""
        self._check()
        return send(call)

    def _check(self) -> None:
        if self.left > 0:
            return
        budget = self._budget
        raise BudgetExceededError(
            f"The budget of {budget.requests:,} requests is spent, and this one was not sent. "
            "Make the session with a larger Budget, or without one; session.estimate() says what a run takes.",
            requests=budget.requests,
        )
