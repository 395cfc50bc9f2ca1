"""An org in the same process: a sandbox, a clock and a client, with what a wire would do to an answer."""

import csv
import hashlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from clocks import StillClock
from everycall import Client, Credentials, Interval, Query, Summary, View, export
from everycall.api.exchange import Broken, Response, TooSlow
from everycall.connection import Timeouts
from everycall.executor import Executor, SerialExecutor
from everycall.filesystem import Filesystem
from everycall.progress import Progress
from everycall.sandbox import QUERY, Sandbox, Served
from everycall.sandbox import Org as ContactCentre
from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.traffic import Sketch
from everycall.setup import Environment, Options

HEADER = "conversationId,channel,startTime,endTime,duration,queueName,agentName,disposition\n"
MONDAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"
WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"


class InProcess:
    """A connection to a sandbox in the same process; delays pass on the test's clock."""

    def __init__(self, sandbox: Sandbox, clock: StillClock, timeouts: Timeouts | None = None) -> None:
        self._sandbox, self._clock = sandbox, clock
        self._timeouts = timeouts or Timeouts()
        self._lock = threading.Lock()
        self.before: Callable[[Request], None] = lambda _: None
        """Looks at each request before it is answered; may raise."""
        self.is_closed = False

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        request = Request.of(method, target, {**headers, "accept-encoding": "gzip"}, body or b"")
        with self._lock:
            self.before(request)
            wire = self._sandbox.respond(request)
            self._travel(wire)
        found = {name.lower(): value for name, value in wire.headers.items()}
        return Response(wire.status, found, wire.body)

    def _travel(self, wire: Wire) -> None:
        """The time that it takes, and the ways in which it never arrives."""
        takes_s = wire.delay_s * (10 if wire.delivery == "drip" else 1)
        if wire.delivery == "hang" or wire.delay_s > self._timeouts.read_s:
            self._clock.advance(self._timeouts.read_s)
            raise TooSlow("no answer in time")
        self._clock.advance(min(takes_s, self._timeouts.total_s))
        if wire.delivery in ("reset", "cut"):
            raise Broken("the connection broke")
        if takes_s > self._timeouts.total_s:
            raise TooSlow("the answer was not complete in time")

    def close(self) -> None:
        """See `Connection.close`."""
        self.is_closed = True


@dataclass
class Org:
    """An org to export from, and what it takes to do so in steps that are always the same."""

    sandbox: Sandbox
    clock: StillClock
    connection: InProcess
    client: Client

    def export(
        self,
        output: Path | str | BytesIO | Sequence[Path | str],
        interval: str = MONDAY,
        *,
        query: Query | None = None,
        executor: Executor | None = None,
        filesystem: Filesystem | None = None,
        view: View = "default",
        columns: Sequence[str] = (),
        progress: Progress | None = None,
        environment: Environment = Environment(),  # noqa: B008 - frozen
        **options: Any,
    ) -> Summary:
        """See `everycall.export`; one request at a time unless an executor is given. `options` are those of it."""
        environment = replace(environment, executor=executor or SerialExecutor(), filesystem=filesystem)
        return export(
            self.client, query or Query(Interval.read(interval)), output, view=view, columns=columns,
            options=Options(**options), progress=progress, environment=environment,
        )  # fmt: skip

    def truth(self, interval: str = MONDAY) -> list[tuple[str, str, str]]:
        """(conversationId, startTime, endTime) of every conversation that started in the interval, sorted."""
        found = self.sandbox.store.conversations(interval)
        return sorted(
            (one["conversationId"], one["conversationStart"], one.get("conversationEnd", "")) for one in found
        )

    @property
    def queries(self) -> list[Served]:
        """The details queries that were served, in order."""
        return [served for served in self.sandbox.requests if served.path == QUERY]

    @property
    def pages(self) -> list[tuple[str, int]]:
        """(interval, page number) of the pages that were asked for, counts left out."""
        asked = (served.body for served in self.queries if served.body["paging"]["pageSize"] > 1)
        return [(body["interval"], body["paging"]["pageNumber"]) for body in asked]


REMEMBERED = 10_000

ENCODER, DECODER = msgspec.json.Encoder(), msgspec.json.Decoder()


class Remembering(ContactCentre):
    """A contact centre that makes a conversation which has ended once, since tests ask for the same ones very often."""

    def __init__(self, seed: int = 1, conversations_per_day: int = 2000, *, flat: bool = False) -> None:
        super().__init__(seed, conversations_per_day, flat=flat)
        self._made: dict[tuple[str, int], bytes] = {}

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """See `Org.conversation`."""
        if now_ms < sketch.end_ms:
            return super().conversation(sketch, now_ms)
        state = sketch.conversation_id, sum(at_ms <= now_ms for at_ms in self.changes(sketch))
        if state not in self._made:
            if len(self._made) >= REMEMBERED:
                self._made.clear()
            self._made[state] = ENCODER.encode(super().conversation(sketch, now_ms))
        found: dict[str, Any] = DECODER.decode(self._made[state])
        return found


remembering = lru_cache(maxsize=8)(Remembering)


def org(clock: StillClock | None = None, *, timeouts: Timeouts | None = None, **settings: Any) -> Org:
    """An org in the same process; the settings are `Sandbox`'s."""
    clock = clock or StillClock()
    world = settings.pop("world", None)
    if world is None and "conversations" not in settings:
        traffic = {name: settings.pop(name) for name in ("conversations_per_day", "flat") if name in settings}
        world = remembering(settings.get("seed", 1), **traffic)
    sandbox = Sandbox(world, now=clock.now, monotonic=clock.monotonic, **settings)
    connection = InProcess(sandbox, clock, timeouts)
    return Org(sandbox, clock, connection, client_of(sandbox, clock, connection))


def client_of(
    sandbox: Sandbox,
    clock: StillClock,
    connection: InProcess,
    *,
    secret: str | None = None,
    client_id: str | None = None,
) -> Client:
    """A client of the sandbox; its own one unless another is given."""
    credentials = Credentials(client_id or sandbox.client_id, secret or sandbox.client_secret, sandbox.url)
    return Client(credentials, connection=connection, clock=clock, rng=random.Random(1))


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column."""
    return list(csv.DictReader(StringIO(path.read_text(encoding="utf-8"), newline="")))


def exported_rows(path: Path) -> list[tuple[str, str, str]]:
    """(conversationId, startTime, endTime) of every row of an export, sorted; what comes twice is twice in it."""
    return sorted((row["conversationId"], row["startTime"], row["endTime"]) for row in read_csv(path))


def manifest_of(path: Path) -> Any:
    """The manifest beside an output."""
    return msgspec.json.decode(path.with_name(path.name + ".manifest.json").read_bytes())


def assert_whole(summary: Summary, output: Path) -> None:
    """The manifest's numbers add up, and its checksums are those of the output's bytes."""
    manifest, data = manifest_of(output), output.read_bytes()
    windows = manifest["windows"]
    assert manifest["verdict"] == summary.verdict
    assert manifest["rows"] == summary.rows == sum(window["rows"] for window in windows)
    assert manifest["output"]["sizeBytes"] == len(data)
    assert manifest["output"]["sha256"] == hashlib.sha256(data).hexdigest()
    at = data.index(b"\n") + 1
    for window in windows:
        part = data[at : at + window["sizeBytes"]]
        assert hashlib.sha256(part).hexdigest() == window["sha256"]
        assert window["uniqueIds"] == window["rows"] + window["carriedIn"]
        if window["verdict"] == "proven":
            assert window["hitsAfter"] == window["uniqueIds"]
        at += window["sizeBytes"]
    assert at == len(data)


def assert_proven(where: Org, summary: Summary, output: Path, interval: str = MONDAY) -> None:
    """The export is proven, and holds what the org's own store holds, each once."""
    assert summary.verdict == "proven", summary.unproven
    assert exported_rows(output) == where.truth(interval)
    assert_whole(summary, output)
