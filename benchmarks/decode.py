"""Worker: a page's bytes to objects, in each of the ways.

* `time IMAGES ROUNDS CANDIDATE …`: CPU microseconds per page, candidate by candidate in turn, round by round
* `memory IMAGES CANDIDATE`: what one decode takes at its height, and what 256 decoded pages keep
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.speed.page import page

from . import same_models
from .fields import reader

__all__ = ["CANDIDATES", "JSON", "OURS", "READ"]

OURS, READ, JSON = "ours", "ours, every attribute read", "json.loads"
PAGES = 256
_SLICE = 0.03  # seconds of CPU for a candidate in a round, about

Decode = Callable[[bytes], object]


def _ours() -> Decode:
    from bing_images_async._protocol.messages import Reply
    from bing_images_async._protocol.response_reading import decipher
    from bing_images_async.models import ImageAnswer

    headers = {
        "content-type": "application/json; charset=utf-8",
        "bingapis-traceid": "0123456789ABCDEF0123456789ABCDEF",
        "bingapis-market": "en-US",
        "x-msedge-clientid": "0123456789ABCDEF0123456789ABCDEF",
    }
    return lambda body: decipher(Reply(200, headers, body), ImageAnswer)


def _ours_read() -> Decode:
    from bing_images_async.models import ImageAnswer

    decode, read = _ours(), reader(ImageAnswer)

    def decoded(body: bytes) -> object:
        answer = decode(body)
        read(answer)
        return answer

    return decoded


def _orjson() -> Decode:
    import orjson

    decode: Decode = orjson.loads
    return decode


def _msgspec() -> Decode:
    import msgspec

    return msgspec.json.Decoder().decode


def _structs() -> Decode:
    import msgspec

    from bing_images_async.models import ImageAnswer

    return msgspec.json.Decoder(same_models.msgspec_models(ImageAnswer).ImageAnswer).decode


def _cattrs() -> Decode:
    from bing_images_async.models import ImageAnswer

    kind, converter = same_models.attrs_models(ImageAnswer).ImageAnswer, same_models.plain_converter()
    return lambda body: converter.structure(json.loads(body), kind)


def _pydantic() -> Decode:
    from bing_images_async.models import ImageAnswer

    decode: Decode = same_models.pydantic_models(ImageAnswer).ImageAnswer.model_validate_json
    return decode


def _official() -> Decode:
    from azure.cognitiveservices.search.imagesearch import models
    from msrest import Deserializer

    deserialize = Deserializer({name: kind for name, kind in vars(models).items() if isinstance(kind, type)})
    return lambda body: deserialize("Images", body, "application/json")


CANDIDATES: dict[str, Callable[[], Decode]] = {
    READ: _ours_read,
    OURS: _ours,
    JSON: lambda: json.loads,
    "orjson.loads": _orjson,
    "msgspec, untyped": _msgspec,
    "msgspec Structs": _structs,
    "pydantic v2": _pydantic,
    "json.loads + cattrs Converter()": _cattrs,
    "official SDK's deserializer": _official,
}
"""What makes the decoder, by the candidate's name; it imports what it needs."""


def times(images: int, rounds: int, candidates: Sequence[str]) -> dict[str, list[float]]:
    """CPU microseconds per page in each round."""
    body = page(images)
    decoders = {name: CANDIDATES[name]() for name in candidates}
    number = {name: _number(decode, body) for name, decode in decoders.items()}
    taken: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(rounds):
        for name, decode in decoders.items():
            gc.collect()
            taken[name].append(1e6 * _seconds(decode, body, number[name]) / number[name])
    return taken


def _number(decode: Decode, body: bytes) -> int:
    """How many pages fill a slice; the decoder is warm afterwards."""
    _seconds(decode, body, 3)
    return max(3, int(_SLICE / (_seconds(decode, body, 3) / 3)))


def _seconds(decode: Decode, body: bytes, number: int) -> float:
    began = time.process_time()
    for _ in range(number):
        decode(body)
    return time.process_time() - began


def memory(images: int, candidate: str) -> dict[str, float]:
    """`peak`: bytes, of one decode. `kept`: by 256 decoded pages that differ, as a multiple of their bodies."""
    decode = CANDIDATES[candidate]()
    bodies = [page(images, seed) for seed in range(PAGES)]
    decode(bodies[0])
    gc.collect()
    before = _resident()
    kept = [decode(bytes(bytearray(body))) for body in bodies]  # of copies, so that views into the bodies count as well
    gc.collect()
    size = _resident() - before
    del kept
    gc.collect()
    return {"peak": _peak(decode, bodies[0]), "kept": size / sum(map(len, bodies))}


def _peak(decode: Decode, body: bytes) -> int:
    tracemalloc.start()
    decode(body)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    decode(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before


def _resident() -> int:
    """Bytes of this process that are in memory."""
    with pathlib.Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(what: str, images: str, *rest: str) -> Any:
    """Times or memory."""
    return times(int(images), int(rest[0]), rest[1:]) if what == "time" else memory(int(images), *rest)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
