"""What can go wrong, as a tree. Each error says what was wrong, where, and what to do next.

    EverycallError
    ├── QueryError              the question cannot be asked as it stands; nothing was exported
    │   ├── UnknownName         a queue, user, wrap-up code or division that the org does not have
    │   ├── QueryRefused        the API answered 400
    │   └── WindowTooFull       more conversations in one millisecond than the API pages through
    ├── SettingsError           a region, a proxy or an option that cannot be; nothing was asked yet
    ├── AccessError             the org does not let us in
    │   ├── CredentialsMissing  some of the three variables are set, but not all
    │   ├── CredentialsRefused  client id, secret or region are wrong, or the token was refused twice
    │   └── PermissionMissing   the API answered 403
    ├── ServiceError            the network or the service failed for longer than our patience; the same command resumes
    │   ├── Unreachable         no connection, no answer in time, an answer that broke off
    │   ├── ServiceFailed       429, 5xx or something that is no answer of the API, again and again
    │   └── TimedOut            one question was not answered in time, as often as it was asked
    └── OutputError             the rows have nowhere to go
        ├── OutputRefused       found before anything was asked: no such folder, not writable, another query's output
        └── OutputFailed        found on the way: the disk is full, the pipe is closed

No error holds a secret or a token, and all that it says can be shown: `printable` has been through it.
`correlation_id` is what the vendor's support asks for.
"""

from collections.abc import Callable
from typing import Self

from everycall.printable import printable

CORRELATION_ID_MAX = 100
"""It is a UUID of 36 characters."""


class EverycallError(Exception):
    """Something that a reader can act on.

    `str(error)` says what was wrong and where; `error.hint` says what to do next.
    """

    def __init__(self, message: str, *, hint: str = "", correlation_id: str = "") -> None:
        super().__init__(printable(message))
        self.hint = printable(hint)
        """The next step, as a sentence; empty where the message says it already."""
        self.correlation_id = printable(correlation_id, CORRELATION_ID_MAX)
        """The `ININ-Correlation-Id` of the answer that said no; empty where there was no answer."""

    def redacted(self, redact: Callable[[str], str]) -> Self:
        """This very error, its texts without secrets."""
        self.args = tuple(redact(each) if isinstance(each, str) else each for each in self.args)
        self.hint = redact(self.hint)
        self.correlation_id = redact(self.correlation_id)
        return self


class QueryError(EverycallError):
    """The question cannot be asked as it stands. Change the query; asking again will not help."""


class UnknownName(QueryError):
    """A name that the org does not have, or has more than once. The hint lists the near ones."""


class QueryRefused(QueryError):
    """The API answered 400: it does not take this query. It is never asked again unchanged."""


class WindowTooFull(QueryError):
    """A single millisecond holds more conversations than the API pages through. Narrow the query by a filter."""


class SettingsError(EverycallError):
    """A region, a proxy or an option that cannot be. Nothing was asked of the API yet."""


class AccessError(EverycallError):
    """The org does not let us in. Mend the OAuth client or its roles, then run the same command."""


class CredentialsMissing(AccessError):
    """Some of GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV are set, but not all."""


class CredentialsRefused(AccessError):
    """The login was refused, or the API refused a token that was just made."""


class PermissionMissing(AccessError):
    """The API answered 403: the OAuth client's roles lack a permission, which the message names."""


class ServiceError(EverycallError):
    """The network or the service failed for longer than our patience. The same command resumes."""


class Unreachable(ServiceError):
    """No connection, no answer in time, or an answer that broke off, until the tries were used up."""


class ServiceFailed(ServiceError):
    """The service answered 408, 429, 5xx, or what is no answer of the API, until the tries were used up."""


class TimedOut(ServiceError):
    """A question that may be asked in smaller pieces was not answered in time, as often as it was to be asked."""


class OutputError(EverycallError):
    """The rows have nowhere to go."""


class OutputRefused(OutputError):
    """The output cannot be written, and nothing was asked of the API yet."""


class OutputFailed(OutputError):
    """Writing failed on the way. What was finished is kept, and the same command goes on from there."""
