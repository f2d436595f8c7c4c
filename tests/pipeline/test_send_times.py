"""What counts against a quota is when requests leave, not when they were meant to."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st
from link_kit import FarEnd, a_call, reply

from bing_images_async._pipeline.call import Call
from bing_images_async._pipeline.rate_limit import RateLimit, RateLimiter
from bing_images_async._pipeline.send_times import Departures
from bing_images_async._protocol.messages import Reply
from bing_images_async.events import Hub
from bing_images_async.testing import run


def _limiter(limit: RateLimit) -> RateLimiter:
    return RateLimiter(limit, random=lambda: 0.5, hub=Hub(), longest_pause=60.0)


def _departures(limit: RateLimit, lateness: list[float], backend: Any) -> list[float]:
    """One call for each lateness, all at once; the seconds at which they left."""
    left: list[float] = []

    async def main() -> None:
        link, late = _limiter(limit), iter(lateness)

        async def send(call: Call) -> Reply:
            call.sent = anyio.current_time()
            await anyio.sleep(next(late))
            assert call.on_departure is not None
            call.on_departure()
            left.append(anyio.current_time())
            return reply()

        async with anyio.create_task_group() as tasks:
            for _ in lateness:
                tasks.start_soon(link, a_call(), send)

    run(main, backend=backend)
    return sorted(left)


@settings(max_examples=40, deadline=None)
@given(
    requests=st.integers(1, 8),
    jitter=st.floats(0, 0.1),
    burst=st.integers(1, 3),
    lateness=st.lists(st.floats(0, 0.9), min_size=1, max_size=40),
)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_window_sees_more_than_the_quota_however_late_requests_leave(
    backend: Any, requests: int, jitter: float, burst: int, lateness: list[float]
) -> None:
    """For any lateness below a window: of N + 1 departures the first and the last are W + J apart."""
    limit = RateLimit(requests, jitter=jitter, burst=min(burst, requests))
    left = _departures(limit, lateness, backend)
    gaps = [b - a for a, b in zip(left, left[requests:], strict=False)]
    assert min(gaps, default=9.0) >= 1.0 + jitter - 1e-6


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_late_departure_delays_others_once(backend: Any) -> None:
    """The first of ten leaves 0.3 s late: the eleventh waits for it, and the pace is kept from there on."""
    left = _departures(RateLimit(10, jitter=0), [0.3] + [0.0] * 30, backend)
    assert left[-1] == pytest.approx(3.3, abs=0.01)


@pytest.mark.anyio
async def test_who_stays_at_home_takes_no_room() -> None:
    """A request that was called back before it was sent is not waited for."""
    link, end = _limiter(RateLimit(1, per=10.0, jitter=0)), FarEnd()

    async def unsent(_: Call) -> Reply:
        raise ValueError("not sent")

    with pytest.raises(ValueError, match="not sent"):
        await link(a_call(), unsent)
    await link(a_call(), end)
    assert end.times == [0.0]


@pytest.mark.anyio
async def test_no_more_than_a_window_is_remembered() -> None:
    """However many there were, and however few came lately."""
    departures = Departures()
    for _ in range(50):
        departures.plan(10, 1.0)
    assert departures.next_after(10, 1.0) == 1.0
    assert departures.next_after(11, 1.0) == float("-inf")
    await anyio.sleep(2)
    departures.plan(10, 1.0)
    assert departures.next_after(2, 1.0) == float("-inf")
