"""The habits of paging, as a function of plain values."""

from hypothesis import given, strategies as st

from bing_images_async.emulator.api.paging import ResultList

keys = st.text(max_size=8)
counts = st.integers(1, 150)
totals = st.integers(0, 600)


def walk(results: ResultList, count: int, total: int) -> list[tuple[int, ...]]:
    """The pages from the beginning, as ranks."""
    pages: list[tuple[int, ...]] = []
    offset = 0
    while True:
        stretch = results.page(offset, count, total)
        if not stretch.ranks:
            return pages
        pages.append(stretch.ranks)
        assert stretch.next_offset > offset
        offset = stretch.next_offset


@given(keys, counts, totals)
def test_paging_along_next_offset_reaches_every_picture(key: str, count: int, total: int) -> None:
    """Whatever the seed, the page size and the number of pictures."""
    pages = walk(ResultList(key), count, total)
    assert {rank for page in pages for rank in page} == set(range(total))


@given(keys, counts, totals)
def test_page_has_new_pictures_and_no_repeats_within(key: str, count: int, total: int) -> None:
    """So a client that stops at a page without news stops at the end only."""
    seen: set[int] = set()
    for page in walk(ResultList(key), count, total):
        assert len(page) <= count
        assert len(set(page)) == len(page)
        assert set(page) - seen
        seen.update(page)


@given(keys, st.integers(0, 700), counts, totals)
def test_result_range_covers_the_page(key: str, offset: int, count: int, total: int) -> None:
    """The catalogue is asked once, before the number of hits is known."""
    results = ResultList(key)
    window = results.window(offset, count)
    inside = range(window.first, window.first + window.limit)
    assert all(rank in inside for rank in results.page(offset, count, total).ranks)


@given(keys, counts, totals, st.integers(0, 1000))
def test_page_beyond_the_end_is_empty(key: str, count: int, total: int, further: int) -> None:
    """An offset at or after the last `nextOffset` gives an empty page."""
    results = ResultList(key)
    end = 0
    while results.page(end, count, total).ranks:
        end = results.page(end, count, total).next_offset
    assert results.page(end + further, count, total).ranks == ()


def test_paging_has_leaps_short_pages_and_overlaps() -> None:
    """Over some queries: leaps of nextOffset, short pages, and pictures that come again on a later page."""
    leaps = shorts = repeats = 0
    for number in range(30):
        results = ResultList(f"query {number}")
        seen: set[int] = set()
        offset = 0
        while offset < 250:
            stretch = results.page(offset, 35, 300)
            leaps += stretch.next_offset > offset + 35
            shorts += len(stretch.ranks) < 35
            repeats += len(seen.intersection(stretch.ranks))
            seen.update(stretch.ranks)
            offset = stretch.next_offset
    assert leaps > 10
    assert shorts > 10
    assert repeats > 10


def test_estimate_later_pages_approach_the_total() -> None:
    """On average: the first estimate is the highest, and that of the last page is exact."""
    lists = [ResultList(f"query {number}") for number in range(40)]
    first = sum(results.estimate(0, 500, is_last=False) for results in lists) / 40
    later = sum(results.estimate(400, 500, is_last=False) for results in lists) / 40
    assert first > later * 1.03 > 500
    assert {results.estimate(499, 500, is_last=True) for results in lists} == {500}


@given(keys, counts, totals)
def test_estimate_before_the_last_page_exceeds_next_offset(key: str, count: int, total: int) -> None:
    """A client that stops when `nextOffset` reaches the estimate gets all pictures."""
    results = ResultList(key)
    offset, seen = 0, set[int]()
    while True:
        page = results.page(offset, count, total)
        seen.update(page.ranks)
        if page.next_offset >= results.estimate(offset, total, is_last=page.is_last):
            break
        offset = page.next_offset
        if not page.ranks:
            break
    assert seen == set(range(total))
