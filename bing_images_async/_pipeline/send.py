"""Last step of the pipeline: sends one request through the session's HTTP client, and returns the reply as plain data.

The only module that handles both the key and the network. It adds the key to requests for the configured origin, and
removes it from the request after the attempt. No key leaves this module: replies are redacted, errors of the client
are translated (client_errors.py), and other errors (a cancellation, an error of a user's hook) lose the frames of the
transport from their tracebacks (redaction.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, cast

import anyio
import httpx
from attrs import frozen

from .._protocol.credentials import ApiKey, Auth
from .._protocol.messages import Reply, Request
from .._transport.body import FILE_LIMITS, BodyLimits, check_size, read_body
from .._transport.pool import NEW_CONNECTION, StaleConnectionError
from ..errors import (
    AttemptTimeoutError,
    BingImagesError,
    InvalidRequestError,
    MalformedResponseError,
    SessionStateError,
)
from .call import Call, CallState, InFlight
from .client_errors import find, httpx_of, translate
from .redaction import Redaction, cut_tracebacks

__all__ = ["KeySource", "SendStep"]

_NO_TIMEOUTS: Final = {"connect": None, "read": None, "write": None, "pool": None}
"""No limits of httpx: those are per read, and do not limit a peer that sends a byte at a time. A cancel scope does."""

_CLOSE_TIMEOUT: Final = 1.0  # seconds
_MOST_KNOWN_HEADERS: Final = 256  # sets


@frozen
class KeySource:
    """Source of the key: a constant, or a function of the user's that is called before each attempt."""

    get: Callable[[], Awaitable[ApiKey | None]]
    is_function: bool
    known: ApiKey | None = None
    """The key, unless the source is a function."""


class SendStep:
    """Step that sends the request of a call and reads the reply.

    Args:
        client: an `httpx.AsyncClient`, or an `httpx2.AsyncClient`.
        key: the source of the key.
        auth: the header that carries the key.
        origin: scheme, host and port of the only server that gets the key.
        in_flight: counter of the requests in flight.
        limits: limits of response bodies.
        is_lent: the client is not the session's own. (The pool of the session's own client removes the headers from
            httpcore's requests itself.)

    Calls raise:
        AttemptTimeoutError: no complete reply within the attempt timeout.
        ConnectionFailedError: no connection, or it was lost before the end of the reply.
        ResponseTooLargeError: the reply is larger than `limits`.
        UnexpectedRedirectError: a redirect to something that is not a URL.
        MalformedResponseError: a body in an unknown or broken encoding.
        InvalidRequestError: a middleware made a request that cannot be sent.
        SessionStateError: the client is closed.
        Exception: an error of a lent client's own hooks, auth or transport, unchanged.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        key: KeySource,
        auth: Auth,
        origin: str,
        in_flight: InFlight,
        limits: BodyLimits,
        *,
        is_lent: bool = True,
    ) -> None:
        self._client = client
        self._is_lent = is_lent
        self._httpx: Any = httpx_of(client)
        self._key = key
        self._auth = auth
        self._auth_header, _ = auth.header("")
        self._origin = _origin(self._httpx.URL(origin))
        self._in_flight = in_flight
        self._limits = limits
        self._no_body = self._httpx.ByteStream(b"")
        self._known_headers: dict[tuple[tuple[tuple[str, str], ...], bytes], httpx.Headers] = {}

    def __call__(self, call: Call) -> Awaitable[Reply]:
        """Send one attempt."""
        if self._key.is_function:
            return self._get_key_and_send(call)
        return self._send(call, self._key.known, self._limits, self._in_flight)

    async def _get_key_and_send(self, call: Call) -> Reply:
        with call.waiting("key"):
            key = await self._key.get()
        return await self._send(call, key, self._limits, self._in_flight)

    async def fetch(self, call: Call) -> Reply:
        """Send one attempt without the key, for a file; the limits are those of files."""
        return await self._send(call, None, FILE_LIMITS, InFlight())

    async def _send(self, call: Call, key: ApiKey | None, limits: BodyLimits, in_flight: InFlight) -> Reply:
        if self._client.is_closed:
            raise SessionStateError("The httpx.AsyncClient of this session is closed: no request can be sent.")
        call.state.key_id = None if key is None else hash(key)
        in_flight.requests += 1
        try:
            # Errors are returned, not raised, up to here: the frames below hold the request with the key.
            outcome = await self._outcome(call, key, limits)
        finally:
            in_flight.requests -= 1
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    async def _outcome(self, call: Call, key: ApiKey | None, limits: BodyLimits) -> Reply | BingImagesError:
        call.state.sent = now = anyio.current_time()
        time_limit = call.state.attempt_timeout
        redaction = Redaction(key)
        request: httpx.Request | None = None
        try:
            with anyio.CancelScope(deadline=now + time_limit) as call.state.attempt_scope:
                trace = _Trace(call, is_lent=self._is_lent)
                request = self._build(call, key, trace)
                headers = request.headers
                response: httpx.Response | None = None
                try:
                    response = await self._client.send(request, stream=True, auth=None, follow_redirects=False)
                    return await _read(response, limits, redaction)
                finally:
                    if key is not None:
                        self._remove_key(headers, request, trace)
                        if response is not None and response.next_request is not None:  # a copy, for a redirect
                            response.next_request.headers.pop(self._auth_header, None)
                    trace.end()
        except BingImagesError as error:
            error.__context__ = None
            return error.with_traceback(None)
        except BaseException as fault:
            translated = None
            if not isinstance(fault, self._httpx.HTTPStatusError):
                translated = translate(fault, self._httpx, redaction)
            elif request is not None:  # from a hook that calls `raise_for_status`, on this response or on another
                status: Any = fault
                if status.request.url == request.url:
                    return _reply_of(status.response, limits, redaction)
            if translated is None:
                cut_tracebacks(fault)
                raise
            if (stale := find(fault, StaleConnectionError)) is not None:
                call.state.may_resend = call.request.upload is None or not stale.has_written
            return translated
        finally:
            call.state.attempt_scope = None
        return AttemptTimeoutError(f"The service did not answer within {time_limit:g} s (RetryPolicy.attempt_timeout).")

    def _remove_key(self, headers: httpx.Headers, request: httpx.Request, trace: _Trace) -> None:
        with suppress(KeyError):
            del headers[self._auth_header]
        if request.headers is not headers:  # replaced by an instrumentation
            request.headers.pop(self._auth_header, None)
        if self._is_lent:
            trace.remove_header(self._auth_header)

    def _build(self, call: Call, key: ApiKey | None, trace: _Trace) -> httpx.Request:
        """Return the request with the key; raise `InvalidRequestError` if it cannot be sent."""
        plain = call.request
        extensions: dict[str, Any] = {"timeout": _NO_TIMEOUTS}
        if self._is_lent or call.state.on_sending is not None or call.state.on_connecting is not None:
            extensions["trace"] = trace
        if call.state.needs_new_connection:
            extensions[NEW_CONNECTION] = True
        request: httpx.Request
        try:
            url = self._httpx.URL(plain.url)
            if plain.upload is None:
                headers = self._headers_for(plain, url)
                request = self._httpx.Request(
                    plain.method, url, headers=headers, stream=self._no_body, extensions=extensions
                )
            else:
                part = (plain.upload.filename, plain.upload.content, plain.upload.content_type)
                kept = [pair for pair in plain.headers if pair[0].lower() != "content-type"]
                request = self._httpx.Request(
                    plain.method, url, headers=kept, files={"image": part}, extensions=extensions
                )
            if key is not None and _origin(url) == self._origin:
                # No variable here holds the key itself: tracebacks can show them. (`Headers` would encode it in UTF-8.)
                request.headers[self._auth_header] = self._auth.header(key.reveal())[1].encode("ascii").decode()
        except UnicodeEncodeError as fault:
            raise InvalidRequestError(
                f"A header of the request is not ASCII ({fault.reason}): check auth=, headers= and middleware.",
                parameter="headers",
            ) from None
        except (self._httpx.InvalidURL, ValueError) as fault:
            raise InvalidRequestError(
                f"The URL cannot be used ({type(fault).__name__}: {fault}): check base_url= and middleware.",
                parameter="base_url",
            ) from None
        return request

    def _headers_for(self, plain: Request, url: httpx.URL) -> httpx.Headers:
        """Return the headers of a request without a body, with `Host`; equal ones are created once."""
        known = self._known_headers
        headers = known.get((plain.headers, url.netloc))
        if headers is None:
            pairs = list(plain.headers)
            if not any(name.lower() == "host" for name, _ in pairs):
                pairs.insert(0, ("Host", url.netloc.decode("ascii")))
            if len(known) >= _MOST_KNOWN_HEADERS:
                known.clear()
            headers = known[plain.headers, url.netloc] = self._httpx.Headers(pairs)
        return headers


class _Trace:
    """Request extension `trace` of httpcore: calls `CallState.on_connecting` and `on_sending`, hooks of the rate limit.

    The attempt timeout is paused while `on_sending` waits for a slot (`Call.waiting`).
    """

    __slots__ = ("_is_lent", "_request", "_state")

    def __init__(self, call: Call, *, is_lent: bool) -> None:
        self._state: CallState | None = call.state
        self._is_lent = is_lent
        self._request: Any = None

    def remove_header(self, name: str) -> None:
        """Remove a header from the httpcore request of a lent client, whose headers are copies of httpx's."""
        if self._request is not None:
            raw = name.lower().encode("ascii")
            self._request.headers = [pair for pair in self._request.headers if pair[0].lower() != raw]

    def end(self) -> None:
        """Forget the call: httpx keeps requests, and so this object, in reference cycles until garbage collection.

        The call refers to the reply, whose body would stay in memory as long.
        """
        self._state = self._request = None

    async def __call__(self, event: str, details: Mapping[str, Any]) -> None:
        state = self._state
        if state is None:
            return
        if event.endswith(".send_request_headers.started"):
            request = details.get("request")
            if getattr(request, "method", b"") == b"CONNECT":  # a part of connecting: it opens a tunnel through a proxy
                return
            if self._is_lent:
                self._request = request
            if state.on_sending is None:
                return
            state.sent = None
            # Two streams of an HTTP/2 connection would get the same number if the first one waited here.
            state.sent = await state.on_sending(may_wait=not event.startswith("http2."))
        elif event.endswith(".connect_tcp.started") and state.on_connecting is not None:
            state.on_connecting()


# --- the reply


async def _read(response: httpx.Response, limits: BodyLimits, redaction: Redaction) -> Reply:
    """Read the reply within `limits`, and close the response in any case."""
    if response.is_closed:  # read by a hook, or created without a stream
        return _reply_of(response, limits, redaction)
    headers = redaction.of_headers(_headers_of(response.headers.raw))
    stream = cast("httpx.AsyncByteStream", response.stream)
    try:
        body = await read_body(stream, headers, limits, close=response.aclose)
    except BaseException as error:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSE_TIMEOUT):
            await response.aclose()
        if not isinstance(error, MalformedResponseError) or response.status_code < 400:
            raise
        body = b""  # an error status matters more than an unreadable body
    await response.aclose()
    return Reply(response.status_code, headers, redaction.of_body(body))


def _reply_of(response: httpx.Response, limits: BodyLimits, redaction: Redaction) -> Reply:
    """Return the reply of a closed response, with the body as httpx decoded it, if it was read."""
    headers = redaction.of_headers(_headers_of(response.headers.raw))
    headers.pop("content-encoding", None)
    try:
        body = response.content
    except RuntimeError:  # httpx.ResponseNotRead
        body = b""
    return Reply(response.status_code, headers, redaction.of_body(check_size(body, limits)))


def _headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return header fields by lower-case name; fields of one name are joined by commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode("utf-8")
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    port = url.port
    return url.scheme, url.host, port if port is not None else 443 if url.scheme == "https" else 80
