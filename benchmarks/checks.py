"""The frame of commands that check one promise: options, one column for each backend, the exit status."""

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence

from .tables import aligned

Measured = tuple[Mapping[str, object], bool]
"""A column of a table, by the heads of its lines, and whether the promise holds."""


def check(measure: Callable[..., Measured], arguments: Sequence[str]) -> int:
    """Call `measure` for each backend with the options given, print a table, and return 1 if a promise is broken.

    Options are the parameters of `measure` that have a default. Without a parameter `backend` it is called once.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {measure.__name__}", description=measure.__doc__)
    parameters = inspect.signature(measure).parameters
    for name, parameter in parameters.items():
        if parameter.default is not parameter.empty:
            option, default = f"--{name.replace('_', '-')}", parameter.default
            parser.add_argument(option, type=type(default), default=default, help=f"by default {default}")
    backends = ["asyncio", "trio"] if "backend" in parameters else ["once"]
    parser.add_argument("--backend", choices=backends, help="by default all of them, one after the other")
    options = vars(parser.parse_args(arguments))
    backend = options.pop("backend")
    columns: dict[str, Measured] = {}
    for name in [backend] if backend else backends:
        columns[name] = measure(**options, **({"backend": name} if "backend" in parameters else {}))
    heads = next(iter(columns.values()))[0]
    lines = [[head, *(str(row[head]) for row, _ in columns.values())] for head in heads]
    print(f"{', '.join(f'{name} {value}' for name, value in options.items())}\n{aligned([['', *columns], *lines])}")
    return 0 if all(holds for _, holds in columns.values()) else 1
