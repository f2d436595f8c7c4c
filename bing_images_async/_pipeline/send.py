"""The end of the chain: one request over the session's carrier, and its reply as plain data.

The only place that sees both the key and the network. The key is attached here, at the last moment,
and nothing that leaves this module holds it: not a reply (should the service echo it), not an error
or its cause, not the traceback of whatever passes through.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType

import anyio
import httpx
from attrs import evolve, frozen

from .._protocol.credentials import ApiKey, Auth
from .._protocol.messages import Reply
from .._transport.body import BodyLimits, read_body
from .._transport.carrier import Carrier, Outgoing
from .._transport.discretion import Discretion, install
from ..errors import (
    AttemptTimeoutError,
    BingImagesError,
    ConnectionFailedError,
    InvalidRequestError,
    MalformedResponseError,
)
from .call import Call, Wire

__all__ = ["KeySource", "Terminal"]


@frozen
class KeySource:
    """Where the key comes from."""

    ask: Callable[[], Awaitable[ApiKey | None]]
    takes_time: bool
    """A function of the user's is asked, before each attempt; otherwise the key is `known`."""
    known: ApiKey | None = None


_LONG_ENOUGH = 12
"""Keys of fewer characters are not looked for in replies: they could be part of any word."""


_TRANSPORT = frozenset({"aiohttp", "anyio", "asyncio", "h11", "httpcore", "httpx", "trio", "yarl"})
"""Packages whose stack frames hold requests, and so the key, in their local variables."""

_OWN = f"{__package__}."
"""Modules of our own of which the same is true, or that hold replies as they came: whatever lies below this one."""


class Terminal:
    """Sends a call's request and reads the reply.

    Raises `AttemptTimeoutError`, `ConnectionFailedError`, `ResponseTooLargeError`,
    `UnexpectedRedirectError` (to what is no address) and `MalformedResponseError` (a body in an
    encoding that cannot be read).
    """

    def __init__(
        self,
        carrier: Carrier,
        key: KeySource,
        auth: Auth,
        wire: Wire,
        limits: BodyLimits,
    ) -> None:
        self._carrier = carrier
        self._key = key
        self._auth = auth
        self._wire = wire
        self._limits = limits
        install()

    def __call__(self, call: Call) -> Awaitable[Reply]:
        """One attempt."""
        if self._key.takes_time:
            return self._ask_and_send(call)
        call.key = self._key.known
        return self._send(call, self._limits, self._wire)

    async def _ask_and_send(self, call: Call) -> Reply:
        with call.waiting("key"):
            call.key = await self._key.ask()
        return await self._send(call, self._limits, self._wire)

    async def fetch(self, call: Call) -> Reply:
        """One attempt without the key, for files that are no part of the API: they may be large uncompressed."""
        call.key = None
        return await self._send(call, evolve(self._limits, wire=self._limits.decoded), Wire())

    async def _send(self, call: Call, limits: BodyLimits, wire: Wire) -> Reply:
        self._carrier.check()
        wire.requests += 1
        call.sent = anyio.current_time()
        try:
            # The frames below this one hold the request with the key; they have ended when the error is raised.
            outcome = await self._outcome(call, limits)
        finally:
            wire.requests -= 1
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    async def _outcome(self, call: Call, limits: BodyLimits) -> Reply | BingImagesError:
        time_limit = call.attempt_timeout
        try:
            with Discretion(_secret(call.key)), anyio.move_on_after(time_limit if time_limit < math.inf else None):
                return await self._exchange(call, limits)
        except UnicodeEncodeError as fault:  # of a middleware or an `Auth`; it holds the header
            return _translated(httpx.LocalProtocolError(f"a header is not ASCII ({fault.reason})"), call.key)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as fault:
            return _translated(fault, call.key)
        except BingImagesError as error:
            error.__context__ = None
            return error.with_traceback(None)
        except BaseException as fault:  # raised again, without what it must not show
            _disarm(fault, call.key)
            raise fault from fault.__cause__
        return AttemptTimeoutError(f"The service did not answer within {time_limit:g} s (RetryPolicy.attempt_timeout).")

    async def _exchange(self, call: Call, limits: BodyLimits) -> Reply:
        secret = _secret(call.key)
        incoming = await self._carrier.send(self._pack(call))
        try:
            headers = _clean_headers(incoming.headers, secret)
            try:
                body = await read_body(incoming, headers, limits)
            except MalformedResponseError:
                if incoming.status < 400:
                    raise
                body = b""  # what cannot be read must not hide the status
            return Reply(incoming.status, headers, _clean_body(body, secret))
        finally:
            await incoming.aclose()

    def _pack(self, call: Call) -> Outgoing:
        request = call.request
        headers = list(request.headers)
        if call.key is not None:
            headers.append(self._auth.header(call.key.reveal()))
        outgoing = Outgoing(request.method, request.url, headers, on_departure=call.on_departure)
        if request.upload is not None:
            part = (request.upload.filename, request.upload.content, request.upload.content_type)
            form = httpx.Request(request.method, request.url, files={"image": part})
            outgoing.headers = [pair for pair in headers if pair[0].lower() != "content-type"]
            outgoing.headers.append(("Content-Type", form.headers["content-type"]))
            outgoing.body = form.read()
        return outgoing


def _secret(key: ApiKey | None) -> str | None:
    """What must not be shown: the key, if it is long enough to be looked for."""
    return None if key is None or len(key.reveal()) < _LONG_ENOUGH else key.reveal()


def _without_key(text: str, key: ApiKey | None) -> str:
    """The same, should the transport have repeated the key in it."""
    secret = _secret(key)
    return text if secret is None else text.replace(secret, "***")


# Should the service or a gateway have repeated the key in its reply:


def _clean_headers(headers: dict[str, str], secret: str | None) -> dict[str, str]:
    if secret is None or not any(secret in value for value in headers.values()):
        return headers
    return {name: value.replace(secret, "***") for name, value in headers.items()}


def _clean_body(body: bytes, secret: str | None) -> bytes:
    return body if secret is None else body.replace(secret.encode(), b"***")


def _translated(fault: Exception, key: ApiKey | None) -> BingImagesError:
    """Our error for what the transport raised; its cause is a copy that refers to nothing."""
    words = _without_key(str(fault), key)
    named = f"{type(fault).__name__}: {words}" if words else type(fault).__name__
    error: BingImagesError
    if isinstance(fault, httpx.TimeoutException | TimeoutError):
        error = AttemptTimeoutError(f"The service did not answer in time ({named}).")
    elif isinstance(fault, httpx.InvalidURL | httpx.UnsupportedProtocol):
        error = InvalidRequestError(f"base_url cannot be used ({named}).", parameter="base_url")
    elif _is_certificate_fault(fault):
        error = ConnectionFailedError(
            f"The service's certificate is not valid ({named}). Check base_url; for a private certificate "
            "authority pass client=httpx.AsyncClient(verify=…).",
            retryable=False,
        )
    else:
        error = ConnectionFailedError(
            f"No reply ({named}). Check base_url and the network.",
            retryable=not isinstance(fault, httpx.LocalProtocolError),
        )
    error.__cause__ = _bare(fault, words)
    return error


def _is_certificate_fault(fault: BaseException | None) -> bool:
    while fault is not None:
        if isinstance(fault, ssl.SSLCertVerificationError):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def _bare(fault: Exception, words: str) -> Exception:
    """The same kind of error with the same words, and neither request, traceback nor context."""
    try:
        return type(fault)(words)
    except Exception:  # noqa: BLE001  # a subclass of a user's transport may want other arguments
        return ConnectionError(f"{type(fault).__name__}: {words}")


def _disarm(fault: BaseException, key: ApiKey | None) -> None:
    """Take from `fault`, and from the causes its owner gave it, what refers to requests."""
    seen: set[int] = set()
    link: BaseException | None = fault
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = _without_transport(link.__traceback__)
        link.__context__ = None
        if isinstance(link.__cause__, httpx.HTTPError):
            link.__cause__ = _bare(link.__cause__, _without_key(str(link.__cause__), key))
        link = link.__cause__


def _without_transport(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames that hold requests; those of users' own transports stay."""
    if trace is None:
        return None
    rest = _without_transport(trace.tb_next)
    module = str(trace.tb_frame.f_globals.get("__name__", ""))
    if module.startswith(_OWN) or module.partition(".")[0] in _TRANSPORT:
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
