"""Every Genesys Cloud conversation, once, and the proof of it.

    from everycall import Client, Credentials, Interval, Query, export

    with Client(Credentials(client_id, client_secret, "eu-central-1")) as client:
        summary = export(client, Query(Interval.last("7d", now=client.clock.utc())), "conversations.csv")

The rungs below an export are `rows`, `conversations` and `pages`; each can be used alone.
"""

from everycall import starting

starting.heed_interruptions()

# ruff: noqa: E402 - what takes its time to load comes after that
from everycall.api.auth import Credentials
from everycall.api.names import ids_named
from everycall.api.query import Filters, Interval, Query
from everycall.api.records import Conversation, Page
from everycall.client import Client, Clock, Counts
from everycall.errors import (
    AccessError,
    CredentialsMissing,
    CredentialsRefused,
    EverycallError,
    OutputError,
    OutputFailed,
    OutputRefused,
    PermissionMissing,
    QueryError,
    QueryRefused,
    ServiceError,
    ServiceFailed,
    SettingsError,
    UnknownName,
    Unreachable,
    WindowTooFull,
)
from everycall.exporting import Summary, export
from everycall.iterators import Unproven, conversations, pages, rows
from everycall.progress import Progress
from everycall.version import VERSION as __version__

__all__ = [
    "AccessError",
    "Client",
    "Clock",
    "Conversation",
    "Counts",
    "Credentials",
    "CredentialsMissing",
    "CredentialsRefused",
    "EverycallError",
    "Filters",
    "Interval",
    "OutputError",
    "OutputFailed",
    "OutputRefused",
    "Page",
    "PermissionMissing",
    "Progress",
    "Query",
    "QueryError",
    "QueryRefused",
    "ServiceError",
    "ServiceFailed",
    "SettingsError",
    "Summary",
    "UnknownName",
    "Unproven",
    "Unreachable",
    "WindowTooFull",
    "__version__",
    "conversations",
    "export",
    "ids_named",
    "pages",
    "rows",
]
