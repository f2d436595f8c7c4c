"""The library's models as pydantic, msgspec and plain cattrs users would write them, and a reader of all attributes.

Their source is made from the library's public classes, so that no peer has less to do than the library, today or
after a field was added.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import ModuleType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from bing_images_async.models import ImageAnswer


@attrs.frozen
class ModelField:
    """One field of a model."""

    name: str
    wire: str | None
    """Its JSON name; `None` for what the library adds itself."""
    kind: type
    """A scalar type, or a model."""
    is_list: bool

    @property
    def is_model(self) -> bool:
        return attrs.has(self.kind)

    def member(self, value: str) -> str:
        """Return its declaration; `{}` in `value` stands for its default."""
        kind = f"tuple[{self.kind.__name__}, ...]" if self.is_list else f"{self.kind.__name__} | None"
        return f"    {self.name}: {kind} = {value.format('()' if self.is_list else None, self.wire)}"


@cache
def fields_of(model: type) -> tuple[ModelField, ...]:
    """Return all fields of a model, inherited ones included."""
    hints = get_type_hints(model)
    return tuple(_field(attribute, hints[attribute.name]) for attribute in attrs.fields(model))


def _field(attribute: "attrs.Attribute[Any]", hint: Any) -> ModelField:
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = (kind for kind in get_args(hint) if kind is not NoneType)
    if is_list := get_origin(hint) is tuple:
        hint = get_args(hint)[0]
    head, *tail = attribute.name.split("_")
    camel = head + "".join(map(str.capitalize, tail))
    return ModelField(attribute.name, attribute.metadata.get("wire", camel), get_origin(hint) or hint, is_list)


def closure(model: type = ImageAnswer, *, on_the_wire: bool = True) -> tuple[type, ...]:
    """Return `model` and every model in it; those that the library adds itself only without `on_the_wire`."""
    found: dict[type, None] = {model: None}
    waiting = [model]
    while waiting:
        fields = fields_of(waiting.pop())
        kinds = [f.kind for f in fields if f.is_model and not (on_the_wire and f.wire is None)]
        waiting += [kind for kind in kinds if kind not in found]
        found |= dict.fromkeys(kinds)
    return tuple(found)


def reader(model: type = ImageAnswer) -> Callable[[Any], None]:
    """Return a function that reads each attribute of an object and of all objects in it: one line for each."""
    namespace: dict[str, Any] = {}
    for kind in closure(model, on_the_wire=False):
        lines = [f"def read_{kind.__name__}(o):"]
        for f in fields_of(kind):
            if not f.is_model:
                lines.append(f"    o.{f.name}")
            elif f.is_list:
                lines += [f"    for item in o.{f.name}:", f"        read_{f.kind.__name__}(item)"]
            else:
                lines += [f"    v = o.{f.name}", "    if v is not None:", f"        read_{f.kind.__name__}(v)"]
        exec(compile("\n".join(lines), f"<reading of {kind.__name__}>", "exec"), namespace)
    return namespace[f"read_{model.__name__}"]


def by_cattrs() -> Callable[[bytes], Any]:
    """cattrs' `Converter()` over `json.loads`, for the library's own classes with their JSON names and dates."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn, override

    def structuring(kind: type) -> Any:
        names: dict[str, Any] = {
            f.name: override(omit=True) if f.wire is None else override(rename=f.wire) for f in fields_of(kind)
        }
        return make_dict_structure_fn(kind, converter, **names)

    converter = Converter()
    converter.register_structure_hook_factory(attrs.has, structuring)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    return lambda body: converter.structure(json.loads(body), ImageAnswer)


def by_msgspec() -> Callable[[bytes], Any]:
    """msgspec's decoder for frozen Structs."""
    import msgspec

    def head(kind: type) -> str:
        names = {f.name: f.wire for f in fields_of(kind) if f.wire is not None}
        return f"class {kind.__name__}(Struct, frozen=True, kw_only=True, rename={names!r}):"

    return msgspec.json.Decoder(_made(head, "{}", Struct=msgspec.Struct)).decode


def by_pydantic() -> Callable[[bytes], Any]:
    """pydantic's validation of frozen `BaseModel` classes with aliases."""
    import pydantic

    def head(kind: type) -> str:
        return f"class {kind.__name__}(BaseModel):\n    model_config = {{'frozen': True}}"

    made = _made(head, "Field({}, alias={!r})", BaseModel=pydantic.BaseModel, Field=pydantic.Field)
    made.model_rebuild()
    return made.model_validate_json


def _made(head: Callable[[type], str], value: str, **names: Any) -> Any:
    """Make a module with a class for each model (annotations may point ahead); return that of the answer."""
    module = ModuleType(f"{__name__}.{'_'.join(names)}")
    sys.modules[module.__name__] = module  # where annotations are looked up
    vars(module).update(names, datetime=datetime, Mapping=Mapping)
    source = ["from __future__ import annotations"]
    for kind in closure(ImageAnswer):
        source += [head(kind), *(f.member(value) for f in fields_of(kind) if f.wire is not None)]
    exec(compile("\n".join(source), module.__name__, "exec"), vars(module))
    return module.ImageAnswer
