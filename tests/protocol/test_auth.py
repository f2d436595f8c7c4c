"""The key: it goes into one header, and shows itself nowhere else."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from typing import Any

import pytest

from bing_images_async._protocol.credentials import ApiKey, Bearer, HeaderKey, SubscriptionKey
from bing_images_async.errors import InvalidRequestError

CANARY = "c4n4ry0123456789abcdef0123456789"


@pytest.mark.parametrize(
    "shown",
    [repr, str, ascii, format, "{}".format, "{!r:>40}".format, "%s".__mod__, "%r".__mod__, lambda key: f"{key}",
     lambda key: f"{[key]} {({'key': key})}", lambda key: str(vars(type(key)))],
)  # fmt: skip
def test_a_key_does_not_show_itself(shown: Any) -> None:
    """Not in any way that a log or a message would take."""
    assert CANARY not in shown(ApiKey(CANARY))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_not_pickled(protocol: int) -> None:
    """It says what to do instead."""
    with pytest.raises(TypeError, match="environment variable or file"):
        pickle.dumps(ApiKey(CANARY), protocol)


def test_a_key_is_no_json_and_has_no_dict() -> None:
    """Generic serialisers find nothing."""
    with pytest.raises(TypeError):
        json.dumps(ApiKey(CANARY))
    assert not hasattr(ApiKey(CANARY), "__dict__")


def test_a_key_is_a_value() -> None:
    """Copies are the key itself; equal keys are equal, and differ from their texts."""
    key = ApiKey(CANARY)
    assert copy.copy(key) is key
    assert copy.deepcopy([key]) == [key]
    assert key == ApiKey(f" {CANARY}\n")
    assert hash(key) == hash(ApiKey(CANARY))
    assert key != ApiKey("other")
    assert key != CANARY
    assert key.reveal() == CANARY


@pytest.mark.parametrize(
    "secret", ["", "  ", "\n", None, 5, b"key", ApiKey("k"), "k\u00e4y-4711", "k\r\nX: 4711", "4711\x00"]
)
def test_what_is_no_key_is_refused_and_not_shown(secret: Any) -> None:
    """Not even a bad key stands in a message or its traceback's text."""
    with pytest.raises(InvalidRequestError) as caught:
        ApiKey(secret)
    assert caught.value.parameter == "api_key"
    assert "4711" not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (SubscriptionKey(), ("Ocp-Apim-Subscription-Key", CANARY)),
        (Bearer(), ("Authorization", f"Bearer {CANARY}")),
        (HeaderKey("x-apikey"), ("x-apikey", CANARY)),
    ],
)
def test_where_the_key_goes(auth: Any, header: tuple[str, str]) -> None:
    """One header, by the service's name, as a bearer token, or by any name."""
    assert auth.header(CANARY) == header
    assert CANARY not in repr(auth)


@pytest.mark.parametrize("name", ["", " ", "x apikey", "x:apikey", "x\r\ny", "\u00e4", None, 5, b"x", "(x)"])
def test_what_is_no_header_name(name: Any) -> None:
    """A name that could not stand before a colon is refused when it is given."""
    with pytest.raises(InvalidRequestError, match="header name"):
        HeaderKey(name)
