"""What an export costs in CPU, against the least that anybody pays: unzipping and `json.loads` of the same bytes.

python -m bench.cpu
"""

import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from everycall.acquire.coordinator import Digest
from everycall.acquire.proof import id_bytes
from everycall.api.details_query import DETAILS_QUERY, PageHead
from everycall.api.exchange import Request, Response, received
from everycall.api.names import Names
from everycall.sandbox import Org
from everycall.sandbox.store import Store
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Key
from everycall.tables import flat as tables

PAGES = 60
ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians over the rounds, in microseconds of CPU a conversation."""

    everycall_us: float
    json_loads_us: float
    script_us: float
    page_bytes: float

    @property
    def ratio(self) -> float:
        """Of ours to `json.loads`."""
        return self.everycall_us / self.json_loads_us


def zipped_pages() -> list[bytes]:
    """Answers of the details query as they come over the wire."""
    store = Store(Org(conversations_per_day=20_000), lambda: 1_795_000_000.0)
    found = list(store.conversations("2026-11-02T00:00:00.000Z/2026-11-03T00:00:00.000Z"))[: PAGES * 100]
    pages = [{"conversations": found[at : at + 100], "totalHits": len(found)} for at in range(0, len(found), 100)]
    return [gzip.compress(msgspec.json.encode(page), 1) for page in pages]


def ours(pages: Sequence[bytes]) -> None:
    """Unzip, check, decode, find the facts, make the rows, spool and seal them: all that an export does but ask."""
    sink, names = CsvSink(tables.DEFAULT), Names()
    headers = {"content-encoding": "gzip"}
    asked = Request("POST", DETAILS_QUERY, decode=PageHead.decode)
    with tempfile.TemporaryDirectory() as folder:
        part = sink.part(Path(folder) / "rows.part")
        for page in pages:
            digest = Digest.of(received(asked, Response(200, headers, page)))
            part.add(
                1, ((Key(0, id_bytes(f.conversation_id)), tables.row(f, names, tables.DEFAULT)) for f in digest.facts)
            )
        part.seal((1,))


def loads(pages: Sequence[bytes]) -> None:
    """Unzip and decode, and nothing else."""
    for page in pages:
        json.loads(gzip.decompress(page))


def flattened(pages: Sequence[bytes]) -> None:
    """What a script does with the standard library: decode, walk every segment, write two columns and the last leg."""
    lines: list[str] = []
    for page in pages:
        for conversation in json.loads(gzip.decompress(page))["conversations"]:
            sessions = [session for side in conversation["participants"] for session in side["sessions"]]
            legs = [leg for session in sessions for leg in session.get("segments", ())]
            last = max(legs, key=lambda leg: str(leg["segmentStart"]), default=None)
            lines.append(f"{conversation['conversationId']},{conversation['conversationStart']},{last}")


def cpu_s(work: Callable[[Sequence[bytes]], None], pages: Sequence[bytes]) -> float:
    started = time.process_time()
    work(pages)
    return time.process_time() - started


def measured() -> Measured:
    """The three, interleaved, so that a noisy machine is noisy for all."""
    pages = zipped_pages()
    rounds = [[cpu_s(work, pages) for work in (ours, loads, flattened)] for _ in range(ROUNDS)]
    per = 1e6 / (len(pages) * 100)
    mine, least, script = (statistics.median(times) * per for times in zip(*rounds, strict=True))
    return Measured(mine, least, script, statistics.fmean(len(gzip.decompress(page)) for page in pages))


if __name__ == "__main__":
    print(measured())
