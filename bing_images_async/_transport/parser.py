"""HTTP/1.1 responses, sans I/O: bytes in, one response out (RFC 9112), parsed by httptools (llhttp).

llhttp checks the grammar. This module adds the rest: the end of the stream, limits on the head, on trailers and on
interim replies, replies to HEAD and CONNECT, and the choice between two body lengths.
"""

from __future__ import annotations

from typing import Final

import httpcore
import httptools

from ..errors import ResponseTooLargeError

__all__ = ["HEAD_LIMIT", "INTERIM_LIMIT", "ResponseParser"]

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of status line and headers, those of interim replies included. The same for trailers and chunk extensions."""

INTERIM_LIMIT: Final = 8
"""Interim replies (1xx; RFC 9110, section 15.2) before the final one. Requests here ask for none."""

_SWITCHING_PROTOCOLS: Final = 101


class ResponseParser:
    """Parser for the responses of one connection, one after the other.

    Call `start`, then `feed` (`feed_end` at the end of the stream) until `is_complete`. Methods raise
    `httpcore.RemoteProtocolError` for data that is not HTTP/1.1, and `ResponseTooLargeError` beyond the limits; the
    connection cannot be used after either.
    """

    def __init__(self) -> None:
        self._http = self._make()
        self.start()

    def start(self, *, has_body: bool = True) -> None:
        """Expect a response. `has_body=False` for HEAD and CONNECT, whose responses end with their head."""
        if not getattr(self, "_has_body", True):
            self._http = self._make()  # llhttp still waits for a body
        self._has_body = has_body
        self.received = 0
        """Bytes since `start`."""
        self.status: int | None = None
        """Status of the final response; `None` until its head is complete."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.version = b"HTTP/1.1"
        self.is_complete = False
        self.is_reusable = False
        """True if another response may follow on this connection."""
        self.has_surplus = False
        """True if data followed the response."""
        self._is_delimited = False
        self._is_interim = False
        self._interim = 0
        self._unproductive = 0
        self._body: list[bytes] = []
        self._fault: Exception | None = None

    @property
    def room(self) -> int:
        """Bytes that may be fed next without exceeding the limit of the head."""
        return HEAD_LIMIT if self.status is not None else HEAD_LIMIT - self.received

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the stream."""
        self.received += len(data)
        had_head = self.status is not None
        try:
            self._http.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.is_complete:
                self._on_surplus()
            elif self._fault is None:
                raise httpcore.RemoteProtocolError(f"The reply is not HTTP/1.1: {error}") from None
        if self._fault is not None:
            raise self._fault
        if self.status is None:
            if self.received >= HEAD_LIMIT:
                raise _too_large(f"The head of the reply is longer than {HEAD_LIMIT} bytes", HEAD_LIMIT)
        elif had_head and not self.is_complete:
            self._unproductive = 0 if self._body else self._unproductive + len(data)
            if self._unproductive > HEAD_LIMIT:
                raise _too_large(f"The reply has more than {HEAD_LIMIT} bytes of trailers or chunk headers", HEAD_LIMIT)

    def feed_end(self) -> None:
        """Handle the end of the stream: it ends a body without a length, and truncates any other response."""
        self.is_reusable = False
        if self.is_complete:
            return
        if self.status is None:
            raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
        if self._is_delimited:
            raise httpcore.RemoteProtocolError("The connection was closed before the end of the response body.")
        self.is_complete = True

    def take_body(self) -> bytes:
        """Return the part of the body that was parsed since the last call."""
        pieces, self._body = self._body, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _make(self) -> httptools.HttpResponseParser:
        http = httptools.HttpResponseParser(self)
        # Content-Length beside chunked: read as chunked (RFC 9112, section 6.3), and the connection is dropped.
        http.set_dangerous_leniencies(lenient_chunked_length=True)
        return http

    # --- callbacks of httptools

    def on_message_begin(self) -> None:
        if self.is_complete:
            self._on_surplus()
        else:
            self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is None:  # else it is a trailer, which is ignored
            self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        if self.status is not None:
            return
        status = self._http.get_status_code()
        if status < 200:
            self._on_interim(status)
            return
        self._is_interim = False
        lengths, encodings = self._framing()
        if encodings and encodings != [b"chunked"]:
            self._fail(httpcore.RemoteProtocolError("The reply has a Transfer-Encoding other than chunked."))
            return
        self._is_delimited = bool(lengths or encodings)
        self.status = status
        self.version = b"HTTP/" + self._http.get_http_version().encode()
        # RFC 9112, sections 6.1 and 6.3: an intermediary may have taken the other length, or may not know chunks.
        is_doubtful = bool(encodings) and (bool(lengths) or self.version == b"HTTP/1.0")
        self.is_reusable = self._http.should_keep_alive() and not is_doubtful
        self.is_complete = not self._has_body

    def on_body(self, data: bytes) -> None:
        if self.is_complete:
            self._on_surplus()
        elif self._is_interim:  # llhttp reads one where there is a length; RFC 9112, section 6.3, allows none
            self._fail(httpcore.RemoteProtocolError("An interim reply (1xx) has a body."))
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if not self._is_interim:
            self.is_complete = True

    def _on_surplus(self) -> None:
        self.has_surplus = True
        self.is_reusable = False

    def _on_interim(self, status: int) -> None:
        self._is_interim = True
        self._interim += 1
        if status == _SWITCHING_PROTOCOLS or status < 100:
            self._fail(httpcore.RemoteProtocolError(f"The reply has status {status}, which no request asked for."))
        elif self._interim > INTERIM_LIMIT:
            self._fail(_too_large(f"More than {INTERIM_LIMIT} interim replies (1xx) came before the final one", None))

    def _fail(self, fault: Exception) -> None:
        """Raise `fault` when llhttp has parsed the piece, unless an earlier one is known."""
        self._fault = self._fault or fault

    def _framing(self) -> tuple[list[bytes], list[bytes]]:
        """Return the values of Content-Length and of Transfer-Encoding."""
        lengths: list[bytes] = []
        encodings: list[bytes] = []
        for name, value in self.headers:
            if len(name) == 14 and name.lower() == b"content-length":
                lengths.append(value)
            elif len(name) == 17 and name.lower() == b"transfer-encoding":
                encodings.append(value.lower())
        return lengths, encodings


def _too_large(what: str, limit: int | None) -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"{what}: no service of this API sends that. Check base_url, and the proxies and gateways in between.",
        limit=limit,
    )
