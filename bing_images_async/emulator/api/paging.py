"""Paging of search: overlapping pages, `nextOffset` beyond offset + count, and a drifting estimate.

An offset of the real index is a position, and some positions repeat a picture of a position shortly before. Repeats
within one page are dropped, so that `nextOffset` exceeds offset + count; repeats across pages remain, so that pages
overlap. Here every 16 positions hold 14 new pictures and 2 repeats, at places drawn from a seed. Every picture has a
position of its own, and each page has at least one new picture: a client that follows `nextOffset` gets all pictures
and reaches an end.
"""

from collections.abc import Iterator

import attrs

from ..deterministic_random import draw, fraction

_BLOCK = 16
_NEW = 14
REACH = 16
"""Largest distance, in pictures, of a repeat from its original."""


@attrs.frozen
class ResultRange:
    """The range of results that a page may need: `limit` pictures from rank `first` on."""

    first: int
    limit: int


@attrs.frozen
class PageSlice:
    """One page: ranks of its pictures in the result list, and the offset of the next page."""

    ranks: tuple[int, ...]
    next_offset: int
    is_last: bool
    """It has the last picture: the next page is empty."""


@attrs.frozen
class ResultList:
    """The positions of one result list. `key`: key of the random draws (seed, query, filters)."""

    key: str

    def window(self, offset: int, count: int) -> ResultRange:
        """Return the range of results that `page` may select from."""
        _, rank = self._at(offset)
        first = max(0, rank - REACH)
        return ResultRange(first, rank - first + count)

    def page(self, offset: int, count: int, total: int) -> PageSlice:
        """Return the page of at most `count` pictures at `offset`, of `total` pictures."""
        wanted = count - self._shortfall(offset, count)
        repeats_allowed = wanted // 4
        ranks: dict[int, None] = {}
        position, rank = offset, 0
        for position, rank, repeated in self._walk(offset):  # noqa: B007 - used after the loop
            if rank >= total:
                break
            if repeated is not None:
                if repeated not in ranks and repeats_allowed and len(ranks) < wanted:
                    repeats_allowed -= 1
                    ranks[repeated] = None
            elif len(ranks) == wanted:
                break
            else:
                ranks[rank] = None
        return PageSlice(tuple(ranks), position, is_last=rank >= total)

    def estimate(self, offset: int, total: int, *, is_last: bool) -> int:
        """Return `totalEstimatedMatches`: too high at first, closer to the total later, and exact on the last page.

        Before the last page it exceeds `nextOffset`: clients that stop at the estimate get all pictures.
        """
        if is_last:
            return total
        end = self._end(total)
        progress = min(1.0, offset / end)
        generous = 0.25 * fraction(self.key, "estimate") * (1.0 - progress)
        jitter = 0.04 * fraction(self.key, "jitter", offset)
        return round(end * (1.0 + generous + jitter))

    def _end(self, total: int) -> int:
        """Return the position after the last picture."""
        block, rest = divmod(max(0, total - 1), _NEW)
        repeats = self._repeats(block)
        slots = [slot for slot in range(_BLOCK) if slot not in repeats]
        return block * _BLOCK + slots[rest] + 1

    def _walk(self, offset: int) -> Iterator[tuple[int, int, int | None]]:
        """Yield (position, rank of the next new picture, rank of the repeated picture or None) from `offset` on."""
        position = offset
        places, rank = self._at(offset)
        while True:
            slot = position % _BLOCK
            if slot == 0:
                places = self._repeats(position // _BLOCK)
            if slot in places:
                yield position, rank, max(0, rank - 1 - draw(self.key, "reach", position) % REACH)
            else:
                yield position, rank, None
                rank += 1
            position += 1

    def _at(self, offset: int) -> tuple[frozenset[int], int]:
        block, slot = divmod(offset, _BLOCK)
        places = self._repeats(block)
        return places, _NEW * block + slot - sum(place < slot for place in places)

    def _repeats(self, block: int) -> frozenset[int]:
        """Return the two slots of a block that repeat a picture; never its first."""
        chance = draw(self.key, "block", block)
        one = 1 + chance % (_BLOCK - 1)
        other = 1 + (one - 1 + 1 + (chance >> 8) % (_BLOCK - 2)) % (_BLOCK - 1)
        return frozenset((one, other))

    def _shortfall(self, offset: int, count: int) -> int:
        """Return by how many pictures a page is shorter than requested, mostly 0."""
        if count < 10 or fraction(self.key, "short", offset) >= 0.25:
            return 0
        return 1 + draw(self.key, "by", offset) % (count // 10)
