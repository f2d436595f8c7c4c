"""A budget: so many requests and no more, whatever retries and pages add up to."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from .. import _checks as checks
from .._wire.exchange import Reply
from ..errors import BudgetExceededError
from .chain import Call, Send

__all__ = ["Budget", "Spending"]


def _requests(_: object, __: object, value: Any) -> None:
    if checks.integer("requests", value, 0, 10**12) is None:
        raise checks.refuse("requests", value, "it must be an int of 0 or more")


def _cost(_: object, __: object, value: Any) -> None:
    checks.number("cost_per_1000", value, 0.0, 1e9)


@frozen
class Budget:
    """At most `requests` requests by a session and its siblings; `cost_per_1000` is what a thousand of them cost.

    Every request counts, retries included, for every request may be billed. Give the same `Budget` to several
    sessions and each has its own `requests`.
    """

    requests: int = field(validator=_requests)
    cost_per_1000: float | None = field(default=None, kw_only=True, validator=_cost)

    def cost(self, requests: int) -> float | None:
        """What `requests` cost, if it is known what a thousand cost."""
        return None if self.cost_per_1000 is None else requests * self.cost_per_1000 / 1000


class Spending:
    """The link that reserves a request before it is sent, and gives it back if it is not."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._reserved = 0

    @property
    def requests(self) -> int:
        """Requests that were sent or are about to be."""
        return self._reserved

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Raises `BudgetExceededError` instead of sending one request too many."""
        self._check()
        self._reserved += 1
        try:
            return await send(call)
        finally:
            if call.sent is None:
                self._reserved -= 1

    async def gate(self, call: Call, send: Send, /) -> Reply:
        """The first look, so that nobody waits for a slot that would be of no use."""
        self._check()
        return await send(call)

    def _check(self) -> None:
        limit = self._budget.requests
        if self._reserved >= limit:
            raise BudgetExceededError(
                f"The budget of {limit:,} requests is spent; nothing more is sent. Give a larger one, or none.",
                requests=limit,
            )
