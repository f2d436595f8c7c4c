"""A page of search results as the service sends it: the full set of fields, and some that nobody documents.

Made from a seed, so that every run and every candidate reads the same bytes: 55 KB for 35 images.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

__all__ = ["page"]

# fmt: off
_WORDS = (
    "paper", "boat", "lake", "harbour", "canoe", "river", "folded", "origami", "blue", "red", "small", "old", "wooden",
    "sail", "wind", "morning", "light", "children", "garden", "pond", "photograph", "craft", "illustration", "drawing",
    "water", "colour", "summer", "winter", "museum", "free", "stock",
)
# fmt: on


def page(images: int = 35, seed: int = 7) -> bytes:
    """The JSON of an answer with so many `images`."""
    random = Random(seed)
    answer = {
        "_type": "Images",
        "instrumentation": {"_type": "ResponseInstrumentation"},
        "readLink": "images/search?q=paper boat",
        "webSearchUrl": "https://www.bing.com/images/search?q=paper+boat&FORM=OIIARP",
        "queryContext": {"originalQuery": "paper boat", "alterationDisplayQuery": "paper boat"},
        "totalEstimatedMatches": 871,
        "nextOffset": images + 3,
        "currentOffset": 0,
        "value": [_image(random) for _ in range(images)],
        "queryExpansions": [_query(random) for _ in range(4)],
        "pivotSuggestions": [{"pivot": word, "suggestions": [_query(random)]} for word in ("paper", "boat")],
        "relatedSearches": [_query(random) for _ in range(4)],
    }
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def _image(random: Random) -> dict[str, Any]:
    image_id, host = _hex(random, 40), f"www.{random.choice(_WORDS)}-{random.choice(_WORDS)}.example"
    path, name = "/".join(_words(random, 3)), " ".join(_words(random, 5)).capitalize()
    width, height = random.randrange(300, 4000), random.randrange(300, 4000)
    thumbnail = f"OIP.{_hex(random, 22)}"
    return {
        "webSearchUrl": f"https://www.bing.com/images/search?view=detailv2&FORM=OIIRPO&q=paper+boat&id={image_id}",
        "name": f"{name} – {host}",
        "thumbnailUrl": f"https://tse{random.randrange(1, 5)}.mm.bing.net/th?id={thumbnail}&pid=Api",
        "datePublished": _day(random),
        "hostPageDiscoveredDate": _day(random),
        "isFamilyFriendly": True,
        "isTransparent": False,
        "isFresh": random.random() < 0.2,
        "creativeCommons": random.choice(("Attribution", "PublicNoRightsReserved", "AttributionShareAlike")),
        "contentUrl": f"https://{host}/{path}/{_hex(random, 12)}.jpg",
        "hostPageUrl": f"https://{host}/{path}",
        "hostPageFavIconUrl": f"https://www.bing.com/th?id=ODF.{_hex(random, 12)}&pid=Api",
        "hostPageDomainFriendlyName": host.removeprefix("www."),
        "hostPageDisplayUrl": f"{host}/{path}",
        "contentSize": f"{random.randrange(9_000, 900_000)} B",
        "encodingFormat": random.choice(("jpeg", "png")),
        "width": width,
        "height": height,
        "thumbnail": {"width": 474, "height": 474 * height // width},
        "imageInsightsToken": f"ccid_{_hex(random, 8)}*cp_{_hex(random, 32)}*mid_{image_id}*thid_{thumbnail}",
        "insightsMetadata": {
            "pagesIncludingCount": random.randrange(1, 200),
            "availableSizesCount": random.randrange(1, 40),
            "recipeSourcesCount": 0,
            "shoppingSourcesCount": 0,
        },
        "imageId": image_id,
        "accentColor": _hex(random, 6),
        # Not documented, and in no model.
        "ageInDays": random.randrange(4000),
        "thumbnailSource": "OIP",
        "contentHash": _hex(random, 16),
        "isLicensable": False,
        "rank": random.random(),
        "labels": _words(random, 2),
        "region": {"x": 0, "y": 0},
    }


def _query(random: Random) -> dict[str, Any]:
    text = " ".join(_words(random, 3))
    query = text.replace(" ", "+")
    return {
        "text": text,
        "displayText": text.title(),
        "webSearchUrl": f"https://www.bing.com/images/search?q={query}&FORM=IRPATC",
        "searchLink": f"https://api.bing.microsoft.com/api/v7/images/search?q={query}",
        "thumbnail": {"thumbnailUrl": f"https://tse4.mm.bing.net/th?q={query}&pid=Api&mkt=en-US"},
    }


def _day(random: Random) -> str:
    year, month, day = random.randrange(2010, 2026), random.randrange(1, 13), random.randrange(1, 29)
    return f"{year}-{month:02}-{day:02}T12:00:00.0000000Z"


def _words(random: Random, number: int) -> list[str]:
    return random.choices(_WORDS, k=number)


def _hex(random: Random, digits: int) -> str:
    return f"{random.getrandbits(4 * digits):0{digits}X}"
