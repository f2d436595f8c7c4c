"""Profiles: limits, latency and faults of the emulator as one value.

Profile(qps=3, quota=1_000)
Profile.named("free+slow")
Profile(latency=Latency(0.05, jitter=0.015), faults=[FaultRule("reset-body", probability=0.05)])
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import Any, get_args

import attrs

from ..deterministic_random import fraction
from .body_faults import BODY_FAULTS
from .error_responses import Hint
from .fault_rules import FaultRule, in_turn, number, parse_rules, whole
from .limits import Limits

__all__ = ["Latency", "PROFILES", "Profile"]

MONTH = 30 * 86_400.0
_NORMAL = NormalDist()


@attrs.frozen
class Latency:
    """Distribution of the latency of replies in seconds, drawn from the emulator's seed.

    median: half of the replies take longer. Without the other fields the latency is constant.
    jitter: uniform spread, from median - jitter to median + jitter.
    sigma: log-normal spread: standard deviation of the logarithm; 0.5 puts 1 % above 3.2 medians.
    tail, tail_probability: with this probability the latency is `tail` seconds instead.
    """

    median: float = attrs.field(default=0.0, validator=number(0))
    jitter: float = attrs.field(default=0.0, kw_only=True, validator=number(0))
    sigma: float = attrs.field(default=0.0, kw_only=True, validator=number(0, 5))
    tail: float = attrs.field(default=0.0, kw_only=True, validator=number(0))
    tail_probability: float = attrs.field(default=0.0, kw_only=True, validator=number(0, 1))

    def draw(self, key: str) -> float:
        """Return the latency of one reply. key: key of the random draws."""
        if self.tail_probability and fraction(key, "tail") < self.tail_probability:
            return self.tail
        seconds = self.median
        if self.jitter:
            seconds += self.jitter * (2.0 * fraction(key, "jitter") - 1.0)
        if self.sigma:
            # The middle of the fraction's interval, because inv_cdf accepts neither 0 nor 1.
            seconds *= math.exp(self.sigma * _NORMAL.inv_cdf(fraction(key, "sigma") * (1.0 - 2**-52) + 2**-54))
        return max(0.0, seconds)


def _hint(instance: Profile, field: attrs.Attribute[Hint], value: str) -> None:
    if value not in get_args(Hint):
        raise ValueError(f"{field.name} must be one of {', '.join(get_args(Hint))}, not {value!r}.")


def _rules(value: Iterable[FaultRule | str] | str) -> tuple[FaultRule, ...]:
    if isinstance(value, str):
        return parse_rules(value)
    if not isinstance(value, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # JSON may hold anything
        raise ValueError(f"faults must be rules, not {value!r}.")  # noqa: TRY004  # ValueError, as for all invalid fields
    return tuple(rule if isinstance(rule, FaultRule) else FaultRule.parse(str(rule)) for rule in value)


def _latency(value: Latency | float | Mapping[str, float]) -> Latency:
    if isinstance(value, Latency):
        return value
    return Latency(**_only(Latency, value)) if isinstance(value, Mapping) else Latency(value)


def _flag(instance: Profile, field: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{field.name} must be true or false, not {value!r}.")  # noqa: TRY004  # ValueError, as for all invalid fields


@attrs.frozen(kw_only=True)
class Profile:
    """Limits, latency and faults. They apply to API calls only; image files and HTML pages are always served.

    qps: calls per key in any `window` seconds; further calls get a 429. None: no limit.
    count_rejected: rejected calls count as well.
    retry_after: form of the wait in a 429: in `Retry-After` as whole "seconds" or as a "date", in the "message" of
        API Management only, or "none".
    quota: calls per key in `quota_period` seconds (default 30 days); further calls get a 403. None: no limit.
    quota_by_gateway: the 403 is that of API Management, which states when the quota is reset.
    latency: seconds (a number, a `Latency`, or a mapping of its fields) from a request to its reply.
    idle_timeout: seconds after which the server closes an idle connection; None: the server's default.
    faults: rules, or texts for `FaultRule.parse`, or one text with rules separated by commas. The first rule that
        applies to a request is used.

    Raises ValueError for invalid fields.
    """

    qps: int | None = attrs.field(default=None, validator=whole(1, optional=True))
    window: float = attrs.field(default=1.0, validator=number(1e-3))
    count_rejected: bool = attrs.field(default=False, validator=_flag)
    retry_after: Hint = attrs.field(default="seconds", validator=_hint)
    quota: int | None = attrs.field(default=None, validator=whole(0, optional=True))
    quota_period: float = attrs.field(default=MONTH, validator=number(1e-3))
    quota_by_gateway: bool = attrs.field(default=False, validator=_flag)
    latency: Latency = attrs.field(default=Latency(), converter=_latency)
    idle_timeout: float | None = attrs.field(default=None, validator=number(0, optional=True))
    faults: tuple[FaultRule, ...] = attrs.field(default=(), converter=_rules)

    @classmethod
    def named(cls, names: str) -> Profile:
        """Return one of `PROFILES`, or several joined by "+". Raises ValueError for an unknown name."""
        combined = cls()
        for name in names.split("+"):
            if name.strip() not in PROFILES:
                raise ValueError(f"Unknown profile {name.strip()!r}. Known profiles: {', '.join(sorted(PROFILES))}.")
            combined |= PROFILES[name.strip()]
        return combined

    @classmethod
    def of(cls, what: Profile | str | Mapping[str, Any] | None) -> Profile:
        """Return a profile given as such, by names, or as a mapping of fields; None is one without limits.

        Raises ValueError for unknown names and invalid fields.
        """
        if what is None or isinstance(what, Profile):
            return what or cls()
        if isinstance(what, str):
            return cls.named(what)
        return cls(**_only(cls, what))

    def __or__(self, other: Profile) -> Profile:
        """Combine two profiles: fields of the other that differ from the default win, and faults are concatenated."""
        default = Profile()
        given = {
            field.name: getattr(other, field.name)
            for field in attrs.fields(Profile)
            if getattr(other, field.name) != getattr(default, field.name)
        }
        return attrs.evolve(self, **{**given, "faults": self.faults + other.faults})

    def limits(self) -> Limits:
        """Return new counters for the limits."""
        return Limits(
            qps=self.qps,
            window=self.window,
            count_rejected=self.count_rejected,
            quota=self.quota,
            quota_period=self.quota_period,
        )

    def as_json(self) -> dict[str, Any]:
        """Return a mapping for `of`."""
        return {**attrs.asdict(self), "faults": [str(rule) for rule in self.faults]}


def _only(cls: type[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in attrs.fields(cls)}
    for name in fields:
        if name not in known:
            raise ValueError(
                f"Unknown field {name!r} of a {cls.__name__.lower()}. Known fields: {', '.join(sorted(known))}."
            )
    return dict(fields)


def _failing(text: str) -> Profile:
    return Profile(faults=parse_rules(text))


PROFILES: Mapping[str, Profile] = {
    "default": Profile(),
    # Tiers as third parties quoted them; Microsoft's own price list is no longer published.
    "free": Profile(qps=3, quota=1_000),
    "s1": Profile(qps=250),
    "s2": Profile(qps=100),
    "strict": Profile(qps=3, count_rejected=True, retry_after="message"),
    "exhausted": Profile(quota=0, quota_by_gateway=True),
    "slow": Profile(latency=Latency(0.4, sigma=0.5, tail=5.0, tail_probability=0.02)),
    "flaky": _failing(
        "reset; p=0.02, reset-body; p=0.02, close-body; p=0.02, gzip-truncated; p=0.01,"
        "503-retry-after; p=0.01, 502; p=0.02"
    ),
    "outage": _failing("refuse; after=10; for=60"),
    "black-hole": _failing("hang; after=10; for=60"),
    "idle": Profile(idle_timeout=0.05),
    "hostile": Profile(faults=in_turn(BODY_FAULTS)),
    "suspicious": _failing("200-empty"),
    "unauthorized": _failing("401"),
    "retired": _failing("410-retired"),
    "endless": Profile(faults=in_turn(("next-repeats", "next-behind", "page-overlaps", "page-same"))),
}
"""Ready-made profiles by name."""
