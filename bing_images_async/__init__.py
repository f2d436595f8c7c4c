"""Async client for the Image Search API v7."""

# Layout, from the public front to the network. A module imports only what stands below it.
#
# cli/, emulator/, testing/    the command `bing-images`; a v7 service that runs locally; tools for users' tests
# _session.py, _config.py      ImageSearchSession, the one public entry; its options
# _pagination.py, _fan_out.py  many pages of one query; many queries at once
# _pipeline/                   one call: deadline, retries, limits, sending (pipeline.py lists the steps in order)
# _protocol/                   requests and responses as plain data, without I/O: building, decoding, error mapping
# _transport/                  connections below httpx: pool, HTTP/1.1, TLS, proxies, bounded bodies
# params/, models/             what users send, validated; what they get back, as frozen attrs classes
# events.py, errors.py         records for observers; the tree of exceptions

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, events, models, params
from ._fan_out import FanOut, Outcome, Progress
from ._pagination import ImagePager
from ._pipeline.budget import Budget, Estimate
from ._pipeline.call import Call, Middleware, Send
from ._pipeline.rate_limit import RateLimit
from ._pipeline.retry import RetryPolicy
from ._pipeline.stats import SessionStats
from ._protocol.credentials import ApiKey, Auth, Bearer, HeaderKey, SubscriptionKey
from ._protocol.messages import Reply, Request
from ._session import ImageSearchSession
from ._version import __version__
from .events import Observer
from .models import Attempt, NormalizedRectangle, Problem
from .params import (
    UNSET,
    Aspect,
    Color,
    DetailsParams,
    Freshness,
    ImageContent,
    ImageSize,
    ImageType,
    License,
    Location,
    Module,
    SafeSearch,
    SearchParams,
    TrendingParams,
)

if TYPE_CHECKING:
    from . import testing

__all__ = [
    "ApiKey",
    "Aspect",
    "Attempt",
    "Auth",
    "Bearer",
    "Budget",
    "Call",
    "Color",
    "DetailsParams",
    "Estimate",
    "FanOut",
    "Freshness",
    "HeaderKey",
    "ImageContent",
    "ImagePager",
    "ImageSearchSession",
    "ImageSize",
    "ImageType",
    "License",
    "Location",
    "Middleware",
    "Module",
    "NormalizedRectangle",
    "Observer",
    "Outcome",
    "Problem",
    "Progress",
    "RateLimit",
    "Reply",
    "Request",
    "RetryPolicy",
    "SafeSearch",
    "SearchParams",
    "Send",
    "SessionStats",
    "SubscriptionKey",
    "TrendingParams",
    "UNSET",
    "__version__",
    "errors",
    "events",
    "models",
    "params",
    "testing",
]


def __getattr__(name: str) -> Any:
    """Import `testing` at its first use, because most programs do not need it."""
    if name == "testing":
        return import_module(".testing", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
