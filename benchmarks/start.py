"""From a fresh interpreter to the first page: `python -m benchmarks --only start`.

Fresh interpreters in turn, files in the system's cache, modules compiled; the interpreter's own start is not counted.
To the first page: imports, one session (one AsyncClient) entered under `anyio.run`, and a page of 35 images from a
server on loopback, decoded to models (parsed to dicts by json.loads). Ratios are to the other candidate's in the same
round.
"""

from .processes import Plan, run_worker
from .server import serving
from .tables import Figure, Row, Table

OURS, _THEIRS = "ours", "httpx, cattrs, msgspec, anyio"


def measure(plan: Plan) -> Table:
    """Two rounds for each of the plan's, three in a full run."""
    taken: dict[str, list[dict[str, float]]] = {OURS: [], _THEIRS: []}
    with serving(plan.library) as server:
        for number in range((3 if plan.full else 2) * plan.rounds + 1):
            for candidate in taken:
                whose = "ours" if candidate == OURS else "theirs"
                result = run_worker(plan.library, "first_page", whose=whose, url=server.url)
                taken[candidate] += [result] if number else []  # the first round compiles
    return Table.of("start", __doc__, [_row(candidate, rounds, taken[_THEIRS]) for candidate, rounds in taken.items()])


def _row(candidate: str, rounds: list[dict[str, float]], others: list[dict[str, float]]) -> Row:
    figures = {name: Figure.of([one[name] for one in rounds], "ms") for name in ("wall", "CPU")}
    for name in ("wall", "CPU") if candidate == OURS else ():
        ratios = [one[name] / other[name] for one, other in zip(rounds, others, strict=True)]
        figures[f"ratio, {name}"] = Figure.of(ratios, "×")
    return Row(candidate, {}, figures)
