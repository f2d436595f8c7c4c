"""Errors of the API and their JSON bodies.

The service itself answers with `{"_type": "ErrorResponse", "errors": [...]}`; the gateway in front of it, which checks
keys and paths, with `{"error": {"code": "401", "message": "..."}}`.
"""

from collections.abc import Mapping

import attrs
import msgspec


@attrs.frozen
class ErrorEntry:
    """One entry of `errors`; `code` and `sub_code` are values of the API."""

    code: str
    sub_code: str | None
    message: str
    more_details: str | None = None
    parameter: str | None = None
    value: str | None = None

    def as_json(self) -> dict[str, str]:
        entry = {
            "code": self.code,
            "subCode": self.sub_code,
            "message": self.message,
            "moreDetails": self.more_details,
            "parameter": self.parameter,
            "value": self.value,
        }
        return {name: text for name, text in entry.items() if text is not None}


class ServiceError(Exception):
    """An error of the service: `status` and an ErrorResponse with all entries."""

    def __init__(self, status: int, *entries: ErrorEntry) -> None:
        super().__init__(status, *entries)
        self.status = status
        self.entries = entries


class GatewayError(Exception):
    """An error of the gateway, which refuses a request before the service receives it."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def missing(parameter: str, details: str | None = None) -> ErrorEntry:
    """Return the entry for a missing parameter or header."""
    return ErrorEntry("InvalidRequest", "ParameterMissing", "Required parameter is missing.", details, parameter, "")


def invalid(parameter: str, value: str, details: str) -> ErrorEntry:
    """Return the entry for an invalid value; `details` states the allowed ones."""
    return ErrorEntry(
        "InvalidRequest", "ParameterInvalidValue", "Parameter has invalid value.", details, parameter, value
    )


def service_body(*entries: ErrorEntry) -> bytes:
    """Return the body of a `ServiceError`."""
    return msgspec.json.encode(
        {
            "_type": "ErrorResponse",
            "instrumentation": {"_type": "ResponseInstrumentation"},
            "errors": [entry.as_json() for entry in entries],
        }
    )


def gateway_body(status: int, message: str) -> bytes:
    """Return the body of a `GatewayError`."""
    return msgspec.json.encode({"error": {"code": str(status), "message": message}})
