"""`/images/trending`: what people search for, by market, as tiles with a picture each."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from ..catalogue.factories import Catalogue
from ..catalogue.picture import Filters, Picture
from ..deterministic_random import draw
from .answers import Json, Style, envelope, query_object, thin_image
from .endpoint import Visit
from .error_bodies import Fault, RefusedError
from .markets import TRENDING_MARKETS
from .parameters import read_family_friendly_only
from .search_history import normalized
from .service_state import Body, Service

_CATEGORIES, _TILES = 8, 10
_CANDIDATES = 3 * _TILES  # several searches may lead to one picture, which is shown once
_LATEST = "Popular searches"


async def trending(service: Service, visit: Visit) -> Body:
    friendly_only = read_family_friendly_only(visit.reader)
    visit.reader.finish()
    # Judged by what was asked for, not by the market it was mapped to: other markets have no trending images.
    asked = visit.reader.text("mkt") or visit.market
    market = {known.lower(): known for known in TRENDING_MARKETS}.get(asked.lower())
    if market is None:
        # The API puts this text into the wrong field; its clients have to cope.
        fault = Fault("ServerError", "ResourceError", "", None, "Trending data is not present for your request", "")
        raise RefusedError(500, fault)
    day = service.now().date()
    popular = await service.recall(service.history.popular, market, day)
    return Body(await service.run(write_trending, service, visit.style, popular, friendly_only))


def write_trending(service: Service, style: Style, popular: Counter[str], friendly_only: bool) -> bytes:
    """Ranks topics and searches and writes the answer. Blocks if the catalogue does."""
    catalogue = service.catalogue
    topics = catalogue.topics(style.language) or catalogue.topics("en")
    times = {query: popular[normalized(query)] for queries in topics.values() for query in queries}
    heat = {title: sum(times[query] for query in queries) for title, queries in topics.items()}
    hottest = _ranked(style, heat, heat)[:_CATEGORIES]
    shelves = {_LATEST: _new_searches(topics, popular)} | {
        f"Popular {title.lower()} searches": _ranked(style, topics[title], times) for title in hottest
    }
    categories: list[Json] = []
    for title, queries in shelves.items():
        tiles = _tiles(catalogue, style, queries, friendly_only)
        if tiles:
            categories.append({"title": title, "tiles": tiles})
    return msgspec.json.encode(envelope(style, "TrendingImages", {"categories": categories}))


def _new_searches(topics: Mapping[str, tuple[str, ...]], popular: Counter[str]) -> list[str]:
    """The searches made most often, of those that are no topic anyway."""
    known = {normalized(query) for queries in topics.values() for query in queries}
    new = [query for query in popular if query not in known]
    return sorted(new, key=lambda query: (-popular[query], query))[:_CANDIDATES]


def _ranked(style: Style, names: Iterable[str], times: Mapping[str, int]) -> list[str]:
    """By how often they were searched for; a seed decides where nobody did yet, anew each day."""
    market, today = style.links.market, style.today
    return sorted(names, key=lambda name: (-times[name], draw(style.seed, market, today, name)))


def _tiles(catalogue: Catalogue, style: Style, queries: Iterable[str], friendly_only: bool) -> list[Json]:
    filters = Filters(family_friendly_only=friendly_only)
    tiles: list[Json] = []
    shown: set[str] = set()
    for query in queries:
        if len(tiles) == _TILES:
            break
        hits = catalogue.search(query, language=style.language, filters=filters, offset=0, limit=1, now=style.today)
        if hits.pictures and hits.pictures[0].image_id not in shown:
            shown.add(hits.pictures[0].image_id)
            tiles.append(_tile(style, query, hits.pictures[0]))
    return tiles


def _tile(style: Style, query: str, picture: Picture) -> Json:
    return {"query": query_object(style, query, form="ISTRTH"), "image": thin_image(style, picture)}
