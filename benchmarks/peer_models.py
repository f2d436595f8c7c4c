"""The library's models once more, as others would write them: the same fields, types and JSON names.

Their source is written from the library's public classes, so that no peer has less to do than the library, today or
after a field was added.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from types import ModuleType
from typing import Any

import attrs

from .fields import ModelField, closure, fields_of

__all__ = ["attrs_models", "msgspec_models", "plain_converter", "pydantic_models"]

_WIRE = "wire"


def attrs_models(model: type) -> ModuleType:
    """Frozen slots classes; the JSON name of a field is in its metadata."""

    def head(kind: type) -> str:
        return f"@frozen(kw_only=True)\nclass {kind.__name__}:"

    def member(f: ModelField) -> str:
        return f"{f.name}: {f.annotation} = field(default={f.default}, metadata={{'wire': {f.wire!r}}})"

    return _module("attrs_models", model, head, member, {"frozen": attrs.frozen, "field": attrs.field})


def plain_converter() -> Any:
    """cattrs' `Converter()` as it comes, told of the JSON names and of dates."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn, override

    converter = Converter()

    def structuring(kind: type) -> Any:
        names = {a.name: override(rename=a.metadata[_WIRE]) for a in attrs.fields(kind)}
        return make_dict_structure_fn(kind, converter, **names)  # type: ignore[arg-type]  # **names

    converter.register_structure_hook_factory(attrs.has, structuring)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    return converter


def msgspec_models(model: type) -> ModuleType:
    """Frozen Structs."""
    import msgspec

    def head(kind: type) -> str:
        names = {f.name: f.wire for f in fields_of(kind) if f.wire is not None}
        return f"class {kind.__name__}(Struct, frozen=True, kw_only=True, rename={names!r}):"

    return _module("msgspec_models", model, head, _plain, {"Struct": msgspec.Struct})


def pydantic_models(model: type) -> ModuleType:
    """Frozen `BaseModel` classes with aliases."""
    import pydantic

    def head(kind: type) -> str:
        return f"class {kind.__name__}(BaseModel):\n    model_config = {{'frozen': True}}"

    def member(f: ModelField) -> str:
        return f"{f.name}: {f.annotation} = Field({f.default}, alias={f.wire!r})"

    made = _module("pydantic_models", model, head, member, {"BaseModel": pydantic.BaseModel, "Field": pydantic.Field})
    for kind in closure(model):
        getattr(made, kind.__name__).model_rebuild()
    return made


def _plain(f: ModelField) -> str:
    return f"{f.name}: {f.annotation} = {f.default}"


def _module(
    name: str,
    model: type,
    head: Callable[[type], str],
    member: Callable[[ModelField], str],
    names: Mapping[str, Any],
) -> ModuleType:
    """A module with a class for `model` and each that is found in it; annotations may point ahead."""
    made = ModuleType(f"{__name__}.{name}")
    sys.modules[made.__name__] = made  # where annotations are looked up
    vars(made).update(names, datetime=datetime, Mapping=Mapping)
    source = ["from __future__ import annotations"]
    for kind in closure(model):
        members = [f"    {member(f)}" for f in fields_of(kind) if f.wire is not None]
        source += [head(kind), *members]
    exec(compile("\n".join(source), f"<{name}>", "exec"), vars(made))
    return made
