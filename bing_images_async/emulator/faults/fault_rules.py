"""Fault rules: the name of a fault and the requests it applies to, e.g. `FaultRule("reset-body", probability=0.05)`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..deterministic_random import fraction
from .body_faults import BODY_FAULTS
from .connection_faults import CONNECTION_FAULTS, NO_REPLY_FAULTS
from .error_responses import ERROR_RESPONSES
from .paging_faults import PAGING_FAULTS

__all__ = ["FAULTS", "FaultRule", "parse_rules"]

FAULTS: frozenset[str] = frozenset(
    {*ERROR_RESPONSES, *BODY_FAULTS, *PAGING_FAULTS, *NO_REPLY_FAULTS, *CONNECTION_FAULTS}
)
"""The names of all faults."""


def _known(rule: FaultRule, field: attrs.Attribute[str], value: str) -> None:
    if value not in FAULTS:
        raise ValueError(f"Unknown fault {value!r}. Known faults: {', '.join(sorted(FAULTS))}.")


def number(low: float, high: float = math.inf, *, optional: bool = False) -> Any:
    """Return a validator for a finite number from low to high; also None if optional."""

    def check(instance: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{field.name} must be a number, not {value!r}.")
        if not low <= value <= high:
            raise ValueError(f"{field.name} must be from {low:g} to {high:g}, not {value!r}.")

    return check


def whole(low: int, *, optional: bool = False) -> Any:
    """Return a validator for an int of at least low; also None if optional."""

    def check(instance: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ValueError(f"{field.name} must be a whole number of at least {low}, not {value!r}.")

    return check


@attrs.frozen
class FaultRule:
    """A fault and its conditions; it applies to the requests that meet all of them.

    fault: one of `FAULTS`.
    probability: probability per request, drawn from the emulator's seed and the number of the request.
    every: apply to every n-th request. every=5 means the 5th, 10th, …; with first=1 the 1st, 6th, ….
    first, last: number of the first and last request, counted from 1; only API calls count.
    start, duration: time window in seconds since the first request.
    amount: parameter of the fault (a share, seconds, bytes, …); each fault has a default.

    Raises ValueError for an unknown fault and for numbers out of range.
    """

    fault: str = attrs.field(validator=_known)
    probability: float = attrs.field(default=1.0, kw_only=True, validator=number(0, 1))
    every: int = attrs.field(default=1, kw_only=True, validator=whole(1))
    first: int | None = attrs.field(default=None, kw_only=True, validator=whole(1, optional=True))
    last: int | None = attrs.field(default=None, kw_only=True, validator=whole(1, optional=True))
    start: float = attrs.field(default=0.0, kw_only=True, validator=number(0))
    duration: float | None = attrs.field(default=None, kw_only=True, validator=number(0, optional=True))
    amount: float | None = attrs.field(default=None, kw_only=True, validator=number(0, optional=True))

    def applies(self, request: int, moment: float, *, key: str, is_search: bool) -> bool:
        """Return whether the rule applies. moment: seconds since the first request. key: key of the random draw."""
        if self.fault in PAGING_FAULTS and not is_search:
            return False
        first = self.every if self.first is None else self.first
        if request < first or (request - first) % self.every or (self.last is not None and request > self.last):
            return False
        if moment < self.start or (self.duration is not None and moment >= self.start + self.duration):
            return False
        return self.probability == 1.0 or fraction(key, self.fault) < self.probability

    @classmethod
    def parse(cls, text: str) -> FaultRule:
        """Parse a rule such as "reset-body; p=0.05; requests=3-7".

        Conditions: p, every, requests (one number, or first-last, or first-), after and for (seconds), amount.
        Raises ValueError for anything else.
        """
        fault, *conditions = (part.strip() for part in text.split(";"))
        settings: dict[str, Any] = {}
        for condition in filter(None, conditions):
            name, _, value = (part.strip() for part in condition.partition("="))
            try:
                settings |= _CONDITIONS[name](value)
            except (KeyError, ValueError):
                raise ValueError(
                    f"Invalid condition {condition!r}. "
                    "Valid: p=0.05, every=5, requests=3-7, after=10, for=60, amount=0.5."
                ) from None
        return cls(fault, **settings)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        requests = f"{self.first or self.every}-{self.last or ''}" if self.first or self.last else None
        conditions = {
            "p": None if self.probability == 1.0 else self.probability,
            "every": None if self.every == 1 else self.every,
            "requests": requests,
            "after": self.start or None,
            "for": self.duration,
            "amount": self.amount,
        }
        return "; ".join([self.fault, *(f"{name}={value}" for name, value in conditions.items() if value is not None)])


def parse_rules(text: str) -> tuple[FaultRule, ...]:
    """Parse rules separated by commas. Raises ValueError as `FaultRule.parse` does."""
    return tuple(FaultRule.parse(part) for part in text.split(",") if part.strip())


def in_turn(faults: Iterable[str]) -> tuple[FaultRule, ...]:
    """Return rules that apply the faults in turn, one per request."""
    names = tuple(faults)
    return tuple(FaultRule(name, every=len(names), first=turn) for turn, name in enumerate(names, 1))


def _requests(text: str) -> dict[str, Any]:
    first, dash, last = text.partition("-")
    if not dash:
        return {"first": int(first), "last": int(first)}
    return {"first": int(first)} | ({"last": int(last)} if last else {})


_CONDITIONS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "p": lambda text: {"probability": float(text)},
    "every": lambda text: {"every": int(text)},
    "requests": _requests,
    "after": lambda text: {"start": float(text)},
    "for": lambda text: {"duration": float(text)},
    "amount": lambda text: {"amount": float(text)},
}
