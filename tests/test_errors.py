"""Errors: the tree is the documented one, each can be pickled, and none knows more than it should."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from bing_images_async import errors
from bing_images_async.errors import ApiError, BingImagesError
from bing_images_async.models import Attempt

CLASSES = [getattr(errors, name) for name in errors.__all__]
BUILTIN = {"InvalidRequestError": ValueError, "SessionStateError": RuntimeError, "DeadlineExceededError": TimeoutError}
FACTS: dict[str, dict[str, Any]] = {
    "ConnectionFailedError": {"retryable": False},
    "DeadlineExceededError": {"waited_for": "rate_limit"},
    "InvalidRequestError": {"parameter": "count"},
    "MalformedResponseError": {"path": "value[3].width", "excerpt": "{", "trace_id": "T-1"},
    "ResponseTooLargeError": {"limit": 4_194_304},
    "ServiceUnavailableError": {"retry_after": 4.0},
    "UnexpectedRedirectError": {"status": 302, "location": "https://elsewhere.example/"},
}
API_FACTS: dict[str, Any] = {
    "status": 429,
    "code": "RateLimitExceeded",
    "sub_code": "ParameterMissing",
    "message": "Slow down.",
    "more_details": "Much.",
    "parameter": "q",
    "value": "boat",
    "trace_id": "T-1",
    "retry_after": 2.0,
}


def made(kind: type[BingImagesError]) -> BingImagesError:
    """An error of the class, with all facts it can carry."""
    facts = API_FACTS if issubclass(kind, ApiError) else FACTS.get(kind.__name__, {})
    error = kind("What to do next.", **facts)
    error.attempts = (Attempt(number=1, started=0.0, elapsed=0.5, status=503, waited={"permit": 0.25}),)
    return error


@pytest.mark.parametrize("kind", CLASSES, ids=errors.__all__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_pickling(kind: type[BingImagesError], protocol: int) -> None:
    """Class, text, facts and attempts arrive in another process."""
    error = made(kind)
    arrived = pickle.loads(pickle.dumps(error, protocol))
    assert (type(arrived), str(arrived), vars(arrived)) == (kind, str(error), vars(error))


@pytest.mark.parametrize("kind", CLASSES, ids=errors.__all__)
def test_every_error_survives_copying(kind: type[BingImagesError]) -> None:
    """So it does a copy, with notes."""
    error = made(kind)
    error.add_note("seen by the caller")
    arrived = copy.copy(error)
    assert (type(arrived), str(arrived), vars(arrived)) == (kind, str(error), vars(error))


@pytest.mark.parametrize("kind", CLASSES, ids=errors.__all__)
def test_the_text_alone_is_enough_to_make_one(kind: type[BingImagesError]) -> None:
    """Facts that are not known are `None`; `args` is the text alone."""
    error = kind("text", **({"status": 400} if issubclass(kind, ApiError) else {}))
    assert (error.args, error.attempts) == (("text",), ())


@pytest.mark.parametrize("kind", CLASSES, ids=errors.__all__)
def test_every_fact_is_an_attribute(kind: type[BingImagesError]) -> None:
    """What the constructor takes by name can be read by that name."""
    error = made(kind)
    facts = API_FACTS if issubclass(kind, ApiError) else FACTS.get(kind.__name__, {})
    assert {name: getattr(error, name) for name in facts} == facts


@pytest.mark.parametrize("kind", [k for k in CLASSES if issubclass(k, ApiError) and k is not ApiError])
def test_every_answer_of_the_service_comes_with_advice(kind: type[ApiError]) -> None:
    """An error says what to do next, in a sentence."""
    assert re.fullmatch(r"[A-Z].+\.", kind.advice)


def drawn() -> dict[str, tuple[str, str | None]]:
    """Name to (parent, builtin parent) of every class in the drawing of the module docstring."""
    assert errors.__doc__ is not None
    picture = [line for line in errors.__doc__.splitlines() if re.search("[├└]─|^    Bing", line)]
    tree: dict[str, tuple[str, str | None]] = {}
    for line in picture:
        deep = not line.startswith(("    ├", "    └"))
        for match in re.finditer(r"[├└]─ (\w+)(?: \((\w+)\))?", line):
            tree[match[1]] = ("ApiError" if deep else "BingImagesError", match[2])
    return tree


def test_the_tree_is_the_one_in_the_docstring() -> None:
    """The drawing shows every class under its parent, with the built-in one it also is."""
    expected = {}
    for kind in CLASSES:
        if kind is BingImagesError:
            continue
        builtin = BUILTIN.get(kind.__name__)
        parents = kind.__bases__
        assert parents[1:] == ((builtin,) if builtin else ())
        expected[kind.__name__] = (parents[0].__name__, builtin.__name__ if builtin else None)
    assert drawn() == expected


def test_every_class_of_the_module_is_public() -> None:
    """`errors.__all__` is sorted and holds every exception defined there."""
    classes = [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)]
    assert errors.__all__ == sorted(classes)


def test_an_error_is_caught_as_what_it_also_is() -> None:
    """Code that knows only the standard library's errors still works."""
    for name, builtin in BUILTIN.items():
        with pytest.raises(builtin):
            raise made(getattr(errors, name))
