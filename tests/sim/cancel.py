"""Cancels a scenario at every step of the scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any, Literal, Protocol, TypeVarTuple

import anyio
import attrs
import trio

from bing_images_async.testing import virtual_time
from bing_images_async.testing._asyncio_time import VirtualTimeLoop

from .schedule import fixed_schedule

Backend = Literal["asyncio", "trio"]
By = Literal["scope", "task"]
Outcome = Literal["finished", "cancelled"]
Arguments = TypeVarTuple("Arguments")


class Scenario(Protocol):
    async def run(self) -> None:
        """What is cancelled."""

    async def check(self, outcome: Outcome) -> None:
        """Asserts what must hold after every run, cancelled or not."""


MakeScenario = Callable[[], AbstractAsyncContextManager[Scenario]]


def cancel_everywhere(
    make_scenario: MakeScenario, *, by: By, backend: Backend, seed: int = 0, limit: int = 20_000
) -> int:
    """Run the scenario in virtual time again and again, cancelled after step 1, 2, 3 … until it ends first.

    A step is one callback on asyncio, and one step of any task on trio, from the start of the scenario. So every state
    between two steps is tested, also those in which the victim has been woken and has not run yet.

    by: "scope" cancels an anyio scope around the scenario; "task" calls the task's own `cancel()`, which no shield
        stops; trio has only scopes.
    Returns the number of steps of the run without cancellation. A failure has a note with the step.
    """
    for step in range(1, limit):
        if not run_cancelled(make_scenario, step, by=by, backend=backend, seed=seed):
            return step - 1
    raise AssertionError(f"still running after {limit} steps")


def run_cancelled(make_scenario: MakeScenario, step: int, *, by: By, backend: Backend, seed: int = 0) -> bool:
    """Run the scenario with one cancellation, to repeat a failure; return true if it was cancelled in time."""
    trigger = _Trigger(step)

    async def main() -> None:
        before = {task.id for task in anyio.get_running_tasks()}
        async with make_scenario() as scenario:
            await scenario.check(await _cancelled_run(scenario, trigger, by))
        left = [task.name for task in anyio.get_running_tasks() if task.id not in before]
        assert left == [], "tasks were left behind"

    try:
        with fixed_schedule(seed):
            anyio.run(main, backend=backend, backend_options=_options(backend, trigger))
    except BaseException as error:
        error.add_note(f"cancelled by {by} after step {step} on {backend}, seed {seed}")
        raise
    return trigger.pulled


async def _cancelled_run(scenario: Scenario, trigger: _Trigger, by: By) -> Outcome:
    outcome: Outcome = "cancelled"

    async def victim() -> None:
        nonlocal outcome
        with anyio.CancelScope() as scope:
            task = _native_task() if by == "task" else None
            trigger.arm(scope.cancel if task is None else task.cancel)
            try:
                await scenario.run()
                outcome = "finished"
            except asyncio.CancelledError:
                if task is None or not trigger.pulled:
                    raise
            finally:
                trigger.disarm()
            swallowed = task is not None and trigger.pulled and outcome == "finished"
            assert not swallowed, "Task.cancel() was swallowed"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(victim, name="victim")
    return outcome


def _native_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # trio
        return None


@attrs.define
class _Trigger:
    """Cancels once, when `steps` steps have been taken since it was armed."""

    steps: int
    _pull: Callable[[], object] | None = attrs.field(default=None, init=False)
    pulled: bool = attrs.field(default=False, init=False)

    def arm(self, pull: Callable[[], object]) -> None:
        self._pull = pull

    def disarm(self) -> None:
        self._pull = None

    def count(self) -> None:
        if self._pull is None:
            return
        self.steps -= 1
        if self.steps == 0:
            self.pulled = True
            self._pull()


def _options(backend: Backend, trigger: _Trigger) -> dict[str, Any]:
    _, options = virtual_time(backend, patience=0.2)
    if backend == "asyncio":
        return {"loop_factory": lambda: _CountingLoop(trigger)}
    return {**options, "instruments": [*options["instruments"], _CountingInstrument(trigger)]}


class _CountingLoop(VirtualTimeLoop):
    def __init__(self, trigger: _Trigger) -> None:
        super().__init__(patience=0.2)
        self._trigger = trigger

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(self._counted, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return super().call_at(when, self._counted, callback, *args, context=context)

    def _counted(self, callback: Callable[[*Arguments], object], *args: *Arguments) -> None:
        try:
            callback(*args)
        finally:
            self._trigger.count()


class _CountingInstrument(trio.abc.Instrument):
    def __init__(self, trigger: _Trigger) -> None:
        self._trigger = trigger

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._trigger.count()
