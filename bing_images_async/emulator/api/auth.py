"""Authentication of API calls: keys in headers."""

from starlette.datastructures import Headers

from .error_bodies import ErrorEntry, GatewayError, ServiceError

SUBSCRIPTION_KEY = "Ocp-Apim-Subscription-Key"


def credentials(headers: Headers, key_header: str | None = None) -> list[str]:
    """Return every key of a request: of `Ocp-Apim-Subscription-Key`, a bearer token, and `key_header`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = [
        headers.get(SUBSCRIPTION_KEY),
        token.strip() if scheme.lower() == "bearer" else None,
        headers.get(key_header) if key_header is not None else None,
    ]
    return [key for key in found if key]


def authenticate(headers: Headers, allowed: frozenset[str] | None, key_header: str | None) -> None:
    """Check the key of a request; with `allowed` None every key, and no key, is accepted.

    Raises:
        ServiceError: 401, the request has more than one key.
        GatewayError: 401, the key is missing or not allowed.
    """
    keys = credentials(headers, key_header)
    if len(keys) > 1:
        raise ServiceError(
            401,
            ErrorEntry(
                "InvalidAuthorization",
                "AuthorizationRedundancy",
                "Authorization is redundant.",
                "Send the key once, in one header.",
            ),
        )
    if allowed is not None and not allowed.intersection(keys):
        raise GatewayError(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. "
            "Check that the key is valid and belongs to this service.",
        )
