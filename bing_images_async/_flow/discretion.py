"""What httpx and httpcore log of an exchange, without the key, should the service repeat it.

At level DEBUG httpcore logs the headers of responses as they came, and httpx logs the reason phrase
at INFO. A filter on their loggers hides the key in records of our own exchanges; a context variable
tells it which key that is, so that none is kept and nobody else's records are touched.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["discreet", "install"]

_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")

_secret: ContextVar[str | None] = ContextVar("bing_images_async_secret", default=None)


class _Discretion(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        secret = _secret.get()
        if secret is not None and secret in (message := record.getMessage()):
            record.msg, record.args = message.replace(secret, "***"), ()
        return True


_discretion = _Discretion()


def install() -> None:
    """Make the loggers discreet; to do so again changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_discretion)


@contextmanager
def discreet(secret: str | None) -> Generator[None]:
    """While this is open, what this task logs through those loggers does not show `secret`."""
    token = _secret.set(secret)
    try:
        yield
    finally:
        _secret.reset(token)
