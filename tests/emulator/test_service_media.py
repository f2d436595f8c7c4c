"""Everything that answers link to: it is there, and it is what the answer said."""

from io import BytesIO

import pytest
from PIL import Image as Pillow
from service_kit import BASE, NOON, client, pictures, urls

from bing_images_async.emulator import Filters, synthetic

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("endpoint", ["search", "details", "trending"])
async def test_urls_in_answers_resolve(endpoint: str) -> None:
    """Pictures are pictures, pages are pages, links to the API are answers."""
    catalogue = synthetic(12)
    async with client(catalogue, invent_modules=True) as one:
        page = (await one.get("images/search", params={"q": "boat", "count": 5})).json()
        if endpoint == "details":
            token = page["value"][0]["imageInsightsToken"]
            page = (await one.get("images/details", params={"insightsToken": token, "q": "boat"})).json()
        elif endpoint == "trending":
            page = (await one.get("images/trending")).json()
        found = set(urls(page))
        assert len(found) > 20
        for url in found:
            assert url.startswith(BASE)
            response = await one.get(url)
            assert response.status_code == 200, url
            assert response.headers["Content-Type"].startswith(expected_type(url)), url
            assert response.content, url
        if "readLink" in page:
            assert (await one.get(page["readLink"])).json()["_type"] == "Images"


def expected_type(url: str) -> str:
    path = url.removeprefix(BASE).split("/")[1]
    if path.startswith(("th?", "content", "cdn")):
        return "image/"
    return "application/json" if path == "api" else "text/html"


async def test_content_and_thumbnail_match_the_answer() -> None:
    """Size in bytes and pixels, format, size of the thumbnail: for pictures of every size."""
    async with client() as one:
        page = (await one.get("images/search", params={"q": "boat", "count": 40})).json()
        for image in page["value"]:
            original = await one.get(image["contentUrl"])
            assert len(original.content) == int(image["contentSize"].removesuffix(" B"))
            assert original.headers["Content-Type"] == f"image/{image['encodingFormat']}"
            with Pillow.open(BytesIO(original.content)) as picture:
                assert picture.size == (image["width"], image["height"])
            thumbnail = await one.get(image["thumbnailUrl"])
            with Pillow.open(BytesIO(thumbnail.content)) as picture:
                assert picture.size == (image["thumbnail"]["width"], image["thumbnail"]["height"])
                assert f"image/{str(picture.format).lower()}" == thumbnail.headers["Content-Type"]


@pytest.mark.parametrize(
    ("options", "size"),
    [("w=100&h=60", (100, 60)), ("w=60&h=60&c=7", (60, 60)), ("w=60&h=60&c=4", (60, 60))],
)
async def test_thumbnail_with_sides_has_them(options: str, size: tuple[int, int]) -> None:
    async with client() as one:
        image = (await one.get("images/search?q=boat&size=large")).json()["value"][0]
        response = await one.get(f"{image['thumbnailUrl']}&{options}")
    with Pillow.open(BytesIO(response.content)) as picture:
        assert picture.size == size


async def test_thumbnail_without_padding_keeps_its_ratio() -> None:
    async with client() as one:
        image = (await one.get("images/search?q=boat&size=large&aspect=wide")).json()["value"][0]
        response = await one.get(f"{image['thumbnailUrl']}&w=100&h=100&p=0")
    with Pillow.open(BytesIO(response.content)) as picture:
        assert picture.width == 100 > picture.height


@pytest.mark.parametrize(
    "path",
    ["/th", "/th?id=OIP.none", f"/th?id=OIP.{'A' * 27}", "/th?q=...", f"/content/{'A' * 27}/x.png", "/content/x/x.png",
     f"/page/{'A' * 27}/x", "/nothing"],
)  # fmt: skip
async def test_unknown_paths_and_pictures_are_404(path: str) -> None:
    async with client() as one:
        assert (await one.get(f"{BASE}{path}")).status_code == 404


@pytest.mark.parametrize("options", ["w=0", "w=-1", "h=ten", "w=99999", "w=4097"])
async def test_thumbnail_with_invalid_parameters_is_400(options: str) -> None:
    async with client() as one:
        image = (await one.get("images/search?q=boat")).json()["value"][0]
        assert (await one.get(f"{image['thumbnailUrl']}&{options}")).status_code == 400


async def test_picture_page_has_the_attribution() -> None:
    """Name, licence with its link, and the picture itself."""
    picture = pictures().search("boat", language="en", filters=Filters(), offset=0, limit=1, now=NOON).pictures[0]
    async with client() as one:
        image = (
            await one.get("images/search", params={"q": "boat", "id": picture.image_id, "safeSearch": "Off"})
        ).json()
        page = (await one.get(image["value"][0]["hostPageUrl"])).text
    assert f"<h1>{picture.names['en']}</h1>" in page
    assert picture.license_url in page
    assert picture.attribution in page
    assert image["value"][0]["contentUrl"] in page


async def test_html_pages_escape_names_and_queries() -> None:
    """A query cannot bring markup into a page."""
    attack = '"><script>alert(1)</script>'
    async with client() as one:
        for path in ("/web/images/search?q=", "/collection/"):
            page = await one.get(f"{BASE}{path}{attack}", params={"q": attack, "setlang": attack})
            assert page.status_code == 200
            assert "<script" not in page.text


@pytest.mark.parametrize("path", ["/", "/web/images/search", "/favicon.ico"])
async def test_home_page_has_a_search_form(path: str) -> None:
    async with client() as one:
        assert (await one.get(f"{BASE}{path}")).status_code == 200
