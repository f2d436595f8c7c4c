"""`/__admin`: an emulator's state for whoever runs it, on the same machine and nowhere else.

GET gives state and journal. POST takes JSON with any of

    profile   a name ("free+slow"), or an object with the fields of `Profile`
    faults    rules, as a list or a text ("reset-body; p=0.1, 503; every=5"), in the place of the profile's
    clear     true forgets the journal

and gives the state after that.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .emulated_reply import JSON
from .fault_rules import FAULTS
from .middleware import ADMIN_PATH
from .plans import Emulator, is_local, is_loopback
from .profiles import PROFILES, Profile

__all__ = ["admin_route"]

_LOCAL_HOST = "local.bing-images"  # what a session in this process calls it


def admin_route(emulator: Emulator) -> Route:
    """The route. To everyone who may not use it, it answers as a path that there is not."""

    async def endpoint(request: Request) -> Response:
        _check_caller(request)
        if request.method == "POST":
            try:
                _apply(emulator, await request.body())
            except ValueError as error:
                return _json(400, {"error": str(error)})
        return _json(200, _state(emulator))

    return Route(ADMIN_PATH, endpoint, methods=["GET", "POST"])


def _check_caller(request: Request) -> None:
    """A web page open on this machine is no caller either: it cannot send JSON here, nor use our name."""
    host = request.url.hostname or ""
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    if not is_local(request.scope) or not (is_loopback(host) or host == _LOCAL_HOST):
        raise HTTPException(404)
    if request.method == "POST" and not is_json:
        raise HTTPException(415, "Send application/json.")


class _Orders(msgspec.Struct, forbid_unknown_fields=True):
    profile: str | dict[str, Any] | None = None
    faults: str | list[str] | None = None
    clear: bool = False


def _apply(emulator: Emulator, body: bytes) -> None:
    """All of it or, if anything is wrong, nothing. Raises ValueError."""
    orders = msgspec.json.decode(body, type=_Orders)
    profile = emulator.profile if orders.profile is None else Profile.of(orders.profile)
    if orders.faults is not None:
        profile = attrs.evolve(profile, faults=orders.faults)
    if orders.profile is not None or orders.faults is not None:
        emulator.profile = profile
    if orders.clear:
        emulator.journal.clear()


def _state(emulator: Emulator) -> dict[str, Any]:
    return {
        "profile": emulator.profile.as_json(),
        "requests": emulator.requests,
        "in_flight": emulator.journal.in_flight,
        "journal": [record.as_json() for record in emulator.journal.records],
        "profiles": sorted(PROFILES),
        "faults": sorted(FAULTS),
    }


def _json(status: int, value: Any) -> Response:
    return Response(msgspec.json.encode(value), status, media_type=JSON)
