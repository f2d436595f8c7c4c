"""What an emulator puts up with and how it fails, as one value: quotas, latency, faults.

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
from .body_faults import BODIES
from .error_responses import Hint
from .fault_rules import FaultRule, in_turn, number, parse_rules, whole
from .limits import Limits

__all__ = ["Latency", "PROFILES", "Profile"]

MONTH = 30 * 86_400.0
_NORMAL = NormalDist()


@attrs.frozen
class Latency:
    """Seconds that a reply takes, drawn for each from the emulator's seed.

    median: half of the replies take longer. Alone it is what all of them take.
    jitter: uniform, from median - jitter to median + jitter.
    sigma: log-normal about the median, with this standard deviation of the logarithm; 0.5 puts 1 % above 3.2 medians.
    tail, tail_probability: now and then it is `tail` seconds instead.
    """

    median: float = attrs.field(default=0.0, validator=number(0))
    jitter: float = attrs.field(default=0.0, kw_only=True, validator=number(0))
    sigma: float = attrs.field(default=0.0, kw_only=True, validator=number(0, 5))
    tail: float = attrs.field(default=0.0, kw_only=True, validator=number(0))
    tail_probability: float = attrs.field(default=0.0, kw_only=True, validator=number(0, 1))

    def draw(self, key: str) -> float:
        """key: what the chance depends on."""
        if self.tail_probability and fraction(key, "tail") < self.tail_probability:
            return self.tail
        seconds = self.median
        if self.jitter:
            seconds += self.jitter * (2.0 * fraction(key, "jitter") - 1.0)
        if self.sigma:
            # The middle of the interval that a fraction stands for, which is neither 0 nor 1.
            seconds *= math.exp(self.sigma * _NORMAL.inv_cdf(fraction(key, "sigma") * (1.0 - 2**-52) + 2**-54))
        return max(0.0, seconds)


def _hint(instance: Profile, field: attrs.Attribute[Hint], value: str) -> None:
    if value not in get_args(Hint):
        raise ValueError(f"{field.name} must be one of {', '.join(get_args(Hint))}, not {value!r}.")


def _rules(value: Iterable[FaultRule | str] | str) -> tuple[FaultRule, ...]:
    if isinstance(value, str):
        return parse_rules(value)
    if not isinstance(value, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # JSON may hold anything
        raise ValueError(f"faults must be rules, not {value!r}.")  # noqa: TRY004  # as for all else that cannot be
    return tuple(rule if isinstance(rule, FaultRule) else FaultRule.parse(str(rule)) for rule in value)


def _latency(value: Latency | float | Mapping[str, float]) -> Latency:
    if isinstance(value, Latency):
        return value
    return Latency(**_only(Latency, value)) if isinstance(value, Mapping) else Latency(value)


def _flag(instance: Profile, field: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{field.name} must be true or false, not {value!r}.")  # noqa: TRY004  # as for the others


@attrs.frozen(kw_only=True)
class Profile:
    """Limits, latency and faults. Only calls of the API meet them; pictures and pages are always served.

    qps: calls a key may make in any `window` seconds; None for no limit. More are answered with 429.
    count_rejected: calls that were turned away count too.
    retry_after: how a 429 tells when to come back: in `Retry-After` as whole "seconds" or as a "date", in a
        "message" of API Management only, or not at all ("none").
    quota: calls a key may make in `quota_period` seconds (30 days); more are answered with 403. None for no limit.
    quota_by_gateway: the 403 is API Management's, which says when the quota is replenished.
    latency: seconds (a number, a `Latency`, or a mapping of its fields) from a request to its reply.
    idle_timeout: seconds after which the server closes a connection that is not in use; None for its own rule.
    faults: rules, or texts that `FaultRule.parse` reads, or one text with commas between rules; the first that
        befalls a request is the one that happens.

    Raises ValueError for what cannot be.
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
        """One of `PROFILES`, or several joined by "+". Raises ValueError for a name that there is not."""
        combined = cls()
        for name in names.split("+"):
            if name.strip() not in PROFILES:
                raise ValueError(f"There is no profile {name.strip()!r}; there are {', '.join(sorted(PROFILES))}.")
            combined |= PROFILES[name.strip()]
        return combined

    @classmethod
    def of(cls, what: Profile | str | Mapping[str, Any] | None) -> Profile:
        """A profile as users write it: itself, names, or a mapping of fields as in JSON. None is one without limits.

        Raises ValueError for what cannot be.
        """
        if what is None or isinstance(what, Profile):
            return what or cls()
        if isinstance(what, str):
            return cls.named(what)
        return cls(**_only(cls, what))

    def __or__(self, other: Profile) -> Profile:
        """Both: where the other says something it counts, and faults add up."""
        blank = Profile()
        said = {
            field.name: getattr(other, field.name)
            for field in attrs.fields(Profile)
            if getattr(other, field.name) != getattr(blank, field.name)
        }
        return attrs.evolve(self, **{**said, "faults": self.faults + other.faults})

    def limits(self) -> Limits:
        """The limits, with nothing used yet."""
        return Limits(
            qps=self.qps,
            window=self.window,
            count_rejected=self.count_rejected,
            quota=self.quota,
            quota_period=self.quota_period,
        )

    def as_json(self) -> dict[str, Any]:
        """What `of` makes the same profile from."""
        return {**attrs.asdict(self), "faults": [str(rule) for rule in self.faults]}


def _only(cls: type[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in attrs.fields(cls)}
    for name in fields:
        if name not in known:
            raise ValueError(f"A {cls.__name__.lower()} has no {name!r}; it has {', '.join(sorted(known))}.")
    return dict(fields)


def _failing(text: str) -> Profile:
    return Profile(faults=parse_rules(text))


PROFILES: Mapping[str, Profile] = {
    "default": Profile(),
    # Tiers as third parties quoted them; Microsoft's own price list is gone.
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
    "hostile": Profile(faults=in_turn(BODIES)),
    "suspicious": _failing("200-empty"),
    "unauthorized": _failing("401"),
    "retired": _failing("410-retired"),
    "endless": Profile(faults=in_turn(("next-repeats", "next-behind", "page-overlaps", "page-same"))),
}
"""The ready-made ones."""
