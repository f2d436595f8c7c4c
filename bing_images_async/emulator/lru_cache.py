"""A bounded mapping that drops the least recently used values."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

import attrs

_Value = TypeVar("_Value")


@attrs.define
class LruCache(Generic[_Value]):
    """Holds the `size` values used last."""

    size: int
    _values: OrderedDict[Hashable, _Value] = attrs.field(factory=OrderedDict[Hashable, _Value], init=False)

    def get(self, key: Hashable) -> _Value | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def put(self, key: Hashable, value: _Value) -> None:
        self._values[key] = value
        while len(self._values) > self.size:
            self._values.popitem(last=False)
