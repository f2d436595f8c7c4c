"""The header `X-Search-Location` (API reference: Headers)."""

from __future__ import annotations

from urllib.parse import quote

from attrs import field, frozen

from .. import _validation as checks

__all__ = ["Location"]


@frozen
class Location:
    """Location of the user, for the header `X-Search-Location` (API reference: Headers).

    Args:
        latitude: degrees.
        longitude: degrees.
        accuracy: horizontal accuracy in metres.
        timestamp: UNIX time in seconds.
        heading: degrees clockwise from north; needs a `speed` other than 0.
        speed: metres per second.
        altitude: metres.
        altitude_accuracy: metres; needs an `altitude`.
        display_name: such as "City, State".

    Raises:
        InvalidRequestError: a value is out of range, or needs another one that is missing.
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
        """Return the header value, such as `lat:47.6;long:-122.3;re:100`, in the documented order."""
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
