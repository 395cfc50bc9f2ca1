"""Parses the addresses of PostgreSQL databases: `postgresql://...` and `service=...`. Pure.

libpq takes them as they are, so its environment variables (PGHOST, PGPASSWORD ...), `~/.pgpass` and service files work:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from everycall.errors import SettingsError

SCHEMES = ("postgresql://", "postgres://")

SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
"""libpq's parameters that are secrets."""

SHOWN = ("service", "host", "hostaddr", "port", "dbname", "user")
"""Parameters that say where the database is. Messages and manifests show only these, and the search_path."""

_SEARCH_PATH = re.compile(r"-c\s*search_path=[\w$\",]+")
"""`options` that contain nothing else."""

_PARAMETER = re.compile(r"\s*(?P<key>[^\s=]+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<plain>(?:[^'\s\\]|\\.)*))\s*")
"""`key=value` or `key='value'`; a backslash keeps the next character."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is."""

    connection: str
    """As libpq takes it."""
    name: str
    """As messages and manifests show it: without passwords, and without parameters that do not say where it is."""


def is_address(text: str) -> bool:
    """Whether a text is the address of a PostgreSQL database, and no path."""
    return text.startswith(SCHEMES) or re.match(r"service\s*=", text) is not None


def parse(text: str) -> Address:
    """Parse an address.

    Raises:
        SettingsError: it contains a password, or is malformed. The message does not show it.
    """
    if text.startswith(SCHEMES):
        return _url(text)
    return _parameters(text)


def _url(text: str) -> Address:
    rest = text.partition("://")[2]
    before_query, _, query = rest.partition("?")
    credentials, at, after = _split_credentials(rest, before_query)
    user, _, password = credentials.partition(":")
    if password:
        raise _password_refused()
    if "@" in (after if at else before_query):
        raise SettingsError(
            "The address of the PostgreSQL database has an @ in an unexpected place.",
            hint="Write special characters in percent encoding (@ is %40, / is %2F). A password cannot stand in it.",
        )
    parameters = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)  # a plus is no space for libpq
    _refuse_secrets(key for key, _ in parameters)
    shown = urlencode(list(_shown(parameters)), quote_via=quote)
    name = f"postgresql://{f'{user}@' if user else ''}{after if at else before_query}{f'?{shown}' if shown else ''}"
    return Address(text, name)


def _split_credentials(rest: str, before_query: str) -> tuple[str, str, str]:
    """Split as libpq does: credentials end at the first @, unless a slash comes before it."""
    head = rest.partition("/")[0]
    if "@" not in head:
        return "", "", before_query
    credentials = head.partition("@")[0]
    return credentials, "@", rest[len(credentials) + 1 :].partition("?")[0]


def _parameters(text: str) -> Address:
    parameters = []
    at = 0
    while at < len(text):
        found = _PARAMETER.match(text, at)
        if found is None:
            raise SettingsError(
                "The address of the PostgreSQL database is malformed.",
                hint="Write it as service=NAME dbname=NAME ..., or as a URL: postgresql://USER@HOST/DATABASE.",
            )
        value = found["plain"] if found["quoted"] is None else found["quoted"]
        parameters.append((found["key"], re.sub(r"\\(.)", r"\1", value)))
        at = found.end()
    _refuse_secrets(key for key, _ in parameters)
    return Address(text, " ".join(f"{key}={_quoted(value)}" for key, value in _shown(parameters)))


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w.,:/$\"-]+", value):
        return value
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"


def _shown(parameters: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for key, value in parameters:
        if key in SHOWN or (key == "options" and _SEARCH_PATH.fullmatch(value)):
            yield key, value


def _refuse_secrets(keys: Iterable[str]) -> None:
    if any(key.lower() in SECRETS for key in keys):
        raise _password_refused()


def _password_refused() -> SettingsError:
    return SettingsError(
        "The address of the PostgreSQL database contains a password. Everyone on this machine can read command lines "
        "in the list of processes.",
        hint="Leave it out, and put it into ~/.pgpass, into the environment variable PGPASSWORD, or into a service "
        "file (service=NAME).",
    )
