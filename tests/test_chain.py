"""The chain: the order of its links, and what a link of a user's may do with a call."""

from __future__ import annotations

import math
from typing import Any

import anyio
import httpx
import pytest
from session_kit import HOST, KEY, Service, page, session_with

from bing_images_async import Call, Reply, Request, RetryPolicy, Send
from bing_images_async._pipeline.call import CallState, compose
from bing_images_async.errors import BadRequestError, DeadlineExceededError, InvalidRequestError, ServerError
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


def _call(**options: Any) -> Call:
    state = CallState(options.pop("deadline", math.inf))
    return Call("search", Request("GET", f"{HOST}/v7.0/images/search?q=boat"), state=state, **options)


# --- compose


async def test_links_run_outermost_first() -> None:
    """And see the reply in the opposite order."""
    seen: list[str] = []

    def link(name: str) -> Any:
        async def run(call: Call, send: Send) -> Reply:
            seen.append(f"{name} before")
            reply = await send(call)
            seen.append(f"{name} after")
            return reply

        return run

    async def terminal(call: Call) -> Reply:
        seen.append("terminal")
        return Reply(200, {}, b"")

    send = compose([link("a"), link("b")], terminal)
    assert await send(_call()) == Reply(200, {}, b"")
    assert seen == ["a before", "b before", "terminal", "b after", "a after"]


async def test_a_chain_without_links_is_its_end() -> None:
    """Nothing is wrapped around it."""

    async def terminal(call: Call) -> Reply:
        return Reply(204, {}, b"")

    assert compose([], terminal) is terminal


async def test_a_chain_can_be_sent_through_many_times() -> None:
    """It is composed once and holds nothing of a call."""
    calls: list[Call] = []

    async def link(call: Call, send: Send) -> Reply:
        return await send(call)

    async def terminal(call: Call) -> Reply:
        calls.append(call)
        return Reply(200, {}, str(len(calls)).encode())

    send = compose([link], terminal)
    first, second = _call(), _call()
    assert [(await send(call)).body for call in (first, second, first)] == [b"1", b"2", b"3"]
    assert calls == [first, second, first]


# --- links of users


async def test_a_link_sees_the_call_and_the_reply() -> None:
    """The endpoint, the request without the key, and the reply as data."""
    seen: list[tuple[Call, Reply]] = []

    async def look(call: Call, send: Send) -> Reply:
        reply = await send(call)
        seen.append((call, reply))
        return reply

    async with session_with(Service(headers={"X-Note": "1"}), middleware=[look]) as session:
        await session.trending(market="en-US")
    ((call, reply),) = seen
    assert call.endpoint == "trending"
    assert (call.request.method, call.request.url) == ("GET", f"{HOST}/v7.0/images/trending?mkt=en-US")
    assert KEY not in repr(call.request.headers)
    assert (reply.status, reply.headers["x-note"]) == (200, "1")
    assert b"TrendingImages" in reply.body


async def test_links_of_users_run_in_their_order() -> None:
    """The first one given is the outermost."""
    seen: list[str] = []

    def link(name: str) -> Any:
        async def run(call: Call, send: Send) -> Reply:
            seen.append(name)
            return await send(call)

        return run

    async with session_with(Service(), middleware=[link("first"), link("second")]) as session:
        await session.search("boat")
    assert seen == ["first", "second"]


async def test_a_link_can_answer_itself() -> None:
    """As a cache does; the service hears nothing."""
    service = Service()
    body = httpx.Response(200, json=page("cached")).content

    async def cache(call: Call, send: Send) -> Reply:
        return Reply(200, {"bingapis-traceid": "cache"}, body)

    async with session_with(service, middleware=[cache]) as session:
        answer = await session.search("boat")
    assert [image.name for image in answer.value] == ["cached"]
    assert answer.meta.trace_id == "cache"
    assert service.requests == []


async def test_a_link_can_put_another_request_in_its_place() -> None:
    """Headers and address change; the key is still attached at the very end."""
    service = Service()

    async def sign(call: Call, send: Send) -> Reply:
        return await send(call.with_request(call.request.with_header("x-signature", "s")))

    async with session_with(service, middleware=[sign]) as session:
        await session.search("boat")
    assert service.last.headers["x-signature"] == "s"
    assert service.last.headers["ocp-apim-subscription-key"] == KEY


async def test_a_call_cannot_be_assigned_to() -> None:
    """The error says what to do instead."""
    service = Service()

    async def assign(call: Call, send: Send) -> Reply:
        with pytest.raises(AttributeError, match="with_request"):
            call.request = Request("GET", HOST)
        return await send(call)

    async with session_with(service, middleware=[assign]) as session:
        await session.search("boat")
    assert len(service.requests) == 1


async def test_a_link_can_send_twice() -> None:
    """The second reply counts, if the link says so."""
    service = Service()

    async def twice(call: Call, send: Send) -> Reply:
        await send(call)
        return await send(call)

    async with session_with(service, middleware=[twice]) as session:
        await session.search("boat")
    assert len(service.requests) == 2


async def test_a_link_can_raise() -> None:
    """Its error arrives unchanged: the very object, and no retry."""
    service = Service()
    fault = KeyError("mine")
    runs: list[Call] = []

    async def broken(call: Call, send: Send) -> Reply:
        runs.append(call)
        raise fault

    async with session_with(service, middleware=[broken]) as session:
        with pytest.raises(KeyError) as caught:
            await session.search("boat")
    assert caught.value is fault
    assert len(runs) == 1
    assert service.requests == []


async def test_a_link_can_catch() -> None:
    """What goes wrong below is raised through it; it may answer instead."""

    async def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async def fall_back(call: Call, send: Send) -> Reply:
        try:
            return await send(call)
        except Exception:  # noqa: BLE001  # as a user's middleware may
            return Reply(200, {}, httpx.Response(200, json=page("spare")).content)

    async with session_with(refused, middleware=[fall_back]) as session:
        assert [image.name for image in (await session.search("boat")).value] == ["spare"]


async def test_errors_of_the_service_are_replies_to_links() -> None:
    """A status is not an exception until the call has left the chain."""
    statuses: list[int] = []

    async def look(call: Call, send: Send) -> Reply:
        reply = await send(call)
        statuses.append(reply.status)
        return reply

    error = {"_type": "ErrorResponse", "errors": [{"code": "InvalidRequest", "subCode": "ParameterMissing"}]}
    async with session_with(Service(error, status=400), middleware=[look]) as session:
        with pytest.raises(BadRequestError):
            await session.search("boat")
    assert statuses == [400]


async def test_links_of_users_run_once_per_attempt() -> None:
    """A retry passes them again."""
    runs: list[int] = []

    async def count(call: Call, send: Send) -> Reply:
        runs.append(len(call.state.attempts))
        return await send(call)

    service = Service(b"", status=503)
    async with session_with(service, middleware=[count], retry=RetryPolicy(attempts=3)) as session:
        with pytest.raises(ServerError) as caught:
            await session.search("boat")
    assert runs == [0, 1, 2]
    assert len(service.requests) == len(caught.value.attempts) == 3


async def test_links_of_users_do_not_see_what_was_never_sent() -> None:
    """A question that is refused before any I/O does not enter the chain."""
    runs: list[Call] = []

    async def count(call: Call, send: Send) -> Reply:
        runs.append(call)
        return await send(call)

    async with session_with(Service(), middleware=[count]) as session:
        with pytest.raises(InvalidRequestError):
            await session.search("boat", count=0)
    assert runs == []


# --- what a call writes down of itself


async def test_waiting_is_written_down() -> None:
    """By what for, added up; outside of a wait the call waits for the service."""
    call = _call()
    with call.waiting("ticket"):
        await anyio.sleep(2)
        assert call.state.waiting_for == "ticket"
        with call.waiting("stamp"):
            await anyio.sleep(1)
        assert call.state.waiting_for == "ticket"
    with call.waiting("ticket"):
        await anyio.sleep(3)
    assert call.state.waiting_for == "the service"
    assert call.state.waited == {"ticket": pytest.approx(6), "stamp": pytest.approx(1)}


async def test_the_clock_can_stand_still() -> None:
    """Then the deadline moves by as much as the wait took."""
    call = _call(deadline=anyio.current_time() + 5)
    with anyio.move_on_after(5) as call.state.scope:
        with call.waiting("outage", clock_stops=True):
            await anyio.sleep(100)
        await anyio.sleep(4)
        assert call.deadline == pytest.approx(105)
        await anyio.sleep(2)
    assert call.state.scope.cancelled_caught
    assert anyio.current_time() == pytest.approx(105)


async def test_what_cannot_be_afforded_is_not_begun() -> None:
    """A wait beyond the deadline fails now; one that fits, or without a deadline, is none of its business."""
    call = _call(deadline=anyio.current_time() + 5)
    call.afford(4.9, "rate_limit")
    before = anyio.current_time()
    with pytest.raises(DeadlineExceededError, match="search_all") as caught:
        call.afford(5.1, "rate_limit")
    assert caught.value.waited_for == "rate_limit"
    assert anyio.current_time() == before
    _call(deadline=math.inf).afford(1e9, "rate_limit")


async def test_repr_of_a_call_shows_no_key() -> None:
    """Also while it is under way, with the key it was sent with."""
    shown: list[str] = []

    async def look(call: Call, send: Send) -> Reply:
        reply = await send(call)
        shown.append(repr(call))
        return reply

    async with session_with(Service(), middleware=[look]) as session:
        await session.search("boat")
    assert "images/search?q=boat" in shown[0]
    assert KEY not in shown[0]
