"""The generic cell rate algorithm, on plain times."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from bing_images_async._pipeline.gcra import Gcra


def test_due_of_a_new_sequence_is_always_in_the_past() -> None:
    """The first slot may be taken at any time."""
    assert Gcra().due(0.0) == -math.inf


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.01, 1)), min_size=1, max_size=30), st.integers(0, 5))
def test_take_keeps_slots_one_step_apart(gaps: list[tuple[float, float]], burst: int) -> None:
    """With a tolerance of so many steps, any run of slots is at most that many steps early."""
    gcra, now, step, taken = Gcra(), 0.0, 1.0, []
    for gap, early in gaps:
        now = max(now + gap * early, gcra.due(burst * step))
        gcra.take(now, step)
        taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert taken[last] - taken[first] >= (last - first - burst) * step - 1e-9


def test_give_back_makes_the_last_slot_available_again() -> None:
    """By the step that was taken, whatever the step is now."""
    gcra = Gcra()
    gcra.take(0.0, 1.0)
    gcra.give_back(gcra.take(1.0, 5.0), 5.0)
    assert gcra.due(0.0) == pytest.approx(1.0)


def test_give_back_of_an_earlier_slot_changes_nothing() -> None:
    """A request in that slot could be sent together with the next one."""
    gcra = Gcra()
    early = gcra.take(0.0, 1.0)
    gcra.take(1.0, 1.0)
    gcra.give_back(early, 1.0)
    assert gcra.due(0.0) == pytest.approx(2.0)


def test_delay_never_moves_the_next_slot_to_an_earlier_time() -> None:
    """It only makes it later."""
    gcra = Gcra()
    gcra.take(5.0, 1.0)
    gcra.delay(3.0)
    assert gcra.due(0.0) == 6.0
    gcra.delay(9.0)
    assert gcra.due(0.0) == 9.0
