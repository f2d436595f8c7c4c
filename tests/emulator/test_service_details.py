"""`/images/details` over the app: every module, every way to name a picture, every refusal."""

import threading
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from PIL import Image as Pillow
from service_kit import BASE, client, errors, ids, pictures

from bing_images_async.emulator.api.details_endpoint import crop
from bing_images_async.emulator.api.parameters import Region
from bing_images_async.emulator.api.tokens import insights_token, lengthen, read_token, search_token, shorten

pytestmark = pytest.mark.anyio

MODULES = {
    "BRQ": "bestRepresentativeQuery",
    "Caption": "imageCaption",
    "Collections": "relatedCollections",
    "PagesIncluding": "pagesIncluding",
    "Recipes": "recipes",
    "RelatedSearches": "relatedSearches",
    "ShoppingSources": "shoppingSources",
    "SimilarImages": "visuallySimilarImages",
    "SimilarProducts": "visuallySimilarProducts",
    "Tags": "imageTags",
}


async def first_image(one: httpx.AsyncClient, **wanted: int) -> dict[str, Any]:
    """The first image of a search whose insights have at least so many shops and recipes."""
    page = (await one.get("images/search", params={"q": "boat", "count": 150})).json()
    for image in page["value"]:
        counts = image.get("insightsMetadata", {})
        if all(counts.get(name, 0) >= least for name, least in wanted.items()):
            assert isinstance(image, dict)
            return image
    raise AssertionError("no such image")


async def details(one: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    response = await one.get("images/details", params=params)
    assert response.status_code == 200, response.text
    body = response.json()
    assert isinstance(body, dict)
    return body


async def post(one: httpx.AsyncClient, data: bytes, part: str = "image", **params: Any) -> httpx.Response:
    return await one.post("images/details", params=params, files={part: ("a.png", data, "image/png")})


async def test_details_with_invented_modules_has_all() -> None:
    """All brings the ten modules and nothing of RecognizedEntities."""
    async with client(invent_modules=True) as one:
        image = await first_image(one, shoppingSourcesCount=1, recipeSourcesCount=1)
        body = await details(one, insightsToken=image["imageInsightsToken"], modules="All", q="boat")
    assert set(MODULES.values()) <= set(body)
    assert "recognizedEntityGroups" not in body
    assert body["_type"] == "ImageInsights"
    assert body["imageBasedRelatedSearches"]["value"]
    assert body["image"]["contentUrl"] == image["contentUrl"]


@pytest.mark.parametrize(("module", "field"), MODULES.items())
async def test_details_of_one_module_has_its_field_only(module: str, field: str) -> None:
    """Nothing else, apart from what every answer has."""
    async with client(invent_modules=True) as one:
        image = await first_image(one, shoppingSourcesCount=1, recipeSourcesCount=1)
        body = await details(one, insightsToken=image["imageInsightsToken"], modules=module.lower(), q="boat")
    assert set(body) == {"_type", "instrumentation", "imageInsightsToken", field}
    assert body[field]


async def test_details_without_modules_has_all() -> None:
    async with client() as one:
        image = await first_image(one)
        default = await details(one, id=image["imageId"], q="boat")
        everything = await details(one, id=image["imageId"], q="boat", modules="all")
    assert default == everything


async def test_details_without_invented_modules_lacks_them() -> None:
    async with client() as one:
        body = await details(one, insightsToken=(await first_image(one))["imageInsightsToken"])
    assert {"recipes", "shoppingSources", "visuallySimilarProducts", "relatedSearches"}.isdisjoint(body)
    assert {"bestRepresentativeQuery", "imageTags", "pagesIncluding", "visuallySimilarImages"} <= set(body)


async def test_search_counts_agree_with_details() -> None:
    async with client(invent_modules=True) as one:
        image = await first_image(one, shoppingSourcesCount=2, recipeSourcesCount=2)
        body = await details(one, insightsToken=image["imageInsightsToken"])
    counts = image["insightsMetadata"]
    assert len(body["pagesIncluding"]["value"]) == counts["pagesIncludingCount"]
    assert len(body["shoppingSources"]["offers"]) == counts["shoppingSourcesCount"]
    assert len(body["recipes"]["value"]) == counts["recipeSourcesCount"]


async def test_details_of_a_product_has_its_offers() -> None:
    """The two steps of shopping: the summary in the first agrees with the list in the second."""
    async with client(invent_modules=True) as one:
        image = await first_image(one)
        products = await details(one, insightsToken=image["imageInsightsToken"], modules="SimilarProducts")
        product = products["visuallySimilarProducts"]["value"][0]
        summary = product["insightsMetadata"]["aggregateOffer"]
        shops = await details(one, insightsToken=product["imageInsightsToken"], modules="ShoppingSources")
    offers = shops["shoppingSources"]["offers"]
    assert (len(offers), min(offer["price"] for offer in offers)) == (summary["offerCount"], summary["lowPrice"])


async def test_details_token_is_new_and_valid() -> None:
    """It differs from the one sent, and asks about the same picture."""
    async with client() as one:
        token = (await first_image(one))["imageInsightsToken"]
        first = await details(one, insightsToken=token, modules="Tags")
        second = await details(one, insightsToken=first["imageInsightsToken"], modules="Tags")
    assert len({token, first["imageInsightsToken"], second["imageInsightsToken"]}) == 3
    assert first["imageTags"] == second["imageTags"]


async def test_details_by_each_reference_is_the_same_picture() -> None:
    """Token, id, address of the original, of its second copy, of the thumbnail."""
    async with client() as one:
        image = await first_image(one)
        cdn = image["contentUrl"].replace("/content/", "/cdn/")
        names = [
            {"insightsToken": image["imageInsightsToken"]},
            {"id": image["imageId"].lower()},
            {"imgurl": image["contentUrl"]},
            {"imgUrl": cdn},
            {"imgUrl": image["thumbnailUrl"]},
        ]
        bodies = [await details(one, modules="BRQ,Tags,PagesIncluding", q="x", **name) for name in names]
    for body in bodies:
        del body["imageInsightsToken"]
    assert bodies == [bodies[0]] * len(names)


async def test_details_similar_images_are_sorted_without_the_picture() -> None:
    async with client() as one:
        image = await first_image(one)
        body = await details(one, insightsToken=image["imageInsightsToken"], modules="SimilarImages")
    catalogue = pictures()
    own = catalogue.get(image["imageId"])
    assert own is not None
    found = [catalogue.get(image_id) for image_id in ids(body["visuallySimilarImages"])]
    distances = [(picture.phash ^ own.phash).bit_count() for picture in found if picture is not None]
    assert own not in found
    assert distances == sorted(distances)
    assert len(distances) > 10


async def test_details_similar_images_follow_safe_search() -> None:
    async with client() as one:
        token = (await first_image(one))["imageInsightsToken"]
        strict = await details(one, insightsToken=token, modules="SimilarImages", safeSearch="Strict")
        off = await details(one, insightsToken=token, modules="SimilarImages", safeSearch="Off")
    assert all(image["isFamilyFriendly"] for image in strict["visuallySimilarImages"]["value"])
    assert any(not image["isFamilyFriendly"] for image in off["visuallySimilarImages"]["value"])


@pytest.mark.parametrize("part", ["image", "file"])
async def test_details_of_an_uploaded_original_recognises_it(part: str) -> None:
    """The original, and a thumbnail of it: both are matched, whatever the part is called."""
    async with client() as one:
        image = await first_image(one)
        known = await details(one, insightsToken=image["imageInsightsToken"], modules="BRQ,Tags")
        for url in (image["contentUrl"], image["thumbnailUrl"]):
            found = (await post(one, (await one.get(url)).content, part, modules="BRQ,Tags")).json()
            assert (found["imageTags"], found["bestRepresentativeQuery"]) == (
                known["imageTags"], known["bestRepresentativeQuery"],
            )  # fmt: skip


async def test_details_of_an_unknown_upload_has_similar_images_only() -> None:
    """Also later, by the token of the answer."""
    async with client() as one:
        upload = await post(one, stripes(), modules="All")
        again = await details(one, insightsToken=upload.json()["imageInsightsToken"], modules="SimilarImages")
    body = upload.json()
    assert set(body) == {"_type", "instrumentation", "imageInsightsToken", "visuallySimilarImages"}
    assert ids(body["visuallySimilarImages"]) == ids(again["visuallySimilarImages"])


async def test_details_of_recognized_entities_takes_two_calls() -> None:
    """The upload brings a token and nothing else, the token brings the groups."""
    async with client(invent_modules=True) as one:
        original = (await one.get((await first_image(one))["contentUrl"])).content
        first = (await post(one, original, modules="RecognizedEntities")).json()
        second = await details(one, insightsToken=first["imageInsightsToken"], modules="RecognizedEntities")
    assert set(first) == {"_type", "instrumentation", "imageInsightsToken"}
    face = second["recognizedEntityGroups"]["value"][0]["recognizedEntityRegions"][0]
    assert face["matchingEntities"][0]["entity"]["_type"] == "Person"
    assert 0 <= face["region"]["left"] < face["region"]["right"] <= 1


async def test_details_of_a_region_has_the_faces_within() -> None:
    """They stay fractions of the whole picture."""
    async with client(invent_modules=True) as one:
        token = (await first_image(one))["imageInsightsToken"]
        whole = await details(one, insightsToken=token, modules="RecognizedEntities")
        face = whole["recognizedEntityGroups"]["value"][0]["recognizedEntityRegions"][0]
        region = face["region"]
        box = {"cal": region["left"], "cat": region["top"], "car": region["right"], "cab": region["bottom"]}
        part = await details(one, insightsToken=token, modules="RecognizedEntities", **box)
        none = await details(one, insightsToken=token, modules="RecognizedEntities", cat=0.95)
    assert part["recognizedEntityGroups"]["value"][0]["recognizedEntityRegions"] == [face]
    assert "recognizedEntityGroups" not in none


async def test_details_of_a_region_has_similar_images_of_the_region() -> None:
    async with client() as one:
        token = (await first_image(one))["imageInsightsToken"]
        whole = await details(one, insightsToken=token, modules="SimilarImages")
        corner = await details(one, insightsToken=token, modules="SimilarImages", car=0.3, cab=0.3)
    assert ids(whole["visuallySimilarImages"]) != ids(corner["visuallySimilarImages"])


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({}, ("ParameterMissing", "insightsToken", "")),
        ({"insightsToken": "nonsense"}, ("ParameterInvalidValue", "insightsToken", "nonsense")),
        ({"insightsToken": f"mid_{'0' * 40}"}, ("ParameterInvalidValue", "insightsToken", f"mid_{'0' * 40}")),
        ({"id": "0" * 40}, ("ParameterInvalidValue", "id", "0" * 40)),
        ({"imgUrl": "http://example.com/a.png"}, ("ParameterInvalidValue", "imgUrl", "http://example.com/a.png")),
        ({"imgUrl": f"{BASE}/content/x"}, ("ParameterInvalidValue", "imgUrl", f"{BASE}/content/x")),
        ({"id": "0" * 40, "modules": "Nope"}, ("ParameterInvalidValue", "modules", "Nope")),
    ],
)
async def test_details_of_an_unknown_reference_is_400(params: Mapping[str, str], fault: tuple[str, str, str]) -> None:
    """An address elsewhere too: the service never fetches."""
    async with client() as one:
        response = await one.get("images/details", params=params)
    assert (response.status_code, errors(response)) == (400, [fault])


async def test_details_of_an_unreadable_upload_is_400() -> None:
    """No multipart, no file, an empty file, no picture, too large; the multipart body cut off; no boundary."""
    cut = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nabc'
    async with client() as one:
        answers = [
            await one.post("images/details", content=stripes(), headers={"Content-Type": "image/png"}),
            await one.post("images/details", files={"image": (None, "text")}),
            await post(one, b""),
            await post(one, b"no picture"),
            await post(one, b"x" * (1_048_576 + 1)),
            await post(one, b"x" * 3_000_000),
            await one.post("images/details", content=b"", headers={"Content-Type": "multipart/form-data"}),
            await one.post("images/details", content=cut, headers={"Content-Type": "multipart/form-data; boundary=c"}),
        ]
    missing, wrong = ("ParameterMissing", "image", ""), ("ParameterInvalidValue", "image", "")
    assert [errors(answer) for answer in answers[:6]] == [[missing], [missing], [missing], [wrong], [wrong], [wrong]]
    assert {answer.status_code for answer in answers} == {400}


async def test_details_of_an_upload_of_one_megabyte_is_answered() -> None:
    """Bytes after the end of a PNG do no harm."""
    data = stripes()
    async with client() as one:
        response = await post(one, data + bytes(1_048_576 - len(data)), modules="SimilarImages")
    assert response.status_code == 200


async def test_endpoints_with_a_blocking_catalogue_use_threads() -> None:
    """So that a slow file does not stop other requests: blocking calls never run on the loop's own thread."""
    loop_thread = threading.current_thread()
    calls: list[tuple[str, bool]] = []

    class Filed:
        blocking = True

        def __getattr__(self, name: str) -> Any:
            def called(*args: Any, **kwargs: Any) -> Any:
                calls.append((name, threading.current_thread() is loop_thread))
                return getattr(pictures(), name)(*args, **kwargs)

            return called

    async with client(Filed()) as one, anyio.create_task_group() as group:  # type: ignore[arg-type]  # has what is called
        image = await first_image(one)
        for url in (image["contentUrl"], image["thumbnailUrl"], image["hostPageUrl"], image["webSearchUrl"]):
            group.start_soon(one.get, url)
        group.start_soon(one.get, "images/trending")
        assert (await one.get("images/details", params={"id": image["imageId"]})).status_code == 200
    asked = {"search", "get", "similar", "content", "thumbnail", "related", "topics"}
    assert set(calls) == {(name, False) for name in asked}


def stripes() -> bytes:
    """A picture that is not in the catalogue."""
    picture = Pillow.new("RGB", (64, 64), "white")
    for column in range(0, 64, 16):
        picture.paste((0, 0, 0), (column, 0, column + 8, 64))
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_tokens_and_short_ids_round_trip() -> None:
    """What is handed out is understood again; what is not ours is not."""
    image_id = "0123456789ABCDEF0123456789FFFFFFFFFFFFFF"
    assert lengthen(shorten(image_id)) == image_id
    for text in ("", "é" * 27, "a" * 26, "a" * 28, "a" * 26 + "="):
        assert lengthen(text) is None
    for token in (search_token(image_id, "q"), insights_token(5, image_id, "q")):
        read = read_token(token)
        assert read is not None
        assert read.image_id == image_id
    assert search_token("FF" * 20, "q").endswith("*thid_OIP.!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_!_8")
    unknown = read_token(insights_token(2**64 - 1, None))
    assert unknown is not None
    assert (unknown.image_id, unknown.phash) == (None, 2**64 - 1)
    assert [read_token(text) for text in ("", "mid_", "mid_XY", "bcid_12", "*_*")] == [None] * 5


def test_crop_of_any_region_is_not_empty() -> None:
    """However thin the region, a pixel is left."""
    with Pillow.open(BytesIO(crop(stripes(), Region(0.999, 0.5, 1.0, 0.5001)))) as part:
        assert part.size == (1, 1)
    with Pillow.open(BytesIO(crop(stripes(), Region(0.25, 0.5, 0.75, 1.0)))) as part:
        assert part.size == (32, 32)


async def test_urls_in_answers_lie_below_the_base_url() -> None:
    async with client() as one:
        page = (await one.get("http://pictures.example:8080/images/search?q=boat")).json()
    assert urlsplit(page["value"][0]["contentUrl"]).netloc == "pictures.example:8080"
