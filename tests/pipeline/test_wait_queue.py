"""The waiting line: who is next, and what becomes of those who leave."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from link_kit import sleep_until

from bing_images_async._pipeline.call import AttemptAborted, Call
from bing_images_async._pipeline.wait_queue import BULK_SHARE, Line, Place
from bing_images_async._protocol.messages import Request

REQUEST = Request("GET", "https://api.example/search")
PRIORITIES = st.sampled_from(["interactive", "bulk"])


def a_call(priority: str = "interactive") -> Call:
    return Call("search", REQUEST, priority=priority)  # type: ignore[arg-type]


class Lines(RuleBasedStateMachine):
    """Against a plain list, whatever is done in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        self.spare = [a_call() for _ in range(5)]
        self.waiting: list[Place] = []
        self.passed = 0
        """Interactive grants since the last bulk one, while a bulk call waited."""

    @rule(priority=PRIORITIES, number=st.sampled_from([1, 12]))
    def join(self, priority: str, number: int) -> None:
        self.waiting += [self.line.join(a_call(priority)) for _ in range(number)]

    @precondition(lambda self: self.spare)
    @rule()
    def rejoin(self) -> None:
        """A call from before all others, as a retry is."""
        self.waiting.append(self.line.join(self.spare.pop()))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(place)
        assert self.line.leave(place) is False

    @rule(number=st.sampled_from([1, 12]), bulk_too=st.booleans())
    def grant_some(self, number: int, bulk_too: bool) -> None:
        for _ in range(number):
            self.grant(bulk_too)

    def grant(self, bulk_too: bool) -> None:
        bulk = [place for place in self.waiting if place.call.priority == "bulk"]
        place = self.line.next(bulk_too=bulk_too)
        if place is None:
            assert not self.waiting or (not bulk_too and len(bulk) == len(self.waiting))
            return
        kin = [other for other in self.waiting if other.call.priority == place.call.priority]
        assert place is min(kin, key=lambda other: other.call.number)
        self.line.grant(place)
        self.waiting.remove(place)
        assert place.is_granted
        assert self.line.leave(place) is True
        self.passed = self.passed + 1 if bulk and place.call.priority == "interactive" else 0
        assert self.passed < BULK_SHARE

    @rule(priority=PRIORITIES)
    def dismiss(self, priority: str) -> None:
        self.line.dismiss(where=lambda call: call.priority == priority)
        self.waiting = [place for place in self.waiting if place.call.priority != priority]

    @invariant()
    def it_is_as_long_as_it_should_be(self) -> None:
        assert len(self.line) == len(self.waiting)
        kept = len(self.line._interactive) + len(self.line._bulk)
        assert kept <= 2 * len(self.waiting) + 64


TestLines = Lines.TestCase
TestLines.settings = settings(deadline=None, max_examples=100, stateful_step_count=60)


@given(st.lists(PRIORITIES, max_size=30), PRIORITIES)
def test_how_many_are_ahead(waiting: list[str], priority: str) -> None:
    """Everybody is ahead of a bulk call, only its like of an interactive one."""
    line = Line()
    for other in waiting:
        line.join(a_call(other))
    expected = len(waiting) if priority == "bulk" else waiting.count("interactive")
    assert line.ahead_of(a_call(priority)) == expected


def test_places_that_were_left_are_forgotten() -> None:
    """Ten thousand calls that come and go leave no trace; leaving touches the rest of the line now and then only."""
    line = Line()
    stays = line.join(a_call("bulk"))
    for _ in range(10_000):
        line.leave(line.join(a_call("bulk")))
        assert len(line._bulk) <= 66
    assert (len(line), line.next()) == (1, stays)


class _Counted(list[Place]):
    """A heap that counts how often it is gone through."""

    passes = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        _Counted.passes += 1
        return super().__iter__()


def test_a_long_line_is_left_in_few_steps() -> None:
    """10,000 calls that give up go through the line a few times in all, not once each."""
    line = Line()
    line._interactive = _Counted()
    places = [line.join(a_call()) for _ in range(10_000)]
    _Counted.passes = 0
    for place in places:
        line.leave(place)
    assert len(line) == 0
    assert _Counted.passes <= 10


@pytest.mark.anyio
async def test_the_dismissed_are_turned_back() -> None:
    """Those who are waiting, and only those of whom it is said."""
    line, ended = Line(), []

    async def wait(place: Place) -> None:
        try:
            await place.turn()
            ended.append((place, "served"))
        except AttemptAborted:
            ended.append((place, "turned back"))

    served, dismissed = line.join(a_call()), line.join(a_call("bulk"))
    async with anyio.create_task_group() as tasks:
        for place in (served, dismissed):
            tasks.start_soon(wait, place)
        await anyio.wait_all_tasks_blocked()
        line.dismiss(where=lambda call: call.priority == "bulk")
        await anyio.wait_all_tasks_blocked()
        assert ended == [(dismissed, "turned back")]
        line.grant(served)
    assert ended[1:] == [(served, "served")]


@pytest.mark.anyio
async def test_only_the_head_keeps_time() -> None:
    """When it leaves or is served, the next one takes over; a change of plan is heard of."""
    line, due, served = Line(), 5.0, []

    def serve() -> None:
        place = line.next()
        assert place is not None
        served.append((anyio.current_time(), place))
        nonlocal due
        due += 1.0
        line.grant(place)
        line.rouse()

    first, second, third = (line.join(a_call()) for _ in range(3))

    async def wait(place: Place, patience: float | None = None) -> None:
        with anyio.move_on_after(patience):
            await line.wait(place, due=lambda: due, serve=serve)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, first, 1.0)
        tasks.start_soon(wait, second)
        tasks.start_soon(wait, third)
        await sleep_until(2.0)
        due = 3.0
        line.rouse()
    assert served == [(3.0, second), (4.0, third)]
