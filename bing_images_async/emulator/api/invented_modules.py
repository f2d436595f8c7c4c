"""Invented modules of details: shops, recipes and people, deterministic and well-formed.

Off unless the app is created with `invent_modules=True`. They let clients be tested with every object of the API; their
names show that none of it is real.
"""

from ..catalogue.picture import Picture
from ..deterministic_random import draw, fraction
from .answers import AnswerContext, Json, offers_of, recipes_of
from .parameters import Region

_SHOPS = ("Example Prints", "Sample & Sons", "Placeholder Posters", "The Mock Market", "Specimen Supplies")
_COOKS = ("Ann Example", "Bo Sample", "Cy Specimen")
_PEOPLE = ("Ada Example", "Ben Placeholder", "Cleo Specimen", "Dan Mockford")
_AVAILABILITY = ("InStock", "LimitedAvailability", "OutOfStock", "PreOrder", "OnlineOnly")


def shopping_sources(context: AnswerContext, picture: Picture) -> Json | None:
    """Return an AggregateOffer with an offer of each shop."""
    offers = [_offer(context, picture, number) for number in range(offers_of(context.seed, picture))]
    return {"offers": offers} if offers else None


def aggregate_offer(context: AnswerContext, picture: Picture) -> Json | None:
    """Return the summary of the same offers, for a similar product."""
    offers = [_offer(context, picture, number) for number in range(offers_of(context.seed, picture))]
    if not offers:
        return None
    return {
        "name": context.name(picture),
        "priceCurrency": "USD",
        "lowPrice": min(offer["price"] for offer in offers),
        "offerCount": len(offers),
        "aggregateRating": _rating(context, picture, "product"),
    }


def _offer(context: AnswerContext, picture: Picture, number: int) -> Json:
    chance = draw(context.seed, picture.image_id, "offer", number)
    return {
        "name": f"{context.name(picture)}, print",
        "url": context.links.page(picture, offer=number),
        "description": f"A print that nobody sells, {20 + chance % 80} cm wide.",
        "seller": {
            "name": _SHOPS[(chance >> 8) % len(_SHOPS)],
            "image": {"url": context.links.favicon(picture)},
        },
        "price": round(4.99 + (chance >> 16) % 60, 2),
        "priceCurrency": "USD",
        "availability": _AVAILABILITY[(chance >> 24) % len(_AVAILABILITY)],
        "aggregateRating": _rating(context, picture, f"offer{number}"),
        "lastUpdated": context.today.strftime("%Y-%m-%dT%H:%M:%S.0000000"),  # the API sends no time zone here
    }


def recipes(context: AnswerContext, picture: Picture) -> Json | None:
    found = [_recipe(context, picture, number) for number in range(recipes_of(context.seed, picture))]
    return {"value": found} if found else None


def _recipe(context: AnswerContext, picture: Picture, number: int) -> Json:
    chance = draw(context.seed, picture.image_id, "recipe", number)
    preparation, cooking = 5 + chance % 30, 10 + (chance >> 8) % 90
    return {
        "name": f"{context.name(picture)} à la Example",
        "url": context.links.page(picture, recipe=number),
        "thumbnailUrl": context.links.thumbnail(picture),
        "creator": {"_type": "Person", "name": _COOKS[(chance >> 16) % len(_COOKS)]},
        "prepTime": f"PT{preparation}M",
        "cookTime": f"PT{cooking}M",
        "totalTime": f"PT{(preparation + cooking) // 60}H{(preparation + cooking) % 60}M",
        "aggregateRating": _rating(context, picture, f"recipe{number}"),
    }


def _rating(context: AnswerContext, picture: Picture, of: str) -> Json:
    value = 1.0 + round(8 * fraction(context.seed, picture.image_id, "rating", of)) / 2
    reviews = 1 + draw(context.seed, picture.image_id, "reviews", of) % 500
    return {"text": f"{value}", "ratingValue": value, "bestRating": 5.0, "reviewCount": reviews}


def entity_groups(context: AnswerContext, picture: Picture, region: Region | None) -> Json | None:
    """Return one group with one or two people; with `region` only those whose centre lies in it.

    Coordinates of a face refer to the whole picture, whatever the region, as in the API's own samples.
    """
    faces = [_face(context, picture, number) for number in range(1 + draw(picture.image_id, "faces") % 2)]
    inside = [face for face in faces if region is None or _centre_in(face["region"], region)]
    if not inside:
        return None
    return {"value": [{"name": "CelebRecognitionAnnotations", "recognizedEntityRegions": inside}]}


def _face(context: AnswerContext, picture: Picture, number: int) -> Json:
    """Return a face. Faces with different numbers are side by side and have different names."""
    chance = draw(context.seed, picture.image_id, "face", number)
    left = 0.1 + 0.5 * number + (chance % 100) / 1000
    top = 0.1 + (chance >> 8) % 100 / 500
    name = _PEOPLE[(draw(context.seed, picture.image_id, "person") + number) % len(_PEOPLE)]
    person: Json = {
        "_type": "Person",
        "name": name,
        "jobTitle": "Person of no existence",
        "description": f"{name} was made up for tests.",
        "image": {"thumbnailUrl": context.links.thumbnail(picture)},
        "webSearchUrl": context.links.web_search(name),
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


def _centre_in(face: Json, region: Region) -> bool:
    across, down = (face["left"] + face["right"]) / 2, (face["top"] + face["bottom"]) / 2
    return bool(region.left <= across <= region.right and region.top <= down <= region.bottom)
