"""A run that is killed and goes on: at every point where something is written, and at half of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from bing_images_async.cli.bulk.checkpoint import File, Store
from bing_images_async.cli.bulk.opening import journal_of, open_store
from bing_images_async.cli.bulk.tally import Entry, Journal, JournalError

HEADER = b"header\n"
QUERIES = 7


class Killed(BaseException):
    """As if the process had ended here."""


class Reaper:
    """Ends the process at the `moment`-th point, counted from 0."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def __call__(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1


class FragileFile(File):
    """Dies before, in the middle of, and after everything it does to the disk."""

    def __init__(self, path: Path, reaper: Reaper) -> None:
        self._reaper = reaper
        super().__init__(path)

    def append(self, data: bytes) -> None:
        self._reaper()
        half = len(data) // 2
        super().append(data[:half])
        self._reaper()
        super().append(data[half:])
        self._reaper()

    def cut(self, end: int) -> None:
        self._reaper()
        super().cut(end)
        self._reaper()

    def sync(self) -> None:
        self._reaper()
        super().sync()
        self._reaper()


class FragileJournal(Journal):
    """Dies before and after every transaction."""

    def __init__(self, path: Path, reaper: Reaper) -> None:
        self._reaper = reaper
        super().__init__(path)

    def _run(self, statement: str, *values: Any) -> Any:
        writes = not statement.startswith("SELECT")
        if writes:
            self._reaper()
        cursor = super()._run(statement, *values)
        if writes:
            self._reaper()
        return cursor


def record(index: int, attempt: int = 0) -> bytes:
    return f"result {index} of attempt {attempt}\n".encode()


def entry(index: int, kind: str | None = None) -> Entry:
    digest = bytes([index]) * 16
    return Entry(index=index, digest=digest, query=f"q{index}", images=index, requests=1, elapsed=0.1, kind=kind)


def work(store: Store, asked: list[int], *, retry: bool = False) -> None:
    """What a run does; every third query fails until it is retried."""
    store.repair()
    for index in range(QUERIES):
        done = store.done(index, bytes([index]) * 16)
        if done is not None and not (done.has_failed and retry):
            continue
        asked.append(index)
        fails = index % 3 == 0 and not retry
        store.put(entry(index, "ServerError" if fails else None), record(index, int(retry)))
        if index % 2:
            end = store.end
            store.sync()
            store.mark(end)
    store.seal()


def lives(path: Path, *, retry: bool = False) -> Iterator[tuple[int, list[int]]]:
    """Runs that die at one point after the other, each going on where the one before was, until one is through."""
    moment = 0
    while True:
        asked: list[int] = []
        reaper = Reaper(moment)
        opened: list[Callable[[], None]] = []
        try:
            journal = FragileJournal(journal_of(path), reaper)
            opened.append(journal.close)
            file = FragileFile(path, reaper)
            opened.append(file.close)
            work(Store(file, journal, HEADER), asked, retry=retry)
        except Killed:
            yield moment, asked
        else:
            yield moment, asked
            return
        finally:
            for close in opened:  # both are unbuffered, so this writes nothing that death would not have written
                close()
        moment += 1


def results(path: Path) -> list[bytes]:
    header, *lines = path.read_bytes().splitlines(keepends=True)
    assert header == HEADER
    return lines


@pytest.mark.parametrize("start", range(0, 60, 3))
def test_killed_at_any_point_and_gone_on_every_result_is_there_once(tmp_path: Path, start: int) -> None:
    """One death at each point of a fresh run, then a run that is let through."""
    path = tmp_path / "out"
    for moment in range(start, start + 3):
        path.unlink(missing_ok=True)
        for old in tmp_path.glob("out.journal*"):
            old.unlink()
        first: list[int] = []
        _one_life(path, moment, first)
        second: list[int] = []
        _one_life(path, 10_000, second)
        assert sorted(results(path)) == sorted(record(index) for index in range(QUERIES))
        assert len(set(first) & set(second)) <= 1


def _one_life(path: Path, moment: int, asked: list[int]) -> bool:
    reaper = Reaper(moment)
    opened: list[Callable[[], None]] = []
    try:
        journal = FragileJournal(journal_of(path), reaper)
        opened.append(journal.close)
        file = FragileFile(path, reaper)
        opened.append(file.close)
        work(Store(file, journal, HEADER), asked)
    except Killed:
        return False
    finally:
        for close in opened:
            close()
    return True


def test_killed_again_and_again_it_still_gets_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    deaths = list(lives(path))
    assert len(deaths) > 15
    assert sorted(results(path)) == sorted(record(index) for index in range(QUERIES))
    assert sum(len(asked) for _, asked in deaths) <= QUERIES + len(deaths)


def test_the_points_above_are_all_there_are(tmp_path: Path) -> None:
    assert _one_life(tmp_path / "a", 60, [])
    assert not _one_life(tmp_path / "b", 40, [])


def test_killed_while_it_retries_no_result_is_lost_or_doubled(tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert _one_life(path, 10_000, [])
    asked = [index for _, life in lives(path, retry=True) for index in life]
    assert set(asked) == {0, 3, 6}
    assert sorted(results(path)) == sorted(record(index, int(index % 3 == 0)) for index in range(QUERIES))


def finished(path: Path) -> None:
    assert _one_life(path, 10_000, [])


def reopened(path: Path, **options: bool) -> Store:
    return open_store(path, path, {"limit": None}, HEADER, resume=options.get("resume", True), overwrite=False)


def test_bytes_that_never_reached_the_disk_are_asked_for_again(tmp_path: Path) -> None:
    """A power cut: the journal knows of a result whose place in the output holds zeros, behind the last mark."""
    path = tmp_path / "out"
    store = open_store(path, path, {"limit": None}, HEADER, resume=False, overwrite=False)
    store.repair()
    for index in range(4):
        store.put(entry(index), record(index))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: -len(record(3)) - 5] + bytes(5 + len(record(3))))
    store = reopened(path)
    store.repair()
    known = [index for index in range(4) if store.done(index, bytes([index]) * 16) is not None]
    store.close()
    assert known == [0, 1]
    assert path.read_bytes() == HEADER + record(0) + record(1)


def test_an_output_that_somebody_shortened_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    finished(path)
    path.write_bytes(HEADER)
    store = Store(File(path), Journal(journal_of(path)), HEADER)
    with pytest.raises(click.UsageError, match="somebody changed it"):
        store.repair()
    store.close()


def test_what_is_there_is_neither_lost_nor_gone_on_with_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out"
    finished(path)
    with pytest.raises(click.UsageError, match="--resume goes on"):
        reopened(path, resume=False)
    journal_of(path).unlink()
    with pytest.raises(click.UsageError, match="has no journal"):
        reopened(path)


def test_another_query_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    finished(path)
    store = reopened(path)
    with pytest.raises(click.UsageError, match="query 3 of the input is not the one"):
        store.done(2, b"another")
    store.close()


def test_another_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    reopened(path).close()
    with pytest.raises(click.UsageError, match="another --limit"):
        open_store(path, path, {"limit": 5}, HEADER, resume=True, overwrite=False)


def test_two_runs_do_not_share_an_output(tmp_path: Path) -> None:
    path = tmp_path / "out"
    store = reopened(path)
    with pytest.raises(JournalError, match="in use"):
        reopened(path)
    store.close()


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out"
    journal_of(path).write_text("a diary, not a journal" * 100)
    with pytest.raises(JournalError, match="cannot be used"):
        reopened(path)
    assert journal_of(path).read_text().startswith("a diary")
