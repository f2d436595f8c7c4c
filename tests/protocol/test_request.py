"""Requests: where they go, what stands in the URL, which headers; and what is refused before anything goes out."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given, strategies as st

from bing_images_async._protocol.messages import Reply, Request, Upload
from bing_images_async._protocol.request_building import LONGEST_URL, Service, build, header_pairs
from bing_images_async.errors import InvalidRequestError
from bing_images_async.params import DetailsParams, SearchParams, TrendingParams

BING = "https://api.bing.microsoft.com/v7.0"
OLD = "https://api.cognitive.microsoft.com/bing/v7.0"
SERVICE = Service.at(BING)


@pytest.mark.parametrize(
    ("given_url", "base"),
    [
        # Hosts of both generations.
        ("api.bing.microsoft.com", BING),
        ("https://api.bing.microsoft.com", BING),
        ("https://api.bing.microsoft.com/", BING),
        (BING, BING),
        (f"{BING}/", BING),
        (f" {BING} ", BING),
        ("api.cognitive.microsoft.com", OLD),
        ("https://api.cognitive.microsoft.com/", OLD),
        (OLD, OLD),
        ("westus.api.cognitive.microsoft.com", "https://westus.api.cognitive.microsoft.com/bing/v7.0"),
        ("boats.cognitiveservices.azure.com", "https://boats.cognitiveservices.azure.com/bing/v7.0"),
        ("notcognitive.microsoft.com", "https://notcognitive.microsoft.com/v7.0"),
        # Full URLs of endpoints.
        (f"{BING}/images/search", BING),
        (f"{BING}/images/details/", BING),
        (f"{OLD}/images/trending", OLD),
        (f"{BING}/custom/images/search", f"{BING}/custom"),
        ("https://images.gateway.example/images/search", "https://images.gateway.example"),
        ("https://gateway.example/images/searching", "https://gateway.example/images/searching"),
        # Gateways and machines of one's own.
        ("https://gateway.example/bing/images-v7", "https://gateway.example/bing/images-v7"),
        ("gateway.example/a/b/", "https://gateway.example/a/b"),
        ("https://gateway.example:8443", "https://gateway.example:8443/v7.0"),
        ("HTTPS://Gateway.Example/v7.0", "https://Gateway.Example/v7.0"),
        ("http://localhost:8000", "http://localhost:8000/v7.0"),
        ("http://[::1]:8000/v7.0", "http://[::1]:8000/v7.0"),
        ("[2001:db8::1]", "https://[2001:db8::1]/v7.0"),
        ("http://127.0.0.1", "http://127.0.0.1/v7.0"),
    ],
)
def test_base_urls(given_url: str, base: str) -> None:
    """A host gets the path of its generation, an endpoint URL loses its end, the rest stays as given."""
    assert Service.at(given_url).base == base


@given(st.sampled_from(["api.bing.microsoft.com", "h.example/x", "http://[::1]:1", f"{OLD}/images/search"]))
def test_a_base_url_is_read_once(text: str) -> None:
    """Reading what was read changes nothing."""
    service = Service.at(text)
    assert Service.at(service.base) == service
    assert service.base.startswith(service.origin)


@pytest.mark.parametrize(
    "host",
    [
        "xn--.test", "XN--.test", "xn--a.test", "gateway.xn--.test", "a.xn--zz-zz", "xn--zz-zz.xn--", "a..b", ".test",
        ".", "a" * 64, f"{'a' * 63}.{'b' * 64}.test", ".".join(["label"] * 43), "999.1.1.1", "1.2.3.4.", "127.0.0.256",
        "a%20b", "a,b", "a;b", "a'b", "a(b", "a*b.test", "a$b", "[v1.a:b]", "[v1.a]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ["{}", "http://{}", "https://{}:8443/v7.0"])
def test_service_at_refuses_what_is_no_host(host: str, text: str) -> None:
    """httpx, idna and the resolver each raise errors of their own for these, at the first request."""
    with pytest.raises(InvalidRequestError, match="base_url") as caught:
        Service.at(text.format(host))
    assert caught.value.parameter == "base_url"


@pytest.mark.parametrize(
    "host",
    [
        "xn--80ak6aa92e.com", "XN--BCHER-KVA.example", "images_7", "-a.test", "gateway.test.", "7.example", "a" * 63,
        "127.1", "0x7f.1", "[fe80::1%25eth0]", "[::ffff:1.2.3.4]",
    ],
)  # fmt: skip
def test_service_at_accepts_odd_hosts(host: str) -> None:
    """What resolvers or networks may know."""
    assert httpx.URL(Service.at(f"http://{host}").base).host


@given(st.from_regex(r"[!-.:-~]{1,12}", fullmatch=True) | st.text(max_size=12).map(lambda text: f"xn--{text}.test"))
def test_service_at_accepts_only_hosts_that_httpx_can_read(host: str) -> None:
    """A session that could be made raises no foreign exception because of its host."""
    try:
        service = Service.at(f"http://{host}/v7.0")
    except InvalidRequestError:
        return
    url = httpx.URL(service.base)
    assert (url.host, url.path) != ("", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        ("  ", "blank"),
        (None, "must be an address"),
        (5, "a str"),
        (b"https://h.example", "a str"),
        ("https://", "with a host"),
        ("https:///v7.0", "with a host"),
        ("ftp://h.example", "http(s) URL"),
        ("file:///etc/hosts", "http(s) URL"),
        ("https://h\u00f6st.example", "ASCII"),
        ("https://h.example/\u00e4", "ASCII"),
        ("https://h.example/a b", "ASCII"),
        ("https://h.example\\@evil.example", "user"),
        ("https://h.example\\evil", "http(s) URL"),
        ("https://h.example/\r\nX: 1", "http(s) URL"),
        ("https://h.example\x00", "http(s) URL"),
        ("https://h.example:port", "cannot be read as a URL"),
        ("https://h.example:70000", "cannot be read as a URL"),
        ("https://[::1", "cannot be read as a URL"),
        ("https://h.example/v7.0#images", "no fragment"),
        ("https://h.example/\ud800", "lone surrogate"),
    ],
)
def test_what_is_no_base_url(text: str, reason: str) -> None:
    """The message names the parameter, the value and what is allowed."""
    with pytest.raises(InvalidRequestError) as caught:
        Service.at(text)
    assert caught.value.parameter == "base_url"
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@h.example",
        "https://hunter2@h.example",
        "https://@h.example/hunter2",
        "user:hunter2@h.example",
        "https://user:hunter2@h\u00f6st.example",
        "https://user:hunter2@h.example:port",
        "ftp://user:hunter2@h.example",
        "https://h.example/v7.0?subscription-key=hunter2",
        "h.example?hunter2",
    ],
)
def test_secrets_in_a_base_url_are_refused_and_not_shown(text: str) -> None:
    """A user, a password or a query may hold a key; no message repeats them."""
    with pytest.raises(InvalidRequestError, match="api_key") as caught:
        Service.at(text)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "host", ["api.bing.microsoft.com", "api.cognitive.microsoft.com", "boats.cognitiveservices.azure.com"]
)
def test_hosts_of_microsoft_need_a_key(host: str) -> None:
    """The error says what to do without one."""
    with pytest.raises(InvalidRequestError, match=r"ImageSearchSession\.local\(\)") as caught:
        Service.at(host).check_key(False, allow_http=True)
    assert caught.value.parameter == "api_key"
    Service.at(host).check_key(True, allow_http=False)


@pytest.mark.parametrize(
    "host", ["gateway.example", "microsoft.com.example", "notmicrosoft.com", "boats.westus.cloudapp.azure.com"]
)
def test_other_hosts_may_need_none(host: str) -> None:
    """Nobody knows what somebody else's host wants."""
    assert Service.at(host).check_key(False, allow_http=False) is None


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:8000", True),
        ("http://localhost", True),
        ("http://LOCALHOST:8000", True),
        ("http://v7.localhost", True),
        ("https://gateway.example", True),
        ("http://gateway.example", False),
        ("http://localhost.example", False),
        ("http://notlocalhost", False),
        ("http://127.0.0.1.example", False),
        ("http://10.0.0.1", False),
        ("http://[::2]", False),
    ],
)
def test_a_key_does_not_travel_in_clear_text(url: str, safe: bool) -> None:
    """Over plain HTTP only to this very machine, unless `allow_http` says otherwise; without a key anything goes."""
    service = Service.at(url)
    service.check_key(False, allow_http=False)
    service.check_key(True, allow_http=True)
    if safe:
        service.check_key(True, allow_http=False)
        return
    with pytest.raises(InvalidRequestError, match="allow_http") as caught:
        service.check_key(True, allow_http=False)
    assert caught.value.parameter == "base_url"


# --- requests


@given(st.text(st.characters(exclude_categories=["C", "Mn", "Z"]), min_size=1, max_size=50))
def test_queries_survive_the_url(query: str) -> None:
    """Whatever is asked for arrives, and the URL is plain ASCII."""
    request = build(SERVICE, "search", SearchParams(query, count=5))
    assert request.url.isascii()
    assert parse_qsl(urlsplit(request.url).query, keep_blank_values=True) == [("q", query), ("count", "5")]


def test_everything_is_percent_encoded() -> None:
    """Tokens hold `*`, `!`, `+`, `/` and backslashes; none may stand for something else on the way."""
    request = build(SERVICE, "details", DetailsParams(insights_token="a*b!c\\_d/e+f g", modules=["Tags", "BRQ"]))
    assert request.url == f"{BING}/images/details?insightsToken=a%2Ab%21c%5C_d%2Fe%2Bf%20g&modules=Tags%2CBRQ"


def test_a_question_without_parameters_has_no_question_mark() -> None:
    """Trending asks for nothing in particular."""
    request = build(SERVICE, "trending", TrendingParams())
    assert (request.method, request.url, request.headers, request.upload) == (
        "GET",
        f"{BING}/images/trending",
        (),
        None,
    )


def test_an_upload_is_posted() -> None:
    """With the other parameters in the URL, and the bytes hidden from `repr`."""
    upload = Upload("boat.png", b"secret bytes")
    request = build(SERVICE, "details", DetailsParams(image=b"x", market="en-US"), upload=upload)
    assert (request.method, request.url) == ("POST", f"{BING}/images/details?modules=All&mkt=en-US")
    assert request.upload is upload
    assert "secret" not in repr(request)
    assert "<12 bytes>" in repr(request)


def test_the_sessions_own_parameters_and_headers_come_with_every_call() -> None:
    """A call's own headers replace the session's, in any case of their names."""
    request = build(
        SERVICE,
        "search",
        SearchParams("boat", user_agent="mine", no_cache=True),
        extra_params=[("customConfig", "c 1")],
        extra_headers=[("Accept", "application/json"), ("user-agent", "theirs"), ("X-Gateway", "g")],
    )
    assert request.url == f"{BING}/images/search?q=boat&customConfig=c%201"
    assert request.headers == (
        ("Accept", "application/json"), ("User-Agent", "mine"), ("X-Gateway", "g"), ("Pragma", "no-cache"),
    )  # fmt: skip


def test_the_longest_url() -> None:
    """2,048 characters go out; one more is refused, with the parameter that is too long."""
    room = LONGEST_URL - len(f"{BING}/images/search?q=&count=5")
    assert len(build(SERVICE, "search", SearchParams("x" * room, count=5)).url) == LONGEST_URL
    with pytest.raises(InvalidRequestError, match="would have 2,049 characters; the service takes 2,048") as caught:
        build(SERVICE, "search", SearchParams("x" * (room + 1), count=5))
    assert caught.value.parameter == "query"


def test_the_longest_parameter_is_the_one_that_is_longest_on_the_wire() -> None:
    """Percent-encoding makes nine characters of one; the address of an image can be replaced by an upload."""
    with pytest.raises(InvalidRequestError, match=r"upload the image \(image=\)") as caught:
        build(SERVICE, "details", DetailsParams(image_url="https://img.example/" + "\u6298" * 300, query="x" * 500))
    assert caught.value.parameter == "image_url"
    with pytest.raises(InvalidRequestError) as caught:
        build(SERVICE, "search", SearchParams("x"), extra_params=[("customConfig", "c" * 3_000)])
    assert caught.value.parameter == "customConfig"


def test_a_base_url_alone_can_be_too_long() -> None:
    """Then there is no parameter to shorten."""
    with pytest.raises(InvalidRequestError) as caught:
        build(Service.at("https://h.example/" + "a" * 3_000), "trending", TrendingParams())
    assert caught.value.parameter == "base_url"


# --- headers of the user's


def test_headers_are_checked_and_trimmed() -> None:
    """None is fine, values lose the blanks at their ends, which HTTP would refuse."""
    assert header_pairs("headers", None) == ()
    assert header_pairs("headers", {"X-Gateway": " g ", "x-b": "2"}) == (("X-Gateway", "g"), ("x-b", "2"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "v"), ("X Y", "v"), ("X:", "v"), ("X\r\nY", "v"), ("\u00c4", "v"), (5, "v"), (b"X", "v"),
        ("X", "v\r\nY: 1"), ("X", "v\x00"), ("X", "\u00e4"), ("X", ""), ("X", None), ("X", 5), ("X", b"v"),
        ("Host", "h"), ("HOST", "h"),
    ],
)  # fmt: skip
def test_headers_that_cannot_be(name: str, value: str) -> None:
    """Neither name nor value can break out of its line, and what the session sets is its own."""
    with pytest.raises(InvalidRequestError, match="headers"):
        header_pairs("headers", {name: value}, reserved=("host",))


def test_a_header_is_replaced_in_any_case_of_its_name() -> None:
    """The request itself stays as it was."""
    request = Request("GET", BING, (("Accept", "a"), ("user-agent", "b")))
    assert request.with_header("User-Agent", "c").headers == (("Accept", "a"), ("User-Agent", "c"))
    assert request.headers == (("Accept", "a"), ("user-agent", "b"))


@pytest.mark.parametrize(
    ("headers", "trace_id"),
    [({}, None), ({"bingapis-traceid": "T", "apim-request-id": "G"}, "T"), ({"apim-request-id": "G"}, "G")],
)
def test_the_trace_id_of_a_reply(headers: dict[str, str], trace_id: str | None) -> None:
    """The service's own, else that of the older gateway; neither header nor body shows in `repr`."""
    reply = Reply(200, headers, b"secret")
    assert (reply.trace_id, repr(reply)) == (trace_id, "Reply(status=200, body=<6 bytes>)")
