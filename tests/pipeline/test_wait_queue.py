"""The wait queue: which call is next, and what happens when calls are cancelled or aborted."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from step_kit import sleep_until

from bing_images_async._pipeline.call import AttemptAborted, Call
from bing_images_async._pipeline.wait_queue import BULK_SHARE, Waiter, WaitQueue
from bing_images_async._protocol.messages import Request

REQUEST = Request("GET", "https://api.example/search")
PRIORITIES = st.sampled_from(["interactive", "bulk"])


def a_call(priority: str = "interactive") -> Call:
    return Call("search", REQUEST, priority=priority)  # type: ignore[arg-type]


class QueueMachine(RuleBasedStateMachine):
    """Compare the queue with a plain list, for any operations in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WaitQueue()
        self.spare = [a_call() for _ in range(5)]
        self.waiting: list[Waiter] = []
        self.passed = 0
        """Interactive grants since the last bulk one, while a bulk call waited."""

    @rule(priority=PRIORITIES, number=st.sampled_from([1, 12]))
    def join(self, priority: str, number: int) -> None:
        self.waiting += [self.queue.join(a_call(priority)) for _ in range(number)]

    @precondition(lambda self: self.spare)
    @rule()
    def rejoin(self) -> None:
        """Add a call that is older than all others, like a retry."""
        self.waiting.append(self.queue.join(self.spare.pop()))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(waiter)
        assert self.queue.leave(waiter) is False

    @rule(number=st.sampled_from([1, 12]), include_bulk=st.booleans())
    def grant_some(self, number: int, include_bulk: bool) -> None:
        for _ in range(number):
            self.grant(include_bulk)

    def grant(self, include_bulk: bool) -> None:
        bulk = [waiter for waiter in self.waiting if waiter.call.priority == "bulk"]
        waiter = self.queue.next(include_bulk=include_bulk)
        if waiter is None:
            assert not self.waiting or (not include_bulk and len(bulk) == len(self.waiting))
            return
        same_priority = [other for other in self.waiting if other.call.priority == waiter.call.priority]
        assert waiter is min(same_priority, key=lambda other: other.call.number)
        self.queue.grant(waiter)
        self.waiting.remove(waiter)
        assert waiter.is_granted
        assert self.queue.leave(waiter) is True
        self.passed = self.passed + 1 if bulk and waiter.call.priority == "interactive" else 0
        assert self.passed < BULK_SHARE

    @rule(priority=PRIORITIES)
    def abort(self, priority: str) -> None:
        self.queue.abort(where=lambda call: call.priority == priority)
        self.waiting = [waiter for waiter in self.waiting if waiter.call.priority != priority]

    @invariant()
    def length_is_the_number_of_waiting_calls(self) -> None:
        assert len(self.queue) == len(self.waiting)
        kept = len(self.queue._interactive) + len(self.queue._bulk)
        assert kept <= 2 * len(self.waiting) + 64


TestWaitQueue = QueueMachine.TestCase
TestWaitQueue.settings = settings(deadline=None, max_examples=100, stateful_step_count=60)


@given(st.lists(PRIORITIES, max_size=30), PRIORITIES)
def test_ahead_of_counts_the_calls_that_are_granted_before(waiting: list[str], priority: str) -> None:
    """Every call is ahead of a bulk call, only interactive calls are ahead of an interactive one."""
    queue = WaitQueue()
    for other in waiting:
        queue.join(a_call(other))
    expected = len(waiting) if priority == "bulk" else waiting.count("interactive")
    assert queue.ahead_of(a_call(priority)) == expected


def test_leave_drops_cancelled_waiters() -> None:
    """Memory stays bounded however many calls are cancelled."""
    queue = WaitQueue()
    stays = queue.join(a_call("bulk"))
    for _ in range(10_000):
        queue.leave(queue.join(a_call("bulk")))
        assert len(queue._bulk) <= 66
    assert (len(queue), queue.next()) == (1, stays)


class _CountedHeap(list[Waiter]):
    """A heap that counts how often it is iterated."""

    passes = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        _CountedHeap.passes += 1
        return super().__iter__()


def test_leave_10_000_times_iterates_the_queue_a_few_times() -> None:
    """Cancelling a waiter costs amortised constant time."""
    queue = WaitQueue()
    queue._interactive = _CountedHeap()
    waiters = [queue.join(a_call()) for _ in range(10_000)]
    _CountedHeap.passes = 0
    for waiter in waiters:
        queue.leave(waiter)
    assert len(queue) == 0
    assert _CountedHeap.passes <= 10


@pytest.mark.anyio
async def test_abort_raises_in_the_selected_waiters_only() -> None:
    """A waiter that is aborted gets `AttemptAborted`; the others stay in the queue."""
    queue, ended = WaitQueue(), []

    async def wait(waiter: Waiter) -> None:
        try:
            await waiter.wait()
            ended.append((waiter, "granted"))
        except AttemptAborted:
            ended.append((waiter, "aborted"))

    granted, aborted = queue.join(a_call()), queue.join(a_call("bulk"))
    async with anyio.create_task_group() as tasks:
        for waiter in (granted, aborted):
            tasks.start_soon(wait, waiter)
        await anyio.wait_all_tasks_blocked()
        queue.abort(where=lambda call: call.priority == "bulk")
        await anyio.wait_all_tasks_blocked()
        assert ended == [(aborted, "aborted")]
        queue.grant(granted)
    assert ended[1:] == [(granted, "granted")]


@pytest.mark.anyio
async def test_wait_lets_only_the_head_sleep() -> None:
    """The next waiter takes over when the head is cancelled or granted; `wake()` makes it look at `due` again."""
    queue, due, granted = WaitQueue(), 5.0, []

    def serve() -> None:
        waiter = queue.next()
        assert waiter is not None
        granted.append((anyio.current_time(), waiter))
        nonlocal due
        due += 1.0
        queue.grant(waiter)
        queue.wake()

    first, second, third = (queue.join(a_call()) for _ in range(3))

    async def wait(waiter: Waiter, patience: float | None = None) -> None:
        with anyio.move_on_after(patience):
            await queue.wait(waiter, due=lambda: due, serve=serve)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, first, 1.0)
        tasks.start_soon(wait, second)
        tasks.start_soon(wait, third)
        await sleep_until(2.0)
        due = 3.0
        queue.wake()
    assert granted == [(3.0, second), (4.0, third)]
