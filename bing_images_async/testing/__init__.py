"""Tools for the tests of users' code: no network, no key, no waiting.

session_for     session whose requests are answered by a function
virtual_time    virtual time on asyncio and trio: sleeping takes no real time; run() is anyio.run with it
FakeClock       clock that a test moves, for code that computes without waiting
plugin          pytest plugin: a session on a service in the same process
"""

from ._clock import FakeClock
from ._report import DeadlockError
from ._session import Handler, session_for
from ._time import Backend, run, virtual_time

__all__ = ["Backend", "DeadlockError", "FakeClock", "Handler", "run", "session_for", "virtual_time"]
