"""Bodies of our own, in the shapes the service sends: both generations, all modules, every error.

All names and addresses are invented. Each function gives a fresh object, so that a test may change it.
"""

from __future__ import annotations

import json
from typing import Any

from bing_images_async._protocol.messages import Reply

Json = dict[str, Any]

API = "https://api.bing.microsoft.com/api/v7/images/search"


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """`body` (JSON, or bytes as they are) as the reply to a call; `_` in header names is a hyphen."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


# --- what bodies are made of


def query(text: str = "paper boat", *, thumbnail: Json | None = None) -> Json:
    """A suggestion, with all its fields."""
    return {
        "text": text,
        "displayText": text.title(),
        "webSearchUrl": f"https://www.bing.example/images/search?q={text}&FORM=IRQBPS",
        "webSearchUrlPingSuffix": "DevEx,5001.1",
        "searchLink": f"{API}?q={text}",
        "thumbnail": thumbnail or {"thumbnailUrl": f"https://tse2.mm.bing.example/th?q={text}&pid=Api"},
    }


def thin_image(number: int = 1) -> Json:
    """An image as trending sends it."""
    return {
        "thumbnailUrl": f"https://tse1.mm.bing.example/th?id=OET.{number:032x}&pid=Api",
        "contentUrl": f"http://img.example/trend-{number}.jpg",
        "thumbnail": {"width": 300, "height": 200},
        "imageId": f"{number:040X}",
    }


def image_2017(number: int = 1) -> Json:
    """A search result of the first generation: ping suffixes, no licence, a best query in its metadata."""
    return {
        "name": f"Folded boat {number} - Caf\u00e9 &amp; Kids",
        "webSearchUrl": f"https://www.bing.example/images/search?view=detailv2&q=paper boat&id={number:040X}",
        "webSearchUrlPingSuffix": f"DevEx,{5000 + number}.1",
        "thumbnailUrl": f"https://tse{number % 4 + 1}.mm.bing.example/th?id=OIP.Aa_bB-{number}&pid=Api",
        "datePublished": "2016-11-02T12:00:00.0000000Z",
        "contentUrl": f"http://img.example/boat|{number}.jpg",
        "contentUrlPingSuffix": f"DevEx,{6000 + number}.1",
        "hostPageUrl": f"http://www.example/boats/{number}",
        "hostPageUrlPingSuffix": f"DevEx,{7000 + number}.1",
        "contentSize": f"{48_213 + number} B",
        "encodingFormat": "jpeg",
        "hostPageDisplayUrl": f"www.example/boats/{number}...",
        "width": 800,
        "height": 600,
        "thumbnail": {"width": 300, "height": 225},
        "imageInsightsToken": f"ccid_Aa*mid_{number:040X}*simid_60{number}*thid_OIP.Aa\\_bB-{number}",
        "insightsMetadata": {
            "bestRepresentativeQuery": query("origami boat"),
            "pagesIncludingCount": 3,
            "availableSizesCount": 2,
        },
        "imageId": f"{number:040X}",
        "accentColor": "A26F29",
    }


def image_2020(number: int = 1) -> Json:
    """A search result with every field that was documented, declared or seen since 2020."""
    image = image_2017(number)
    del image["webSearchUrlPingSuffix"], image["contentUrlPingSuffix"], image["hostPageUrlPingSuffix"]
    image |= {
        "datePublished": "2001-01-01T00:00:00.0000000Z",
        "hostPageDiscoveredDate": "2021-03-04T05:06:07",
        "hostPageDomainFriendlyName": "Example Boats",
        "hostPageFavIconUrl": "https://www.bing.example/th?id=ODF.aa&pid=Api",
        "creativeCommons": "AttributionNonCommercialShareAlike",
        "isFamilyFriendly": True,
        "isTransparent": False,
        "isFresh": True,
        "cDNContentUrl": f"https://cdn.example/boat-{number}.jpg",
        "proxyContentUrl": f"https://proxy.example/boat-{number}.jpg",
        "visualWords": "boat paper",
        "insightsMetadata": metadata(),
        "id": f"{API}#{number}",
        "readLink": f"images/details?insightsToken=boat {number}",
        "text": "A boat",
        "provider": [{"_type": "Organization", "name": "Example Press", "url": "https://press.example/"}],
        "description": "A boat, folded from a page",
        "url": "https://www.example/boat",
        "alternateName": "Papierboot",
        "bingId": "aa-bb",
        "image": {"contentUrl": "https://img.example/inner.png", "url": "https://img.example/inner"},
        "_type": "ImageObject",
    }
    return image


def metadata() -> Json:
    """All that `insightsMetadata` was ever seen or said to hold."""
    return {
        "shoppingSourcesCount": 4,
        "recipeSourcesCount": 0,
        "pagesIncludingCount": 12,
        "availableSizesCount": 7,
        "aggregateOffer": aggregate_offer(),
        "bestRepresentativeQuery": query("origami boat", thumbnail={"url": "https://tse.example/th?q=o"}),
        "videoObject": {
            "name": "How to fold",
            "creator": {"name": "Fold Channel"},
            "duration": "PT3M20S",
            "embedHtml": "<iframe></iframe>",
            "allowHttpsEmbed": True,
            "videoId": "v-1",
            "allowMobileEmbed": False,
        },
    }


def offer(price: float = 12.5) -> Json:
    """What one shop asks."""
    return {
        "name": "Paper boat kit",
        "url": "https://shop.example/boat",
        "description": "40 sheets",
        "seller": {"name": "Shop", "image": {"url": "https://shop.example/logo.png"}, "url": "https://shop.example/"},
        "price": price,
        "priceCurrency": "EUR",
        "availability": "InStock",
        "aggregateRating": {
            "_type": "Properties/Item",
            "text": "4.5",
            "ratingValue": 4.5,
            "bestRating": 5,
            "reviewCount": 31,
        },
        "lastUpdated": "2020-08-12T00:00:00.0000000",
    }


def aggregate_offer() -> Json:
    """The offers for a product, with the lowest price."""
    return {**offer(), "lowPrice": 9, "offerCount": 2, "offers": [offer(9.0), {**offer(), "lastUpdated": "2020-08-12"}]}


def person() -> Json:
    """A person who was recognised, or who made something."""
    return {
        "_type": "Person",
        "name": "Ada Example",
        "description": "Engineer",
        "image": {"thumbnailUrl": "https://tse.example/th?id=A", "provider": [{"name": "Example"}]},
        "jobTitle": "Folder",
        "twitterProfile": "https://social.example/ada",
        "url": "https://ada.example/",
        "webSearchUrl": "https://www.bing.example/search?q=ada",
        "bingId": "cc-dd",
        "alternateName": "A. Example",
        "readLink": "entities/ada",
        "id": "#ada",
    }


# --- answers


def search_2017(count: int = 3) -> Json:
    """A page of results of the old host: no query context, no current offset, arrays, ping suffixes."""
    return {
        "_type": "Images",
        "instrumentation": {"pingUrlBase": "https://ping.example/a?", "pageLoadPingUrl": "https://ping.example/b?"},
        "readLink": "images/search?q=paper boat",
        "webSearchUrl": "https://www.bing.example/images/search?q=paper boat&FORM=OIIARP",
        "webSearchUrlPingSuffix": "DevEx,5000.1",
        "totalEstimatedMatches": 812,
        "nextOffset": 38,
        "value": [image_2017(n) for n in range(1, count + 1)],
        "queryExpansions": [query("paper boat origami")],
        "pivotSuggestions": [
            {"pivot": "paper", "suggestions": [query("wood boat"), query("sail boat")]},
            {"pivot": "boat", "suggestions": []},
        ],
        "similarTerms": [query("paper ship", thumbnail={"url": "https://tse.example/th?q=ship"})],
    }


def search_2020(count: int = 3) -> Json:
    """A page of results of the newer host, with every documented and every wire-only field."""
    page = search_2017(count)
    return page | {
        "id": f"{API}#Images",
        "instrumentation": {"_type": "ResponseInstrumentation"},
        "queryContext": {
            "originalQuery": "papper boat",
            "alteredQuery": "paper boat",
            "alterationOverrideQuery": "+papper boat",
            "adultIntent": False,
            "askUserForLocation": False,
            "alterationDisplayQuery": "paper boat",
            "alterationMethod": "AM_JustChangeIt",
            "alterationType": "CombinedAlterationsChained",
        },
        "currentOffset": 0,
        "value": [image_2020(n) for n in range(1, count + 1)],
        "relatedSearches": [query("boat drawing")],
        "isFamilyFriendly": True,
    }


def details() -> Json:
    """Insights with all twelve modules, and what was only ever seen on the wire."""
    product = {**image_2020(7), "insightsMetadata": {"aggregateOffer": aggregate_offer()}}
    return {
        "_type": "ImageInsights",
        "id": "#insights",
        "readLink": "images/details?q=boat",
        "webSearchUrl": "https://www.bing.example/images/search?view=detailv2",
        "instrumentation": {"_type": "ResponseInstrumentation"},
        "imageInsightsToken": "ccid_Bb*mid_2*simid_3*thid_OIP.Bb!_c",
        "bestRepresentativeQuery": query("origami boat"),
        "imageCaption": {
            "caption": "A boat of folded paper.",
            "dataSourceUrl": "https://www.example/boat",
            "relatedSearches": [query("folded paper")],
        },
        "relatedCollections": {
            "value": [
                {
                    "name": "Boats",
                    "url": "https://collections.example/boats",
                    "description": "",
                    "thumbnailUrl": "https://tse.example/th?id=C",
                    "creator": person(),
                    "source": "Example Pins",
                    "imagesCount": 58,
                    "followersCount": 4_294_967_296,
                }
            ]
        },
        "pagesIncluding": {"value": [image_2020(2), image_2020(2)]},
        "shoppingSources": {"offers": [offer(), offer(8.25)]},
        "relatedSearches": {"value": [query("boat", thumbnail={"url": "https://tse.example/th?q=boat"})]},
        "recipes": {
            "value": [
                {
                    "name": "Boat cake",
                    "url": "https://cakes.example/boat",
                    "thumbnailUrl": "https://tse.example/th?id=R",
                    "creator": person(),
                    "cookTime": "PT45M",
                    "prepTime": "PT1H",
                    "totalTime": "PT1H45M",
                    "aggregateRating": {"ratingValue": 4, "bestRating": 5.0, "reviewCount": 2},
                }
            ]
        },
        "visuallySimilarImages": {"value": [image_2020(3), image_2017(4)]},
        "visuallySimilarProducts": {"value": [product]},
        "recognizedEntityGroups": {
            "value": [
                {
                    "name": "CelebrityAnnotations",
                    "recognizedEntityRegions": [
                        {
                            "_type": "RecognizedEntityRegion",
                            "id": "#r",
                            "readLink": "r",
                            "webSearchUrl": "https://www.bing.example/r",
                            "region": {"left": 0, "top": 0.125, "right": 0.5, "bottom": 1},
                            "matchingEntities": [{"entity": person(), "matchConfidence": 0.98}],
                        }
                    ],
                }
            ]
        },
        "imageTags": {"value": [{"name": "boat"}, {"name": "paper"}]},
        "image": {**thin_image(), "width": 800, "height": 600, "visualWords": "boat"},
        "imageBasedRelatedSearches": {"value": [query("paper hat")]},
        "detectedObjects": {"value": [{"name": "boat", "box": [0, 1]}]},
    }


def trending() -> Json:
    """Two categories; the text of one query ends in a blank, as the service's did."""
    return {
        "_type": "TrendingImages",
        "instrumentation": {"_type": "ResponseInstrumentation"},
        "categories": [
            {
                "title": "Popular animal searches",
                "tiles": [
                    {"query": query("wombat "), "image": thin_image(1)},
                    {"query": query("heron"), "image": {**thin_image(2), "width": 640, "height": 480}},
                ],
            },
            {"title": "Popular wallpaper searches", "tiles": []},
        ],
    }


# --- errors


def service_error(code: str = "InvalidRequest", sub_code: str | None = "ParameterMissing", **fields: Any) -> Json:
    """The service's own error body; `fields` change or add members of its one entry."""
    entry = {"_type": "Error", "code": code, "message": "Required parameter is missing.", "value": ""} | fields
    if sub_code is not None:
        entry["subCode"] = sub_code
    return {
        "_type": "ErrorResponse",
        "instrumentation": {"_type": "ResponseInstrumentation"},
        "errors": [entry],
    }


def gateway_error(code: str, message: str = "Access denied due to invalid subscription key.") -> Json:
    """The newer gateway's error body."""
    return {"error": {"code": code, "message": message}}


def bare_gateway_error(code: str, message: str = "Access denied due to invalid subscription key.") -> Json:
    """The newer gateway's error body, without its wrapping."""
    return {"code": code, "message": message}


def management_error(status: int, message: str) -> Json:
    """The older gateway's error body; its code is a number."""
    return {"statusCode": status, "message": message}


RETIRED = gateway_error(
    "Gone", "Bing Search APIs have been retired. Further details at https://retirement.example/notice."
)

HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body></body></html>"
"""What an edge sends when it does not reach the service."""
