"""Connects a command to its org: makes a client from the credentials, or starts the built-in sandbox."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dotenv import dotenv_values

from everycall.api.auth import VARIABLES, Credentials, hosts
from everycall.cli.options import Source
from everycall.client import PATIENCE_S, Client
from everycall.connection import Timeouts
from everycall.errors import CredentialsMissing, SettingsError

SANDBOX = "the built-in sandbox: invented data"


@dataclass(frozen=True)
class Org:
    """A client and the names of its org."""

    client: Client
    source: str
    """The name of the org in the manifest."""
    label: str
    """The name of the org in messages: the source, and the origin of the credentials if not the environment."""


@contextmanager
def connected(source: Source, *, patience_s: float = PATIENCE_S) -> Iterator[Org]:
    """A client of the org that the credentials belong to, or of the built-in sandbox.

    Args:
        source: the options.
        patience_s: how long one request is retried.

    Raises:
        CredentialsMissing: some or all credentials are missing, or they are in two places.
        SettingsError: `.env` cannot be read, or the region is not valid.
    """
    if source.sandbox:
        from everycall.sandbox import server  # noqa: PLC0415 - slow to import

        with server() as sandbox:
            credentials = Credentials(sandbox.client_id, sandbox.client_secret, sandbox.url)
            with _client(credentials, source, patience_s) as client:
                yield Org(client, SANDBOX, SANDBOX)
        return
    credentials = read_credentials()
    with _client(credentials, source, patience_s) as client:
        address = hosts(credentials.env, allow_http=_allows_http(source)).api
        is_file = credentials.source == ".env"
        yield Org(client, address, f"{address}, credentials from {credentials.source}" if is_file else address)


def _client(credentials: Credentials, source: Source, patience_s: float) -> Client:
    return Client(
        credentials,
        rate_share=source.rate_share,
        timeouts=Timeouts.of(source.timeout),
        allow_http=_allows_http(source),
        patience_s=patience_s,
    )


def _allows_http(source: Source) -> bool:
    return source.allow_http or os.environ.get("EVERYCALL_ALLOW_HTTP") == "1"


def read_credentials() -> Credentials:
    """Read the credentials, all three from the environment or all three from `.env`.

    Raises:
        CredentialsMissing: some or all are missing, or some are in the environment and others in `.env`.
        SettingsError: `.env` cannot be read.
    """
    is_complete = all(os.environ.get(name, "").strip() for name in VARIABLES)
    found = Credentials.read(os.environ, {} if is_complete else _dotenv())
    if found is None:
        raise CredentialsMissing(
            f"{', '.join(VARIABLES[:-1])} and {VARIABLES[-1]} are not set, neither in the environment nor in .env.",
            hint="Set them to use your org, or add --sandbox to try everycall with invented data.",
        )
    return found


def recorded_env() -> str | None:
    """GENESYS_ENV from the environment or `.env`: the org to which `everycall sandbox --record` forwards requests."""
    return os.environ.get("GENESYS_ENV") or _dotenv().get("GENESYS_ENV")


def _dotenv() -> Mapping[str, str]:
    """The variables of `.env` in the current folder; empty if the file does not exist."""
    try:
        found = dotenv_values(".env", interpolate=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f".env in this folder cannot be read: {reason}.",
            hint=f"Correct it, or set {', '.join(VARIABLES)} in the environment, or add --sandbox.",
        ) from error
    return {name: value for name, value in found.items() if value is not None}
