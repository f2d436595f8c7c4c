"""The endpoint `/__admin`: read and change the emulator's state, from this machine only.

GET returns state and journal. POST takes JSON with any of

    profile   a name ("free+slow"), or an object with the fields of `Profile`
    faults    rules, as a list or a text ("reset-body; p=0.1, 503; every=5"), which replace those of the profile
    clear     true removes all records of the journal

and returns the state after the change.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..caller import is_local, is_loopback
from .emulated_reply import JSON
from .emulator import Emulator
from .fault_rules import FAULTS
from .middleware import ADMIN_PATH
from .profiles import PROFILES, Profile

__all__ = ["admin_route"]

_LOCAL_HOST = "local.bing-images"  # host name of the service in process


def admin_route(emulator: Emulator) -> Route:
    """Return the route. Callers that may not use it get a 404."""

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
    """Refuse other machines, and web pages in a browser: those can neither send JSON nor use a loopback host name."""
    host = request.url.hostname or ""
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    if not is_local(request.scope) or not (is_loopback(host) or host == _LOCAL_HOST):
        raise HTTPException(404)
    if request.method == "POST" and not is_json:
        raise HTTPException(415, "The Content-Type must be application/json.")


class _Changes(msgspec.Struct, forbid_unknown_fields=True):
    profile: str | dict[str, Any] | None = None
    faults: str | list[str] | None = None
    clear: bool = False


def _apply(emulator: Emulator, body: bytes) -> None:
    """Apply all changes or, if one is invalid, none. Raises ValueError."""
    changes = msgspec.json.decode(body, type=_Changes)
    profile = emulator.profile if changes.profile is None else Profile.of(changes.profile)
    if changes.faults is not None:
        profile = attrs.evolve(profile, faults=changes.faults)
    if changes.profile is not None or changes.faults is not None:
        emulator.profile = profile
    if changes.clear:
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
