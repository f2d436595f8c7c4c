"""Faults in the paging of search: a well-formed answer that would lead its reader astray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .emulated_reply import Case, Reply

__all__ = ["DETOURS"]

Answer = dict[str, Any]
Change = Callable[[Answer, Case], None]


def _no_next(answer: Answer, case: Case) -> None:
    answer.pop("nextOffset", None)


def _same_next(answer: Answer, case: Case) -> None:
    answer["nextOffset"] = case.offset


def _next_behind(answer: Answer, case: Case) -> None:
    answer["nextOffset"] = max(0, case.offset - len(answer["value"]))


def _next_zero(answer: Answer, case: Case) -> None:
    answer["nextOffset"] = 0


def _next_huge(answer: Answer, case: Case) -> None:
    answer["nextOffset"] = round(case.amount_or(2**31))


def _overlap(answer: Answer, case: Case) -> None:
    """The next page begins in the middle of this one."""
    answer["nextOffset"] = case.offset + max(1, len(answer["value"]) // 2)


def _no_images(answer: Answer, case: Case) -> None:
    """As if more were to come."""
    answer["nextOffset"] = case.offset + max(1, len(answer["value"]))
    answer["value"] = []


def _one_image(answer: Answer, case: Case) -> None:
    """Page after page of one and the same image, and no end."""
    for image in answer["value"]:
        image |= {"imageId": "0" * 40, "contentUrl": "https://pictures.invalid/same.png"}
    answer["nextOffset"] = case.offset + max(1, len(answer["value"]))


def _estimate_shrinks(answer: Answer, case: Case) -> None:
    """Less is left with every page, and it is always less than was already shown."""
    answer["totalEstimatedMatches"] = case.offset // 2 + 1


def _estimate_zero(answer: Answer, case: Case) -> None:
    answer["totalEstimatedMatches"] = 0


def _altering(change: Change) -> Callable[[Reply, Case], Reply]:
    def altered(reply: Reply, case: Case) -> Reply:
        if reply.status != 200:
            return reply
        answer = msgspec.json.decode(reply.plain())
        change(answer, case)
        return reply.having(msgspec.json.encode(answer))

    return altered


DETOURS: Mapping[str, Callable[[Reply, Case], Reply]] = {
    "next-missing": _altering(_no_next),
    "next-repeats": _altering(_same_next),
    "next-behind": _altering(_next_behind),
    "next-zero": _altering(_next_zero),
    "next-huge": _altering(_next_huge),
    "page-overlaps": _altering(_overlap),
    "page-empty": _altering(_no_images),
    "page-same": _altering(_one_image),
    "estimate-shrinks": _altering(_estimate_shrinks),
    "estimate-zero": _altering(_estimate_zero),
}
"""By name; they befall search only. `amount`: the offset of next-huge."""
