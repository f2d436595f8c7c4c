"""The environment variable `BING_IMAGES_LOG`."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from .events import LoggingObserver, Observer

__all__ = ["with_logging"]

_logger = logging.getLogger("bing_images_async")


def with_logging(observers: Sequence[Observer]) -> tuple[Observer, ...]:
    """Return the observers, and a `LoggingObserver` if `BING_IMAGES_LOG` is `info` or `debug`.

    The library's logger then has that level, and writes to stderr unless the application has configured logging.
    """
    level = os.environ.get("BING_IMAGES_LOG", "").strip().upper()
    if level and level not in {"INFO", "DEBUG"}:
        _logger.warning("BING_IMAGES_LOG=%s is ignored: it must be info or debug.", level.lower())
    if level not in {"INFO", "DEBUG"} or any(isinstance(observer, LoggingObserver) for observer in observers):
        return tuple(observers)
    _logger.setLevel(level)
    if not _logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        _logger.addHandler(handler)
    return (*observers, LoggingObserver())
