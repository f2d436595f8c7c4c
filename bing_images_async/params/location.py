"""The header `X-Search-Location` (API reference: Headers)."""

from __future__ import annotations

from urllib.parse import quote

from attrs import field, frozen

from .. import _validation as checks

__all__ = ["Location"]


@frozen
class Location:
    """Where the user is, for the header `X-Search-Location` (API reference: Headers).

    `latitude` and `longitude` in degrees, `accuracy` (horizontal) in metres, `timestamp` in UNIX
    seconds, `heading` in degrees clockwise from north (needs a `speed` other than 0, in metres per
    second), `altitude` in metres with its `altitude_accuracy`, `display_name` as "City, State".
    """

    latitude: float
    longitude: float
    accuracy: float
    timestamp: int | None = field(default=None, kw_only=True)
    heading: float | None = field(default=None, kw_only=True)
    speed: float | None = field(default=None, kw_only=True)
    altitude: float | None = field(default=None, kw_only=True)
    altitude_accuracy: float | None = field(default=None, kw_only=True)
    display_name: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for name, low, high in (
            ("latitude", -90.0, 90.0),
            ("longitude", -180.0, 180.0),
            ("accuracy", 0.0, 1e8),
            ("heading", 0.0, 360.0),
            ("speed", 0.0, 1e8),
            ("altitude", -1e8, 1e8),
            ("altitude_accuracy", 0.0, 1e8),
        ):
            checks.number(name, getattr(self, name), low, high)
        for name in ("latitude", "longitude", "accuracy"):
            if getattr(self, name) is None:
                raise checks.refuse(name, None, "latitude, longitude and accuracy are required")
        checks.integer("timestamp", self.timestamp, 0, 2**53)
        checks.text("display_name", self.display_name)
        if self.heading is not None and not self.speed:
            raise checks.refuse("heading", self.heading, "it needs a speed other than 0")
        if self.altitude_accuracy is not None and self.altitude is None:
            raise checks.refuse("altitude_accuracy", self.altitude_accuracy, "it needs an altitude")

    def __str__(self) -> str:
        """`lat:47.6;long:-122.3;re:100`, in the documented order."""
        values = (
            ("lat", self.latitude),
            ("long", self.longitude),
            ("re", self.accuracy),
            ("ts", self.timestamp),
            ("head", self.heading),
            ("sp", self.speed),
            ("alt", self.altitude),
            ("are", self.altitude_accuracy),
        )
        parts = [f"{key}:{checks.decimal(value)}" for key, value in values if value is not None]
        if self.display_name is not None:
            parts.append(f"disp:{quote(self.display_name, safe='')}")
        return ";".join(parts)
