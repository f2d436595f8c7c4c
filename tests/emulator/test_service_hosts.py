"""`Host` and `Origin`: DNS rebinding, requests of pages of other sites, and CORS."""

from pathlib import Path

import httpx
import pytest
from PIL import Image
from service_kit import BASE, client, pictures

from bing_images_async.emulator import create_app, open_folder, running_server
from bing_images_async.emulator.allowed_hosts import AllowedHosts
from bing_images_async.emulator.catalogue.sqlite_catalogue import SqliteCatalogue

PATHS = (
    "/",
    "/v7.0/images/search?q=boat",
    "/th?q=boat",
    "/favicon.ico",
    "/__admin",
    "/nowhere",
    "/web/images/search?q=x",
)
SEARCH = "/v7.0/images/search?q=boat"
KEY = "Ocp-Apim-Subscription-Key"


@pytest.fixture(scope="module")
def server() -> object:
    with running_server(create_app(pictures(), admin=True, allowed_hosts=["mybox.local", "192.0.2.7"])) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> object:
    (tmp_path / "album").mkdir()
    Image.new("RGB", (40, 30), "red").save(tmp_path / "album" / "boat.png")
    catalogue = open_folder(tmp_path / "album", tmp_path / "cache")
    yield catalogue
    catalogue.close()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8787", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "192.0.2.8",
        "localhost@evil.example", "evil.example#localhost", "[::2]", "mybox.local.evil.example", "2130706434", "",
    ],
)  # fmt: skip
def test_request_for_another_host_is_refused_on_every_path(server: str, path: str, host: str) -> None:
    """With DNS rebinding a browser takes this service for the site of another."""
    assert httpx.get(f"{server}{path}", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.1.2.3:99", "[::1]:8787", "app.localhost",
        "local.bing-images", "mybox.local:8787", "MyBox.Local.", "192.0.2.7",
    ],
)  # fmt: skip
def test_request_for_an_allowed_host_is_answered(server: str, host: str) -> None:
    assert httpx.get(f"{server}{SEARCH}", headers={"Host": host}).status_code == 200


def test_refusal_names_the_host_and_the_option(server: str) -> None:
    message = httpx.get(server, headers={"Host": "evil.example"}).json()["error"]["message"]
    assert "'evil.example'" in message
    assert "--allowed-host" in message


def test_request_without_a_host_is_answered_as_from_a_plain_client(server: str) -> None:
    """HTTP/1.0: no browser sends that."""
    import socket

    address = httpx.URL(server)
    with socket.create_connection((address.host, address.port or 80), timeout=5) as peer:
        peer.sendall(f"GET {SEARCH} HTTP/1.0\r\n\r\n".encode())
        assert peer.recv(12) == b"HTTP/1.1 200"


@pytest.mark.anyio
async def test_request_to_a_mounted_app_is_answered_at_its_own_address() -> None:
    """The address that a request came to is allowed, without a setting."""
    transport = httpx.ASGITransport(create_app(pictures()))
    async with httpx.AsyncClient(transport=transport, base_url="http://pictures.test") as one:
        assert (await one.get(SEARCH)).status_code == 200
        assert (await one.get(SEARCH, headers={"Host": "evil.example"})).status_code == 421


@pytest.mark.anyio
async def test_all_hosts_are_allowed_by_a_star() -> None:
    async with client(allowed_hosts=["*"]) as one:
        assert (await one.get(f"{BASE}{SEARCH}", headers={"Host": "any.example"})).status_code == 200


@pytest.mark.parametrize("host", ["http://x", "x:80", "a b", "", "*.example", "x/y"])
def test_create_app_with_an_invalid_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="allowed host"):
        create_app(pictures(), allowed_hosts=[host])


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("https://mybox.local", 200),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("chrome-extension://abcdef", 403),
        ("", 403),
    ],
)
def test_upload_of_a_page_of_another_site_is_refused(server: str, origin: str | None, status: int) -> None:
    """A form of any page could send it without asking."""
    image = httpx.get(f"{server}/th?q=boat&w=64").content
    headers = {} if origin is None else {"Origin": origin}
    reply = httpx.post(f"{server}/v7.0/images/details", headers=headers, files={"image": image})
    assert reply.status_code == status


def test_admin_of_a_page_of_another_site_is_refused(server: str) -> None:
    reply = httpx.post(f"{server}/__admin", headers={"Origin": "https://evil.example"}, json={"clear": True})
    assert reply.status_code == 403


# --- CORS


def preflight(origin: str, method: str = "GET") -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": KEY}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path", [SEARCH, "/images/details", "/bing/v7.0/images/trending", "/th?q=boat", "/content/x/y"]
)
async def test_preflight_for_a_public_catalogue_is_allowed_for_all(path: str) -> None:
    async with client(keys=["k" * 32]) as one:
        reply = await one.options(f"{BASE}{path}", headers=preflight("https://app.example"))
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "GET" in reply.headers["access-control-allow-methods"]
    assert KEY.lower() in reply.headers["access-control-allow-headers"].lower()


@pytest.mark.anyio
async def test_answer_for_a_page_of_another_origin_is_readable_with_its_headers() -> None:
    async with client() as one:
        reply = await one.get("images/search?q=boat", headers={"Origin": "https://app.example"})
    assert reply.headers["access-control-allow-origin"] == "*"
    exposed = {name.strip().lower() for name in reply.headers["access-control-expose-headers"].split(",")}
    assert {"bingapis-traceid", "bingapis-market", "retry-after", "x-msedge-clientid"} <= exposed


@pytest.mark.anyio
@pytest.mark.parametrize(("settings", "status"), [({"keys": ["k"]}, 401), ({"profile": "retired"}, 410)])
async def test_error_for_a_page_of_another_origin_is_readable(settings: dict[str, object], status: int) -> None:
    """Otherwise its script sees a network error."""
    async with client(**settings) as one:
        reply = await one.get("images/search?q=boat", headers={"Origin": "https://app.example"})
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (status, "*")


@pytest.mark.anyio
async def test_answer_without_an_origin_has_no_cors_headers() -> None:
    async with client() as one:
        reply = await one.get("images/search?q=boat")
    assert [name for name in reply.headers if name.startswith("access-control")] == []


@pytest.mark.anyio
async def test_admin_has_no_cors_headers() -> None:
    async with client(admin=True) as one:
        replies = [
            await one.get(f"{BASE}/__admin", headers={"Origin": "http://localhost:3000"}),
            await one.options(f"{BASE}/__admin", headers=preflight("http://localhost:3000", "POST")),
        ]
    assert [name for reply in replies for name in reply.headers if name.startswith("access-control")] == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://localhost:3000", True),
        ("http://127.0.0.1:5173", True),
        ("http://[::1]:80", True),
        ("https://app.localhost", True),
        ("https://mybox.local", True),
        ("https://app.example", False),
        ("http://localhost.evil.example", False),
        ("http://evillocalhost", False),
        ("https://myboxxlocal", False),
        ("null", False),
    ],
)
async def test_private_folder_is_readable_for_allowed_origins_only(
    folder: SqliteCatalogue, origin: str, is_allowed: bool
) -> None:
    """Any page that somebody opens could read the pictures otherwise."""
    async with client(folder, allowed_hosts=["mybox.local"]) as one:
        reply = await one.get("images/search?q=boat", headers={"Origin": origin})
        asked = await one.options("images/search?q=boat", headers=preflight(origin))
    expected = origin if is_allowed else None
    assert [r.headers.get("access-control-allow-origin") for r in (reply, asked)] == [expected, expected]


def test_allowed_hosts_are_normalized() -> None:
    assert AllowedHosts(["MyBox.", "[2001:DB8::1]"]).names == {"mybox", "2001:db8::1"}
