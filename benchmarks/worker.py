"""The entry of every worker and server but one: `python -m benchmarks.worker MODULE:FUNCTION ARGUMENTS`.

ARGUMENTS are a JSON object; a coroutine function runs on the event loop that its `loop` names. What the function
returns is printed as one line of JSON.
"""

import inspect
import json
import sys
from functools import partial
from pkgutil import resolve_name

from .timing import run_on

if __name__ == "__main__":
    main, arguments = resolve_name(f"benchmarks.{sys.argv[1]}"), json.loads(sys.argv[2])
    if inspect.iscoroutinefunction(main):
        main = partial(run_on, arguments.pop("loop"), partial(main, **arguments))
        arguments = {}
    print(json.dumps(main(**arguments)))
