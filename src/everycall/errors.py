"""What can go wrong, as a tree. Each error says what was wrong, where, and what to do next.

    EverycallError
    ├── QueryError              the query is not valid as it stands; nothing was exported
    │   ├── UnknownName         a queue, user, wrap-up code or division that the org does not have
    │   ├── QueryRefused        the API answered 400
    │   └── WindowTooFull       more conversations in one millisecond than the API pages through
    ├── SettingsError           an invalid region, proxy or option; nothing was requested yet
    ├── AccessError             the org refuses access
    │   ├── CredentialsMissing  some of the three variables are set, but not all
    │   ├── CredentialsRefused  the client id, secret or region is wrong, or the API refused a new token
    │   └── PermissionMissing   the API answered 403
    ├── ServiceError            the network or the service failed on every retry; the same command resumes
    │   ├── Unreachable         no connection, no answer in time, or an answer that broke off
    │   ├── ServiceFailed       429, 5xx, or an answer that is not the API's, on every try
    │   └── TimedOut            one request was not answered in time, on every try
    └── OutputError             the rows cannot be written
        ├── OutputRefused       before the first request: no such folder, not writable, another query's output
        └── OutputFailed        during the export: the disk is full, the pipe is closed

No error contains a secret or a token. All texts are safe to print: they have gone through `printable`.
The vendor's support asks for the `correlation_id`.
"""

from collections.abc import Callable
from typing import Self

from everycall.printable import printable

CORRELATION_ID_MAX = 100
"""It is a UUID of 36 characters."""


class EverycallError(Exception):
    """The base of all errors that the user or the caller can act on.

    `str(error)` says what was wrong and where; `error.hint` says what to do next.
    """

    def __init__(self, message: str, *, hint: str = "", correlation_id: str = "") -> None:
        super().__init__(printable(message))
        self.hint = printable(hint)
        """The next step, as a sentence; empty if the message already contains it."""
        self.correlation_id = printable(correlation_id, CORRELATION_ID_MAX)
        """The `ININ-Correlation-Id` of the failed answer; empty if there was no answer."""

    def redacted(self, redact: Callable[[str], str]) -> Self:
        """Remove secrets from the texts of this error, and return it."""
        self.args = tuple(redact(argument) if isinstance(argument, str) else argument for argument in self.args)
        self.hint = redact(self.hint)
        self.correlation_id = redact(self.correlation_id)
        return self


class QueryError(EverycallError):
    """The query is not valid as it stands. Change the query; trying again will not help."""


class UnknownName(QueryError):
    """A name that the org does not have, or has more than once. The hint lists similar names."""


class QueryRefused(QueryError):
    """The API answered 400: it does not accept this query. The same query is never sent again."""


class WindowTooFull(QueryError):
    """A single millisecond holds more conversations than the API pages through. Narrow the query with a filter."""


class SettingsError(EverycallError):
    """An invalid region, proxy or option. No request was sent yet."""


class AccessError(EverycallError):
    """The org refuses access. Correct the OAuth client or its roles, then run the same command."""


class CredentialsMissing(AccessError):
    """Some of GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV are set, but not all."""


class CredentialsRefused(AccessError):
    """The login was refused, or the API refused a token that was just issued."""


class PermissionMissing(AccessError):
    """The API answered 403: the OAuth client's roles lack a permission, which the message names."""


class ServiceError(EverycallError):
    """The network or the service kept failing until the retries ended. The same command resumes."""


class Unreachable(ServiceError):
    """No connection, no answer in time, or an answer that broke off, until the retries ended."""


class ServiceFailed(ServiceError):
    """The service answered 408, 429, 5xx, or something that is not the API's, until the retries ended."""


class TimedOut(ServiceError):
    """A request was not answered in time, `attempts_on_timeout` times in a row. Smaller windows may be answered."""


class OutputError(EverycallError):
    """The rows cannot be written."""


class OutputRefused(OutputError):
    """The output cannot be written; this was found before the first request."""


class OutputFailed(OutputError):
    """Writing failed during the export. Finished windows are kept, and the same command continues from there."""
