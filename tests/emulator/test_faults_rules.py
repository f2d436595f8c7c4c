"""Limits against a count by hand; rules, latencies and profiles as values. Nothing here waits."""

from __future__ import annotations

import math
import statistics
import tracemalloc
from itertools import pairwise

import attrs
import pytest
from faults_kit import raised
from hypothesis import given, strategies as st

from bing_images_async._protocol.retry_after import quota_refill
from bing_images_async.emulator import FAULTS, PROFILES, FaultRule, Latency, Profile, synthetic
from bing_images_async.emulator.faults.error_responses import quota_exceeded
from bing_images_async.emulator.faults.fault_rules import parse_rules
from bing_images_async.emulator.faults.limits import Limits, Quota, SlidingWindow
from bing_images_async.emulator.faults.request_journal import Journal, Record, fingerprint
from bing_images_async.emulator.local import LocalService

# Eighths are exact in binary, so a call that comes exactly one window later is one.
GAPS = st.lists(st.integers(0, 12).map(lambda eighths: eighths / 8), max_size=120)


def moments(gaps: list[float]) -> list[float]:
    now, found = 0.0, []
    for gap in gaps:
        now += gap
        found.append(now)
    return found


@given(GAPS, st.integers(1, 5), st.sampled_from([0.5, 1.0, 2.0]), st.booleans())
def test_sliding_window_agrees_with_a_count(gaps: list[float], limit: int, window: float, count_rejected: bool) -> None:
    limiter = SlidingWindow(limit, window, count_rejected=count_rejected)
    counted: list[float] = []
    for now in moments(gaps):
        expected = sum(now - window < then <= now for then in counted) < limit
        assert (limiter.count(now) == 0.0) is expected
        if expected or count_rejected:
            counted.append(now)


@given(GAPS, st.integers(1, 5), st.booleans())
def test_sliding_window_after_the_stated_wait_allows(gaps: list[float], limit: int, count_rejected: bool) -> None:
    limiter, early = (SlidingWindow(limit, 1.0, count_rejected=count_rejected) for _ in range(2))
    for now in moments(gaps):
        early.count(now)
        wait = limiter.count(now)
        if wait:
            assert early.count(now + wait - 1 / 16) > 0.0
            assert limiter.count(now + wait) == 0.0
            return


def test_sliding_window_with_count_rejected_extends_the_wait() -> None:
    """Two a second, knocked at four times a second."""
    lenient, strict = SlidingWindow(2, 1.0), SlidingWindow(2, 1.0, count_rejected=True)
    knocks = [eighths / 4 for eighths in range(12)]
    assert [lenient.count(now) == 0.0 for now in knocks].count(True) == 6
    assert [strict.count(now) == 0.0 for now in knocks].count(True) == 2


def test_limits_are_per_key_and_rejections_use_no_quota() -> None:
    limits = Limits(qps=1, window=1.0, count_rejected=False, quota=2, quota_period=100.0)
    assert limits.count("a", 0.0) is None
    assert limits.count("b", 0.0) is None
    kinds = [refusal and refusal.limit for refusal in (limits.count("a", now) for now in (0.5, 1.0, 2.0, 3.0))]
    assert kinds == ["rate", None, "quota", "quota"]
    assert limits.count("a", 100.0) is None


def test_quota_after_any_number_of_periods_is_reset() -> None:
    quota = Quota(3, 10.0)
    assert quota.left(5.0) == 3
    quota.used = 3
    assert (quota.left(14.9), quota.refill(14.0)) == (0, 1.0)
    assert (quota.left(47.0), quota.refill(47.0)) == (3, 8.0)


@given(st.integers(0, 31 * 86_400))
def test_quota_message_of_the_gateway_is_parsed_by_the_client(seconds: int) -> None:
    message = quota_exceeded(float(seconds), by_gateway=True).body.decode()
    assert quota_refill(message) == seconds


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        (FaultRule("reset", every=5), [5, 10, 15, 20]),
        (FaultRule("reset", every=5, first=2), [2, 7, 12, 17]),
        (FaultRule("reset", first=3, last=7), [3, 4, 5, 6, 7]),
        (FaultRule("reset", start=4.0, duration=2.0), [5, 6]),
        (FaultRule("reset", probability=0.0), []),
    ],
)
def test_fault_rule_applies_to_the_named_requests(rule: FaultRule, hit: list[int]) -> None:
    """Request n comes n - 1 seconds after the first."""
    assert [n for n in range(1, 21) if rule.applies(n, n - 1.0, key=str(n), is_search=True)] == hit


def test_fault_rule_probability_is_reproducible() -> None:
    rule = FaultRule("reset", probability=0.05)

    def hits(seed: int) -> list[int]:
        return [n for n in range(10_000) if rule.applies(n, 0.0, key=f"{seed}/{n}", is_search=True)]

    assert 400 < len(hits(1)) < 600
    assert hits(1) == hits(1) != hits(2)


def test_fault_rule_of_paging_applies_to_search_only() -> None:
    rule = FaultRule("next-zero")
    assert [rule.applies(1, 0.0, key="", is_search=search) for search in (True, False)] == [True, False]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("reset-body", FaultRule("reset-body")),
        (" reset-body ; p=0.05;amount = 0.9", FaultRule("reset-body", probability=0.05, amount=0.9)),
        ("503; requests=3-7", FaultRule("503", first=3, last=7)),
        ("503; requests=3", FaultRule("503", first=3, last=3)),
        ("503; requests=3-; every=2", FaultRule("503", first=3, every=2)),
        ("refuse; after=10; for=60", FaultRule("refuse", start=10.0, duration=60.0)),
    ],
)
def test_fault_rule_as_text_round_trips(text: str, rule: FaultRule) -> None:
    assert FaultRule.parse(text) == rule == FaultRule.parse(str(rule))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("earthquake", "Unknown fault 'earthquake'"),
        ("", "Unknown fault ''"),
        ("reset; p=2", "probability must be from 0 to 1, not 2.0"),
        ("reset; p=nan", "probability must be a number"),
        ("reset; q=1", "Invalid condition 'q=1'"),
        ("reset; every=x", "Invalid condition 'every=x'"),
        ("reset; every=0", "every must be a whole number of at least 1, not 0"),
        ("reset; amount=-1", "amount must be from 0"),
    ],
)
def test_fault_rule_that_is_invalid_names_the_reason(text: str, words: str) -> None:
    assert words in raised(FaultRule.parse, text)


def test_parse_rules_separated_by_commas_returns_all() -> None:
    assert parse_rules("reset; p=0.1, 503,") == (FaultRule("reset", probability=0.1), FaultRule("503"))


def latencies(latency: Latency) -> list[float]:
    return sorted(latency.draw(str(number)) for number in range(4_000))


def test_latency_distributions_have_their_shape() -> None:
    assert set(latencies(Latency(0.05))) == {0.05}
    uniform = latencies(Latency(0.05, jitter=0.015))
    assert uniform[0] >= 0.035
    assert uniform[-1] <= 0.065
    assert statistics.stdev(uniform) == pytest.approx(0.03 / math.sqrt(12), rel=0.05)
    normal = [math.log(seconds) for seconds in latencies(Latency(0.4, sigma=0.5))]
    assert statistics.mean(normal) == pytest.approx(math.log(0.4), abs=0.03)
    assert statistics.stdev(normal) == pytest.approx(0.5, rel=0.05)
    assert 0.01 < latencies(Latency(0.1, tail=5.0, tail_probability=0.02)).count(5.0) / 4_000 < 0.03
    assert min(latencies(Latency(0.01, jitter=0.05))) == 0.0


def test_profiles_joined_combine_fields_and_faults() -> None:
    both = Profile.named("free+slow") | Profile(faults="reset")
    assert (both.qps, both.quota, both.latency.median) == (3, 1_000, 0.4)
    assert (Profile(faults="503") | both).faults == (FaultRule("503"), FaultRule("reset"))


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_profile_as_json_round_trips(name: str) -> None:
    assert Profile.of(PROFILES[name].as_json()) == PROFILES[name]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"qps": 0}, "qps must be a whole number of at least 1, not 0"),
        ({"qps": True}, "qps must be a whole number"),
        ({"qps": 2.5}, "qps must be a whole number"),
        ({"window": 0}, "window must be from 0.001"),
        ({"retry_after": "soon"}, "retry_after must be one of seconds, date, message, none"),
        ({"count_rejected": 1}, "count_rejected must be true or false"),
        ({"latency": {"mean": 1}}, "Unknown field 'mean' of a latency"),
        ({"latency": math.inf}, "median must be a number"),
        ({"faults": 5}, "faults must be rules"),
        ({"faults": ["storm"]}, "Unknown fault 'storm'"),
        ({"pqs": 3}, "Unknown field 'pqs' of a profile"),
    ],
)
def test_profile_that_is_invalid_names_the_reason(fields: dict[str, object], words: str) -> None:
    assert words in raised(Profile.of, fields)


def test_local_service_with_an_unknown_profile_raises() -> None:
    assert "Unknown profile 'fast'. Known profiles: " in raised(LocalService, catalogue=synthetic(1), profile="fast")


def test_fault_names_are_unique_across_tables() -> None:
    from bing_images_async.emulator.faults import body_faults, connection_faults, error_responses, paging_faults

    """No name stands in two of the tables, where one would hide the other."""

    tables = [
        error_responses.ERROR_RESPONSES,
        body_faults.BODY_FAULTS,
        paging_faults.PAGING_FAULTS,
        connection_faults.NO_REPLY_FAULTS,
        connection_faults.CONNECTION_FAULTS,
    ]
    assert sum(map(len, tables)) == len(FAULTS)


def record(number: int) -> Record:
    return Record(number=number, time=0.0, method="GET", path="/", query=(), key=None, connection=None)


def test_journal_beyond_its_size_drops_the_oldest() -> None:
    journal = Journal(3)
    for number in range(1, 6):
        journal.add(record(number))
    journal.finish(attrs.evolve(record(1), ending="answered"))
    journal.finish(attrs.evolve(record(4), ending="answered"))
    assert [(one.number, one.ending) for one in journal.records] == [(3, "open"), (4, "answered"), (5, "open")]
    assert (len(journal), journal.in_flight) == (3, 2)


def test_fingerprint_of_keys_differs_and_hides_them() -> None:
    prints = [fingerprint(key, 0) for key in ("secret-a", "secret-b", "secret-a")]
    assert prints[0] == prints[2] != prints[1]
    assert all(len(one) == 8 and "secret" not in one for one in prints)
    assert fingerprint("secret-a", 1) != prints[0]


def test_latency_of_each_request_is_drawn_anew() -> None:
    drawn = [Latency(1.0, jitter=0.5).draw(f"0/{number}") for number in range(50)]
    assert all(one != other for one, other in pairwise(drawn))


def long_record(number: int, pairs: int) -> Record:
    query = tuple((f"name{place}", "x" * 50) for place in range(pairs))
    return attrs.evolve(record(number), query=query)


@pytest.mark.parametrize(("pairs", "requests"), [(0, 4_000), (1, 4_000), (60, 400), (900, 40)])
def test_journal_of_many_requests_stays_within_its_limit(pairs: int, requests: int) -> None:
    """Measured by the allocator, with 1 MiB instead of 16; the oldest records are dropped."""
    limit = 2**20
    journal = Journal(max_bytes=limit)
    tracemalloc.start()
    for number in range(1, requests):
        journal.add(long_record(number, pairs))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    numbers = [one.number for one in journal.records]
    assert limit / 3 < used < limit
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[-1] == requests - 1


def test_journal_after_clear_has_room_again() -> None:
    journal = Journal(max_bytes=200_000)
    for number in range(1, 20):
        journal.add(long_record(number, 100))
    journal.clear()
    journal.add(long_record(20, 100))
    journal.add(long_record(21, 100))
    assert [one.number for one in journal.records] == [20, 21]


def test_journal_with_one_record_beyond_its_limit_is_empty() -> None:
    journal = Journal(max_bytes=1_000)
    journal.add(long_record(1, 100))
    journal.finish(long_record(1, 100))
    assert journal.records == ()
