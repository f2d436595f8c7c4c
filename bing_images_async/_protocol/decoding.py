"""The one cattrs converter: what came over the wire to models, and back.

Reading is strict: nothing is coerced (except an int where a float is asked for) and unknown keys are
ignored. The converter takes a model from one of two things:

- from its twin, which msgspec has made of the bytes (`twins`). That is the way of every proper answer:
  for a page of 35 images 0.6 of the time that `json.loads` alone would take;
- from parsed JSON, for those who keep it, and for bodies in which something is not as documented. It
  goes through a twin as well, and what that refuses goes to `salvage`, which goes field by field,
  keeps all that is good and writes down what is not.

Each way is gone once at most, so that a fault deep inside a hostile body costs no more than one at
its top.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from operator import is_
from typing import Any, TypeVar, cast

import attrs
import cattrs
import msgspec

from ..models import Answer, Problem
from ..models.error import ErrorResponse
from .fast_decoding import SURPRISES, twin_of
from .fields import fields, wire_names
from .salvage import MOST_PROBLEMS, SCALARS, Flawed, Hook, described, salvage

__all__ = ["Flawed", "converter", "described", "straight", "structure", "unstructure", "wire_names"]

T = TypeVar("T", bound="Answer | ErrorResponse")


def _hook(cls: type) -> Hook:
    """What the converter calls for the model `cls`."""
    twin = twin_of(cls)

    def hook(found: Any, _: Any) -> Any:
        if found.__class__ is twin.struct:
            return twin.fill(found)
        try:
            return twin.fill(msgspec.convert(found, twin.struct))
        except SURPRISES:
            pass  # and not from in here, or every fault would carry this one along
        return salvage(found, cls)

    return hook


def _make_converter() -> cattrs.Converter:
    made = cattrs.Converter(detailed_validation=False)
    for kind, hook in SCALARS.items():
        made.register_structure_hook_func(partial(is_, kind), hook)
    made.register_structure_hook_factory(attrs.has, _hook)
    made.register_unstructure_hook_func(attrs.has, _unstructure_model)
    made.register_unstructure_hook(datetime, datetime.isoformat)
    return made


def _unstructure_model(model: Any) -> dict[str, Any]:
    whole = {f.wire: getattr(model, f.name) for f in fields(type(model)) if f.wire is not None}
    return {name: unstructure(value) for name, value in whole.items() if value is not None and value != ()}


converter = _make_converter()


def _make_decoder(cls: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(twin_of(cls).struct)


_decoder: Callable[[Any], msgspec.json.Decoder[Any]] = cache(_make_decoder)


def straight(body: bytes, cls: type[T]) -> T | None:
    """The model `cls` straight from the bytes; `None` if they are not JSON, or anything is not as documented.

    What no model has a field for is skipped: it has to be JSON in UTF-8, but a number in it that is too
    large for a float goes unnoticed, whereas `parse` refuses it.
    """
    try:
        if not body.isascii():
            str(body, "utf-8")  # msgspec does not look into texts that it skips
        return converter.structure(_decoder(cls).decode(body), cls)
    except SURPRISES:
        return None


def structure(body: Any, cls: type[T]) -> tuple[T, tuple[Problem, ...]]:
    """Read parsed JSON into the model `cls`, with the problems found on the way.

    Raises `Flawed` if nothing could be read, because `body` is no object or nested too deep.
    """
    try:
        return converter.structure(body, cls), ()
    except RecursionError:
        raise Flawed(None, [Problem(path="", reason="it is nested too deep")]) from None
    except Flawed as flawed:
        if flawed.value is None:
            raise
        model, problems = flawed.value, tuple(flawed.problems)
    if len(problems) >= MOST_PROBLEMS:
        more = Problem(path="", reason=f"more than these {MOST_PROBLEMS:,} places could not be decoded")
        problems = (*problems[:MOST_PROBLEMS], more)
    return model, problems


def unstructure(model: Any) -> Any:
    """The JSON of a model, in the API's names, without what is missing."""
    if isinstance(model, tuple):
        return [unstructure(item) for item in cast("tuple[Any, ...]", model)]
    return converter.unstructure(model)
