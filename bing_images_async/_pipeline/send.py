"""The last step of the pipeline: one request through the session's HTTP client, and its reply as plain data.

The only module that sees both the key and the network. The key is added to the request here, for the configured
origin alone, and taken out again when the attempt is over. What leaves this module holds no key: replies and errors
are redacted should the service repeat it; errors of the client are replaced by ours, with a bare copy as their cause;
what is not ours (cancellation, errors of the user's hooks) keeps its traceback down to the transport.
"""

from __future__ import annotations

import errno
import math
import re
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from types import ModuleType, TracebackType
from typing import Any, Final, TypeVar, cast

import anyio
import httpx
from attrs import frozen

from .._protocol.credentials import ApiKey, Auth
from .._protocol.messages import Reply, Request
from .._transport.body import FILE_LIMITS, BodyLimits, check_size, read_body
from .._transport.pool import NEW_CONNECTION, StaleConnectionError
from .._transport.proxy import ProxyRefusedError
from ..errors import (
    AttemptTimeoutError,
    BingImagesError,
    ConnectionFailedError,
    InvalidRequestError,
    MalformedResponseError,
    SessionStateError,
    UnexpectedRedirectError,
)
from .call import Call, InFlight

__all__ = ["KeySource", "SendStep"]

_NO_TIMEOUTS: Final = {"connect": None, "read": None, "write": None, "pool": None}
"""Time limits are scopes around whole attempts: httpx's are per read, and a peer that drips bytes stretches them."""

_CLOSING: Final = 1.0  # seconds
_MOST_KNOWN: Final = 256  # sets of headers

_RETRYABLE_PROXY_STATUSES: Final = frozenset({500, 502, 503, 504})

_TRANSPORT: Final = ("httpcore", "httpcore2", "h11", "h2", "bing_images_async._transport")
"""Packages whose stack frames hold requests as bytes or header lists, and so the key."""

_CLIENT: Final = frozenset({"httpx", "httpx2", "idna", "encodings"})
"""Packages in which an `AsyncClient` parses URLs."""

_LIMITS: Final = {
    errno.EMFILE: "open files of this process; see ulimit -n",
    errno.ENFILE: "open files of this machine",
    errno.ENOBUFS: "memory for sockets",
    errno.ENOMEM: "memory",
    errno.EADDRNOTAVAIL: "local addresses and ports",
}
"""Errors of the operating system for a process that has no room for another connection, and what there is none of."""

E = TypeVar("E", bound=BaseException)


@frozen
class KeySource:
    """Where the key comes from."""

    ask: Callable[[], Awaitable[ApiKey | None]]
    takes_time: bool
    """A function of the user's is asked, before each attempt; otherwise the key is `known`."""
    known: ApiKey | None = None


class SendStep:
    """Sends a call's request and reads the reply.

    Raises `AttemptTimeoutError`, `ConnectionFailedError`, `ResponseTooLargeError`, `UnexpectedRedirectError` (to what
    is no URL), `MalformedResponseError` (a body in an encoding that cannot be read), `InvalidRequestError` (a request
    that a middleware has made unusable) and `SessionStateError` (the client is closed). Errors of a lent client's own
    hooks, auth or transport pass unchanged.

    Args:
        client: an `httpx.AsyncClient`, or an `httpx2.AsyncClient`.
        origin: scheme, host and port that the key may go to.
        recheck: raises if `call` must not be sent any more; called when a call had to wait for a slot once more.
        is_lent: the client is not the session's own, whose pool empties httpcore's requests itself.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        key: KeySource,
        auth: Auth,
        origin: str,
        in_flight: InFlight,
        limits: BodyLimits,
        recheck: Callable[[Call], None],
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
        self._recheck = recheck
        self._no_body = self._httpx.ByteStream(b"")
        self._known_headers: dict[tuple[tuple[tuple[str, str], ...], bytes], httpx.Headers] = {}

    def __call__(self, call: Call) -> Awaitable[Reply]:
        """One attempt."""
        if self._key.takes_time:
            return self._ask_and_send(call)
        return self._send(call, self._key.known, self._limits, self._in_flight)

    async def _ask_and_send(self, call: Call) -> Reply:
        with call.waiting("key"):
            key = await self._key.ask()
        return await self._send(call, key, self._limits, self._in_flight)

    async def fetch(self, call: Call) -> Reply:
        """One attempt without the key, for files that are no part of the API: they may be large uncompressed."""
        return await self._send(call, None, FILE_LIMITS, InFlight())

    async def _send(self, call: Call, key: ApiKey | None, limits: BodyLimits, in_flight: InFlight) -> Reply:
        if self._client.is_closed:
            raise SessionStateError("The httpx.AsyncClient of this session is closed: nothing can be sent any more.")
        call.state.key_id = None if key is None else hash(key)
        in_flight.requests += 1
        try:
            # The frames below this one hold the request with the key; they have ended when the error is raised.
            outcome = await self._outcome(call, key, limits)
        finally:
            in_flight.requests -= 1
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    async def _outcome(self, call: Call, key: ApiKey | None, limits: BodyLimits) -> Reply | BingImagesError:
        call.state.sent = now = anyio.current_time()
        time_limit = call.state.attempt_timeout
        redaction = _Redaction(key)
        try:
            with anyio.CancelScope(deadline=now + time_limit) as scope:
                trace = _Trace(call, scope, self._recheck)
                request = self._build(call, key, trace)
                headers = request.headers
                try:
                    response = await self._client.send(request, stream=True, auth=None, follow_redirects=False)
                    return await _read(response, limits, redaction)
                finally:
                    if key is not None:
                        headers.pop(self._auth_header, None)
                        if request.headers is not headers:  # an instrument has put others in their place
                            request.headers.pop(self._auth_header, None)
                        trace.remove_header(self._auth_header)
        except BingImagesError as error:
            error.__context__ = None
            return error.with_traceback(None)
        except self._httpx.HTTPStatusError as fault:  # of a response hook that raises for statuses, as httpx documents
            return _reply_of(fault.response, limits, redaction)
        except BaseException as fault:
            ours = self._translated(fault, redaction)
            if ours is None:
                _cut_at_transport(fault)
                raise
            if (stale := _find(fault, StaleConnectionError)) is not None:
                call.state.may_resend = call.request.upload is None or not stale.has_written
            return ours
        return AttemptTimeoutError(f"The service did not answer within {time_limit:g} s (RetryPolicy.attempt_timeout).")

    def _build(self, call: Call, key: ApiKey | None, trace: _Trace) -> httpx.Request:
        """The request with the key. Raises `InvalidRequestError` for what cannot be sent."""
        question = call.request
        extensions: dict[str, Any] = {"timeout": _NO_TIMEOUTS}
        if self._is_lent or call.state.on_sending is not None or call.state.on_connecting is not None:
            extensions["trace"] = trace
        if call.state.needs_new_connection:
            extensions[NEW_CONNECTION] = True
        request: httpx.Request
        try:
            url = self._httpx.URL(question.url)
            if question.upload is None:
                headers = self._headers_for(question, url)
                request = self._httpx.Request(
                    question.method, url, headers=headers, stream=self._no_body, extensions=extensions
                )
            else:
                part = (question.upload.filename, question.upload.content, question.upload.content_type)
                kept = [pair for pair in question.headers if pair[0].lower() != "content-type"]
                request = self._httpx.Request(
                    question.method, url, headers=kept, files={"image": part}, extensions=extensions
                )
            if key is not None and _origin(url) == self._origin:
                # No variable here holds the key itself: tracebacks can show them.
                request.headers.update((self._auth.header(key.reveal()),))
        except UnicodeEncodeError as fault:
            raise InvalidRequestError(
                f"A header of the request is not ASCII ({fault.reason}): check auth=, headers= and middleware.",
                parameter="headers",
            ) from None
        except (self._httpx.InvalidURL, ValueError) as fault:
            raise InvalidRequestError(
                f"base_url, or a middleware, made a URL that cannot be used ({type(fault).__name__}: {fault}).",
                parameter="base_url",
            ) from None
        return request

    def _headers_for(self, question: Request, url: httpx.URL) -> httpx.Headers:
        """The headers of a request without a body, with `Host`, in httpx's form; equal ones are made once."""
        known = self._known_headers
        headers = known.get((question.headers, url.netloc))
        if headers is None:
            pairs = list(question.headers)
            if not any(name.lower() == "host" for name, _ in pairs):
                pairs.insert(0, ("Host", url.netloc.decode("ascii")))
            if len(known) >= _MOST_KNOWN:
                known.clear()
            headers = known[question.headers, url.netloc] = self._httpx.Headers(pairs)
        return headers

    def _translated(self, fault: BaseException, redaction: _Redaction) -> BingImagesError | None:
        """Our error for what the client raised, its cause a copy that refers to nothing; `None` for what is not its."""
        module = self._httpx
        if isinstance(fault, UnicodeError | module.InvalidURL | module.RemoteProtocolError) and _is_of_httpx(fault):
            return UnexpectedRedirectError(
                "The service redirected to what is no URL. Redirects are not followed; check base_url."
            )
        if not _is_of_the_network(fault, module):
            return None
        words = redaction.of_text(str(fault))
        named = f"{type(fault).__name__}: {words}" if words else type(fault).__name__
        error: BingImagesError
        if (limit := _limit_behind(fault)) is not None:
            error = ConnectionFailedError(
                f"No connection: out of {_LIMITS[limit]} ({errno.errorcode[limit]}). "
                "Lower max_concurrency, use one session for all tasks, or raise the limit.",
                limit=errno.errorcode[limit],
            )
        elif isinstance(fault, module.TimeoutException | TimeoutError):
            error = AttemptTimeoutError(f"The service did not answer in time ({named}).")
        elif isinstance(fault, module.InvalidURL | module.UnsupportedProtocol):
            error = InvalidRequestError(f"base_url cannot be used ({named}).", parameter="base_url")
        elif isinstance(fault, module.ProxyError):
            refusal = _find(fault, ProxyRefusedError)
            error = ConnectionFailedError(
                f"No connection through the proxy ({named}). Check proxy= or HTTPS_PROXY, and its credentials.",
                retryable=refusal is None or refusal.status in _RETRYABLE_PROXY_STATUSES,
            )
        elif _find(fault, ssl.SSLCertVerificationError) is not None:
            error = ConnectionFailedError(
                f"The service's certificate is not valid ({named}). Check base_url; for a private certificate "
                'authority pass verify="ca.pem", or trust_env=True to use SSL_CERT_FILE.',
                retryable=False,
            )
        else:
            error = ConnectionFailedError(
                f"No reply ({named}). Check base_url and the network.",
                retryable=not isinstance(fault, module.LocalProtocolError),
            )
        error.__cause__ = _bare(fault, words)
        return error


def httpx_of(client: object) -> ModuleType:
    """The module that a client is of: httpx, or httpx2 if that has been imported and the client is one of its."""
    for name in ("httpx", "httpx2"):
        module = sys.modules.get(name)
        if module is not None and isinstance(client, module.AsyncClient):
            return module
    raise TypeError("not an AsyncClient of httpx or httpx2")


class _Trace:
    """httpcore's request extension `trace`: tells when a connection is made, and waits before the first byte.

    Time spent waiting for a slot is not time of the attempt.
    """

    __slots__ = ("_call", "_recheck", "_request", "_scope")

    def __init__(self, call: Call, scope: anyio.CancelScope, recheck: Callable[[Call], None]) -> None:
        self._call = call
        self._scope = scope
        self._recheck = recheck
        self._request: Any = None

    def remove_header(self, name: str) -> None:
        """Remove a header from the httpcore request of a lent client, whose headers are copies of httpx's."""
        if self._request is not None:
            raw = name.lower().encode("ascii")
            self._request.headers = [pair for pair in self._request.headers if pair[0].lower() != raw]

    async def __call__(self, event: str, details: Mapping[str, Any]) -> None:
        state = self._call.state
        if event.endswith(".send_request_headers.started"):
            self._request = details.get("request")
            if state.on_sending is None:
                return
            before, state.sent = anyio.current_time(), None
            deadline, self._scope.deadline = self._scope.deadline, math.inf
            await state.on_sending()
            now = anyio.current_time()
            self._scope.deadline = deadline + (now - before)
            if now != before:
                self._recheck(self._call)
            state.sent = now
        elif event.endswith(".connect_tcp.started") and state.on_connecting is not None:
            state.on_connecting()


# --- the reply


async def _read(response: httpx.Response, limits: BodyLimits, redaction: _Redaction) -> Reply:
    """Read the reply, within limits, and close the response, whatever happens."""
    if response.is_closed:  # a hook has read it, or it never was a stream
        return _reply_of(response, limits, redaction)
    headers = redaction.of_headers(_headers_of(response.headers.raw))
    stream = cast("httpx.AsyncByteStream", response.stream)
    try:
        body = await read_body(stream, headers, limits, close=response.aclose)
    except BaseException as error:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSING):
            await response.aclose()
        if not isinstance(error, MalformedResponseError) or response.status_code < 400:
            raise
        body = b""  # what cannot be read must not hide the status
    await response.aclose()
    return Reply(response.status_code, headers, redaction.of_body(body))


def _reply_of(response: httpx.Response, limits: BodyLimits, redaction: _Redaction) -> Reply:
    """The reply of a response that is closed: with its body as httpx decoded it, if somebody has read that."""
    headers = redaction.of_headers(_headers_of(response.headers.raw))
    headers.pop("content-encoding", None)
    try:
        body = response.content
    except RuntimeError:  # httpx.ResponseNotRead
        body = b""
    return Reply(response.status_code, headers, redaction.of_body(check_size(body, limits)))


def _headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields as texts, names in lower case; those of one name in one, with commas (RFC 9110, section 5.3)."""
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


# --- errors


def _is_of_the_network(fault: BaseException, module: ModuleType) -> bool:
    """An error of httpx's, or one that a lent client's own transport may raise beside those."""
    if isinstance(fault, module.HTTPError | module.StreamError | module.InvalidURL):
        return True
    return isinstance(fault, OSError) and fault.filename is None  # else a hook's, about a file


def _limit_behind(fault: BaseException) -> int | None:
    """The number of the limit of this process that made a connection fail; `None` if it was something else.

    An address that is not available counts only if no other attempt to connect failed in another way: on a machine
    without IPv6 that is how every attempt with IPv6 ends.
    """
    errors = [error for error in _leaves(fault) if isinstance(error, OSError) and error.errno is not None]
    if any(isinstance(error, socket.gaierror) for error in errors):
        try:
            socket.socket().close()
        except OSError as error:  # a resolver that can open no socket says that it does not know the name
            errors = [error]
    numbers = [error.errno for error in errors]
    others = [number for number in numbers if number != errno.EADDRNOTAVAIL]
    return next((number for number in others or numbers if number in _LIMITS), None)


def _leaves(fault: BaseException | None) -> Iterator[BaseException]:
    """An error, those that caused it, and the members of groups among them."""
    pending, seen = [fault], set[int]()
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        pending.append(link.__cause__ or link.__context__)
        if isinstance(link, BaseExceptionGroup):
            pending += cast("BaseExceptionGroup[BaseException]", link).exceptions


def _is_of_httpx(fault: BaseException) -> bool:
    """Was the error raised by `AsyncClient` itself, and not by a transport or a hook?

    All that a client does itself with a request is to parse the URL of a redirect, which may fail in many ways.
    """
    trace = fault.__traceback__
    innermost = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _CLIENT and module != __name__:
            return False
        innermost = module
        trace = trace.tb_next
    return not innermost.endswith("._transports.default")


def _find(fault: BaseException | None, kind: type[E]) -> E | None:
    """The first error of this kind among `fault`, its causes and contexts."""
    return next((error for error in _leaves(fault) if isinstance(error, kind)), None)


def _bare(fault: BaseException, words: str) -> BaseException:
    """The same kind of error with the same words, and neither request, traceback nor context."""
    try:
        return type(fault)(words)
    except Exception:  # noqa: BLE001  # a subclass of a user's transport may want other arguments
        return ConnectionError(f"{type(fault).__name__}: {words}")


def _cut_at_transport(fault: BaseException) -> None:
    """Cut the tracebacks of an error, and of those behind it, where the transport begins."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [fault]
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = _above_transport(link.__traceback__)
        pending += (link.__cause__, link.__context__)


def _above_transport(trace: TracebackType | None) -> TracebackType | None:
    if trace is None:
        return None
    module = str(trace.tb_frame.f_globals.get("__name__", ""))
    if module.startswith(_TRANSPORT):
        return None
    return TracebackType(_above_transport(trace.tb_next), trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


class _Redaction:
    """Replaces the key by `***` where the service or a gateway has repeated it as a word."""

    __slots__ = ("_key",)

    def __init__(self, key: ApiKey | None) -> None:
        self._key = key

    def of_text(self, text: str) -> str:
        if self._key is None or self._key.reveal() not in text:
            return text
        return re.sub(rf"(?<!\w){re.escape(self._key.reveal())}(?!\w)", "***", text)

    def of_headers(self, headers: dict[str, str]) -> dict[str, str]:
        if self._key is None or not any(self._key.reveal() in value for value in headers.values()):
            return headers
        return {name: self.of_text(value) for name, value in headers.items()}

    def of_body(self, body: bytes) -> bytes:
        if self._key is None or self._key.reveal().encode() not in body:
            return body
        return re.sub(rb"(?<!\w)" + re.escape(self._key.reveal().encode()) + rb"(?!\w)", b"***", body)
