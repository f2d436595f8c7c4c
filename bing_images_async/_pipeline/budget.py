"""Budget: a limit on all requests of a session, retries and pages included."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from attrs import field, frozen

from .. import _validation as checks
from .._protocol.messages import Reply
from ..errors import BudgetExceededError
from .call import Call, Send

__all__ = ["Budget", "BudgetGuard", "Estimate"]


def _requests(_: object, __: object, value: Any) -> None:
    if checks.integer("requests", value, 0, 10**12) is None:
        raise checks.refuse("requests", value, "it must be an int of 0 or more")


def _cost(_: object, __: object, value: Any) -> None:
    checks.number("cost_per_1000", value, 0.0, 1e9)


@frozen
class Budget:
    """Limit on the requests of a session and its siblings.

    Every request counts, retries included, because every request may be billed. The same `Budget` given to two
    sessions allows each of them `requests`.

    Args:
        requests: most requests, 0 or more.
        cost_per_1000: cost of a thousand requests, in any currency.

    Raises:
        InvalidRequestError: a value is out of range.
    """

    requests: int = field(validator=_requests)
    cost_per_1000: float | None = field(default=None, kw_only=True, validator=_cost)

    def cost(self, requests: int) -> float | None:
        """Return the cost of `requests`; `None` without `cost_per_1000`."""
        return None if self.cost_per_1000 is None else requests * self.cost_per_1000 / 1000


@frozen(kw_only=True)
class Estimate:
    """Requests, cost and duration of a run (`session.estimate`), and the rest of the session's budget."""

    queries: int
    requests: int
    """Expected requests: full pages, no retries."""
    most: int
    """Most requests: all attempts that the session's `RetryPolicy` allows, and one new image per page.

    Probes during an outage (`on_outage="wait"`) are not included."""
    cost: float | None
    """Cost of `requests`, in the currency of `Budget.cost_per_1000`; `None` without one."""
    highest_cost: float | None
    """Cost of `most`."""
    seconds: float | None
    """Seconds for `requests` at the session's rate limit; `None` without one."""
    budget_left: int | None
    """Remaining requests of the budget; `None` without a budget."""

    @property
    def fits(self) -> bool:
        """True if the budget allows `most` requests."""
        return self.budget_left is None or self.most <= self.budget_left


class BudgetGuard:
    """Step that reserves one request of the budget, and releases it if the request is not sent."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._reserved = 0

    @property
    def requests(self) -> int:
        """Requests that were sent or are being sent."""
        return self._reserved

    @property
    def left(self) -> int:
        """Remaining requests."""
        return self._budget.requests - self._reserved

    def cost_of(self, requests: int) -> float | None:
        """Return the cost of `requests`; `None` without `Budget.cost_per_1000`."""
        return self._budget.cost(requests)

    @property
    def cost(self) -> float | None:
        """Cost of the requests so far; `None` without `Budget.cost_per_1000`."""
        return self._budget.cost(self._reserved)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send `call`; raise `BudgetExceededError` if the budget is spent."""
        self._check()
        self._reserved += 1
        try:
            return await send(call)
        finally:
            if call.state.sent is None:
                self._reserved -= 1

    def check_first(self, call: Call, send: Send, /) -> Awaitable[Reply]:
        """Check the budget before the attempt waits for anything."""
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
