"""Async client for the Image Search API v7. Where to find what:

_session.py      ImageSearchSession: endpoints, life and siblings; _config.py defines its options
params/          questions, checked before anything is sent
models/          answers: one file per endpoint
errors.py        what can go wrong, as a tree             events.py    what happened, for observers
_protocol/       requests and answers as plain data, no I/O
_pipeline/       the way of one call: deadline, retries, limits, send (pipeline.py lists the steps)
_transport/      connections below httpx
testing/         for the tests of your code               emulator/    an Image Search v7 service
cli/             the command `bing-images`
"""

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
    """Import `testing` when it is first used: programs do not need it."""
    if name == "testing":
        return import_module(".testing", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
