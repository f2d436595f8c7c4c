"""The library's logger: retries at INFO, and the environment variable `BING_IMAGES_LOG`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from session_kit import KEY, Service, session_with

from bing_images_async import RetryPolicy
from bing_images_async.events import LoggingObserver
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


@pytest.fixture(autouse=True)
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The library's logger, as it is afterwards."""
    monkeypatch.delenv("BING_IMAGES_LOG", raising=False)
    logger = logging.getLogger("bing_images_async")
    level, handlers = logger.level, list(logger.handlers)
    yield logger
    logger.setLevel(level)
    logger.handlers[:] = handlers


class Unsteady(Service):
    """Answers 503 every other time."""

    asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(503) if self.asked % 2 else super().__call__(request)


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and first word of what the library logged."""
    records = [record for record in caplog.records if record.name == "bing_images_async"]
    return [(record.levelname, record.getMessage().partition("(")[0]) for record in records]


async def search(**options: Any) -> None:
    async with session_with(Unsteady(), retry=RetryPolicy(attempts=3), **options) as session:
        await session.search("a secret query")


async def test_retry_without_observers_is_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await search()
    assert messages(caplog) == [("INFO", "RetryScheduled")]
    assert "error='ServerError'" in caplog.text
    assert KEY not in caplog.text
    assert "secret query" not in caplog.text


async def test_retry_with_another_observer_is_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await search(observers=[lambda _: None])
    assert messages(caplog) == [("INFO", "RetryScheduled")]


async def test_retry_with_a_logging_observer_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await search(observers=[LoggingObserver()])
    assert messages(caplog) == [("WARNING", "RetryScheduled")]


@pytest.mark.parametrize("level", ["info", "INFO", " Info "])
async def test_log_variable_info_logs_what_goes_wrong(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, logger: logging.Logger, level: str
) -> None:
    monkeypatch.setenv("BING_IMAGES_LOG", level)
    await search()
    assert logger.level == logging.INFO
    assert messages(caplog) == [("WARNING", "RetryScheduled")]


async def test_log_variable_debug_logs_all_events(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BING_IMAGES_LOG", "debug")
    await search()
    names = [name for _, name in messages(caplog)]
    assert names == ["CallStarted", "AttemptFinished", "RetryScheduled", "AttemptFinished", "CallFinished"]
    assert "secret query" not in caplog.text
    assert KEY not in caplog.text


async def test_log_variable_beside_a_logging_observer_logs_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BING_IMAGES_LOG", "info")
    logging.getLogger("bing_images_async").setLevel(logging.INFO)
    await search(observers=[LoggingObserver()])
    assert messages(caplog) == [("WARNING", "RetryScheduled")]


@pytest.mark.parametrize("value", ["warn", "1", "true", "10"])
async def test_log_variable_with_another_value_is_ignored_with_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("BING_IMAGES_LOG", value)
    await search()
    assert messages(caplog) == [("WARNING", f"BING_IMAGES_LOG={value} is ignored: it must be info or debug.")]


@pytest.mark.parametrize("value", ["", " "])
async def test_log_variable_that_is_empty_is_not_set(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("BING_IMAGES_LOG", value)
    await search()
    assert messages(caplog) == []
