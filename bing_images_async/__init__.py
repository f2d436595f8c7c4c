"""Async client for the Image Search API v7. Where to find what:

_session.py      ImageSearchSession: the three endpoints, life and settings of a session
params.py        questions: what can be asked, checked before anything is sent
models/          answers: one file per endpoint, and what they share
errors.py        everything that can go wrong, as a tree
_wire/           bytes to objects and back; no I/O
_flow/           a call on its way: the chain and its links
testing/         for the tests of your own code            emulator/  a v7 service of our own
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
    """`testing` is imported when it is first used: it is nobody's business at run time."""
    if name == "testing":
        return import_module(".testing", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
