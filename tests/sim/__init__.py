"""Deterministic simulation of network, server and time, with seeds.

world       World: all of the following, connected
network     an httpcore backend in memory; outages, and faults before the first byte of HTTP
pipe        one direction of a connection: latency, jitter, fragments, loss, resets
server      a server of real HTTP/1.1: Reply, and Cut for responses that break off
gates       limits, quotas, keys
journal     requests that reached the server
trace       events, with a digest
schedule    trio's order of tasks, fixed by a seed
cancel      cancels a scenario at every step
"""

from .cancel import Scenario, cancel_everywhere, run_cancelled
from .gates import Keys, Quota, SlidingWindow
from .journal import Entry, Journal
from .network import ConnectFault, Connection, Network, Outage
from .pipe import Link
from .schedule import fixed_schedule
from .server import Cut, Reply, Server
from .trace import Trace
from .world import World

__all__ = [
    "ConnectFault",
    "Connection",
    "Cut",
    "Entry",
    "Journal",
    "Keys",
    "Link",
    "Network",
    "Outage",
    "Quota",
    "Reply",
    "Scenario",
    "Server",
    "SlidingWindow",
    "Trace",
    "World",
    "cancel_everywhere",
    "fixed_schedule",
    "run_cancelled",
]
