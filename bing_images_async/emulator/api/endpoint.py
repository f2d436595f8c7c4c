"""What all API endpoints share: checks before the handler, headers and error responses after it."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import attrs
from starlette.requests import Request
from starlette.responses import Response

from .answers import AnswerContext
from .auth import authenticate
from .error_bodies import GatewayError, ServiceError, gateway_body, service_body
from .links import Links, base_url
from .parameters import ParameterReader, read_language, read_market, read_ui_language
from .service_state import Body, ServiceState

MAX_URL = 2_048
"""Longest URL in characters; the API answers longer ones with 404, not 414."""

_MIN_COMPRESSED = 1_024
_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "-1",
    "X-Content-Type-Options": "nosniff",
}


@attrs.frozen
class ApiCall:
    """One API call: its parameters, the context of the answer, and the HTTP request."""

    request: Request
    reader: ParameterReader
    context: AnswerContext

    @property
    def market(self) -> str:
        return self.context.links.market


Handler = Callable[[ServiceState, ApiCall], Awaitable[Body]]


def api_endpoint(state: ServiceState, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return the Starlette endpoint that checks a request, runs the handler and writes the response."""

    async def endpoint(request: Request) -> Response:
        market = None
        try:
            authenticate(request.headers, state.keys, state.key_header)
            _check_url_length(request)
            call = _read_call(state, request)
            market = call.market
            status, body = 200, await handler(state, call)
        except GatewayError as error:
            return gateway_response(state, error)
        except ServiceError as error:
            status, body = error.status, Body(service_body(*error.entries))
        return _response(state, request, status, body, market)

    return endpoint


def gateway_response(state: ServiceState, error: GatewayError) -> Response:
    """Return an error of the gateway: it has the gateway's own request id and no BingAPIs headers."""
    headers = {**_HEADERS, "apim-request-id": state.new_id(), **error.headers}
    return Response(gateway_body(error.status, error.message), error.status, headers)


def _read_call(state: ServiceState, request: Request) -> ApiCall:
    headers = request.headers
    query = request.scope["query_string"].decode("latin-1")
    reader = ParameterReader.of(parse_qsl(query, keep_blank_values=True, errors="replace"))
    languages = headers.get("accept-language")
    market = read_market(reader, languages)
    documented_only = headers.get("x-bingapis-sdk", "").lower() == "true"
    language = read_language(reader, languages, market)
    links = Links(base_url(request), market, read_ui_language(reader))
    context = state.answer_context(links, language, documented_only=documented_only)
    return ApiCall(request, reader, context)


def _check_url_length(request: Request) -> None:
    if url_length(request) > MAX_URL:
        raise GatewayError(404, "Resource not found")


def url_length(request: Request) -> int:
    """Return the length of the URL of a request in characters."""
    scope = request.scope
    path = scope.get("raw_path") or request.url.path.encode()
    query = scope["query_string"]
    host = f"{scope['scheme']}://{request.headers.get('host', '')}"
    return len(host) + len(path) + (len(query) + 1 if query else 0)


def _response(state: ServiceState, request: Request, status: int, body: Body, market: str | None) -> Response:
    headers = {
        **_HEADERS,
        "BingAPIs-TraceId": state.new_id(),
        "BingAPIs-SessionId": state.new_id(),
        "X-MSEdge-ClientID": request.headers.get("x-msedge-clientid") or state.new_id(),
        "Vary": "Accept-Encoding",
    }
    if market is not None:
        headers["BingAPIs-Market"] = market
    if len(body.plain) < _MIN_COMPRESSED or "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(body.plain, status, headers)
    return Response(body.compressed(), status, {**headers, "Content-Encoding": "gzip"})
