"""The gate every API call passes: address, credentials, market going in; headers, errors going out."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import attrs
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from .answers import Style
from .error_bodies import Fault, GatewayError, RefusedError, gateway_body, service_body
from .parameters import Reader, read_market, read_ui_language
from .service_state import Body, Service

MAX_URL = 2_048
"""Characters; the API answers 404, not 414, to more."""

SUBSCRIPTION_KEY = "Ocp-Apim-Subscription-Key"

_WORTH_COMPRESSING = 1_024
_ALWAYS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "-1",
    "X-Content-Type-Options": "nosniff",
}


@attrs.frozen
class Visit:
    """One API call: its query string, for whom to answer, and the request itself for its body."""

    request: Request
    reader: Reader
    style: Style

    @property
    def market(self) -> str:
        return self.style.links.market


Handler = Callable[[Service, Visit], Awaitable[Body]]


def base_of(request: Request) -> str:
    """Scheme, host and mount point the request came to: where all URLs of its answer lie."""
    scope = request.scope
    host = request.headers.get("host", "local.bing-images")
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"


def credentials(headers: Headers, key_header: str | None = None) -> list[str]:
    """Every key a request carries, whichever header holds it."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = [
        headers.get(SUBSCRIPTION_KEY),
        token.strip() if scheme.lower() == "bearer" else None,
        headers.get(key_header) if key_header is not None else None,
    ]
    return [key for key in found if key]


def gated(service: Service, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The Starlette endpoint around a handler."""

    async def endpoint(request: Request) -> Response:
        market = None
        try:
            _check_address(request)
            _check_credentials(service, request.headers)
            visit = _receive(service, request)
            market = visit.market
            status, body = 200, await handler(service, visit)
        except GatewayError as refusal:
            return gateway_reply(service, refusal)
        except RefusedError as refusal:
            status, body = refusal.status, Body(service_body(*refusal.faults))
        return _reply(service, request, status, body, market)

    return endpoint


def gateway_reply(service: Service, refusal: GatewayError) -> Response:
    """Gateway errors have no BingAPIs headers, only the gateway's own id."""
    headers = {**_ALWAYS, "apim-request-id": service.identity(), **refusal.headers}
    return Response(gateway_body(refusal.status, refusal.message), refusal.status, headers)


def _receive(service: Service, request: Request) -> Visit:
    headers = request.headers
    query = request.scope["query_string"].decode("latin-1")
    reader = Reader.of(parse_qsl(query, keep_blank_values=True, errors="replace"))
    languages = headers.get("accept-language")
    market = read_market(reader, languages)
    plain = headers.get("x-bingapis-sdk", "").lower() == "true"
    style = service.style(base_of(request), market, read_ui_language(reader, languages), plain=plain)
    return Visit(request, reader, style)


def _check_address(request: Request) -> None:
    scope = request.scope
    path = scope.get("raw_path") or request.url.path.encode()
    query = scope["query_string"]
    host = f"{scope['scheme']}://{request.headers.get('host', '')}"
    if len(host) + len(path) + (len(query) + 1 if query else 0) > MAX_URL:
        raise GatewayError(404, "Resource not found")


def _check_credentials(service: Service, headers: Headers) -> None:
    keys = credentials(headers, service.key_header)
    if len(keys) > 1:
        fault = Fault(
            "InvalidAuthorization",
            "AuthorizationRedundancy",
            "Authorization is redundant.",
            "Send the key once, in one header.",
        )
        raise RefusedError(401, fault)
    if service.keys is not None and not service.keys.intersection(keys):
        raise GatewayError(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. "
            "Check that the key is valid and belongs to this service.",
        )


def _reply(service: Service, request: Request, status: int, body: Body, market: str | None) -> Response:
    headers = {
        **_ALWAYS,
        "BingAPIs-TraceId": service.identity(),
        "BingAPIs-SessionId": service.identity(),
        "X-MSEdge-ClientID": request.headers.get("x-msedge-clientid") or service.identity(),
        "Vary": "Accept-Encoding",
    }
    if market is not None:
        headers["BingAPIs-Market"] = market
    if len(body.plain) < _WORTH_COMPRESSING or "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(body.plain, status, headers)
    return Response(body.packed(), status, {**headers, "Content-Encoding": "gzip"})
