"""A stand-in for the API: stateful, seeded, with every limit and every fault on demand."""

from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.app import Sandbox, Served
from everycall.sandbox.faults import KINDS, QUERY, Faults
from everycall.sandbox.oauth import Client
from everycall.sandbox.org import Org
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.server import serve, server
from everycall.sandbox.store import Store, World
from everycall.sandbox.switches import Switches

__all__ = [
    "KINDS",
    "QUERY",
    "Client",
    "Faults",
    "Org",
    "Recorded",
    "Request",
    "Sandbox",
    "Served",
    "Store",
    "Switches",
    "Wire",
    "World",
    "serve",
    "server",
]
