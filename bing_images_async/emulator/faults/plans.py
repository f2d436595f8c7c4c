"""The plan for one API call: which fault, limit and latency apply to it."""

from __future__ import annotations

import attrs

from .connection_faults import NO_REPLY_FAULTS
from .emulated_reply import FaultContext
from .fault_rules import FaultRule
from .limits import LimitExceeded

__all__ = ["Plan", "matching_rule"]


@attrs.frozen(kw_only=True)
class Plan:
    """The fault, exceeded limit and latency of one API call."""

    context: FaultContext
    rule: FaultRule | None = None
    exceeded: LimitExceeded | None = None
    latency: float = 0.0

    @property
    def fault(self) -> str:
        """Name of the fault, or an empty string."""
        return "" if self.rule is None else self.rule.fault

    @property
    def cause(self) -> str | None:
        """Name of the limit or fault for the journal."""
        return self.exceeded.limit if self.exceeded is not None else self.fault or None

    @property
    def is_ordinary(self) -> bool:
        """The service answers at once, and nothing changes its reply."""
        return self.rule is None and self.exceeded is None and self.latency == 0.0

    @property
    def never_arrives(self) -> bool:
        """The connection fails before the service receives the call, so that no limit counts it."""
        return self.fault in NO_REPLY_FAULTS


def matching_rule(
    requested: tuple[FaultRule, ...],
    configured: tuple[FaultRule, ...],
    request: int,
    moment: float,
    *,
    key: str,
    is_search: bool,
) -> FaultRule | None:
    """Return the first rule that applies: rules of the request's own header first, then those of the profile.

    request: number of the API call, from 1. moment: seconds since the first call. key: key of the random draws.
    """
    for index, rule in enumerate((*requested, *configured), -len(requested)):
        if rule.applies(request, moment, key=f"{key}/{index}", is_search=is_search):
            return rule
    return None
