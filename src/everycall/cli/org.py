"""The org that a command speaks to: credentials -> a client, or the built-in sandbox."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dotenv import dotenv_values

from everycall.api.auth import VARIABLES, Credentials, hosts
from everycall.cli.options import Source
from everycall.client import Client
from everycall.connection import Timeouts
from everycall.errors import CredentialsMissing, SettingsError

SANDBOX = "the built-in sandbox: invented data"


@dataclass(frozen=True)
class Org:
    """A client, and where it leads."""

    client: Client
    source: str
    """What a manifest calls the org."""
    label: str
    """What people are shown: the source, and where the credentials came from if it was not the environment."""


@contextmanager
def connected(source: Source) -> Iterator[Org]:
    """A client of the org that the credentials belong to, or of the built-in sandbox.

    Raises:
        CredentialsMissing: there are none, or not all, or they stand in two places.
        SettingsError: `.env` cannot be read, or the region cannot be.
    """
    if source.sandbox:
        from everycall.sandbox import server  # noqa: PLC0415 - only those who use it pay for its import

        with server() as sandbox:
            credentials = Credentials(sandbox.client_id, sandbox.client_secret, sandbox.url)
            with _client(credentials, source) as client:
                yield Org(client, SANDBOX, SANDBOX)
        return
    credentials = read_credentials()
    with _client(credentials, source) as client:
        address = hosts(credentials.env, allow_http=_allows_http(source)).api
        is_file = credentials.source == ".env"
        yield Org(client, address, f"{address}, credentials from {credentials.source}" if is_file else address)


def _client(credentials: Credentials, source: Source) -> Client:
    return Client(
        credentials,
        rate_share=source.rate_share,
        timeouts=Timeouts.of(source.timeout),
        allow_http=_allows_http(source),
    )


def _allows_http(source: Source) -> bool:
    return source.allow_http or os.environ.get("EVERYCALL_ALLOW_HTTP") == "1"


def read_credentials() -> Credentials:
    """The credentials, all three from the environment or all three from `.env`.

    Raises:
        CredentialsMissing: there are none, or not all, or some in the environment and others in `.env`.
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
    """GENESYS_ENV, which may be in `.env`: the org that `everycall sandbox --record` passes requests on to."""
    return os.environ.get("GENESYS_ENV") or _dotenv().get("GENESYS_ENV")


def _dotenv() -> Mapping[str, str]:
    """What `.env` in this folder sets; nothing where there is none."""
    try:
        found = dotenv_values(".env", interpolate=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f".env in this folder cannot be read: {reason}.",
            hint=f"Correct it, or set {', '.join(VARIABLES)} in the environment, or add --sandbox.",
        ) from error
    return {name: value for name, value in found.items() if value is not None}
