"""How the key is shown to the service, and how it is kept from everybody else."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol, final

from attrs import field, frozen

from .. import _validation as checks
from ..errors import InvalidRequestError

__all__ = ["ApiKey", "Auth", "Bearer", "HeaderKey", "SubscriptionKey"]


@final
class ApiKey:
    """A secret that does not show itself: not in `repr`, `str`, logs, f-strings or pickles.

    `reveal()` gives the text. Raises `InvalidRequestError`, without the value, if it is blank or
    could not stand in a header.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: Any) -> None:
        fault = _fault(secret)
        if fault is not None:
            del secret  # tracebacks can show the variables of this frame
            raise InvalidRequestError(fault, parameter="api_key")
        self._secret: str = secret.strip()

    def reveal(self) -> str:
        """The key itself."""
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
        raise TypeError("An ApiKey cannot be pickled: hand it over by environment or file.")


def _fault(secret: Any) -> str | None:
    """What is wrong with a key, without showing it as `checks.header_value` would."""
    if not isinstance(secret, str) or not secret.strip():
        return "api_key is blank or no text: give the key itself."
    if not secret.strip().isascii() or not secret.strip().isprintable():
        return "api_key holds characters that a header cannot carry (only printable ASCII is allowed)."
    return None


class Auth(Protocol):
    """Where the key goes: one header, as a name and a value."""

    def header(self, key: str) -> tuple[str, str]:
        """The header that carries `key`."""
        ...


@frozen
class SubscriptionKey:
    """`Ocp-Apim-Subscription-Key: <key>`, the API's own way (API reference: Headers)."""

    def header(self, key: str) -> tuple[str, str]:
        """The header that carries `key`."""
        return "Ocp-Apim-Subscription-Key", key


@frozen
class Bearer:
    """`Authorization: Bearer <key>` (RFC 6750, section 2.1)."""

    def header(self, key: str) -> tuple[str, str]:
        """The header that carries `key`."""
        return "Authorization", f"Bearer {key}"


def _token(_: object, __: object, value: Any) -> None:
    if checks.header_value("header name", value) is None or not set(value) <= _TOKEN:
        raise checks.refuse(
            "header name", value, "it must be an HTTP token, such as x-apikey (RFC 9110, section 5.6.2)"
        )


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@frozen
class HeaderKey:
    """A header of a gateway's own: `HeaderKey("x-apikey")`."""

    name: str = field(validator=_token)

    def header(self, key: str) -> tuple[str, str]:
        """The header that carries `key`."""
        return self.name, key
