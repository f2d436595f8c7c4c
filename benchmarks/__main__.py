"""The command `python -m benchmarks`; README.md says which measurement is for what."""

import argparse
import json
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name

import attrs

from .checks import check
from .compare import compare
from .processes import PEERS, ROOT, Library, Plan, library_at, run_worker
from .promises import Promise, promises, promises_table
from .tables import Table, markdown

NAMES = ("decode", "one_call", "pages", "limiters", "growth", "start")
COMMANDS = {
    **dict.fromkeys(("churn", "quota", "hangups", "slow_connect"), "faults"),
    **dict.fromkeys(("kill", "bulk_quota"), "bulk"),
    "fan_out": "growth",
    "throttling": "throttling",
}
"""The module of each command that checks one promise."""
_DESCRIBED = ("date", "cpu_model_name", "cpu_count", "platform", "load_avg_1min", "python_version")


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if a promise is broken, a measurement failed, or something is slower."""
    if arguments[:1] == ["compare"]:
        return compare(arguments[1:])
    if arguments and arguments[0] in COMMANDS:
        return check(resolve_name(f"benchmarks.{COMMANDS[arguments[0]]}:{arguments[0]}"), arguments[1:])
    more = f"Other commands, each with --help of its own: {', '.join(['compare', *COMMANDS])}."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=more)
    parser.add_argument("--full", action="store_true", help="everything, in three quarters of an hour (else 5 minutes)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, help="of each measurement (by default 3; 5 in a full run)")
    parser.add_argument("--env", type=Path, help="the folder for environments (by default in the user's cache)")
    parser.add_argument("--out", type=Path, help="the folder for the report (benchmarks/results; none with --only)")
    chosen = parser.parse_args(arguments)
    if chosen.rounds is not None and chosen.rounds < 1:
        parser.error(f"--rounds is {chosen.rounds}; it must be 1 or more")
    return _run(chosen)


def _run(chosen: argparse.Namespace) -> int:
    began, failed, tables = time.monotonic(), list[str](), list[Table]()
    with library_at(None, chosen.env) as library:
        about = _described(library)
        plan = Plan(full=chosen.full, rounds=chosen.rounds or (5 if chosen.full else 3), library=library)
        for name in chosen.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                tables.append(resolve_name(f"benchmarks.{name}:measure")(plan))
                print(f"\n{markdown(tables[-1])}", flush=True)
            except Exception:  # noqa: BLE001  # the others can still be made
                traceback.print_exc()
                failed.append(name)
    kept = promises(tables)
    print(f"\n## Promises\n\n{promises_table(kept)}")
    out = chosen.out or (ROOT / "benchmarks" / "results" if chosen.only == NAMES else None)
    if out is not None:
        run = f"{'full' if chosen.full else 'short'}, {time.monotonic() - began:.0f} s"
        write(out, {**about, "run": run}, tables, kept)
        run_worker(library, "plots:draw", out=str(out.resolve()))
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or any(promise.holds is False for promise in kept) else 0


def write(out: Path, about: Mapping[str, str], tables: Sequence[Table], kept: Sequence[Promise]) -> None:
    """Write `results.json` and `table.md`, without the paths of this machine."""
    promised = [{**attrs.asdict(promise), "holds": promise.holds} for promise in kept]
    results = {"about": dict(about), "tables": [attrs.asdict(table) for table in tables], "promises": promised}
    head = "# Speed\n\n" + "\n".join(f"* {name}: {text}" for name, text in about.items())
    report = "\n\n".join([head, *map(markdown, tables), f"## Promises\n\n{promises_table(kept)}"])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in {"results.json": json.dumps(results, indent=1, ensure_ascii=False), "table.md": report}.items():
        (out / name).write_text(text.replace(str(ROOT), ".").replace(str(Path.home()), "~") + "\n")


def _described(library: Library) -> dict[str, str]:
    """Return what stands above the tables. Nothing in it names a person or a host."""

    def said(*command: str | Path) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    collected = said(library.python, "-m", "pyperf", "collect_metadata")
    machine = dict(re.findall(r"^- (\w+): (.+)$", collected, re.MULTILINE))
    return {
        **{name: machine[name] for name in _DESCRIBED if name in machine},
        "library": said("git", "describe", "--always", "--dirty") or "unknown",
        "packages": ", ".join(re.findall(r"^\S+==[^\s;]+", PEERS.read_text(), re.MULTILINE)),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
