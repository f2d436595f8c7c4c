"""Runs a module of this checkout's benchmarks against the library of any checkout; see `workers.py`.

    python -P launch.py CHECKOUT MODULE [ARGUMENT ...]

Both checkouts have a folder `benchmarks`. The package of this one is imported before the other checkout comes to the
front of the path; its modules are found through it from then on. It imports as little as it can, for what a worker
measures may be imports.
"""

import os
import sys
from importlib import import_module


def main(checkout: str, module: str, *arguments: str) -> None:
    """Run `module` as a program, on the last core: servers have the first."""
    sys.path.insert(0, __file__.rsplit(os.sep, 3)[0])
    import_module("benchmarks.speed")
    sys.path[0] = checkout
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sys.argv = [module, *arguments]
    from runpy import run_module

    run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
