"""The straight line: a query, a client and an output -> the output, its manifest, and a summary."""

import errno
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal

from everycall.acquire.coordinator import Line
from everycall.acquire.proof import Reading
from everycall.acquire.windows import windows, without
from everycall.api.auth import Credentials
from everycall.api.limits import PAGE_SIZE_MAX
from everycall.api.query import Interval, Query
from everycall.client import Client, Counts
from everycall.errors import OutputError, OutputFailed
from everycall.executor import Executor, ThreadExecutor
from everycall.filesystem import Filesystem
from everycall.instants import text
from everycall.ledger import DISK_FULL, Book, Entry, Ledger, Stream
from everycall.progress import Noticed, Progress, Silent, Started
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Sink
from everycall.tables import flat as tables
from everycall.tables.flat import Column
from everycall.version import VERSION

IN_FLIGHT_DEFAULT = 40
"""Requests under way at once: enough to spend a minute's 300 in a few seconds at a latency of half a second."""


GOES_ON = "This goes on with an unfinished export of {}. --fresh starts over, with the interval of now."


@dataclass(frozen=True, slots=True)
class Summary:
    """How an export ended."""

    verdict: Literal["proven", "unproven"]
    rows: int
    entries: tuple[Entry, ...]
    """Every window that was read, in order."""
    unread: tuple[Interval, ...]
    """Windows that a safety stop left unread."""
    resumed_windows: int
    """Of the entries, those that an earlier run had finished."""
    counts: Counts
    """Of this run."""
    pages: int
    """Pages that came in this run."""
    started_at: datetime
    finished_at: datetime
    interval: Interval
    output: Path | None
    """None where the rows went to a stream."""
    manifest: Mapping[str, Any]
    """What the manifest beside the output says."""

    @property
    def unproven(self) -> tuple[Entry, ...]:
        """The windows that were read and not proven."""
        return tuple(entry for entry in self.entries if entry.verdict != "proven")


@dataclass(frozen=True, slots=True)
class Pieces:
    """What an export is put together from. Tests put others in their place: with bugs in them, or smaller windows."""

    reading: Callable[..., Reading] = Reading
    sink: Callable[..., Sink] = CsvSink
    ledger: Callable[..., Ledger] = Ledger


PIECES = Pieces()


def export(
    client: Client,
    query: Query,
    output: Path | str | BinaryIO,
    *,
    view: str = "default",
    columns: Sequence[str] = (),
    asked: Mapping[str, Any] | None = None,
    source: str = "",
    fresh: bool = False,
    page_size: int = PAGE_SIZE_MAX,
    max_pages: int | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
    filesystem: Filesystem | None = None,
    pieces: Pieces = PIECES,
) -> Summary:
    """Export the conversations of a query, each once, and prove that none is missing.

    Rows stand in the order of their windows, and by start and id within. An interrupted export goes on from its last
    finished window when it is called again with the same query and output; the output itself appears in one step at
    the end, with `OUTPUT.manifest.json` beside it.

    Args:
        client: the way into the org.
        query: which conversations. Its interval is cut where it reaches beyond a minute ago.
        output: a file's path, or a binary stream, which gets rows alone and cannot be resumed.
        view: "default" or "extended".
        columns: instead of a view: these columns, in this order.
        asked: the query in the caller's words ("last": "7d"), where the interval moves with the clock. A second run
            with the same words goes on with the first one's interval.
        source: what the manifest calls the org; the host unless told otherwise.
        fresh: start over, whatever the output or an unfinished run of it holds.
        page_size: conversations on a page, at most 100.
        max_pages: a safety stop. What was not read by then makes the export unproven.
        progress: is told what happens.
        executor: who asks; threads unless told otherwise.
        filesystem: where files go; the machine's unless told otherwise.
        pieces: what it is put together from.

    Returns:
        The verdict and the numbers. `summary.verdict` is "proven" only if every window is.

    Raises:
        OutputRefused: the output cannot be written, or holds another export.
        OutputFailed: writing failed on the way; the same call goes on from there.
        QueryError: all of the interval is in the future.
        EverycallError: what the client and the query raise.
    """
    table = tables.columns(view, columns)
    sink = pieces.sink(table, filesystem)
    started_at = client.clock.utc()
    asked = asked if asked is not None else {"interval": str(query.interval)}
    query = replace(query, interval=query.interval.until_now(started_at))
    header = _header(query, table, sink, asked, client.credentials, source)
    book, interval = _book(output, sink, header, query.interval, pieces, fresh=fresh, filesystem=filesystem)
    is_earlier = interval != query.interval
    query = replace(query, interval=interval)
    line = Line(
        client, query, table=table, sink=sink, book=book, executor=executor or ThreadExecutor(IN_FLIGHT_DEFAULT),
        progress=progress, page_size=page_size, max_pages=max_pages, reading=pieces.reading,
    )  # fmt: skip
    earlier = tuple(book.entries)
    gaps = without(interval, [entry.window for entry in earlier])
    told: dict[str, Any] = {}

    def manifest(size_bytes: int, sha256: str) -> Mapping[str, Any]:
        told.update(_manifest(header, interval, book.entries, unread, line, started_at, client.clock.utc()))
        told["output"] = {"format": sink.kind, "sizeBytes": size_bytes, "sha256": sha256}
        return told

    try:
        listener = progress or Silent()
        listener.report(Started(interval, interval.length - _length(gaps), sum(entry.rows for entry in earlier)))
        if is_earlier:
            listener.report(Noticed(GOES_ON.format(interval)))
        unread = line.run(one for gap in gaps for one in windows(replace(query, interval=gap), started_at))
        book.finish(manifest)
    except BaseException as error:
        book.abandon()
        if isinstance(error, OSError):
            raise failed(error, output) from error
        raise
    finally:
        line.close()
    return Summary(
        verdict=told["verdict"],
        rows=told["rows"],
        entries=tuple(sorted(book.entries, key=lambda entry: entry.interval)),
        unread=tuple(unread),
        resumed_windows=len(earlier),
        counts=client.counts(),
        pages=line.pages,
        started_at=started_at,
        finished_at=client.clock.utc(),
        interval=interval,
        output=Path(output) if isinstance(output, str | Path) else None,
        manifest=told,
    )


def _header(
    query: Query, table: Sequence[Column], sink: Sink, asked: Mapping[str, Any], org: Credentials, source: str
) -> dict[str, Any]:
    """What makes two exports the same one: all but the interval, which `asked` stands for."""
    return {
        "everycall": VERSION,
        "source": source or org.env,
        "clientId": org.client_id,  # another client may belong to another org of the region, or see other divisions
        "interval": str(query.interval),
        "asked": dict(asked),
        "filters": dict(query.filters.lists),
        "match": query.match,
        "format": sink.kind,
        "columns": [column.name for column in table],
    }


def _book(
    output: Path | str | BinaryIO,
    sink: Sink,
    header: dict[str, Any],
    interval: Interval,
    pieces: Pieces,
    *,
    fresh: bool,
    filesystem: Filesystem | None,
) -> tuple[Book, Interval]:
    """The book to write into; and the interval that it is about, which is the first run's where this one resumes."""
    try:
        if not isinstance(output, str | Path):
            return Stream(output, sink, interval, filesystem=filesystem), interval
        book = pieces.ledger(Path(output), sink, header, fresh=fresh, filesystem=filesystem)
    except OSError as error:
        raise failed(error, output) from error
    header["interval"] = book.header["interval"]
    return book, Interval.read(header["interval"])


def _length(pieces: Sequence[Interval]) -> timedelta:
    return sum((piece.length for piece in pieces), timedelta())


def _manifest(
    header: Mapping[str, Any],
    interval: Interval,
    entries: Sequence[Entry],
    unread: Sequence[Interval],
    line: Line,
    started_at: datetime,
    finished_at: datetime,
) -> dict[str, Any]:
    """What is written beside the output: the query, the verdict, and the numbers that it rests on."""
    entries = sorted(entries, key=lambda entry: entry.interval)
    unproven = [entry.interval for entry in entries if entry.verdict != "proven"]
    provisional = [entry for entry in entries if entry.provisional]
    return {
        "everycall": VERSION,
        "verdict": "unproven" if unproven or unread else "proven",
        "rows": sum(entry.rows for entry in entries),
        "query": header,
        "interval": str(interval),
        "startedAt": text(started_at),
        "finishedAt": text(finished_at),
        "provenAsOf": min((entry.counted_at for entry in entries), default=None),
        "unproven": unproven,
        "unread": [str(window) for window in unread],
        "provisionalFrom": provisional[0].interval.partition("/")[0] if provisional else None,
        "provisionalRows": sum(entry.rows for entry in provisional),
        "open": sum(entry.open for entry in entries),
        "carriedIn": sum(entry.carried_in for entry in entries),
        "namesUnavailable": {kind: why for entry in entries for kind, why in entry.names_unavailable.items()},
        "oddities": dict(sum((Counter(entry.oddities) for entry in entries), Counter())),
        "oddityExamples": line.examples,
        "windows": entries,
    }


def failed(error: OSError, output: Path | str | BinaryIO) -> OutputError:
    """What an error of the file system means to a reader."""
    if isinstance(error, BrokenPipeError):
        return OutputFailed("Whoever read the output went away before its end.")
    where = f" ({error.filename})" if error.filename else ""
    reason = DISK_FULL.get(error.errno or 0) or f"Writing failed: {error.strerror or error}"
    steps = {**dict.fromkeys(DISK_FULL, "Make room"), errno.EFBIG: "Raise the limit (ulimit -f)"}
    first = steps.get(error.errno or 0, "Mend that")
    follows = "it goes on from here" if isinstance(output, str | Path) else "it starts over, as a stream has to"
    return OutputFailed(f"{reason}{where}.", hint=f"{first}, and run the same command: {follows}.")
