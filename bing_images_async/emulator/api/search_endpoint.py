"""`/images/search`: one page of pictures, and the queries worth making next."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from ..catalogue.factories import Catalogue
from ..catalogue.picture import Hits, Picture
from .answers import Json, Style, envelope, image, query_tile
from .endpoint import Visit
from .paging import ResultList
from .parameters import MAX_SHORT, SearchQuestion, read_search
from .service_state import Body, Page, Service
from .tokens import search_token

_SUGGESTIONS = 8


async def search(service: Service, visit: Visit) -> Body:
    question = read_search(visit.reader, visit.market)
    key = (visit.style, question)
    page = service.pages.get(key)
    if page is None:
        page = await service.run(write_page, service, visit.style, question)
        if question.filters.freshness is None:  # what is fresh changes by the minute
            service.pages.put(key, page)
    if page.trend is not None and question.offset == 0:  # once per search, not once per page
        await service.recall(service.history.record, visit.market, page.trend, service.now().date())
    return page.body


def write_page(service: Service, style: Style, question: SearchQuestion) -> Page:
    """Asks the catalogue and writes the answer. Blocks if the catalogue does."""
    habits = ResultList(f"{service.seed}/{question.text.casefold()}/{question.filters}/{question.first_id}")
    window = habits.window(question.offset, question.count)
    hits = service.catalogue.search(
        question.text,
        language=style.language,
        filters=question.filters,
        offset=window.first,
        limit=window.limit,
        first_id=question.first_id,
        now=service.now(),
    )
    stretch = habits.page(question.offset, question.count, hits.total)
    pictures = [hits.pictures[rank - window.first] for rank in stretch.ranks]
    searched = hits.altered_query or question.text
    more = bool(pictures) and stretch.next_offset <= MAX_SHORT
    answer = envelope(
        style,
        "Images",
        {
            # Relative and with bare blanks: so the API writes it.
            "readLink": f"images/search?q={question.text}",
            "webSearchUrl": style.links.web_search(question.text),
            "queryContext": query_context(question.text, hits),
            "totalEstimatedMatches": habits.estimate(question.offset, hits.total),
            "nextOffset": stretch.next_offset if more else None,
            "currentOffset": question.offset,
            "value": [
                image(style, picture, question.text, search_token(picture.image_id, question.text))
                for picture in pictures
            ],
        },
    )
    if question.offset == 0 and pictures:
        answer |= suggestions(service.catalogue, style, searched, pictures, hits)
    return Page(Body(msgspec.json.encode(answer)), searched if pictures and hits.matched_all else None)


def query_context(text: str, hits: Hits) -> Json:
    """Says what was searched if not the query sent: a respelled one, or any of its words instead of all."""
    context: Json = {"originalQuery": text, "adultIntent": False, "askUserForLocation": False}
    altered, method = hits.altered_query, "AM_JustChangeIt"
    words = text.split()
    if altered is None and not hits.matched_all and len(words) > 1:
        altered, method = " OR ".join(words), "AM_ChangeItWithRecourse"
    if altered is not None:
        context |= {
            "alteredQuery": altered,
            "alterationDisplayQuery": altered,
            "alterationOverrideQuery": " ".join(f"+{word}" for word in words),
            "alterationMethod": method,
            "alterationType": "CombinedAlterationsChained",
        }
    return context


def suggestions(catalogue: Catalogue, style: Style, text: str, pictures: Sequence[Picture], hits: Hits) -> Json:
    """The lists of queries beside the pictures; a list with nothing in it is left out."""
    related = catalogue.related(text, language=style.language, limit=2 * _SUGGESTIONS)
    lists: Json = {
        "queryExpansions": _expansions(style, text, pictures) if hits.matched_all else [],
        "pivotSuggestions": _pivots(catalogue, style, text),
        "similarTerms": [query_tile(style, term, key="url") for term in related[_SUGGESTIONS:]],
        "relatedSearches": [query_tile(style, term) for term in related[:_SUGGESTIONS]],
    }
    return {name: entries for name, entries in lists.items() if entries}


def _expansions(style: Style, text: str, pictures: Sequence[Picture]) -> list[Json]:
    """The query with one more word, taken from what was found: narrower, and never empty-handed."""
    known = set(text.casefold().split())
    words = Counter(word for picture in pictures for word in picture.keywords if word.casefold() not in known)
    return [query_tile(style, f"{text} {word}", shown=word) for word, _ in words.most_common(_SUGGESTIONS)]


def _pivots(catalogue: Catalogue, style: Style, text: str) -> list[Json]:
    """For each word of the query (or the only one), where else it could lead."""
    pivots: list[Json] = []
    for word in dict.fromkeys(text.split()[:3]):
        terms = catalogue.related(word, language=style.language, limit=5)
        if terms:
            pivots.append({"pivot": word, "suggestions": [query_tile(style, term) for term in terms]})
    return pivots
