"""The service's habits on the way through a result list.

The real index hands out positions, not pictures: some positions hold a picture that was there shortly
before. Within one page such repeats are dropped, so `nextOffset` runs ahead of offset + count; across pages
they show, so pages overlap. Here every 16 positions hold 14 new pictures and 2 repeats, at places that a
seed decides. Every picture has a position of its own, and each page brings at least one that is new:
whoever follows `nextOffset` gets all of them and comes to an end.
"""

from collections.abc import Iterator

import attrs

from ..deterministic_random import draw, fraction

_BLOCK = 16
_NEW = 14
REACH = 16
"""How many pictures back a repeat may lie."""


@attrs.frozen
class Window:
    """What to fetch from the catalogue for a page: `limit` pictures from `first` on."""

    first: int
    limit: int


@attrs.frozen
class Stretch:
    """One page: ranks of its pictures in the result list, and the position at which the next page begins."""

    ranks: tuple[int, ...]
    next_offset: int


@attrs.frozen
class ResultList:
    """The positions of one result list. `key` is all that its habits depend on: seed, query, filters."""

    key: str

    def window(self, offset: int, count: int) -> Window:
        """Everything that `page` may point at, known before the catalogue has been asked."""
        _, rank = self._at(offset)
        first = max(0, rank - REACH)
        return Window(first, rank - first + count)

    def page(self, offset: int, count: int, total: int) -> Stretch:
        """The page of at most `count` pictures at `offset`, of `total` pictures in all."""
        wanted = count - self._shortfall(offset, count)
        repeats_allowed = wanted // 4
        ranks: dict[int, None] = {}
        position = offset
        for position, rank, repeated in self._walk(offset):  # noqa: B007 - the place where it stopped is the answer
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
        return Stretch(tuple(ranks), position)

    def estimate(self, offset: int, total: int) -> int:
        """`totalEstimatedMatches`: generous at first, nearer the truth later on, exact for short lists."""
        if total <= 20:
            return total
        progress = min(1.0, offset / total)
        generous = 0.25 * fraction(self.key, "estimate") * (1.0 - progress)
        jitter = 0.04 * (fraction(self.key, "jitter", offset) - 0.5)
        return round(total * (1.0 + generous + jitter))

    def _walk(self, offset: int) -> Iterator[tuple[int, int, int | None]]:
        """(position, rank of the next new picture, rank of what is repeated or None), from `offset` on."""
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
        """The two places of a block that repeat; never its first, as nothing precedes the very first."""
        chance = draw(self.key, "block", block)
        one = 1 + chance % (_BLOCK - 1)
        other = 1 + (one - 1 + 1 + (chance >> 8) % (_BLOCK - 2)) % (_BLOCK - 1)
        return frozenset((one, other))

    def _shortfall(self, offset: int, count: int) -> int:
        """Now and then a page has fewer pictures than asked for, although more are to come."""
        if count < 10 or fraction(self.key, "short", offset) >= 0.25:
            return 0
        return 1 + draw(self.key, "by", offset) % (count // 10)
