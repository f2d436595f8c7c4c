"""The pace after rejections, on plain times and numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from bing_images_async._pipeline.adaptive_pace import AdaptivePace


def rejected(pace: AdaptivePace, *accepted: int, now: float = 100.0, pause: float = 1.0) -> list[bool]:
    """Reject one request for each number, one right after the other; return which of them cut the pace."""
    return [
        pace.reject(now=now + n * 1e-3, sent=now + n * 1e-3, accepted=number, resume_at=now + pause)
        for n, number in enumerate(accepted)
    ]


def test_rate_without_rejections_is_the_ceiling() -> None:
    """At any time."""
    assert AdaptivePace(50.0, 1.0).rate(0.0) == 50.0
    assert AdaptivePace(math.inf, 1.0).rate(1e6) == math.inf


@pytest.mark.parametrize("accepted", [(40,), (40, 40), (40, 20, 40), (40, 40, 35), (3, 1, 3), (0, 2, 4), (12, 10, 10)])
def test_reject_with_numbers_that_do_not_agree_changes_nothing(accepted: tuple[int, ...]) -> None:
    """Rejections that come at random are no reason for a lower pace."""
    pace = AdaptivePace(50.0, 1.0)
    assert not any(rejected(pace, *accepted))
    assert pace.rate(101.0) == 50.0


@pytest.mark.parametrize(
    ("accepted", "per", "rate"),
    [
        ((40, 40, 40), 1.0, 38.0),
        ((40, 38, 36), 1.0, 34.2),
        ((33, 32, 33), 1.0, 30.4),
        ((40, 40, 40), 0.5, 50.0),
        ((10, 10, 10), 1.0, 25.0),
        ((0, 0, 0), 1.0, 25.0),
    ],
)
def test_reject_three_times_at_the_same_number_cuts_the_pace(
    accepted: tuple[int, ...], per: float, rate: float
) -> None:
    """To 95 % of the least number per window, but to half at most, and never to more than before."""
    pace = AdaptivePace(50.0, per)
    assert rejected(pace, *accepted) == [False, False, True]
    assert pace.rate(101.0) == pytest.approx(rate)


def test_reject_of_a_request_from_before_the_cut_changes_nothing() -> None:
    """Requests that were on their way together lead to one cut."""
    pace = AdaptivePace(50.0, 1.0)
    rejected(pace, 30, 30, 30)
    for _ in range(10):
        assert pace.reject(now=100.1, sent=99.9, accepted=30, resume_at=101.0) is False
    assert pace.rate(121.0) == pytest.approx(28.5)  # the hold goes on


def test_reject_after_a_cut_by_half_goes_on_to_the_number() -> None:
    """One rejection per step, because the last three agree."""
    pace = AdaptivePace(50.0, 1.0)
    rejected(pace, 10, 10, 10)
    assert rejected(pace, 10, now=102.0) == [True]
    assert pace.rate(103.0) == pytest.approx(0.5 * 25.0 * 1.2, rel=0.01)
    assert rejected(pace, 10, now=104.0) == [True]
    assert pace.rate(105.0) == pytest.approx(9.5)


def test_rate_is_held_after_a_cut_and_then_grows_to_the_ceiling() -> None:
    """Held for 20 s after the pause; then 20 % per second."""
    pace = AdaptivePace(50.0, 1.0)
    rejected(pace, 30, 30, 30)
    rates = [pace.rate(101.0 + since) for since in (-1.0, 0.0, 19.9, 20.0, 21.0, 22.0, 23.0, 60.0, 1e9)]
    assert rates == pytest.approx([28.5, 28.5, 28.5, 28.5, 34.2, 41.04, 49.248, 50.0, 50.0])


def test_rate_below_ten_per_second_is_held_for_200_requests() -> None:
    """Each try above the quota costs a rejection: at most 1 % of the requests."""
    pace = AdaptivePace(5.0, 1.0)
    rejected(pace, 4, 4, 4)
    assert pace.rate(101.0 + 200 / 3.8 - 0.1) == pytest.approx(3.8)
    assert pace.rate(101.0 + 200 / 3.8 + 1.0) == pytest.approx(3.8 * 1.2)


def test_reject_while_the_pace_is_held_ends_the_hold() -> None:
    """At that pace a quota would not have rejected anything, so the number was wrong."""
    pace = AdaptivePace(50.0, 1.0)
    rejected(pace, 30, 30, 30)
    assert rejected(pace, 28, now=105.0) == [False]
    assert [pace.rate(time) for time in (106.0, 107.0, 110.0)] == pytest.approx([28.5, 34.2, 50.0])


def test_reject_without_a_ceiling_sets_a_pace_at_once() -> None:
    """Three per second at least; a minute after the hold there is none again."""
    pace = AdaptivePace(math.inf, 1.0)
    assert rejected(pace, 20) == [True]
    assert pace.rate(101.0) == pytest.approx(19.0)
    assert pace.rate(101.0 + 20.0 + 60.1) == math.inf
    pace = AdaptivePace(math.inf, 1.0)
    assert rejected(pace, 0) == [True]
    assert pace.rate(101.0) == 3.0


@given(
    ceiling=st.floats(1e-3, 1e6) | st.just(math.inf),
    rejections=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 100), st.floats(0, 60)), max_size=40),
    later=st.floats(0, 1e6),
)
def test_rate_is_positive_and_at_most_the_ceiling(
    ceiling: float, rejections: list[tuple[float, int, float]], later: float
) -> None:
    """Whatever is rejected, whenever."""
    pace, now = AdaptivePace(ceiling, 1.0), 0.0
    for gap, accepted, pause in rejections:
        now += gap
        pace.reject(now=now, sent=now, accepted=accepted, resume_at=now + pause)
        assert 0.0 < pace.rate(now) <= ceiling
    assert 0.0 < pace.rate(now + later) <= ceiling
