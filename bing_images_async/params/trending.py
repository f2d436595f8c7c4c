"""Parameters of `/images/trending`."""

from __future__ import annotations

from attrs import frozen

from .common import CommonParams

__all__ = ["TrendingParams"]


@frozen(kw_only=True)
class TrendingParams(CommonParams):
    """Parameters of `/images/trending`. Documented markets: en-US, en-CA, en-GB, en-AU, en-IN, zh-CN.

    Raises:
        InvalidRequestError: a value is not allowed, or two of them exclude each other.
    """
