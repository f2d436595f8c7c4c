"""Paging faults: well-formed search answers with a wrong `nextOffset`, wrong estimate or wrong images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .emulated_reply import EmulatedReply, FaultContext

__all__ = ["PAGING_FAULTS"]

Answer = dict[str, Any]
Change = Callable[[Answer, FaultContext], None]


def _no_next(answer: Answer, context: FaultContext) -> None:
    answer.pop("nextOffset", None)


def _same_next(answer: Answer, context: FaultContext) -> None:
    answer["nextOffset"] = context.offset


def _next_backwards(answer: Answer, context: FaultContext) -> None:
    answer["nextOffset"] = max(0, context.offset - len(answer["value"]))


def _next_zero(answer: Answer, context: FaultContext) -> None:
    answer["nextOffset"] = 0


def _next_huge(answer: Answer, context: FaultContext) -> None:
    answer["nextOffset"] = round(context.amount_or(2**31))


def _overlap(answer: Answer, context: FaultContext) -> None:
    """Begin the next page in the middle of this one."""
    answer["nextOffset"] = context.offset + max(1, len(answer["value"]) // 2)


def _no_images(answer: Answer, context: FaultContext) -> None:
    """Return no images, but a `nextOffset`."""
    answer["nextOffset"] = context.offset + max(1, len(answer["value"]))
    answer["value"] = []


def _one_image(answer: Answer, context: FaultContext) -> None:
    """Repeat one image on every page, without an end."""
    for image in answer["value"]:
        image |= {"imageId": "0" * 40, "contentUrl": "https://pictures.invalid/same.png"}
    answer["nextOffset"] = context.offset + max(1, len(answer["value"]))


def _estimate_shrinks(answer: Answer, context: FaultContext) -> None:
    """Return an estimate below the number of images already returned."""
    answer["totalEstimatedMatches"] = context.offset // 2 + 1


def _estimate_zero(answer: Answer, context: FaultContext) -> None:
    answer["totalEstimatedMatches"] = 0


def _edited(change: Change) -> Callable[[EmulatedReply, FaultContext], EmulatedReply]:
    def apply(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
        if reply.status != 200:
            return reply
        answer = msgspec.json.decode(reply.decompressed())
        change(answer, context)
        return reply.with_body(msgspec.json.encode(answer))

    return apply


PAGING_FAULTS: Mapping[str, Callable[[EmulatedReply, FaultContext], EmulatedReply]] = {
    "next-missing": _edited(_no_next),
    "next-repeats": _edited(_same_next),
    "next-behind": _edited(_next_backwards),
    "next-zero": _edited(_next_zero),
    "next-huge": _edited(_next_huge),
    "page-overlaps": _edited(_overlap),
    "page-empty": _edited(_no_images),
    "page-same": _edited(_one_image),
    "estimate-shrinks": _edited(_estimate_shrinks),
    "estimate-zero": _edited(_estimate_zero),
}
"""Paging faults by name. They apply to search only. `amount`: the offset of next-huge."""
