"""A reply that is no success becomes the right error, with the service's words and advice (API page "Error codes")."""

from __future__ import annotations

import re
from typing import Any

import bodies
import pytest

from bing_images_async import errors
from bing_images_async._protocol.error_mapping import api_error
from bing_images_async._protocol.messages import Reply
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.errors import ApiError, MalformedResponseError, UnexpectedRedirectError
from bing_images_async.models import ImageAnswer

Kind = type[ApiError]


def raised(reply: Reply) -> Any:
    """The error that a search ends with."""
    with pytest.raises(errors.BingImagesError) as caught:
        read_response(reply, ImageAnswer)
    return caught.value


DOCUMENTED: list[tuple[int, str, str | None, Kind]] = [
    (400, "InvalidRequest", "ParameterMissing", errors.BadRequestError),
    (400, "InvalidRequest", "ParameterInvalidValue", errors.BadRequestError),
    (400, "InvalidRequest", "Blocked", errors.BadRequestError),
    (400, "InvalidRequest", "HttpNotAllowed", errors.BadRequestError),
    (401, "InvalidAuthorization", "AuthorizationMissing", errors.AuthenticationError),
    (401, "InvalidAuthorization", "AuthorizationRedundancy", errors.AuthenticationError),
    (403, "InsufficientAuthorization", "AuthorizationDisabled", errors.AccessDeniedError),
    (403, "InsufficientAuthorization", "AuthorizationExpired", errors.AccessDeniedError),
    (403, "RateLimitExceeded", None, errors.QuotaExhaustedError),
    (404, "InvalidRequest", None, errors.NotFoundError),
    (410, "InvalidRequest", "HttpNotAllowed", errors.HttpsRequiredError),
    (429, "RateLimitExceeded", None, errors.RateLimitedError),
    (500, "ServerError", "UnexpectedError", errors.ServerError),
    (500, "ServerError", "ResourceError", errors.ServerError),
    (500, "ServerError", "NotImplemented", errors.ServerError),
    (503, "ServerError", None, errors.ServerError),
    (418, "InvalidRequest", "Blocked", ApiError),
]


@pytest.mark.parametrize(("status", "code", "sub_code", "kind"), DOCUMENTED)
def test_the_services_own_errors(status: int, code: str, sub_code: str | None, kind: Kind) -> None:
    """Every documented pair of status and code has its class; text and fields carry all that was said."""
    body = bodies.service_error(
        code, sub_code, message="So it is.", moreDetails="Look there.", parameter="count", value="151"
    )
    error = raised(bodies.reply(body, status, bingapis_traceid="T-1"))
    name = f"{code}.{sub_code}" if sub_code else code
    advice = f" {kind.advice}" if kind.advice else ""
    if sub_code == "ResourceError":
        advice = " There may be no data for this; trending has some for few markets, en-US among them."
    assert type(error) is kind
    assert str(error) == f"HTTP {status} {name}: So it is. Look there. (parameter count='151'){advice} [trace id T-1]"
    assert vars(error) == {
        "status": status, "code": code, "sub_code": sub_code, "message": "So it is.", "more_details": "Look there.",
        "parameter": "count", "value": "151", "trace_id": "T-1", "retry_after": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError), (401, errors.AuthenticationError), (403, errors.AccessDeniedError),
        (404, errors.NotFoundError), (410, errors.ServiceRetiredError), (429, errors.RateLimitedError),
        (500, errors.ServerError), (599, errors.ServerError), (402, ApiError),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (bodies.gateway_error("401", "Said so."), "401"),
        (bodies.gateway_error("PermissionDenied", "Said so."), "PermissionDenied"),
        (bodies.bare_gateway_error("401", "Said so."), "401"),
        (bodies.management_error(401, "Said so."), "401"),
    ],
)
def test_the_gateways_errors(body: Any, code: str, status: int, kind: Kind) -> None:
    """The status decides the class; code and message are read from each of the gateways' three shapes."""
    error = raised(bodies.reply(body, status, apim_request_id="G-1"))
    shown = f" {code}" if code != str(status) else ""
    assert (type(error), error.code, error.message, error.trace_id) == (kind, code, "Said so.", "G-1")
    assert str(error).startswith(f"HTTP {status}{shown}: Said so.")


@pytest.mark.parametrize("body", [b"", b" \r\n", bodies.HTML, b"Bad Gateway", b"\xff\xfe", b"[1]", b"{}"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError), (401, errors.AuthenticationError), (403, errors.AccessDeniedError),
        (404, errors.NotFoundError), (410, errors.ServiceRetiredError), (429, errors.RateLimitedError),
        (502, errors.ServerError), (504, errors.ServerError), (524, errors.ServerError), (451, ApiError),
    ],
)  # fmt: skip
def test_a_body_that_says_nothing_does_not_hide_the_status(body: bytes, status: int, kind: Kind) -> None:
    """HTML of an edge, no body at all, no JSON: the class and the advice are there all the same."""
    error = raised(Reply(status, {}, body))
    advice = f" {kind.advice}" if kind.advice else ""
    assert type(error) is kind
    assert re.fullmatch(rf"HTTP {status}(: the body begins with '.+')?\.{re.escape(advice)}", str(error))
    assert ("begins with" in str(error)) == bool(body.strip())
    assert (error.status, error.code, error.message, error.trace_id) == (status, None, None, None)


OTHER_SHAPES: list[tuple[Any, str | None, str]] = [
    ({"message": "You are not subscribed."}, None, "You are not subscribed."),
    ({"Message": "You are not subscribed."}, None, "You are not subscribed."),
    ({"error": "Not subscribed."}, None, "Not subscribed."),
    ({"error": "invalid_client", "error_description": "Who is that?"}, "invalid_client", "Who is that?"),
    ({"error": "Forbidden", "message": "Not this one.", "status": 403}, "Forbidden", "Not this one."),
    ({"type": "about:blank", "title": "No credit.", "detail": "30 are left."}, "No credit.", "30 are left."),
    ({"title": "No credit.", "status": 403}, "403", "No credit."),
    ({"error": {"code": 104, "type": "closed", "info": "It is closed."}}, "104", "It is closed."),
    ({"error": {"code": None, "message": None, "info": "It is closed."}}, None, "It is closed."),
    ({"fault": {"faultstring": "Closed.", "detail": {"errorcode": "a.b"}}}, None, "Closed."),
    ({"detail": [{"loc": ["q"], "msg": "field required", "type": "missing"}]}, "missing", "field required"),
    ({"errors": [{"status": "403", "title": "Closed", "detail": "It is closed."}]}, "Closed", "It is closed."),
    ({"errors": ["It is closed."]}, None, "It is closed."),
    ([{"error": {"message": "It is closed."}}], None, "It is closed."),
    ("It is closed.", None, "It is closed."),
]


@pytest.mark.parametrize(("body", "code", "message"), OTHER_SHAPES)
@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_api_error_of_other_gateways_has_their_text(status: int, body: Any, code: str | None, message: str) -> None:
    """The common names for an error's text and code, in the common places."""
    error = raised(bodies.reply(body, status))
    assert (error.code, error.message) == (code, message)
    assert message in str(error)


@pytest.mark.parametrize("content_type", ["text/plain", "Text/Plain; charset=utf-8"])
def test_api_error_plain_text_is_the_message(content_type: str) -> None:
    """Of a long one the beginning."""
    error = raised(Reply(400, {"content-type": content_type}, b" count must be <= 50\n"))
    assert error.message == "count must be <= 50"
    assert str(error).startswith("HTTP 400: count must be <= 50.")
    long = raised(Reply(400, {"content-type": content_type}, b"x" * 2**20))
    assert long.message == "x" * 500 + "…"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"count must be <= 50", "'count must be <= 50'"),
        (b"<html><head><style>b{}</style><title>No</title></head><body><p>Not here</body>", "'No Not here'"),
        (b'{"ok": false, "why": {"so": 1}}', '\'{"ok": false, "why": {"so": 1}}\''),
        (b"\x1b[2Jgone", "'\\x1b[2Jgone'"),
        (b"y" * 2**20, "'" + "y" * 200 + "'"),
    ],
)
def test_api_error_without_a_known_text_shows_the_body(body: bytes, shown: str) -> None:
    """Its first characters, without markup, with control characters escaped."""
    error = raised(Reply(400, {}, body))
    assert error.message is None
    assert str(error).startswith(f"HTTP 400: the body begins with {shown}")


USED_UP: list[Any] = [
    {"message": "You have exceeded the MONTHLY quota for Requests on your current plan, BASIC."},
    {"message": "You have exceeded the DAILY quota. Try again in 3600 seconds."},
    {"statusCode": 429, "message": "Out of call volume quota. Quota will be replenished in 22.14:18:12."},
    {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota, please check your plan."}},
    {"error": "Your account has run out of searches."},
    {"success": False, "error": {"code": 104, "type": "monthly_limit_reached", "info": "Your monthly volume is used."}},
    {"error": {"code": 429, "message": "Quota exceeded for 'Queries' and limit 'Queries per day'"}},
    {"error": "quota_exceeded", "error_description": "500 requests per month"},
    {"title": "Total quota reached", "status": 429},
    {"errors": [{"code": "RateLimitExceeded", "message": "The yearly limit is reached."}]},
    b"Daily limit reached",
]


@pytest.mark.parametrize("body", USED_UP)
@pytest.mark.parametrize("status", [402, 403, 429])
def test_api_error_of_a_long_quota_is_quota_exhausted(status: int, body: Any) -> None:
    """A quota of days, months or in total is no pace: neither slowing down nor trying again helps."""
    error = raised(bodies.reply(body, status))
    assert type(error) is errors.QuotaExhaustedError
    assert error.status == status
    assert "larger plan" in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "Too many requests",
        "API rate limit exceeded",
        "Rate limit is exceeded. Try again in 26 seconds.",
        "You have exceeded the rate limit per minute for your plan, BASIC",
        "You have exceeded the HOURLY quota",
        "Quota exceeded for 'Queries' and limit 'Queries per minute'",
        "The limit is 5 requests per 10 seconds",
        "Too many requests. Retry after 2 days",
        "Slow down",
    ],
)
def test_api_error_of_a_rate_stays_rate_limited(message: str) -> None:
    """Periods up to an hour pass by themselves."""
    assert type(raised(bodies.reply({"message": message}, 429))) is errors.RateLimitedError


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_api_error_of_other_statuses_is_no_quota(status: int) -> None:
    """The status says already that it is something else."""
    error = raised(bodies.reply({"message": "freshness: Day, Week or Month; limits: 150"}, status))
    assert not isinstance(error, errors.QuotaExhaustedError)


@pytest.mark.parametrize("body", [bodies.RETIRED, b"", bodies.HTML], ids=["gone", "empty", "html"])
def test_410_means_retired(body: Any) -> None:
    """The text says since when, and what to use instead."""
    error = raised(bodies.reply(body, 410))
    assert type(error) is errors.ServiceRetiredError
    assert all(word in str(error) for word in ("2025-08-11", "base_url", "ImageSearchSession.local()"))


def test_410_means_plain_http_only_if_the_body_says_so() -> None:
    """The other meaning has a class of its own, and advice of its own."""
    error = raised(bodies.reply(bodies.service_error("InvalidRequest", "HttpNotAllowed"), 410))
    assert type(error) is errors.HttpsRequiredError
    assert "https://" in str(error)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"   "])
def test_200_with_an_empty_body_is_suspected_abuse(body: bytes) -> None:
    """It is never "no results"; the wait that the service asks for is kept."""
    error = raised(Reply(200, {"retry-after": "60"}, body))
    assert (type(error), error.status, error.retry_after) == (errors.SuspectedAbuseError, 200, 60.0)
    assert "suspects of abuse" in str(error)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (bodies.service_error(), errors.BadRequestError),
        (bodies.service_error("InvalidAuthorization", None), errors.AuthenticationError),
        (bodies.service_error("InsufficientAuthorization", None), errors.AccessDeniedError),
        (bodies.service_error("RateLimitExceeded", None), errors.RateLimitedError),
        (bodies.service_error("ServerError", "UnexpectedError"), errors.ServerError),
        (bodies.service_error("SomethingNew", None), ApiError),
        (bodies.RETIRED, errors.ServiceRetiredError),
        (bodies.gateway_error("429"), errors.RateLimitedError),
        (bodies.bare_gateway_error("404"), errors.NotFoundError),
        (bodies.management_error(403, "No."), errors.AccessDeniedError),
    ],
)
def test_an_error_with_status_200_is_an_error(body: Any, kind: Kind) -> None:
    """Then the code alone decides the class; it is no page without images."""
    error = raised(bodies.reply(body, 200))
    assert (type(error), error.status) == (kind, 200)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"message": "A.", "moreDetails": "B.", "parameter": "C."}, "A. B. (parameter C.)"),
        ({"message": "", "moreDetails": "B.", "parameter": "C."}, "B. (parameter C.)"),
        ({"message": "", "parameter": "Trending data is not present for your request"},
         "Trending data is not present for your request."),
        ({"message": None, "parameter": "q", "value": "x"}, "q."),
    ],
)  # fmt: skip
def test_the_words_are_found_where_the_service_put_them(fields: dict[str, Any], words: str) -> None:
    """At times the message is empty and the text stands in `parameter`; it is shown once."""
    error = raised(bodies.reply(bodies.service_error("ServerError", "UnexpectedError", **fields), 500))
    assert str(error) == f"HTTP 500 ServerError.UnexpectedError: {words} Try again later."


def test_several_errors_are_counted() -> None:
    """The first is told in full, the number of the others is said."""
    body = bodies.service_error()
    body["errors"] += [{"code": "InvalidRequest"}, {"code": "InvalidRequest"}, "not an error"]
    error = raised(bodies.reply(body, 400))
    assert (error.sub_code, "(and 2 more)" in str(error)) == ("ParameterMissing", True)


def test_long_words_are_cut_in_the_text_and_whole_on_the_attribute() -> None:
    """A page of text in an error body does not become a page of log."""
    body = bodies.service_error("C" * 9_000, message="M" * 9_000, parameter="P" * 9_000, value="V" * 9_000)
    error = raised(bodies.reply(body, 400))
    assert len(str(error)) < 2_500
    assert (len(error.code), len(error.message), len(error.value)) == (9_000, 9_000, 9_000)


@pytest.mark.parametrize(
    "body",
    [
        {"errors": []},
        {"errors": ["no", 5]},
        {"errors": "no"},
        {"error": "no"},
        {"error": []},
        {"code": "401"},
        {"message": "only words"},
        {"statusCode": None, "message": "no code"},
    ],
)
def test_a_shape_that_is_none_of_the_four_is_no_error_with_status_200(body: Any) -> None:
    """With status 400 it is a bad request whatever it says; with 200 it is malformed."""
    assert type(raised(bodies.reply(body, 400))) is errors.BadRequestError
    assert type(raised(bodies.reply(body, 200))) is MalformedResponseError


@pytest.mark.parametrize("code", [None, 1.5, [], {"a": 1}])
def test_a_code_or_message_of_another_type_is_left_out(code: Any) -> None:
    """Nothing is coerced in error bodies either."""
    error = raised(bodies.reply({"error": {"code": code, "message": code}}, 403))
    assert (type(error), error.code, error.message) == (errors.AccessDeniedError, None, None)


def test_a_bad_field_of_an_error_leaves_the_others() -> None:
    """One field of another type does not cost the words of the service."""
    error = raised(bodies.reply(bodies.service_error(moreDetails=5, parameter="q"), 400))
    assert (error.message, error.more_details, error.parameter) == ("Required parameter is missing.", None, "q")


# --- how long to wait


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait"),
    [
        (429, bodies.management_error(429, "Rate limit is exceeded. Try again in 26 seconds."), {}, 26.0),
        (429, bodies.management_error(429, "Rate limit is exceeded. Try again in 1 second."), {}, 1.0),
        (429, bodies.management_error(429, "Try again in 26 seconds."), {"retry_after": "3"}, 3.0),
        (429, bodies.management_error(429, "Try again in 26 seconds."), {"retry_after": "0"}, 0.0),
        (429, bodies.management_error(429, "Try again in 26 seconds."), {"retry_after": "soon"}, 26.0),
        (429, bodies.service_error("RateLimitExceeded", None), {}, None),
        (503, b"", {"retry_after": "7"}, 7.0),
        (500, bodies.management_error(500, "Try again in 26 seconds."), {}, None),
        (403, bodies.management_error(403, "Out of call volume quota. Quota will be replenished in 22.14:18:12."),
         {}, 22 * 86_400 + 14 * 3_600 + 18 * 60 + 12.0),
        (403, bodies.management_error(403, "Out of call volume quota. Quota will be replenished in 14:18:12."),
         {}, 51_492.0),
        (403, bodies.management_error(403, "Out of call volume quota."), {}, None),
        (403, bodies.service_error("RateLimitExceeded", None), {"retry_after": "86400"}, 86_400.0),
    ],
)  # fmt: skip
def test_the_wait_is_read_from_header_or_message(
    status: int, body: Any, headers: dict[str, str], wait: float | None
) -> None:
    """The header comes first; 429 and quota messages of the older gateway name a wait as well."""
    assert raised(bodies.reply(body, status, **headers)).retry_after == wait


def test_a_gateways_quota_is_a_quota() -> None:
    """403 with a text about the quota is no refusal of the key."""
    body = bodies.management_error(403, "Out of call volume quota. Quota will be replenished in 22.14:18:12.")
    assert type(raised(bodies.reply(body, 403))) is errors.QuotaExhaustedError


# --- redirects and bodies of somebody else


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
@pytest.mark.parametrize("location", [None, "https://elsewhere.example/"])
def test_a_redirect_is_told_and_not_followed(status: int, location: str | None) -> None:
    """Its target is on the error, for the user to judge."""
    error = raised(Reply(status, {} if location is None else {"location": location}, bodies.HTML))
    assert (type(error), error.status, error.location) == (UnexpectedRedirectError, status, location)
    assert "base_url" in str(error)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bodies.HTML, "the body is an HTML page"),
        (b"\n <html>", "the body is an HTML page"),
        (b"OK", "the body is no JSON"),
        (b'{"_type":"Images","value":[', "the body is no JSON"),
        (b'{"_type":"Images"} {}', "the body is no JSON"),
        (b'{"_type":"Images","nextOffset":NaN}', "NaN is not a JSON number"),
        (b'{"_type":"Images","nextOffset":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"_type":"Images","nextOffset":1e999}', "out of range"),
        (b'{"_type":"Images","nextOffset":' + b"9" * 5_000 + b"}", "the body is no JSON"),
        (b'{"_type":"Images","value":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested too deep"),
        (b"null", "expected an object, found the value None"),
        (b"[]", "expected an object, found a list"),
        (b"7", "expected an object, found the number 7"),
        (b"{}", "this is no ImageAnswer: its _type is the value None"),
        (b'{"_type":"Videos"}', "this is no ImageAnswer: its _type is the text 'Videos'"),
        (b'{"_type":[["Images"]]}', "this is no ImageAnswer: its _type is a list"),
        (b'{"value":null}', "this is no ImageAnswer"),
    ],
)
def test_what_is_no_answer_is_malformed(body: bytes, reason: str) -> None:
    """The error says why, shows the start of the body, and names what to check."""
    error = raised(Reply(200, {"bingapis-traceid": "T-1"}, body))
    assert type(error) is MalformedResponseError
    assert reason in str(error)
    assert "base_url" in str(error)
    assert (error.path, error.excerpt, error.trace_id) == ("", body[:200].decode(), "T-1")
    assert str(error).endswith("[trace id T-1]")


@pytest.mark.parametrize("status", [-1, 0, 100, 199, 204])
def test_a_status_that_is_no_final_answer_is_malformed(status: int) -> None:
    """Neither success nor error: there is nothing to read."""
    assert type(raised(Reply(status, {}, b""))) is MalformedResponseError


def test_an_answer_with_another_2xx_is_an_answer() -> None:
    """Some gateways answer 203 for what they have touched."""
    assert len(read_response(bodies.reply(bodies.search_2017(), 203), ImageAnswer).value) == 3


def test_api_error_reads_a_reply_without_an_endpoint() -> None:
    """The chain asks for the error of a reply before it is known what the reply would have been."""
    assert type(api_error(bodies.reply(bodies.gateway_error("401"), 401))) is errors.AuthenticationError
