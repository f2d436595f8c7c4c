"""The endpoint `/images/search`: one page of images, and suggested queries."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from ..catalogue.interface import Catalogue
from ..catalogue.picture import Hits, Picture
from ..catalogue.query_parser import override_query
from .answers import AnswerContext, Json, envelope, image, query_tile
from .endpoint import ApiCall
from .paging import ResultList
from .parameters import MAX_SHORT, SearchParameters, read_search
from .service_state import Body, SearchPage, ServiceState
from .tokens import search_token

_SUGGESTIONS = 8


async def search(state: ServiceState, call: ApiCall) -> Body:
    parameters = read_search(call.reader, call.market)
    key = (call.context, parameters)
    page = state.pages.get(key)
    if page is None:
        page = await state.run(write_page, state, call.context, parameters)
        if parameters.filters.freshness is None:  # the result of a freshness filter changes with time
            state.pages.put(key, page)
    if page.counted_query is not None and parameters.offset == 0:  # count a search once, not once per page
        await state.run_with_history(state.history.record, call.market, page.counted_query, state.now().date())
    return page.body


def write_page(state: ServiceState, context: AnswerContext, parameters: SearchParameters) -> SearchPage:
    """Search the catalogue and write the answer. Blocks if the catalogue does."""
    habits = ResultList(f"{state.seed}/{parameters.text.casefold()}/{parameters.filters}/{parameters.first_id}")
    window = habits.window(parameters.offset, parameters.count)
    hits = state.catalogue.search(
        parameters.text,
        language=context.language,
        filters=parameters.filters,
        offset=window.first,
        limit=window.limit,
        first_id=parameters.first_id,
        now=state.now(),
    )
    page_slice = habits.page(parameters.offset, parameters.count, hits.total)
    pictures = [hits.pictures[rank - window.first] for rank in page_slice.ranks]
    searched = hits.altered_query or parameters.text
    fields: Json = {"queryContext": query_context(parameters.text, hits)}
    if pictures:  # real answers without images have no other fields
        fields = {
            # The API writes it relative and without quoting blanks.
            "readLink": f"images/search?q={parameters.text}",
            "webSearchUrl": context.links.web_search(parameters.text),
            **fields,
            "totalEstimatedMatches": habits.estimate(parameters.offset, hits.total, is_last=page_slice.is_last),
            "nextOffset": page_slice.next_offset if page_slice.next_offset <= MAX_SHORT else None,
            "currentOffset": parameters.offset,
        }
    fields["value"] = [
        image(context, picture, parameters.text, search_token(picture.image_id, parameters.text))
        for picture in pictures
    ]
    answer = envelope(context, "Images", fields)
    if parameters.offset == 0 and pictures:
        answer |= suggestions(state.catalogue, context, searched, pictures, hits)
    return SearchPage(Body(msgspec.json.encode(answer)), searched if pictures and hits.matched_all else None)


def query_context(text: str, hits: Hits) -> Json:
    """Return the QueryContext. It has the altered query: corrected, or any word instead of all."""
    context: Json = {"originalQuery": text, "adultIntent": False, "askUserForLocation": False}
    altered, method = hits.altered_query, "AM_JustChangeIt"
    words = text.split()
    if altered is None and not hits.matched_all and len(words) > 1:
        altered, method = " OR ".join(words), "AM_ChangeItWithRecourse"
    if altered is not None:
        context |= {
            "alteredQuery": altered,
            "alterationDisplayQuery": altered,
            "alterationOverrideQuery": override_query(text),
            "alterationMethod": method,
            "alterationType": "CombinedAlterationsChained",
        }
    return context


def suggestions(
    catalogue: Catalogue, context: AnswerContext, text: str, pictures: Sequence[Picture], hits: Hits
) -> Json:
    """Return the lists of suggested queries that are not empty."""
    related = catalogue.related(text, language=context.language, limit=2 * _SUGGESTIONS)
    lists: Json = {
        "queryExpansions": _expansions(context, text, pictures) if hits.matched_all else [],
        "pivotSuggestions": _pivots(catalogue, context, text),
        "similarTerms": [query_tile(context, term, key="url") for term in related[_SUGGESTIONS:]],
        "relatedSearches": [query_tile(context, term) for term in related[:_SUGGESTIONS]],
    }
    return {name: entries for name, entries in lists.items() if entries}


def _expansions(context: AnswerContext, text: str, pictures: Sequence[Picture]) -> list[Json]:
    """Return narrower queries: the query and one keyword of the results."""
    known = set(text.casefold().split())
    words = Counter(word for picture in pictures for word in picture.keywords if word.casefold() not in known)
    return [query_tile(context, f"{text} {word}", shown=word) for word, _ in words.most_common(_SUGGESTIONS)]


def _pivots(catalogue: Catalogue, context: AnswerContext, text: str) -> list[Json]:
    """Return related queries for each of the first words of the query."""
    pivots: list[Json] = []
    for word in dict.fromkeys(text.split()[:3]):
        terms = catalogue.related(word, language=context.language, limit=5)
        if terms:
            pivots.append({"pivot": word, "suggestions": [query_tile(context, term) for term in terms]})
    return pivots
