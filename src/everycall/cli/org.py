"""Connects a command to its org: makes a client from the credentials, or starts the built-in sandbox."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from everycall.api.auth import Credentials, hosts
from everycall.cli.options import Source
from everycall.client import PATIENCE_S, Client
from everycall.connection import Timeouts
from everycall.credentials import find_credentials
from everycall.errors import SettingsError

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
        CredentialsMissing, SettingsError: as `find_credentials`.
        SettingsError: the region is not valid, or the options exclude each other.
    """
    if source.sandbox and source.profile is not None:
        raise SettingsError("--sandbox and --profile exclude each other.", hint="Use one of them.")
    if source.sandbox:
        from everycall.sandbox import server  # noqa: PLC0415 - slow to import

        with server() as sandbox:
            credentials = Credentials(sandbox.client_id, sandbox.client_secret, sandbox.url)
            with _client(credentials, source, patience_s) as client:
                yield Org(client, SANDBOX, SANDBOX)
        return
    credentials = find_credentials(source.profile)
    with _client(credentials, source, patience_s) as client:
        address = hosts(credentials.env, allow_http=_allows_http(source)).api
        is_usual = credentials.source == "the environment"
        yield Org(client, address, address if is_usual else f"{address}, credentials from {credentials.source}")


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
