"""What users need to test their own code, without a network, a key or a wait.

session_for     a session whose requests go to a function of yours
virtual_time    sleeping costs nothing, on asyncio and trio; run() is anyio.run with it
FakeClock       a clock moved by hand, for code that only computes
plugin          the pytest plugin: a session on the service in this process
"""

from ._clock import FakeClock
from ._time import DeadlockError, run, virtual_time

__all__ = ["DeadlockError", "FakeClock", "run", "virtual_time"]
