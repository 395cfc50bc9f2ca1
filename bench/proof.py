"""What ledger, checksums and proof cost an undisturbed export: in requests, and in CPU.

python -m bench.proof
"""

import gc
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from everycall import Client, Credentials, Interval, Query, export
from everycall.acquire.proof import Ask, Reading, Verdict, id_bytes
from everycall.api.exchange import Response
from everycall.api.limits import PAGE_SIZE_MAX
from everycall.executor import SerialExecutor
from everycall.exporting import IN_FLIGHT_DEFAULT, PIECES, Pieces
from everycall.ledger import Entry, Ledger
from everycall.sandbox import QUERY, Sandbox
from everycall.sandbox.answers import Request, Wire
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Key, Part, Sealed
from everycall.tables.flat import Row

PER_DAY = 5_000
DAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"
WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"
ROUNDS = 25


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
        done = export(client, Query(Interval.read(interval)), Path(folder) / "x.csv", columns=["conversationId"])
    assert done.verdict == "proven"
    queries, kept = org.connection.queries, {entry.interval for entry in done.entries}
    recounts = sum(body["paging"]["pageSize"] == 1 for body in queries)
    thrown_away = sum(body["interval"] not in kept for body in queries)
    full = sum(-(-entry.unique_ids // PAGE_SIZE_MAX) for entry in done.entries)
    return Requests(len(kept), full, len(queries) - recounts - thrown_away - full, recounts, thrown_away)


class Unproven(Reading):
    """Every page once, and that is all: no second count, and no look at the ids."""

    def page_read(self, ask: Ask, ids: bytes, total_hits: int | None, correlation_id: str = "") -> bool:
        """See `Reading.page_read`."""
        counts = super().page_read(ask, ids, total_hits, correlation_id)
        if self.wants_count:
            hits = self.hits or 0
            self.verdict = Verdict(True, hits, hits, hits, 1, (1,), ())
        return counts


class AsTheyComePart:
    """Rows go straight to where they stay: no spool, no index, no sort, no checksum, no sync."""

    def __init__(self, path: Path, lines: Callable[[Iterable[Row]], Iterator[bytes]]) -> None:
        self._path, self._lines = path, lines
        self._file = path.open("wb")
        self._rows = 0

    def add(self, reading_pass: int, rows: Iterable[tuple[Key, Row]]) -> None:  # noqa: ARG002
        """See `Part.add`."""
        lines = list(self._lines(row for _, row in rows))
        self._file.writelines(lines)
        self._rows += len(lines)

    def seal(self, kept_passes: tuple[int, ...]) -> Sealed:  # noqa: ARG002
        """See `Part.seal`."""
        self._file.close()
        return Sealed(self._rows, 0, "")

    def discard(self) -> None:
        """See `Part.discard`."""
        self._file.close()
        self._path.unlink()


class AsTheyCome(CsvSink):
    """The same file of the same rows."""

    def part(self, path: Path) -> Part:  # type: ignore[override]  # simpler than what it stands for
        """See `Sink.part`."""
        return AsTheyComePart(path, self.lines)


class Forgetful(Ledger):
    """Puts the parts together and writes nothing down."""

    def _begin(self, header: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Entry]]:
        return header, []

    def commit(self, entry: Entry) -> None:
        """See `Book.commit`."""
        self.entries.append(entry)

    def finish(self, manifest: Callable[[int, str], Mapping[str, Any]]) -> None:
        """See `Book.finish`."""
        with self._output.open("wb") as output:
            output.write(self._sink.head())
            for entry in self.entries:
                self._sink.append(self.part_path(entry.window), output)
        manifest(0, "")
        self._leave()


PLAIN = Pieces(reading=Unproven, sink=AsTheyCome, ledger=Forgetful)


@dataclass(frozen=True, slots=True)
class Cpu:
    """Microseconds of CPU a conversation: the least of all rounds, since whatever disturbs a round adds to it."""

    plain_us: float
    proven_us: float

    @property
    def share(self) -> float:
        """What ledger, checksums and proof add."""
        return self.proven_us / self.plain_us - 1


def cpu(org: Org) -> Cpu:
    """A plain export of a day and one as it is, by turns and in one thread, so that a noisy machine is so for both."""
    _cpu_s(org, PIECES)  # what was asked once is remembered from here on
    gc.collect()
    gc.freeze()  # and stays out of collections: an export has no sandbox in its process
    rounds = [[_cpu_s(org, pieces) for pieces in (PLAIN, PIECES)] for _ in range(ROUNDS)]
    plain_us, proven_us = (min(times) * 1e6 / PER_DAY for times in zip(*rounds, strict=True))
    return Cpu(plain_us - _ids_us(), proven_us)


def _cpu_s(org: Org, pieces: Pieces) -> float:
    with org.client() as client, tempfile.TemporaryDirectory() as folder:
        query, output = Query(Interval.read(DAY)), Path(folder) / "x.csv"
        gc.collect()
        started = time.process_time()
        export(client, query, output, executor=SerialExecutor(IN_FLIGHT_DEFAULT), pieces=pieces)
        return time.process_time() - started


def _ids_us() -> float:
    """Making a conversation's id into bytes, twice: the plain export does it as well, though it need not."""
    ids = [str(uuid.UUID(int=number * 3**70)) for number in range(PER_DAY)]
    started = time.process_time()
    for each in ids:
        id_bytes(each)
    return (time.process_time() - started) * 1e6 / PER_DAY * 2


def main() -> None:
    org = Org()
    for interval in (DAY, WEEK):
        found = asked(org, interval)
        print(f"{interval}: {found}: {found.share:.1%} of the requests")
    took = cpu(org)
    print(f"{took.proven_us:.0f} us a conversation against {took.plain_us:.0f} us: {took.share:.1%} of the CPU")


if __name__ == "__main__":
    main()
