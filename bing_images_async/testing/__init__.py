"""What users need to test their own code, without a network, a key or a wait.

session_for     a session whose requests go to a function of yours
virtual_time    sleeping costs nothing, on asyncio and trio; run() is anyio.run with it
FakeClock       a clock moved by hand, for code that only computes
plugin          the pytest plugin: a session on the service in this process
"""

from ._clock import FakeClock
from ._report import DeadlockError
from ._session import Handler, session_for
from ._time import Backend, run, virtual_time

__all__ = ["Backend", "DeadlockError", "FakeClock", "Handler", "run", "session_for", "virtual_time"]
