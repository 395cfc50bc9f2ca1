"""What the proof costs an undisturbed export: requests beyond the pages.

python -m bench.proof
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from everycall import Client, Credentials, Interval, Query, export
from everycall.api.exchange import Response
from everycall.api.limits import PAGE_SIZE_MAX
from everycall.sandbox import QUERY, Sandbox
from everycall.sandbox.answers import Request, Wire
from everycall.setup import Options

PER_DAY = 5_000
DAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"
WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"


class Remembered:
    """A connection to a sandbox in the same process that answers the same question with the same bytes at once.

    So what is measured is everycall alone. A socket would cost both sides the same, and make the difference smaller.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._wires: dict[tuple[str, str, bytes | None], Wire] = {}
        self.queries: list[Any] = []
        """Bodies of details queries that were sent."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        key = (method, url, body)
        if url.endswith(QUERY) and body:
            self.queries.append(msgspec.json.decode(body))
        if key not in self._wires:
            target = url.removeprefix(self._sandbox.url)
            sent = {**headers, "accept-encoding": "gzip"}
            self._wires[key] = self._sandbox.respond(Request.of(method, target, sent, body or b""))
        wire = self._wires[key]
        return Response(wire.status, {name.lower(): value for name, value in wire.headers.items()}, wire.body)

    def close(self) -> None:
        """Nothing is held."""


class Org:
    """A sandbox with so many conversations on every day, and clients of it."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(conversations_per_day=PER_DAY, flat=True, rate_limit=10**9)
        self.connection = Remembered(self.sandbox)

    def client(self) -> Client:
        """A new one; use it as a context manager."""
        credentials = Credentials(self.sandbox.client_id, self.sandbox.client_secret, self.sandbox.url)
        return Client(credentials, connection=self.connection)


@dataclass(frozen=True, slots=True)
class Requests:
    """Of the details query, by what they were good for."""

    windows: int
    with_conversations: int
    empty: int
    recounts: int
    thrown_away: int
    """First pages of windows that turned out to be too full, and were split."""

    @property
    def share(self) -> float:
        """Of what the proof asks beyond the pages and the empty one that says that there are no more."""
        return (self.recounts + self.thrown_away) / (self.with_conversations + self.empty)


def asked(org: Org, interval: str) -> Requests:
    """What an export of the interval asks."""
    org.connection.queries.clear()
    with org.client() as client, tempfile.TemporaryDirectory() as folder:
        done = export(
            client, Query(Interval.read(interval)), Path(folder) / "x.csv", columns=["conversationId"],
            options=Options(route="query"),
        )  # fmt: skip
    assert done.verdict == "proven"
    queries, kept = org.connection.queries, {entry.interval for entry in done.entries}
    recounts = sum(body["paging"]["pageSize"] == 1 for body in queries)
    thrown_away = sum(body["interval"] not in kept for body in queries)
    full = sum(-(-entry.unique_ids // PAGE_SIZE_MAX) for entry in done.entries)
    return Requests(len(kept), full, len(queries) - recounts - thrown_away - full, recounts, thrown_away)


def main() -> None:
    """Print both."""
    org = Org()
    print(asked(org, DAY), asked(org, WEEK), sep="\n")


if __name__ == "__main__":
    main()
