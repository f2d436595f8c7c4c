"""Walking pages: whatever the service does, the walk ends, repeats nothing, and can be taken up at any image."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import httpx
import pytest
from attrs import define, field, frozen
from hypothesis import given, strategies as st
from sim.cancel import Backend, By, Outcome, cancel_everywhere

from bing_images_async import ImagePager, SearchParams
from bing_images_async.errors import AuthenticationError, InvalidRequestError, ServerError, SessionStateError
from bing_images_async.models import Attempt, Image, ImageAnswer, ResponseMeta
from bing_images_async.testing import session_for, virtual_time

Result = TypeVar("Result")

LARGEST_OFFSET = 65_535


def at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("it waits for something")


async def taken(pager: ImagePager, number: int | None = None) -> list[Image]:
    """The next images, or all there are."""
    images: list[Image] = []
    while number is None or len(images) < number:
        try:
            images.append(await anext(pager))
        except StopAsyncIteration:
            break
    return images


# --- servers


@frozen
class Page:
    """One answer of an adversary; `step` leads from the offset that was asked for to the next."""

    images: tuple[Image, ...]
    step: int | None
    estimate: int | None = None

    def answer(self, asked: int) -> ImageAnswer:
        following = None if self.step is None else asked + self.step
        return ImageAnswer(value=self.images, next_offset=following, total_estimated_matches=self.estimate)


@define
class Adversary:
    """Answers with its pages, one after the other, whatever it is asked; with the last of them for ever."""

    pages: Sequence[Page]
    asked: list[SearchParams] = field(factory=list)

    async def __call__(self, params: SearchParams) -> ImageAnswer:
        self.asked.append(params)
        assert len(self.asked) <= 500, "the walk does not end"
        assert params.offset is not None
        return self.pages[min(len(self.asked), len(self.pages)) - 1].answer(params.offset)


@define
class Shelf:
    """Answers from a list of images, always the same for the same question; pages may overlap and be short."""

    images: Sequence[Image]
    short: int = 0
    overlap: int = 0
    gap: int = 0
    asked: list[SearchParams] = field(factory=list)

    async def __call__(self, params: SearchParams) -> ImageAnswer:
        self.asked.append(params)
        assert params.offset is not None
        assert params.count is not None
        found = max(1, params.count - self.short)
        step = max(1, found - self.overlap) + self.gap * (params.offset % 3 == 0)
        value = tuple(self.images[params.offset : params.offset + found])
        return ImageAnswer(value=value, next_offset=params.offset + step if value else None)


def picture(name: str) -> Image:
    return Image(image_id=name, content_url=f"https://pictures.example/{name}.png")


def pictures(number: int) -> list[Image]:
    return [picture(f"P{index}") for index in range(number)]


images = st.builds(
    Image,
    image_id=st.none() | st.sampled_from([f"P{index}" for index in range(12)]),
    content_url=st.none() | st.sampled_from([f"https://pictures.example/{index}.png" for index in range(12)]),
    name=st.sampled_from([None, "boat", "bird"]),
)
steps = st.none() | st.integers(-40, 200) | st.sampled_from([0, 1, 70_000, 2**31, -(10**9)])
pages = st.builds(Page, st.lists(images, max_size=6).map(tuple), steps, st.none() | st.integers(-1, 400))
adversaries = st.lists(pages, min_size=1, max_size=8).map(Adversary)
limits = st.none() | st.integers(1, 40)
dedupes = st.sampled_from(["image_id", "content_url"])


def names(image: Image, dedupe: str) -> set[str]:
    """What an image may not share with an earlier one."""
    known = {image.image_id or image.content_url} if dedupe == "image_id" else {image.image_id, image.content_url}
    return {name for name in known if name} or {repr(image)}


def expected(pages: Sequence[Page], dedupe: str, start: int = 0) -> list[list[Image]]:
    """The new images of each page up to the one that ends the walk, by the rules as the documentation has them."""
    seen: set[str] = set()
    found: list[list[Image]] = []
    offset, number = start, 0
    while True:
        page = pages[min(number, len(pages) - 1)]
        number += 1
        fresh: list[Image] = []
        for image in page.images:
            if not names(image, dedupe) & seen:
                seen |= names(image, dedupe)
                fresh.append(image)
        found.append(fresh)
        if not fresh or page.step is None or page.step <= 0 or offset + page.step > LARGEST_OFFSET:
            return found
        offset += page.step


# --- against an adversary


@given(adversaries, limits, dedupes)
def test_a_walk_ends_and_repeats_nothing(server: Adversary, limit: int | None, dedupe: Any) -> None:
    """At most one page that brings nothing new is fetched, and no image comes twice."""
    pager = ImagePager(server, SearchParams("boat"), limit=limit, dedupe=dedupe)
    found = at_once(taken(pager))
    fruitful = sum(bool(fresh) for fresh in expected(server.pages, dedupe))
    assert len(server.asked) == pager.requests <= fruitful + 1
    marks = [name for image in found for name in names(image, dedupe)]
    assert len(marks) == len(set(marks))
    assert pager.stop_reason is not None


@given(adversaries, limits, dedupes)
def test_the_limit_is_met_exactly_where_it_can_be(server: Adversary, limit: int | None, dedupe: Any) -> None:
    """The first images that the rules lead to, in the order of the service, and not a request more than they take."""
    reachable = expected(server.pages, dedupe)
    every = [image for fresh in reachable for image in fresh]
    pager = ImagePager(server, SearchParams("boat"), limit=limit, dedupe=dedupe)
    assert at_once(taken(pager)) == every[:limit]
    assert (pager.stop_reason == "limit") is (limit is not None and limit <= len(every))
    if pager.stop_reason == "limit":
        before = [len([image for fresh in reachable[:count] for image in fresh]) for count in range(len(reachable))]
        assert len(server.asked) == sum(count < (limit or 0) for count in before)


@given(adversaries, limits, st.integers(1, 6))
def test_a_number_of_pages_is_the_most(server: Adversary, limit: int | None, most: int) -> None:
    """`max_pages` cuts the walk off and changes nothing before that."""
    whole = expected(server.pages, "image_id")[:most]
    pager = ImagePager(server, SearchParams("boat"), limit=limit, max_pages=most)
    assert at_once(taken(pager)) == [image for fresh in whole for image in fresh][:limit]
    assert len(server.asked) <= most


@given(adversaries, st.integers(0, 300), limits, st.none() | st.integers(1, 150))
def test_questions_differ_by_their_offset_only(
    server: Adversary, start: int, limit: int | None, size: int | None
) -> None:
    """One page size, one market, one client; offsets only grow."""
    params = SearchParams("boat", offset=start, market="de-DE", size="Large")
    at_once(taken(ImagePager(server, params, limit=limit, page_size=size)))
    offsets = [asked.offset for asked in server.asked]
    assert offsets[0] == start
    assert offsets == sorted(set(offsets), key=lambda offset: offset or 0)
    others = {(asked.query, asked.count, asked.market, asked.size) for asked in server.asked}
    assert others == {("boat", size or min(150, limit or 150), "de-DE", params.size)}


@given(adversaries)
def test_without_deduplication_everything_comes(server: Adversary) -> None:
    """`dedupe=None`: each image of each page, in order; the rules for offsets hold."""
    pager = ImagePager(server, SearchParams("boat"), dedupe=None, limit=200, max_pages=300)
    found = at_once(taken(pager))
    shown = [server.pages[min(number, len(server.pages) - 1)].images for number in range(len(server.asked))]
    assert found == [image for images in shown for image in images][:200]
    assert pager.duplicates == 0


@given(adversaries, limits)
def test_pages_are_those_of_the_images(server: Adversary, limit: int | None) -> None:
    """`pages()` gives the answers as they came, and as many of them as the images take."""
    by_image = Adversary(server.pages)
    pager = ImagePager(by_image, SearchParams("boat"), limit=limit)
    at_once(taken(pager))

    async def walk() -> list[ImageAnswer]:
        return [answer async for answer in ImagePager(server, SearchParams("boat"), limit=limit).pages()]

    answers = at_once(walk())
    assert [answer.value for answer in answers] == [
        by_image.pages[min(number, len(by_image.pages) - 1)].images for number in range(pager.requests)
    ]


# --- stop reasons, each by example

BOATS = tuple(pictures(3))


@pytest.mark.parametrize(
    ("reason", "second", "options"),
    [
        ("limit", Page(tuple(pictures(9)), 3), {"limit": 4}),
        ("max_pages", Page(tuple(pictures(9)), 3), {"max_pages": 2}),
        ("empty_page", Page((), 3), {}),
        ("no_next_offset", Page(tuple(pictures(9)), None), {}),
        ("offset_repeats", Page(tuple(pictures(9)), 0), {}),
        ("offset_repeats", Page(tuple(pictures(9)), -2), {}),
        ("nothing_new", Page(BOATS, 3), {}),
        ("offset_too_large", Page(tuple(pictures(9)), 65_534), {}),
        ("estimate", Page(tuple(pictures(9)), 3, estimate=6), {"stop_at_estimate": True}),
    ],
)
def test_every_reason_has_its_name(reason: str, second: Page, options: dict[str, Any]) -> None:
    """And comes when the images are used up, not before."""
    server = Adversary([Page(BOATS, 3), second])
    pager = ImagePager(server, SearchParams("boat"), **options)

    async def walk() -> None:
        async for _ in pager:
            assert pager.stop_reason is None or not pager._page
        assert (pager.stop_reason, len(server.asked)) == (reason, 2)

    at_once(walk())


def test_the_estimate_stops_nothing_by_itself() -> None:
    """It says 0 and there are more."""
    server = Adversary([Page(BOATS, 3, estimate=0), Page(tuple(pictures(9)), 3, estimate=0), Page((), 3)])
    pager = ImagePager(server, SearchParams("boat"))
    assert len(at_once(taken(pager))) == 9
    assert pager.total_estimated_matches is None  # the last page had none


def test_counts_are_kept() -> None:
    """Pages, duplicates, attempts, and the first answer."""
    tried = tuple(Attempt(number=number, started=0.0, elapsed=0.1, status=200) for number in (1, 2))
    shelf = Shelf(pictures(10), overlap=2)

    async def fetch(params: SearchParams) -> ImageAnswer:
        answer = await shelf(params)
        return ImageAnswer(value=answer.value, next_offset=answer.next_offset, meta=ResponseMeta(attempts=tried))

    pager = ImagePager(fetch, SearchParams("boat"), page_size=5)
    assert at_once(taken(pager)) == pictures(10)
    assert (pager.requests, pager.duplicates, len(pager.attempts)) == (4, 5, 8)
    assert pager.first is not None
    assert pager.first.value == tuple(pictures(5))


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", 0), ("limit", True), ("page_size", 151), ("max_pages", 0), ("dedupe", "name"), ("stop_at_estimate", 1)],
)
def test_what_cannot_be_is_refused(name: str, value: Any) -> None:
    """By name, before anything is sent."""
    server = Adversary([])
    with pytest.raises(InvalidRequestError) as caught:
        ImagePager(server, SearchParams("boat"), **{name: value})
    assert (caught.value.parameter, server.asked) == (name, [])


def test_a_failed_page_is_asked_for_again() -> None:
    """An error ends nothing: the next step sends the same question."""
    shelf = Shelf(pictures(10))
    failures = [ServerError("down", status=500)]

    async def fetch(params: SearchParams) -> ImageAnswer:
        if params.offset == 5 and failures:
            raise failures.pop()
        return await shelf(params)

    pager = ImagePager(fetch, SearchParams("boat"), page_size=5)
    found = at_once(taken(pager, 5))
    with pytest.raises(ServerError):
        at_once(anext(pager))
    assert found + at_once(taken(pager)) == pictures(10)


# --- going on later

shelves = st.builds(
    Shelf,
    st.lists(st.integers(0, 40).map(lambda index: picture(f"P{index}")), max_size=60),
    short=st.integers(0, 3),
    overlap=st.integers(0, 3),
    gap=st.integers(0, 2),
)


def again(state: dict[str, Any]) -> dict[str, Any]:
    """A state after its way through a file."""
    back: dict[str, Any] = json.loads(json.dumps(state))
    return back


@given(
    shelves,
    st.lists(st.integers(0, 12), max_size=8),
    st.fixed_dictionaries(
        {"limit": limits, "max_pages": st.none() | st.integers(1, 6), "dedupe": st.sampled_from(["image_id", None])}
    ),
    st.integers(1, 9),
)
def test_a_walk_goes_on_at_any_image(shelf: Shelf, cuts: list[int], options: dict[str, Any], size: int) -> None:
    """Broken off anywhere, any number of times: none is lost and none comes twice."""
    other = Shelf(shelf.images, shelf.short, shelf.overlap, shelf.gap)
    whole = ImagePager(other, SearchParams("boat"), page_size=size, **options)
    every = at_once(taken(whole))
    pager = ImagePager(shelf, SearchParams("boat"), page_size=size, **options)
    found: list[Image] = []
    for cut in cuts:
        found += at_once(taken(pager, cut))
        pager = ImagePager(shelf, SearchParams("boat"), state=again(pager.state), **options)
    found += at_once(taken(pager))
    assert found == every
    assert pager.stop_reason == whole.stop_reason
    if pager.stop_reason != "limit":  # else those on the last page count only if that page is asked for again
        assert pager.duplicates == whole.duplicates
    assert {asked.count for asked in shelf.asked} <= {size}


@given(
    shelves, st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=6), st.sampled_from(["image_id", None])
)
def test_a_walk_goes_on_under_other_limits(shelf: Shelf, bounds: list[tuple[int, int]], dedupe: Any) -> None:
    """One walk after the other to its limit, or to its number of pages; the last has neither."""
    whole = Shelf(shelf.images, shelf.short, shelf.overlap, shelf.gap)
    every = at_once(taken(ImagePager(whole, SearchParams("boat"), page_size=7, dedupe=dedupe)))
    found: list[Image] = []
    state, limit, most = None, 0, 0
    for more, pages in bounds:
        limit, most = limit + more, most + pages
        pager = ImagePager(
            shelf, SearchParams("boat"), limit=limit, max_pages=most, page_size=7, dedupe=dedupe, state=state
        )
        found += at_once(taken(pager))
        assert found == every[: len(found)]
        assert pager.stop_reason in {"limit", "max_pages"} or found == every
        state = again(pager.state)
    found += at_once(taken(ImagePager(shelf, SearchParams("boat"), page_size=7, dedupe=dedupe, state=state)))
    assert found == every


def test_a_page_that_was_cut_is_not_the_last() -> None:
    """The limit leaves known images out; fetched again the page brings nothing new, and the walk goes on after it."""
    shelf = Shelf([picture(name) for name in "ababcd"])
    pager = ImagePager(shelf, SearchParams("boat"), page_size=3, limit=2)
    assert at_once(taken(pager)) == [picture("a"), picture("b")]
    later = ImagePager(shelf, SearchParams("boat"), state=again(pager.state))
    assert at_once(taken(later)) == [picture("c"), picture("d")]


def test_a_walk_that_ended_stays_ended() -> None:
    """Nothing is asked again."""
    shelf = Shelf(pictures(5))
    pager = ImagePager(shelf, SearchParams("boat"), page_size=2)
    at_once(taken(pager))
    asked = len(shelf.asked)
    later = ImagePager(shelf, SearchParams("boat"), state=again(pager.state))
    assert at_once(taken(later)) == []
    assert (later.stop_reason, len(shelf.asked), later.requests) == (pager.stop_reason, asked, pager.requests)


def test_a_state_is_small() -> None:
    """Some eleven characters for each image."""
    pager = ImagePager(Shelf(pictures(1000)), SearchParams("boat"))
    at_once(taken(pager))
    assert len(json.dumps(pager.state)) < 11 * 1000


@pytest.mark.parametrize(
    "change",
    [
        {"offset": -1}, {"offset": "5"}, {"taken": None}, {"seen": "ä"}, {"seen": "QQ=="}, {"end": "why"},
        {"given": True}, {"page_size": 0}, {"page_size": None}, {"market": 5},
    ],
)  # fmt: skip
def test_what_is_no_state_is_refused(change: dict[str, Any]) -> None:
    """And so is one that lacks anything."""
    state = ImagePager(Shelf(pictures(5)), SearchParams("boat")).state
    for broken in (state | change, {name: state[name] for name in state.keys() - change.keys()}):
        with pytest.raises(InvalidRequestError, match="no state"):
            ImagePager(Shelf(pictures(5)), SearchParams("boat"), state=broken)


# --- mixing


def test_pages_begin_with_the_next_page() -> None:
    """What is left of the page under way is passed over, and counts as given."""
    shelf = Shelf(pictures(12))
    pager = ImagePager(shelf, SearchParams("boat"), page_size=5, limit=11)

    async def walk() -> None:
        assert await taken(pager, 2) == pictures(2)
        assert [answer.value async for answer in pager.pages()] == [tuple(pictures(10)[5:]), tuple(pictures(12)[10:])]
        assert pager.stop_reason == "limit"

    at_once(walk())


# --- in a session


def serving(shelf: Shelf, *, headers: Any = None, asked: list[httpx.Request]) -> Any:
    async def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        query = request.url.params
        answer = await shelf(SearchParams("boat", offset=int(query["offset"]), count=int(query["count"])))
        value = [{"imageId": image.image_id, "contentUrl": image.content_url} for image in answer.value]
        body = {"_type": "Images", "value": value, "nextOffset": answer.next_offset}
        return httpx.Response(200, json=body, headers=headers)

    return handler


HEADERS = {"BingAPIs-Market": "fr-FR", "X-MSEdge-ClientID": "C1"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("session_options", "options", "sent"),
    [
        ({}, {}, [(None, None, None), ("fr-FR", None, "C1")]),
        ({"market": "de-DE"}, {}, [("de-DE", None, None), ("de-DE", None, "C1")]),
        ({}, {"client_id": "mine", "market": "it-IT"}, [("it-IT", None, "mine")]),
        ({"client_id": "ours"}, {}, [(None, None, "ours"), ("fr-FR", None, "ours")]),
        ({"client_id": None}, {"market": None}, [(None, None, None)]),
        ({"country_code": "FR", "accept_language": "fr"}, {}, [(None, "FR", None), (None, "FR", "C1")]),
    ],
)
async def test_all_pages_are_asked_for_as_the_same_client(
    session_options: dict[str, Any], options: dict[str, Any], sent: list[tuple[str | None, ...]]
) -> None:
    """What the first answer said goes with the others, and nothing against the session's own settings."""
    asked: list[httpx.Request] = []
    handler = serving(Shelf(pictures(9)), headers=HEADERS, asked=asked)
    async with session_for(handler, **session_options) as session:
        pager = session.iter_images("boat", page_size=3, **options)
        assert len(await taken(pager, 4)) == 4
        later = session.iter_images("boat", state=again(pager.state), **options)
        assert len(await taken(later)) == 5
    seen = [
        (one.url.params.get("mkt"), one.url.params.get("cc"), one.headers.get("X-MSEdge-ClientID")) for one in asked
    ]
    assert seen == [sent[0], *[sent[-1]] * (len(asked) - 1)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "market", "client_id"),
    [
        ([("BingAPIs-Market", "en"), ("X-MSEdge-ClientID", "")], None, None),
        ([("BingAPIs-Market", "zh-Hans"), ("X-MSEdge-ClientID", " ")], None, None),
        ([("BingAPIs-Market", "es-419"), ("X-MSEdge-ClientID", "C\u00e9")], None, None),
        ([("BingAPIs-Market", "en_US"), ("X-MSEdge-ClientID", "C1")], None, "C1"),
        ([("BingAPIs-Market", ""), ("X-MSEdge-ClientID", "C\t1")], None, "C\t1"),
        ([("BingAPIs-Market", "*-*"), ("X-MSEdge-ClientID", "C1")], None, "C1"),
        ([("BingAPIs-Market", "fr-FR"), ("BingAPIs-Market", "fr-FR"), ("X-MSEdge-ClientID", "")], "fr-FR", None),
        ([("BingAPIs-Market", "fr-FR"), ("BingAPIs-Market", "de-DE"), ("X-MSEdge-ClientID", "C1")], None, "C1"),
        ([("X-MSEdge-ClientID", "C1"), ("X-MSEdge-ClientID", "C1"), ("BingAPIs-Market", "fr-FR")], "fr-FR", "C1"),
        ([("BingAPIs-Market", "zh-Hant-TW"), ("X-MSEdge-ClientID", "C1")], "zh-Hant-TW", "C1"),
    ],
)
async def test_what_the_service_says_is_used_if_it_can_be_sent(
    headers: list[tuple[str, str]], market: str | None, client_id: str | None
) -> None:
    """Market and client of the first answer never fail the checks for what users give."""
    asked: list[httpx.Request] = []
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    handler = serving(Shelf(pictures(5)), headers=encoded, asked=asked)
    async with session_for(handler) as session:
        pager = session.iter_images("boat", page_size=3)
        assert len(await taken(pager)) == 5
        outcomes = await session.search_all(["boat"], limit=5, count=3)
    assert [len(outcome.images) for outcome in outcomes] == [5]
    assert asked[1].url.params.get("mkt") == market
    assert asked[1].headers.get("X-MSEdge-ClientID") == client_id


@pytest.mark.anyio
async def test_errors_arrive_bare() -> None:
    """Read ahead or not."""
    async with session_for(lambda request: httpx.Response(401)) as session:
        with pytest.raises(AuthenticationError):
            await anext(session.iter_images("boat"))
        with pytest.raises(AuthenticationError):
            async with session.iter_images("boat") as pager:
                await anext(pager)


# --- reading ahead, in virtual time


@define
class Slow:
    """A shelf that takes a second for each page, and knows what is on its way."""

    shelf: Shelf
    failing_at: int | None = None
    on_its_way: int = 0

    async def __call__(self, params: SearchParams) -> ImageAnswer:
        self.on_its_way += 1
        try:
            await anyio.sleep(1)
            if params.offset == self.failing_at:
                self.failing_at = None
                raise ServerError("down", status=500)
            return await self.shelf(params)
        finally:
            self.on_its_way -= 1


class TestReadAhead:
    """`async with pager`."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return virtual_time(request.param)

    async def test_pages_come_while_one_looks(self) -> None:
        """Five pages of a second each, and a second to look at each of them: six seconds instead of ten."""
        for ahead, seconds in ((False, 10), (True, 6)):
            pager = ImagePager(Slow(Shelf(pictures(25))), SearchParams("boat"), page_size=5, limit=25)
            began = anyio.current_time()
            if ahead:
                async with pager:
                    await self._look_at_all(pager)
            else:
                await self._look_at_all(pager)
            assert anyio.current_time() - began == pytest.approx(seconds)

    async def _look_at_all(self, pager: ImagePager) -> None:
        async for answer in pager.pages():
            assert len(answer.value) == 5
            await anyio.sleep(1)

    @pytest.mark.parametrize("limit", [1, 5, 6, 10, 12])
    async def test_never_more_than_the_limit_needs(self, limit: int) -> None:
        """As many requests as without."""
        shelf = Shelf(pictures(40), overlap=1)
        pager = ImagePager(Slow(shelf), SearchParams("boat"), page_size=5, limit=limit)
        async with pager:
            assert await taken(pager) == pictures(limit)
            await anyio.sleep(10)
        plain = ImagePager(Slow(Shelf(pictures(40), overlap=1)), SearchParams("boat"), page_size=5, limit=limit)
        await taken(plain)
        assert pager.requests == len(shelf.asked) == plain.requests

    async def test_an_error_waits_until_it_is_its_turn(self) -> None:
        """The images before it come first; then it arrives bare, and the next step asks again."""
        server = Slow(Shelf(pictures(10)), failing_at=5)
        async with ImagePager(server, SearchParams("boat"), page_size=5) as pager:
            found = await taken(pager, 1)
            await anyio.sleep(10)
            found += await taken(pager, 4)
            with pytest.raises(ServerError):
                await anext(pager)
            assert found + await taken(pager) == pictures(10)

    async def test_an_error_nobody_asks_for_is_nobodys(self) -> None:
        """Leaving before its turn is leaving."""
        server = Slow(Shelf(pictures(10)), failing_at=5)
        async with ImagePager(server, SearchParams("boat"), page_size=5) as pager:
            await taken(pager, 1)
            await anyio.sleep(10)

    @pytest.mark.parametrize("ahead", [False, True])
    @pytest.mark.parametrize("number", range(1, 11))
    async def test_it_may_be_left_at_any_image(self, number: int, ahead: bool) -> None:
        """By `break` or an exception, which arrives as it was; nothing is on its way, and the walk can go on."""
        server = Slow(Shelf(pictures(10)))
        pager = ImagePager(server, SearchParams("boat"), page_size=3)
        found: list[Image] = []

        async def walk() -> None:
            async for image in pager:
                found.append(image)
                if len(found) == number:
                    break
            raise KeyError("of the user")

        async def inside() -> None:
            async with pager:
                await walk()

        with pytest.raises(KeyError, match="of the user") as caught:
            await (inside() if ahead else walk())
        assert caught.value.__cause__ is None
        assert server.on_its_way == 0
        assert found + await taken(pager) == pictures(10)

    async def test_a_second_task_is_turned_away(self) -> None:
        """It would otherwise get the same page, and take all of it for duplicates."""
        pager = ImagePager(Slow(Shelf(pictures(10))), SearchParams("boat"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken, pager, 1)
            await anyio.sleep(0.5)
            with pytest.raises(SessionStateError, match="Another task"):
                await anext(pager)

    async def test_it_is_entered_once_at_a_time(self) -> None:
        """Inside its own block it cannot be entered; after it, it can."""
        pager = ImagePager(Slow(Shelf(pictures(10))), SearchParams("boat"))
        async with pager:
            with pytest.raises(SessionStateError, match="already"):
                await pager.__aenter__()
        async with pager:
            assert len(await taken(pager)) == 10


@define
class Walk:
    """A walk that is cancelled somewhere; what it missed can be had afterwards."""

    ahead: bool
    server: Slow
    pager: ImagePager
    found: list[Image] = field(factory=list)

    async def run(self) -> None:
        if self.ahead:
            async with self.pager:
                await self._take()
        else:
            await self._take()

    async def _take(self) -> None:
        async for image in self.pager:
            self.found.append(image)

    async def check(self, outcome: Outcome) -> None:
        assert self.server.on_its_way == 0
        later = ImagePager(self.server, SearchParams("boat"), state=again(self.pager.state))
        assert self.found + await taken(later) == pictures(7)
        assert outcome == "cancelled" or len(self.found) == 7


@asynccontextmanager
async def a_walk(ahead: bool) -> AsyncGenerator[Walk]:
    server = Slow(Shelf(pictures(7), overlap=1))
    yield Walk(ahead, server, ImagePager(server, SearchParams("boat"), page_size=3))


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancelled_at_any_step_it_leaves_nothing_behind(backend: Backend, by: By, ahead: bool) -> None:
    """No request, no task; and no image is lost."""
    assert cancel_everywhere(lambda: a_walk(ahead), by=by, backend=backend) > 3
