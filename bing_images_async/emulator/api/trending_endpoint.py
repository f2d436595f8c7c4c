"""The endpoint `/images/trending`: popular searches of a market, each with a picture."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from ..catalogue.interface import Catalogue
from ..catalogue.picture import Filters, Picture
from ..deterministic_random import draw
from .answers import AnswerContext, Json, envelope, query_object, thin_image
from .endpoint import ApiCall
from .error_bodies import ErrorEntry, ServiceError
from .markets import TRENDING_MARKETS
from .parameters import read_family_friendly_only
from .search_history import normalized
from .service_state import Body, ServiceState

_CATEGORIES, _TILES = 8, 10
_CANDIDATES = 3 * _TILES  # several queries may have the same first picture, which is shown once
_LATEST = "Popular searches"


async def trending(state: ServiceState, call: ApiCall) -> Body:
    friendly_only = read_family_friendly_only(call.reader)
    call.reader.finish()
    # Checked before `best_fit` maps the market: other markets have no trending images.
    asked = call.reader.text("mkt") or call.market
    market = {known.lower(): known for known in TRENDING_MARKETS}.get(asked.lower())
    if market is None:
        # The API puts this message into the field `parameter`.
        fault = ErrorEntry(
            "ServerError", "ResourceError", "", None, "Trending data is not present for your request", ""
        )
        raise ServiceError(500, fault)
    day = state.now().date()
    popular = await state.run_with_history(state.history.popular, market, day)
    return Body(await state.run(write_trending, state, call.context, popular, friendly_only))


def write_trending(state: ServiceState, context: AnswerContext, popular: Counter[str], friendly_only: bool) -> bytes:
    """Rank topics and searches and write the answer. Blocks if the catalogue does."""
    catalogue = state.catalogue
    topics = catalogue.topics(context.language) or catalogue.topics("en")
    times = {query: popular[normalized(query)] for queries in topics.values() for query in queries}
    searches = {title: sum(times[query] for query in queries) for title, queries in topics.items()}
    most_searched = _ranked(context, searches, searches)[:_CATEGORIES]
    groups = {_LATEST: _new_searches(topics, popular)} | {
        f"Popular {title.lower()} searches": _ranked(context, topics[title], times) for title in most_searched
    }
    categories: list[Json] = []
    for title, queries in groups.items():
        tiles = _tiles(catalogue, context, queries, friendly_only)
        if tiles:
            categories.append({"title": title, "tiles": tiles})
    return msgspec.json.encode(envelope(context, "TrendingImages", {"categories": categories}))


def _new_searches(topics: Mapping[str, tuple[str, ...]], popular: Counter[str]) -> list[str]:
    """Return the most frequent searches that are not topics."""
    known = {normalized(query) for queries in topics.values() for query in queries}
    new = [query for query in popular if query not in known]
    return sorted(new, key=lambda query: (-popular[query], query))[:_CANDIDATES]


def _ranked(context: AnswerContext, names: Iterable[str], times: Mapping[str, int]) -> list[str]:
    """Sort names by number of searches; ties are in a random order that changes daily."""
    market, today = context.links.market, context.today
    return sorted(names, key=lambda name: (-times[name], draw(context.seed, market, today, name)))


def _tiles(catalogue: Catalogue, context: AnswerContext, queries: Iterable[str], friendly_only: bool) -> list[Json]:
    filters = Filters(family_friendly_only=friendly_only)
    tiles: list[Json] = []
    shown: set[str] = set()
    for query in queries:
        if len(tiles) == _TILES:
            break
        hits = catalogue.search(query, language=context.language, filters=filters, offset=0, limit=1, now=context.today)
        if hits.pictures and hits.pictures[0].image_id not in shown:
            shown.add(hits.pictures[0].image_id)
            tiles.append(_tile(context, query, hits.pictures[0]))
    return tiles


def _tile(context: AnswerContext, query: str, picture: Picture) -> Json:
    return {"query": query_object(context, query, form="ISTRTH"), "image": thin_image(context, picture)}
