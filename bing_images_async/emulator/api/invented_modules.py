"""What a catalogue of pictures cannot know: shops, recipes, people. Made up, well-formed, always the same.

Off unless the service is made with `invent_modules=True`. It is there so that clients can be tried on every
object of the API; the names say that none of it is real.
"""

from ..catalogue.picture import Picture
from ..deterministic_random import draw, fraction
from .answers import Json, Style, offers_of, recipes_of
from .parameters import Region

_SHOPS = ("Example Prints", "Sample & Sons", "Placeholder Posters", "The Mock Market", "Specimen Supplies")
_COOKS = ("Ann Example", "Bo Sample", "Cy Specimen")
_PEOPLE = ("Ada Example", "Ben Placeholder", "Cleo Specimen", "Dan Mockford")
_AVAILABILITY = ("InStock", "LimitedAvailability", "OutOfStock", "PreOrder", "OnlineOnly")


def shopping_sources(style: Style, picture: Picture) -> Json | None:
    """An AggregateOffer with an offer of each shop."""
    offers = [_offer(style, picture, number) for number in range(offers_of(style.seed, picture))]
    return {"offers": offers} if offers else None


def aggregate_offer(style: Style, picture: Picture) -> Json | None:
    """The summary of the same offers that a similar product carries."""
    offers = [_offer(style, picture, number) for number in range(offers_of(style.seed, picture))]
    if not offers:
        return None
    return {
        "name": style.name(picture),
        "priceCurrency": "USD",
        "lowPrice": min(offer["price"] for offer in offers),
        "offerCount": len(offers),
        "aggregateRating": _rating(style, picture, "product"),
    }


def _offer(style: Style, picture: Picture, number: int) -> Json:
    chance = draw(style.seed, picture.image_id, "offer", number)
    return {
        "name": f"{style.name(picture)}, print",
        "url": style.links.page(picture, offer=number),
        "description": f"A print that nobody sells, {20 + chance % 80} cm wide.",
        "seller": {
            "name": _SHOPS[(chance >> 8) % len(_SHOPS)],
            "image": {"url": style.links.favicon(picture)},
        },
        "price": round(4.99 + (chance >> 16) % 60, 2),
        "priceCurrency": "USD",
        "availability": _AVAILABILITY[(chance >> 24) % len(_AVAILABILITY)],
        "aggregateRating": _rating(style, picture, f"offer{number}"),
        "lastUpdated": style.today.strftime("%Y-%m-%dT%H:%M:%S.0000000"),  # as on the wire: no zone
    }


def recipes(style: Style, picture: Picture) -> Json | None:
    found = [_recipe(style, picture, number) for number in range(recipes_of(style.seed, picture))]
    return {"value": found} if found else None


def _recipe(style: Style, picture: Picture, number: int) -> Json:
    chance = draw(style.seed, picture.image_id, "recipe", number)
    preparation, cooking = 5 + chance % 30, 10 + (chance >> 8) % 90
    return {
        "name": f"{style.name(picture)} à la Example",
        "url": style.links.page(picture, recipe=number),
        "thumbnailUrl": style.links.thumbnail(picture),
        "creator": {"_type": "Person", "name": _COOKS[(chance >> 16) % len(_COOKS)]},
        "prepTime": f"PT{preparation}M",
        "cookTime": f"PT{cooking}M",
        "totalTime": f"PT{(preparation + cooking) // 60}H{(preparation + cooking) % 60}M",
        "aggregateRating": _rating(style, picture, f"recipe{number}"),
    }


def _rating(style: Style, picture: Picture, of: str) -> Json:
    value = 1.0 + round(8 * fraction(style.seed, picture.image_id, "rating", of)) / 2
    reviews = 1 + draw(style.seed, picture.image_id, "reviews", of) % 500
    return {"text": f"{value}", "ratingValue": value, "bestRating": 5.0, "reviewCount": reviews}


def entity_groups(style: Style, picture: Picture, region: Region | None) -> Json | None:
    """One group with one or two people; with `region` only those whose middle lies in it.

    A face keeps the coordinates of the whole picture whatever part was asked about, as in the API's own
    samples.
    """
    faces = [_face(style, picture, number) for number in range(1 + draw(picture.image_id, "faces") % 2)]
    inside = [face for face in faces if region is None or _middle_in(face["region"], region)]
    if not inside:
        return None
    return {"value": [{"name": "CelebRecognitionAnnotations", "recognizedEntityRegions": inside}]}


def _face(style: Style, picture: Picture, number: int) -> Json:
    """Numbers are shared out so that two faces are side by side and have different names."""
    chance = draw(style.seed, picture.image_id, "face", number)
    left = 0.1 + 0.5 * number + (chance % 100) / 1000
    top = 0.1 + (chance >> 8) % 100 / 500
    name = _PEOPLE[(draw(style.seed, picture.image_id, "person") + number) % len(_PEOPLE)]
    person: Json = {
        "_type": "Person",
        "name": name,
        "jobTitle": "Person of no existence",
        "description": f"{name} was made up for tests.",
        "image": {"thumbnailUrl": style.links.thumbnail(picture)},
        "webSearchUrl": style.links.web_search(name),
    }
    return {
        "region": {
            "left": round(left, 4),
            "top": round(top, 4),
            "right": round(left + 0.25, 4),
            "bottom": round(top + 0.4, 4),
        },
        "matchingEntities": [
            {"entity": person, "matchConfidence": round(0.6 + fraction(picture.image_id, name) * 0.4, 4)}
        ],
    }


def _middle_in(face: Json, region: Region) -> bool:
    across, down = (face["left"] + face["right"]) / 2, (face["top"] + face["bottom"]) / 2
    return bool(region.left <= across <= region.right and region.top <= down <= region.bottom)
