"""Speed, measured: one command for everything. `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from .speed import compare
from .speed.environment import environment, versions
from .speed.machine import describe
from .speed.promises import promises
from .speed.report import markdown, promises_table, write
from .speed.tables import Measurement, Plan, Table

__all__ = ["main"]

ROOT = Path(__file__).parents[1]
NAMES = ("decode", "one_call", "pages", "limiters", "growth", "start")
COMPARED = ("decode", "one_call", "pages", "start")
SHORT_ROUNDS, FULL_ROUNDS, COMPARE_ROUNDS = 3, 5, 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a promise is broken, a measurement failed, or something got slower."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return _compare(arguments[1:]) if arguments[:1] == ["compare"] else _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    parser = _parser("What typed, paced and retried pages cost, beside other ways to get them.", SHORT_ROUNDS)
    parser.epilog = "See also: python -m benchmarks compare --help"
    parser.add_argument(
        "--full", action="store_true", help="everything, in three quarters of an hour (by default: in five minutes)"
    )
    parser.add_argument("--out", type=Path, help="the folder for the report (benchmarks/results; none with --only)")
    chosen = parser.parse_args(arguments)
    out = chosen.out or (None if chosen.only else ROOT / "benchmarks" / "results")
    rounds = chosen.rounds or (FULL_ROUNDS if chosen.full else SHORT_ROUNDS)
    started = time.monotonic()
    plan = Plan(full=chosen.full, rounds=rounds, peers=environment(chosen.env), checkout=ROOT)
    tables, failed = _measure(plan, chosen.only or NAMES)
    kept = promises({table.name: table for table in tables})
    print(f"\n## Promises\n\n{promises_table(kept)}")
    about = {
        **describe(),
        "run": f"{'full' if chosen.full else 'short'}, {time.monotonic() - started:.0f} s",
        "library": _describe_library(),
        "packages": versions(),
    }
    if out is not None and tables:
        write(out, about, tables, kept, plan.peers)
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or any(promise.holds is False for promise in kept) else 0


def _measure(plan: Plan, names: Sequence[str]) -> tuple[list[Table], list[str]]:
    """The tables, as they come, and the names of the measurements that failed."""
    tables: list[Table] = []
    failed: list[str] = []
    for name in names:
        _say(f"{name} …")
        started = time.monotonic()
        try:
            table = _measurement(name)(plan)
        except Exception:  # noqa: BLE001  # the others can still be made
            traceback.print_exc()
            failed.append(name)
            continue
        tables.append(table)
        print(f"\n{markdown(table)}", flush=True)
        _say(f"{name}: {time.monotonic() - started:.0f} s")
    return tables, failed


def _measurement(name: str) -> Measurement:
    return cast("Measurement", importlib.import_module(f"{__package__}.speed.{name}").measure)


def _compare(arguments: Sequence[str]) -> int:
    parser = _parser("The library of another revision and that of this checkout, turn about.", COMPARE_ROUNDS)
    parser.prog = "python -m benchmarks compare"
    parser.add_argument("revision", metavar="REV", type=_revision, help="a commit, branch or tag")
    chosen = parser.parse_args(arguments)
    plan = Plan(
        full=False, rounds=chosen.rounds or COMPARE_ROUNDS, peers=environment(chosen.env), checkout=ROOT, only_ours=True
    )
    found: list[compare.Comparison] = []
    failed = False
    with compare.worktree(ROOT, chosen.revision) as there:
        for name in chosen.only or COMPARED:
            try:
                found += compare.measure_both(plan, there, name, _measurement(name), _say)
            except Exception:  # noqa: BLE001  # the others can still be compared
                traceback.print_exc()
                failed = True
    print(compare.comparison_table(found, chosen.revision))
    slower = [comparison for comparison in found if comparison.verdict == "slower"]
    print(f"\n{len(slower)} of {len(found)} times are longer by more than {compare.NOISE - 1:.0%}.")
    return 1 if slower or failed else 0


def _say(text: str) -> None:
    """Progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


def _parser(description: str, rounds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=description)
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--env", type=Path, help="the folder for the peers' environment (by default the user's cache)")
    parser.add_argument(
        "--rounds", type=_positive, help=f"of each measurement (by default {rounds}; more in a full run)"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds: 1 or more")
    return int(text)


def _revision(name: str) -> str:
    """The same name, if git knows it."""
    known = ["git", "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"]
    if subprocess.run(known, cwd=ROOT, capture_output=True, check=False).returncode:
        raise argparse.ArgumentTypeError(f"{name!r} is no revision of this repository")
    return name


def _describe_library() -> str:
    """The commit, and whether it was changed since; nothing where git is not."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
