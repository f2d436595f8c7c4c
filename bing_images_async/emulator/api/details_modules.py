"""The modules of details: for each, what is known of a picture. One with nothing to say is absent."""

from collections.abc import Callable, Mapping

import attrs

from ..catalogue.factories import Catalogue
from ..catalogue.picture import Filters, Picture
from ..catalogue.thumbnail_renderer import default_size
from . import invented_modules as invented
from .answers import Json, Style, image, pages_of, query_object, query_tile, site_name, subjects_of
from .parameters import MODULES, DetailsQuestion
from .tokens import search_token

_SIMILAR = 40
_RELATED = 16
_KINDS = {"Clipart": "drawing", "Line": "line drawing", "Photo": "photo", "AnimatedGif": "animation"}


@attrs.frozen
class Insight:
    """What a module may look at. `picture` is None for an upload that the catalogue does not have."""

    catalogue: Catalogue
    style: Style
    question: DetailsQuestion
    picture: Picture | None
    phash: int

    @property
    def query(self) -> str:
        """What the links of this answer search for: the caller's query, else the picture's name."""
        if self.question.text is not None:
            return self.question.text
        return self.style.name(self.picture) if self.picture is not None else ""

    def similar(self, limit: int = _SIMILAR) -> list[Picture]:
        """The pictures that look most alike, nearest first, as far as `safeSearch` lets them through."""
        own = self.picture.image_id if self.picture is not None else None
        found = self.catalogue.similar(self.phash, limit=limit, exclude=own)
        return [one for one in found if one.is_family_friendly or not self.question.family_friendly_only]

    def image(self, picture: Picture, module: str) -> Json:
        return image(self.style, picture, self.query, search_token(picture.image_id, module, self.phash))


def describe(insight: Insight) -> Json:
    """The fields of an answer: those of the modules asked for, as far as there is something in them."""
    chosen = insight.question.modules
    fields = {field: write(insight) for module, (field, write) in _WRITERS.items() if module in chosen}
    if chosen.issuperset(MODULES):  # `All` brings two that no module is named after
        fields["imageBasedRelatedSearches"] = _image_based_searches(insight)
        fields["image"] = _itself(insight)
    return {field: value for field, value in fields.items() if value}


def _values(entries: list[Json]) -> Json | None:
    return {"value": entries} if entries else None


def _best_query(insight: Insight) -> Json | None:
    if insight.picture is None:
        return None
    return query_object(insight.style, insight.style.name(insight.picture), form="IDBQDM")


def _caption(insight: Insight) -> Json | None:
    picture = insight.picture
    if picture is None:
        return None
    kind = _KINDS.get(picture.image_type, "picture")
    return {
        "caption": f"{insight.style.name(picture)}: a {kind}. {picture.attribution}".rstrip(),
        "dataSourceUrl": insight.style.links.page(picture),
        "relatedSearches": [],
    }


def _collections(insight: Insight) -> Json | None:
    """A gallery for the picture's category and for each of its first tags."""
    picture, style = insight.picture, insight.style
    if picture is None:
        return None
    friendly = Filters(family_friendly_only=insight.question.family_friendly_only)
    galleries: list[Json] = []
    for subject in subjects_of(picture):
        hits = insight.catalogue.search(subject, language="en", filters=friendly, offset=0, limit=1, now=style.today)
        if hits.pictures:
            galleries.append(
                {
                    "name": subject,
                    "url": style.links.collection(subject),
                    "description": "",
                    "thumbnailUrl": style.links.thumbnail(hits.pictures[0]),
                    "source": site_name(picture),
                    "imagesCount": hits.total,
                }
            )
    return _values(galleries)


def _pages_including(insight: Insight) -> Json | None:
    """The same image once per page that shows it."""
    if insight.picture is None:
        return None
    entry = insight.image(insight.picture, "pages")
    return _values([{**entry, "hostPageUrl": page} for page in pages_of(insight.style.links, insight.picture)])


def _related_searches(insight: Insight) -> Json | None:
    if insight.question.text is None:
        return None
    return _searches(insight, insight.question.text)


def _image_based_searches(insight: Insight) -> Json | None:
    if insight.picture is None:
        return None
    return _searches(insight, insight.style.name(insight.picture))


def _searches(insight: Insight, text: str) -> Json | None:
    terms = insight.catalogue.related(text, language=insight.style.language, limit=_RELATED)
    return _values([query_tile(insight.style, term, key="url") for term in terms])


def _similar_images(insight: Insight) -> Json | None:
    return _values([insight.image(one, "similar") for one in insight.similar()])


def _tags(insight: Insight) -> Json | None:
    if insight.picture is None:
        return None
    names = dict.fromkeys((*insight.picture.tags, *insight.picture.keywords))
    return _values([{"name": name} for name in names])


def _itself(insight: Insight) -> Json | None:
    """The picture, the way details shows it: without thumbnail URL, id or token."""
    picture, style = insight.picture, insight.style
    if picture is None or style.plain:
        return None
    width, height = default_size(picture)
    return {
        "name": style.name(picture),
        "webSearchUrl": style.links.web_image(insight.query, picture),
        "contentUrl": style.links.content(picture),
        "hostPageUrl": style.links.page(picture),
        "contentSize": f"{picture.content_size} B",
        "encodingFormat": picture.encoding_format,
        "width": picture.width,
        "height": picture.height,
        "thumbnail": {"width": width, "height": height},
        "accentColor": picture.accent_color,
    }


def _invented(write: Callable[[Style, Picture], Json | None]) -> Callable[[Insight], Json | None]:
    """A module that has something to say only where the service may make it up."""

    def written(insight: Insight) -> Json | None:
        return write(insight.style, insight.picture) if insight.style.invented and insight.picture else None

    return written


def _products(insight: Insight) -> Json | None:
    if not insight.style.invented:
        return None
    products: list[Json] = []
    for one in insight.similar(limit=12):
        offer = invented.aggregate_offer(insight.style, one)
        if offer is not None:
            entry = insight.image(one, "products")
            entry["insightsMetadata"] = {**entry.get("insightsMetadata", {}), "aggregateOffer": offer}
            products.append(entry)
    return _values(products)


def _entities(insight: Insight) -> Json | None:
    if not (insight.style.invented and insight.picture):
        return None
    return invented.entity_groups(insight.style, insight.picture, insight.question.region)


_WRITERS: Mapping[str, tuple[str, Callable[[Insight], Json | None]]] = {
    "BRQ": ("bestRepresentativeQuery", _best_query),
    "Caption": ("imageCaption", _caption),
    "Collections": ("relatedCollections", _collections),
    "PagesIncluding": ("pagesIncluding", _pages_including),
    "ShoppingSources": ("shoppingSources", _invented(invented.shopping_sources)),
    "RelatedSearches": ("relatedSearches", _related_searches),
    "Recipes": ("recipes", _invented(invented.recipes)),
    "SimilarImages": ("visuallySimilarImages", _similar_images),
    "SimilarProducts": ("visuallySimilarProducts", _products),
    "RecognizedEntities": ("recognizedEntityGroups", _entities),
    "Tags": ("imageTags", _tags),
}
