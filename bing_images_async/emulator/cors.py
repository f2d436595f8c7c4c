"""Cross-origin resource sharing: which web pages of other origins may read the answers."""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .allowed_hosts import AllowedHosts
from .faults.middleware import ADMIN_PATH

__all__ = ["CrossOriginMiddleware"]

_EXPOSED_HEADERS = (
    "BingAPIs-Market", "BingAPIs-SessionId", "BingAPIs-TraceId", "Retry-After", "X-MSEdge-ClientID", "apim-request-id",
)  # fmt: skip


class CrossOriginMiddleware(CORSMiddleware):
    """Answers preflight requests and adds the CORS headers, except to `/__admin`.

    Pages of every origin may read a public catalogue. A folder of the user is private: only pages of this machine and
    of the allowed hosts may read it.
    """

    def __init__(self, app: ASGIApp, allowed: AllowedHosts, *, is_private: bool) -> None:
        super().__init__(
            app,
            allow_origins=() if is_private else ("*",),
            allow_origin_regex=allowed.origin_pattern() if is_private else None,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),
            expose_headers=_EXPOSED_HEADERS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith(ADMIN_PATH):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
