"""Authentication: the key as a secret value, and the header that carries it."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol, final

from attrs import field, frozen

from .. import _validation as checks
from ..errors import InvalidRequestError

__all__ = ["ApiKey", "Auth", "Bearer", "HeaderKey", "SubscriptionKey"]


@final
class ApiKey:
    """A secret that appears in no `repr`, `str`, log, f-string or pickle. `reveal()` returns the text.

    Args:
        secret: the key. White space around it is removed.

    Raises:
        InvalidRequestError: the key is blank, or not allowed in a header. The message does not contain it.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: Any) -> None:
        fault = _fault(secret)
        if fault is not None:
            del secret  # tracebacks can show the variables of this frame
            raise InvalidRequestError(fault, parameter="api_key")
        self._secret: str = secret.strip()

    def reveal(self) -> str:
        """Return the key as text."""
        return self._secret

    def __repr__(self) -> str:
        return "ApiKey(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash((ApiKey, self._secret))

    def __copy__(self) -> ApiKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ApiKey:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("An ApiKey cannot be pickled: pass it by environment variable or file.")


def _fault(secret: Any) -> str | None:
    """Return a message for a bad key, or `None`. (`checks.header_value` would put the key into its message.)"""
    if not isinstance(secret, str) or not secret.strip():
        return "api_key is blank or not a str: pass the key itself."
    if not secret.strip().isascii() or not secret.strip().isprintable():
        return "api_key contains characters that are not allowed in a header (only printable ASCII is)."
    return None


class Auth(Protocol):
    """The header that carries the key."""

    def header(self, key: str) -> tuple[str, str]:
        """Return name and value of the header for `key`."""
        ...


@frozen
class SubscriptionKey:
    """`Ocp-Apim-Subscription-Key: <key>`, the header of the API itself (API reference: Headers)."""

    def header(self, key: str) -> tuple[str, str]:
        """Return name and value of the header for `key`."""
        return "Ocp-Apim-Subscription-Key", key


@frozen
class Bearer:
    """`Authorization: Bearer <key>` (RFC 6750, section 2.1)."""

    def header(self, key: str) -> tuple[str, str]:
        """Return name and value of the header for `key`."""
        return "Authorization", f"Bearer {key}"


def _token(_: object, __: object, value: Any) -> None:
    if checks.header_value("header name", value) is None or not set(value) <= _TOKEN:
        raise checks.refuse(
            "header name", value, "it must be an HTTP token, such as x-apikey (RFC 9110, section 5.6.2)"
        )


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@frozen
class HeaderKey:
    """A header with another name, for a gateway: `HeaderKey("x-apikey")`.

    Args:
        name: name of the header.

    Raises:
        InvalidRequestError: the name is not an HTTP token.
    """

    name: str = field(validator=_token)

    def header(self, key: str) -> tuple[str, str]:
        """Return name and value of the header for `key`."""
        return self.name, key
