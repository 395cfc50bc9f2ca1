"""Every Genesys Cloud conversation, once, and the proof of it.

    from everycall import Client, Interval, Query, export

    with Client.from_env() as client:
        summary = export(client, Query(Interval.last("7d", now=client.clock.utc())), "conversations.csv")

`rows`, `conversations` and `pages` are iterators for programs that do not need an output.

Importing the package loads nothing else. Each public name is loaded when it is first used (PEP 562), so that
`everycall --version` does not load the HTTP client.
"""

from everycall.version import VERSION as __version__

TYPE_CHECKING = False  # as in `typing`, which takes as long to import as Python to start
if TYPE_CHECKING:
    from everycall.api.auth import Credentials
    from everycall.api.filters import Filters
    from everycall.api.interval import Interval
    from everycall.api.names import ids_named
    from everycall.api.query import Query
    from everycall.api.records import Conversation, Page
    from everycall.client import Client, Clock, Counts
    from everycall.converting import Converted, ConvertOptions, convert
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
        TimedOut,
        UnknownName,
        Unreachable,
        WindowTooFull,
    )
    from everycall.exporting import Summary, export
    from everycall.iterators import Unproven, conversations, pages, rows
    from everycall.privacy import Redaction
    from everycall.progress import Progress
    from everycall.setup import Options
    from everycall.sinks.style import Style
    from everycall.tables.typed import DefaultRow, ExtendedRow, View

__all__ = [
    "AccessError",
    "Client",
    "Clock",
    "Conversation",
    "ConvertOptions",
    "Converted",
    "Counts",
    "Credentials",
    "CredentialsMissing",
    "CredentialsRefused",
    "DefaultRow",
    "EverycallError",
    "ExtendedRow",
    "Filters",
    "Interval",
    "Options",
    "OutputError",
    "OutputFailed",
    "OutputRefused",
    "Page",
    "PermissionMissing",
    "Progress",
    "Query",
    "QueryError",
    "QueryRefused",
    "Redaction",
    "ServiceError",
    "ServiceFailed",
    "SettingsError",
    "Style",
    "Summary",
    "TimedOut",
    "UnknownName",
    "Unproven",
    "Unreachable",
    "View",
    "WindowTooFull",
    "__version__",
    "conversations",
    "convert",
    "export",
    "ids_named",
    "pages",
    "rows",
]

_MODULES = {
    "everycall.api.auth": ("Credentials",),
    "everycall.api.filters": ("Filters",),
    "everycall.api.interval": ("Interval",),
    "everycall.api.names": ("ids_named",),
    "everycall.api.query": ("Query",),
    "everycall.api.records": ("Conversation", "Page"),
    "everycall.client": ("Client", "Clock", "Counts"),
    "everycall.converting": ("ConvertOptions", "Converted", "convert"),
    "everycall.exporting": ("Summary", "export"),
    "everycall.iterators": ("Unproven", "conversations", "pages", "rows"),
    "everycall.privacy": ("Redaction",),
    "everycall.progress": ("Progress",),
    "everycall.setup": ("Options",),
    "everycall.sinks.style": ("Style",),
    "everycall.tables.typed": ("DefaultRow", "ExtendedRow", "View"),
}
"""The modules of the public names; all others are in `everycall.errors`."""


if not TYPE_CHECKING:  # otherwise type checkers would accept any name

    def __getattr__(name: str) -> object:
        """Load a public name from its module, once."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - the command line does not need it

        module = next((module for module, names in _MODULES.items() if name in names), "everycall.errors")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
