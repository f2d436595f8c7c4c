"""The modules of `/images/details`: one function per module. An empty module is left out."""

from collections.abc import Callable, Mapping

import attrs

from ..catalogue.interface import Catalogue
from ..catalogue.picture import Filters, Picture
from ..catalogue.thumbnail_renderer import default_size
from . import invented_modules
from .answers import AnswerContext, Json, image, pages_of, query_object, query_tile, site_name, subjects_of
from .parameters import MODULES, DetailsParameters
from .tokens import search_token

_SIMILAR = 40
_RELATED = 16
_KINDS = {"Clipart": "drawing", "Line": "line drawing", "Photo": "photo", "AnimatedGif": "animation"}


@attrs.frozen
class ModuleInput:
    """The input of a module. `picture` is None for an upload that is not in the catalogue."""

    catalogue: Catalogue
    context: AnswerContext
    parameters: DetailsParameters
    picture: Picture | None
    phash: int

    @property
    def query(self) -> str:
        """The query in the links of this answer: the client's query, else the picture's name."""
        if self.parameters.text is not None:
            return self.parameters.text
        return self.context.name(self.picture) if self.picture is not None else ""

    def similar(self, limit: int = _SIMILAR) -> list[Picture]:
        """Return the most similar pictures, nearest first, filtered by `safeSearch`."""
        own = self.picture.image_id if self.picture is not None else None
        found = self.catalogue.similar(self.phash, limit=limit, exclude=own)
        return [one for one in found if one.is_family_friendly or not self.parameters.family_friendly_only]

    def image(self, picture: Picture, module: str) -> Json:
        return image(self.context, picture, self.query, search_token(picture.image_id, module, self.phash))


def describe(given: ModuleInput) -> Json:
    """Return the fields of the requested modules that are not empty."""
    chosen = given.parameters.modules
    fields = {field: write(given) for module, (field, write) in _WRITERS.items() if module in chosen}
    if chosen.issuperset(MODULES):  # `All` has two fields that belong to no module
        fields["imageBasedRelatedSearches"] = _image_based_searches(given)
        fields["image"] = _itself(given)
    return {field: value for field, value in fields.items() if value}


def _values(entries: list[Json]) -> Json | None:
    return {"value": entries} if entries else None


def _best_query(given: ModuleInput) -> Json | None:
    if given.picture is None:
        return None
    return query_object(given.context, given.context.name(given.picture), form="IDBQDM")


def _caption(given: ModuleInput) -> Json | None:
    picture = given.picture
    if picture is None:
        return None
    kind = _KINDS.get(picture.image_type, "picture")
    return {
        "caption": f"{given.context.name(picture)}: a {kind}. {picture.attribution}".rstrip(),
        "dataSourceUrl": given.context.links.page(picture),
        "relatedSearches": [],
    }


def _collections(given: ModuleInput) -> Json | None:
    """Return a gallery for the picture's category and for each of its first tags."""
    picture, context = given.picture, given.context
    if picture is None:
        return None
    friendly = Filters(family_friendly_only=given.parameters.family_friendly_only)
    galleries: list[Json] = []
    for subject in subjects_of(picture):
        hits = given.catalogue.search(subject, language="en", filters=friendly, offset=0, limit=1, now=context.today)
        if hits.pictures:
            galleries.append(
                {
                    "name": subject,
                    "url": context.links.collection(subject),
                    "description": "",
                    "thumbnailUrl": context.links.thumbnail(hits.pictures[0]),
                    "source": site_name(picture),
                    "imagesCount": hits.total,
                }
            )
    return _values(galleries)


def _pages_including(given: ModuleInput) -> Json | None:
    """Return the image once per page that shows it."""
    if given.picture is None:
        return None
    entry = given.image(given.picture, "pages")
    return _values([{**entry, "hostPageUrl": page} for page in pages_of(given.context.links, given.picture)])


def _related_searches(given: ModuleInput) -> Json | None:
    if given.parameters.text is None:
        return None
    return _searches(given, given.parameters.text)


def _image_based_searches(given: ModuleInput) -> Json | None:
    if given.picture is None:
        return None
    return _searches(given, given.context.name(given.picture))


def _searches(given: ModuleInput, text: str) -> Json | None:
    terms = given.catalogue.related(text, language=given.context.language, limit=_RELATED)
    return _values([query_tile(given.context, term, key="url") for term in terms])


def _similar_images(given: ModuleInput) -> Json | None:
    return _values([given.image(one, "similar") for one in given.similar()])


def _tags(given: ModuleInput) -> Json | None:
    if given.picture is None:
        return None
    names = dict.fromkeys((*given.picture.tags, *given.picture.keywords))
    return _values([{"name": name} for name in names])


def _itself(given: ModuleInput) -> Json | None:
    """Return the picture in the form of details: without thumbnail URL, id and token."""
    picture, context = given.picture, given.context
    if picture is None or context.documented_only:
        return None
    width, height = default_size(picture)
    return {
        "name": context.name(picture),
        "webSearchUrl": context.links.web_image(given.query, picture),
        "contentUrl": context.links.content(picture),
        "hostPageUrl": context.links.page(picture),
        "contentSize": f"{picture.content_size} B",
        "encodingFormat": picture.encoding_format,
        "width": picture.width,
        "height": picture.height,
        "thumbnail": {"width": width, "height": height},
        "accentColor": picture.accent_color,
    }


def _invented(write: Callable[[AnswerContext, Picture], Json | None]) -> Callable[[ModuleInput], Json | None]:
    """Return a module that is empty unless the service invents modules."""

    def written(given: ModuleInput) -> Json | None:
        return write(given.context, given.picture) if given.context.invent_modules and given.picture else None

    return written


def _products(given: ModuleInput) -> Json | None:
    if not given.context.invent_modules:
        return None
    products: list[Json] = []
    for one in given.similar(limit=12):
        offer = invented_modules.aggregate_offer(given.context, one)
        if offer is not None:
            entry = given.image(one, "products")
            entry["insightsMetadata"] = {**entry.get("insightsMetadata", {}), "aggregateOffer": offer}
            products.append(entry)
    return _values(products)


def _entities(given: ModuleInput) -> Json | None:
    if not (given.context.invent_modules and given.picture):
        return None
    return invented_modules.entity_groups(given.context, given.picture, given.parameters.region)


_WRITERS: Mapping[str, tuple[str, Callable[[ModuleInput], Json | None]]] = {
    "BRQ": ("bestRepresentativeQuery", _best_query),
    "Caption": ("imageCaption", _caption),
    "Collections": ("relatedCollections", _collections),
    "PagesIncluding": ("pagesIncluding", _pages_including),
    "ShoppingSources": ("shoppingSources", _invented(invented_modules.shopping_sources)),
    "RelatedSearches": ("relatedSearches", _related_searches),
    "Recipes": ("recipes", _invented(invented_modules.recipes)),
    "SimilarImages": ("visuallySimilarImages", _similar_images),
    "SimilarProducts": ("visuallySimilarProducts", _products),
    "RecognizedEntities": ("recognizedEntityGroups", _entities),
    "Tags": ("imageTags", _tags),
}
