"""What httpx and httpcore log of an exchange, without the key, should the service repeat it.

At level DEBUG httpcore logs the headers of responses as they came, and httpx logs the reason phrase
at INFO. A filter on their loggers hides the key in records of our own exchanges; a context variable
tells it which key that is, so that none is kept and nobody else's records are touched.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

__all__ = ["Discretion", "install"]

_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")

_secret: ContextVar[str | None] = ContextVar("bing_images_async_secret", default=None)


class _Filter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        secret = _secret.get()
        if secret is not None and secret in (message := record.getMessage()):
            record.msg, record.args = message.replace(secret, "***"), ()
        return True


_filter = _Filter()


def install() -> None:
    """Make the loggers discreet; to do so again changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)


class Discretion:
    """While this is open, what this task logs through those loggers does not show `secret`."""

    __slots__ = ("_secret", "_token")

    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    def __enter__(self) -> None:
        self._token = _secret.set(self._secret)

    def __exit__(self, *_: object) -> None:
        _secret.reset(self._token)
