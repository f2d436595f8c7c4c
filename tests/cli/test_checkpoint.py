"""The checkpoint of a bulk run: interrupted before, in the middle of and after every change to the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click
import pytest

from bing_images_async.cli.bulk.checkpoint import Checkpoint
from bing_images_async.cli.exit_codes import UnavailableError

QUERIES = 7


class Killed(BaseException):
    """The end of the process."""


class FragileCheckpoint(Checkpoint):
    """A checkpoint that is killed at the `moment`-th point, counted from 0."""

    def __init__(self, path: Path, moment: int) -> None:
        super().__init__(path)
        self.left = moment

    def _point(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1

    def _write(self, file: IO[bytes], data: bytes) -> None:
        self._point()
        half = len(data) // 2
        super()._write(file, data[:half])
        self._point()
        super()._write(file, data[half:])
        self._point()

    def _truncate(self, end: int) -> None:
        self._point()
        super()._truncate(end)
        self._point()

    def _replace(self, draft: Path) -> None:
        self._point()
        super()._replace(draft)
        self._point()


def digest(index: int) -> str:
    return f"{index:032x}"


def line(index: int, *, failed: bool = False, attempt: int = 0) -> bytes:
    run = {"started": 1.0, "at": 0.5, "elapsed": 0.1, "throttled": 0, "retries": 0, "rate": None}
    error = {"kind": "ServerError", "message": "m"} if failed else None
    result: dict[str, Any] = {"index": index, "digest": digest(index), "query": f"q{index}", "requests": 1 + attempt}
    return json.dumps({**result, "run": run, "error": error, "images": [{}] * index}).encode() + b"\n"


def run(path: Path, moment: int = 10_000, *, retry: bool = False) -> tuple[bool, list[int]]:
    """Resume until the end or a kill; return whether the end was reached, and the queries that were run."""
    asked: list[int] = []
    with FragileCheckpoint(path, moment) as checkpoint:
        try:
            checkpoint.scan()
            checkpoint.repair(drop_failures=retry)
            for index in range(QUERIES):
                if index in checkpoint.digests:
                    assert checkpoint.digests[index] == digest(index)
                    continue
                asked.append(index)
                checkpoint.append(line(index, failed=index % 3 == 0 and not retry, attempt=retry))
            checkpoint.sync()
        except Killed:
            return False, asked
    return True, asked


def lives(path: Path, *, retry: bool = False) -> Iterator[list[int]]:
    """Yield the queries of one run after the other, each killed one point later, until one reaches the end."""
    moment, ended = 0, False
    while not ended:
        ended, asked = run(path, moment, retry=retry)
        moment += 1
        yield asked


def results(path: Path) -> list[bytes]:
    return sorted(path.read_bytes().splitlines(keepends=True))


EXPECTED = sorted(line(index, failed=index % 3 == 0) for index in range(QUERIES))
RETRIED = sorted(line(index, attempt=index % 3 == 0) for index in range(QUERIES))


def test_checkpoint_killed_at_any_point_has_every_result_once(tmp_path: Path) -> None:
    """At most one query, the one under way, is run twice."""
    ended, moment = False, 0
    while not ended:
        path = tmp_path / f"out{moment}"
        ended, first = run(path, moment)
        _, second = run(path)
        assert results(path) == EXPECTED
        assert len(set(first) & set(second)) <= 1
        moment += 1
    assert moment > 3 * QUERIES


def test_checkpoint_killed_again_and_again_reaches_the_end(tmp_path: Path) -> None:
    asked = list(lives(tmp_path / "out"))
    assert results(tmp_path / "out") == EXPECTED
    assert sum(map(len, asked)) <= QUERIES + len(asked)


def test_checkpoint_killed_while_failures_are_retried_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """At every point the file has each answer once; only failures may be missing."""
    ended, moment = False, 0
    while not ended:
        path = tmp_path / f"out{moment}"
        run(path)
        ended, _ = run(path, moment, retry=True)
        whole = [one for one in results(path) if one.endswith(b"\n")]
        indexes = [json.loads(one)["index"] for one in whole]
        assert {1, 2, 4, 5} <= set(indexes)
        assert len(indexes) == len(set(indexes))
        _, again = run(path, retry=True)
        assert set(again) <= {0, 3, 6}
        assert results(path) == RETRIED
        moment += 1
    assert moment > 3 * 3


def test_checkpoint_after_a_power_cut_repeats_what_the_disk_lost(tmp_path: Path) -> None:
    """Lost blocks read as zeros; what follows them is not trusted."""
    path = tmp_path / "out"
    run(path)
    lines = [line(index, failed=index % 3 == 0) for index in range(QUERIES)]
    lost = bytes(len(lines[2]) - 5)
    path.write_bytes(b"".join([*lines[:2], lines[2][:5] + lost, *lines[3:]]))
    assert run(path)[1] == [2, 3, 4, 5, 6]
    assert results(path) == EXPECTED


def test_checkpoint_that_was_shortened_repeats_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "out"
    run(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert run(path)[1] == [6]
    assert results(path) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        b"not a result\n",
        b'{"index": 0}\n',
        b'{"index": 0, "query": "cat", "images": [], "error": null}\n',
        b"\n",
        b"[]\n",
    ],
)
def test_checkpoint_with_another_line_is_refused_and_left_alone(tmp_path: Path, text: bytes) -> None:
    """The file of an earlier version has no digests."""
    path = tmp_path / "out"
    path.write_bytes(line(1) + text + line(2))
    with Checkpoint(path) as checkpoint, pytest.raises(click.UsageError, match="line 2: not a result"):
        checkpoint.scan()
    assert path.read_bytes() == line(1) + text + line(2)


def test_checkpoint_with_a_query_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(line(1) + line(2) + line(1))
    with Checkpoint(path) as checkpoint, pytest.raises(click.UsageError, match="line 3: a second result of query 2"):
        checkpoint.scan()


def test_checkpoint_in_use_is_refused_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with Checkpoint(path), pytest.raises(UnavailableError, match="another run writes to the same output"):
        Checkpoint(path)
    Checkpoint(path).__exit__()


def test_checkpoint_stays_locked_when_its_file_is_replaced(tmp_path: Path) -> None:
    """Retrying failures replaces the file; a second process must not get the old one, nor the new one."""
    path = tmp_path / "out"
    run(path)
    with Checkpoint(path) as checkpoint:
        checkpoint.scan()
        checkpoint.repair(drop_failures=True)
        with pytest.raises(UnavailableError):
            Checkpoint(path)
        checkpoint.append(line(0))
    assert results(path) == sorted(line(index) for index in (0, 1, 2, 4, 5))


def test_tally_of_a_resumed_run_is_that_of_one_run(tmp_path: Path) -> None:
    """Totals, failures, examples and the timeline are read from the lines again."""
    path = tmp_path / "out"
    run(path)
    with Checkpoint(path) as checkpoint:
        checkpoint.scan()
        tally = checkpoint.tally
    assert (tally.queries, tally.failed, tally.empty, tally.images) == (7, 3, 0, 21)
    assert [(f.kind, f.number, f.message, f.examples) for f in tally.failures] == [
        ("ServerError", 3, "m", ["q0", "q3", "q6"])
    ]
    assert [query for _, query in tally.listed["first"]] == [f"q{index}" for index in range(QUERIES)]
    assert tally.listed["most images"][0] == (-6, "q6")
    assert tally.timeline.total.requests == 7
