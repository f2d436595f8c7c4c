"""Every fault of the network and of the service, in simulation: the right error, nothing left over, no key anywhere.

Each fault lasts until the call has failed; then the next call succeeds. The same faults over real sockets are in
`test_faults_sockets.py` and `test_answers_sockets.py`.
"""

from __future__ import annotations

import gzip
import json
import ssl

import anyio
import attrs
import pytest
from fault_kit import KEY, assert_secret
from promise_kit import BACKENDS, WORK, SimulatedSession, simulate, simulated_session
from session_kit import page
from sim import ConnectFault, Cut, Entry, Link, Reply, Server

from bing_images_async import RetryPolicy
from bing_images_async.errors import BingImagesError
from bing_images_async.testing import Backend

PAGE = json.dumps(page("boat")).encode()
GOOD = Reply(body=PAGE)
GZIP = ("Content-Encoding", "gzip")
ATTEMPTS = 3
ATTEMPT_TIMEOUT = 1.0
LINK = Link(latency=0.001, jitter=0.0005, fragment=1_400)


@attrs.frozen
class Fault:
    """A fault, its error and number of attempts; `kept`: the connection can still be used.

    reply: to every request; connect: with every connection.
    """

    error: str
    attempts: int = 1
    reply: Reply = GOOD
    connect: ConnectFault | None = None
    tls: bool = False
    kept: bool = False


def _raw(*parts: bytes) -> Reply:
    return Reply(raw=b"".join(parts))


def _head(*headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"", b""])


def _broken(reply: Reply) -> Fault:
    return Fault("ConnectionFailedError", ATTEMPTS, reply)


def _late(reply: Reply) -> Fault:
    return Fault("AttemptTimeoutError", ATTEMPTS, reply)


def _content(error: str, body: bytes, *headers: tuple[str, str]) -> Fault:
    return Fault(error, reply=Reply(body=body, headers=headers), kept=True)


LENGTH = b"Content-Length: %d" % len(PAGE)
CHUNKED = b"Transfer-Encoding: chunked"
BOMB = gzip.compress(bytes(17 * 2**20))

FAULTS = {
    # connecting
    "refused": Fault("ConnectionFailedError", ATTEMPTS, connect="refused"),
    "no such name": Fault("ConnectionFailedError", ATTEMPTS, connect="dns"),
    "reset in connect": Fault("ConnectionFailedError", ATTEMPTS, connect="reset"),
    "silence in connect": Fault("AttemptTimeoutError", ATTEMPTS, connect="silence"),
    "reset in TLS": Fault("ConnectionFailedError", ATTEMPTS, connect="tls_reset", tls=True),
    "silence in TLS": Fault("AttemptTimeoutError", ATTEMPTS, connect="tls_silence", tls=True),
    "certificate": Fault("ConnectionFailedError", 1, connect="certificate", tls=True),
    # truncation
    "reset before the head": _broken(Reply(cut=Cut("before"))),
    "reset in the head": _broken(Reply(cut=Cut("head"))),
    "reset in the body": _broken(Reply(body=PAGE, cut=Cut("body"))),
    "closed before the head": _broken(Reply(cut=Cut("before", "close"))),
    "closed in the head": _broken(Reply(cut=Cut("head", "close"))),
    "closed in the body": _broken(Reply(body=PAGE, cut=Cut("body", "close"))),
    "half-closed before the head": _broken(Reply(cut=Cut("before", "half_close"))),
    "half-closed in the head": _broken(Reply(cut=Cut("head", "half_close"))),
    "half-closed in the body": _broken(Reply(body=PAGE, cut=Cut("body", "half_close"))),
    "closed in a chunk": _broken(Reply(body=PAGE, chunked=True, cut=Cut("body", "close"))),
    # not HTTP
    "garbage status line": _broken(_raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    "two Content-Lengths": _broken(_raw(_head(LENGTH, b"Content-Length: 5"), PAGE)),
    "broken chunks": _broken(_raw(_head(CHUNKED), b"5\r\nhello\r\nxyz\r\n")),
    "no last chunk": _broken(_raw(_head(CHUNKED), b"%x\r\n%b\r\n" % (len(PAGE), PAGE))),
    "short body": _broken(_raw(_head(LENGTH), PAGE[:-5])),
    "100 KiB in one header": Fault("ResponseTooLargeError", 1, _raw(_head(LENGTH, b"X: " + b"x" * 102_400), PAGE)),
    "50,000 interim answers": Fault(
        "ResponseTooLargeError", 1, _raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000, _head(LENGTH), PAGE)
    ),
    # delays
    "stalled before the head": _late(Reply(cut=Cut("before", "stall"))),
    "stalled in the body": _late(Reply(body=PAGE, cut=Cut("body", "stall"))),
    "a byte every 0.2 s": _late(Reply(body=PAGE, drip=0.2)),
    # size and encoding
    "gzip bomb": Fault("ResponseTooLargeError", 1, Reply(body=BOMB, headers=(GZIP,))),
    "bomb of many members": Fault(
        "ResponseTooLargeError", 1, Reply(body=gzip.compress(bytes(2**20)) * 17, headers=(GZIP,))
    ),
    "5 MiB": Fault("ResponseTooLargeError", 1, Reply(body=b" " * (5 * 2**20))),
    "5 MiB in chunks": Fault("ResponseTooLargeError", 1, Reply(body=b" " * (5 * 2**20), chunked=True)),
    "10 GB, it says": Fault("ResponseTooLargeError", 1, _raw(_head(b"Content-Length: 10000000000"), PAGE)),
    "more than it says": Fault("MalformedResponseError", 1, _raw(_head(b"Content-Length: 9"), PAGE), kept=False),
    "truncated gzip": Fault(
        "ConnectionFailedError", ATTEMPTS, Reply(body=gzip.compress(PAGE)[:-9], headers=(GZIP,)), kept=True
    ),
    "unknown encoding": Fault("MalformedResponseError", 1, Reply(body=PAGE, headers=(("Content-Encoding", "br"),))),
    "no gzip at all": Fault("MalformedResponseError", 1, Reply(body=PAGE, headers=(GZIP,))),
    "gzip in gzip": _content("MalformedResponseError", gzip.compress(gzip.compress(PAGE)), GZIP),
    "gzip in gzip, declared": Fault(
        "MalformedResponseError",
        1,
        Reply(body=gzip.compress(gzip.compress(PAGE)), headers=(("Content-Encoding", "gzip, gzip"),)),
    ),
    # content
    "HTML": _content("MalformedResponseError", b"<!DOCTYPE html><html></html>", ("Content-Type", "text/html")),
    "empty": _content("SuspectedAbuseError", b""),
    "blanks": _content("SuspectedAbuseError", b" \r\n"),
    "NaN": _content("MalformedResponseError", PAGE.replace(b'"boat"', b"NaN", 1)),
    "an integer of 5,000 digits": _content(
        "MalformedResponseError", PAGE.replace(b'"boat"', b'"boat", "width": ' + b"9" * 5_000, 1)
    ),
    "latin-1": _content("MalformedResponseError", "é".encode("latin-1")),
    "10,000 levels": _content("MalformedResponseError", b"[" * 10_000 + b"]" * 10_000),
    "10,000 levels in a field": _content(
        "MalformedResponseError", PAGE[:-1] + b', "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    ),
    "cut JSON": _content("MalformedResponseError", PAGE[:-2]),
    "a list": _content("MalformedResponseError", b"[]"),
    "a value that is no list": _content("MalformedResponseError", b'{"_type": "Images", "value": {}}'),
    # redirects
    **{
        f"{status} to {target}": Fault(
            "UnexpectedRedirectError", 1, Reply(status=status, body=b"", headers=(("Location", target),)), kept=True
        )
        for status in (301, 302, 303, 307, 308)
        for target in ("http://elsewhere/", "/v7.0/images/search", "https://sim/", "//[", "")
    },
}


class _Service:
    """Fails until `healed` is set."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.healed = False

    def respond(self, _: Entry) -> Reply:
        return GOOD if self.healed else self.fault.reply

    def connect(self, _: int) -> ConnectFault | None:
        return None if self.healed else self.fault.connect


@BACKENDS
@pytest.mark.parametrize("name", FAULTS)
def test_fault_gives_the_promised_error_and_the_session_recovers(backend: Backend, name: str) -> None:
    """After the expected attempts, none longer than its timeout, without the key in any error."""
    fault = FAULTS[name]
    service = _Service(fault)

    async def main() -> None:
        async with simulated_session(
            Server(service.respond, latency=WORK),
            world={"link": LINK, "connecting": service.connect},
            tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if fault.tls else None,
            api_key=KEY,
            rate_limit=None,
            retry=RetryPolicy(attempt_timeout=ATTEMPT_TIMEOUT),
        ) as simulated:
            with pytest.raises(BingImagesError) as caught:
                await simulated.session.search("boat")
            assert type(caught.value).__name__ == fault.error, repr(caught.value)
            assert len(caught.value.attempts) == fault.attempts
            assert max(attempt.elapsed for attempt in caught.value.attempts) <= ATTEMPT_TIMEOUT + 1e-6
            assert simulated.pool.open_connections == simulated.pool.idle_connections == int(fault.kept)
            assert_secret(caught.value)
            assert {entry.headers["host"] for entry in simulated.world.journal.entries} <= {"sim"}
            assert simulated.world.network.dialled <= fault.attempts
            service.healed = True
            await _works(simulated, latched=fault.error == "SuspectedAbuseError")

    simulate(main, backend)


async def _works(simulated: SimulatedSession, *, latched: bool) -> None:
    if latched:
        await anyio.sleep(60)
    answer = await simulated.session.search("boat")
    assert [image.name for image in answer.value] == ["boat"]
    assert len(answer.meta.attempts) == 1


CURIOUS = {
    "a BOM": (b"\xef\xbb\xbf" + PAGE, "boat", 0),
    "a lone surrogate": (PAGE.replace(b'"boat"', rb'"bo\ud800at"', 1), "bo\ufffdat", 1),
    "latin-1 in a text": (PAGE.replace(b'"boat"', '"böat"'.encode("latin-1"), 1), "b\ufffdat", 1),
    "a wrong type": (PAGE.replace(b'"boat"', b'"boat", "width": "800"', 1), "boat", 1),
    "a wrong item": (PAGE.replace(b'"value": [', b'"value": [null, ', 1), "boat", 1),
    "a list that is none": (PAGE[:-1] + b', "relatedSearches": 5}', "boat", 1),
}


@BACKENDS
@pytest.mark.parametrize("name", CURIOUS)
def test_readable_part_of_a_page_is_returned_with_problems(backend: Backend, name: str) -> None:
    """The image is there, and `problems` lists the rest."""
    body, text, problems = CURIOUS[name]

    async def main() -> None:
        async with simulated_session(Server(lambda _: Reply(body=body), latency=WORK), rate_limit=None) as simulated:
            answer = await simulated.session.search("boat")
            assert [image.name for image in answer.value] == [text]
            assert len(answer.problems) == problems, answer.problems
            assert simulated.pool.idle_connections == 1

    simulate(main, backend)


@BACKENDS
@pytest.mark.parametrize("drip", [0.02, 0.2, 3.0])
def test_slow_body_does_not_extend_the_deadline(backend: Backend, drip: float) -> None:
    """No single byte is late, but the call ends in time, and the connection is closed."""

    async def main() -> float:
        server = Server(lambda _: Reply(body=PAGE, drip=drip))
        async with simulated_session(server, rate_limit=None, timeout=1.7) as simulated:
            outcome = await simulated.ask()
            assert outcome.ending == "DeadlineExceededError"
            assert simulated.pool.open_connections == 0
            return outcome.elapsed

    assert simulate(main, backend) == pytest.approx(1.7)
