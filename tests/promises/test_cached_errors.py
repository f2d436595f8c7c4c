"""Error cache in a whole session: after a lasting error no waiting call is sent."""

from __future__ import annotations

import anyio
import pytest
from promise_kit import BACKENDS, WORK, SimulatedSession, figure, simulate, simulated_session
from sim import Keys, Quota, Reply, Server

from bing_images_async import RateLimit
from bing_images_async.testing import Backend


def _server(error: str) -> Server:
    match error:
        case "AuthenticationError":
            return Server(gates=[Keys({"another"})], latency=WORK)
        case "QuotaExhaustedError":
            return Server(gates=[Quota(0, refills_at=60.0)], latency=WORK)
    return Server(lambda _: Reply(body=b""), latency=WORK)


@BACKENDS
@pytest.mark.parametrize("error", ["AuthenticationError", "QuotaExhaustedError", "SuspectedAbuseError"])
@pytest.mark.parametrize("rate_limit", [RateLimit(50), None])
def test_lasting_error_stops_a_thousand_waiting_calls(
    backend: Backend, error: str, rate_limit: RateLimit | None
) -> None:
    """Nothing more is sent after the first such reply; a minute later one call probes."""

    async def main() -> tuple[SimulatedSession, int, int]:
        async with simulated_session(_server(error), rate_limit=rate_limit) as simulated:
            await simulated.ask_at_once(1_000)
            sent = len(simulated.sent)
            await anyio.sleep(61)
            await simulated.ask_at_once(100)
            return simulated, sent, len(simulated.sent) - sent

    simulated, sent, again = simulate(main, backend)
    first_answer = min(outcome.ended for outcome in simulated.outcomes)
    in_flight = sum(time < first_answer for time in simulated.sent)
    figure(backend, f"1,000 calls and a {error}", requests=sent, in_flight_at_the_first=in_flight, a_minute_later=again)
    assert simulated.endings == {error: 1_100}
    assert sent == in_flight <= 64
    assert again == 1
