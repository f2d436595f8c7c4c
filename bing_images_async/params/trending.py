"""Parameters of `/images/trending`."""

from __future__ import annotations

from attrs import frozen

from .common import CommonParams

__all__ = ["TrendingParams"]


@frozen(kw_only=True)
class TrendingParams(CommonParams):
    """The parameters of `/images/trending`.

    Documented markets are en-US, en-CA, en-GB, en-AU, en-IN and zh-CN.
    """
