"""Refusals and the bodies they are told in.

The service itself answers with `{"_type": "ErrorResponse", "errors": [...]}`; the gateway in front of it,
which checks keys and paths, with `{"error": {"code": "401", "message": "..."}}`. Clients have to read both.
"""

from collections.abc import Mapping

import attrs
import msgspec


@attrs.frozen
class Fault:
    """One entry of `errors`, with the API's own words for `code` and `subCode`."""

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


class RefusedError(Exception):
    """The service says no. Answered with `status` and an ErrorResponse that lists every fault."""

    def __init__(self, status: int, *faults: Fault) -> None:
        super().__init__(status, *faults)
        self.status = status
        self.faults = faults


class GatewayError(Exception):
    """The gateway says no, before the service has seen the request."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def missing(parameter: str, details: str | None = None) -> Fault:
    """A parameter or header that has to be there is not."""
    return Fault("InvalidRequest", "ParameterMissing", "Required parameter is missing.", details, parameter, "")


def invalid(parameter: str, value: str, details: str) -> Fault:
    """A parameter is there and wrong; `details` says what it may be."""
    return Fault("InvalidRequest", "ParameterInvalidValue", "Parameter has invalid value.", details, parameter, value)


def service_body(*faults: Fault) -> bytes:
    return msgspec.json.encode(
        {
            "_type": "ErrorResponse",
            "instrumentation": {"_type": "ResponseInstrumentation"},
            "errors": [fault.as_json() for fault in faults],
        }
    )


def gateway_body(status: int, message: str) -> bytes:
    return msgspec.json.encode({"error": {"code": str(status), "message": message}})
