"""A finished export, asked again: does each window still hold? And if not, only those windows anew.

    OUT and its manifest -> the bytes of each window against their checksum
                         -> each window's count against the API's count now

A window *holds* where both agree. It has *changed* where the API counts differently now: something arrived late. It is
*damaged* where the bytes are not those that were written, and *unproven* or *unread* where the export already said so.
One request a window; changes that leave the count as it was - a wrap-up code that came late - it does not see.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from everycall.acquire.windows import without
from everycall.api.details_query import count
from everycall.api.limits import PAGE_SIZE_MAX
from everycall.api.query import Filters, Interval, Match, Query
from everycall.client import Client
from everycall.errors import OutputRefused, QueryError
from everycall.executor import Executor, ThreadExecutor
from everycall.exporting import IN_FLIGHT_DEFAULT, PIECES, Pieces, Summary, export, failed
from everycall.filesystem import File, Filesystem, SystemFilesystem
from everycall.ledger import FOLDER_SUFFIX, MANIFEST_SUFFIX, Entry, Ledger, interval_of
from everycall.progress import Progress
from everycall.sinks.csv import CsvSink
from everycall.tables.flat import columns
from everycall.version import VERSION

State = Literal["holds", "changed", "damaged", "unproven", "unread"]

BUFFER_BYTES = 1 << 20


class _Header(msgspec.Struct, frozen=True, rename="camel"):
    """The query, as the manifest has it."""

    everycall: str
    source: str
    client_id: str
    interval: str
    asked: dict[str, Any]
    filters: dict[str, Any]
    match: Match
    format: Literal["csv"]
    columns: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    query: _Header
    interval: str
    rows: int
    windows: tuple[Entry, ...]
    unread: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raises ValueError where it is not what an export has written: somebody has edited it."""
        whole = interval_of(self.interval)
        pieces = [*(entry.window for entry in self.windows), *(interval_of(words) for words in self.unread)]
        if self.query.interval != self.interval:
            raise ValueError("its interval is not that of its query")
        if without(whole, pieces) or sum((one.length for one in pieces), timedelta()) != whole.length:
            raise ValueError("its windows do not cover its interval once")
        if self.rows != sum(entry.rows for entry in self.windows):
            raise ValueError("the rows of its windows do not add up")


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one window."""

    window: Interval
    state: State
    entry: Entry | None
    """What the export wrote down; None where the window was never read."""
    hits_now: int | None
    """The API's count now; None where it was not asked for."""

    def __str__(self) -> str:
        """One phrase for a reader."""
        if self.state == "changed" and self.entry is not None and self.hits_now is not None:
            difference = self.hits_now - self.entry.hits_after
            many = "conversation" if abs(difference) == 1 else "conversations"
            return f"changed: {difference:+,} {many} since {self.entry.counted_at[:19]}Z"
        reason = f": {self.entry.reason}" if self.state == "unproven" and self.entry and self.entry.reason else ""
        words = {"damaged": "damaged: the file does not hold what was written", "unread": "was never read"}
        return words.get(self.state, self.state) + reason


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of an export."""

    output: Path
    findings: tuple[Finding, ...]
    """In the order of time."""
    query: Query
    header: Mapping[str, Any]
    """The query in words, as the manifest has it."""

    @property
    def holds(self) -> bool:
        """Whether every window does."""
        return all(finding.state == "holds" for finding in self.findings)

    def as_json(self) -> Mapping[str, Any]:
        """For programs."""
        windows = [
            {"interval": str(one.window), "state": one.state, "hitsNow": one.hits_now, "said": str(one)}
            for one in self.findings
        ]
        output = os.fsencode(self.output).decode(errors="replace")  # a file's name may be no text
        return {"output": output, "verdict": "holds" if self.holds else "does not hold", "windows": windows}


def source_of(output: Path) -> str:
    """Where the export says that it came from.

    Raises:
        OutputRefused: it is no finished export.
    """
    return _manifest(output, SystemFilesystem())[0].query.source


def verify(
    client: Client, output: Path, *, executor: Executor | None = None, filesystem: Filesystem | None = None
) -> Verification:
    """Check the bytes of each window, and count each that is undamaged again, with one request.

    Raises:
        OutputRefused: `output` is no finished export, was made with another OAuth client, or by a version that writes
            differently.
        EverycallError: what the client raises.
    """
    filesystem = filesystem or SystemFilesystem()
    manifest, header = _manifest(output, filesystem)
    said = manifest.query
    if said.client_id != client.credentials.client_id:
        raise OutputRefused(
            f"{output} was exported with the OAuth client {said.client_id}, and this is another, which may see others.",
            hint="Set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET to that client's, or export anew with --fresh.",
        )
    query = Query(Interval.read(manifest.interval), Filters(said.filters), said.match)
    intact = _intact(output, _sink(said, filesystem), manifest.windows, filesystem)
    executor = executor or ThreadExecutor(IN_FLIGHT_DEFAULT)
    try:
        hits = _counts(client, query, [entry.window for entry in manifest.windows if intact[entry.interval]], executor)
    finally:
        executor.close()
    findings = [_finding(entry, hits.get(entry.interval)) for entry in manifest.windows]
    findings += [Finding(Interval.read(words), "unread", None, None) for words in manifest.unread]
    findings.sort(key=lambda finding: finding.window.start)
    return Verification(output, tuple(findings), query, header)


def repair(
    client: Client,
    found: Verification,
    *,
    page_size: int = PAGE_SIZE_MAX,
    progress: Progress | None = None,
    executor: Executor | None = None,
    filesystem: Filesystem | None = None,
    pieces: Pieces = PIECES,
) -> Summary:
    """Export the windows that do not hold again, and put them in the place of the old ones, in one step.

    Until then the output stays as it was. Windows that hold are taken over from it, and cost no request. Those that an
    interrupted repair has mended cost one each: they are counted again, and read again only where they have changed.

    Args:
        client: the way into the org.
        found: what `verify` has found just now.
        page_size: see `export`.
        progress: see `export`.
        executor: see `export`.
        filesystem: see `export`.
        pieces: see `export`.

    Raises:
        OutputRefused: another process is at it, an export of another time is unfinished, or another version of
            everycall made it.
        OutputFailed: the disk is full; the same repair goes on from there, as after what an export raises.
        EverycallError: what an export raises.
    """
    said = msgspec.convert(found.header, _Header)
    if said.everycall != VERSION:
        raise OutputRefused(
            f"{found.output} was exported by everycall {said.everycall}, and {VERSION} may write other rows.",
            hint="Export anew with --fresh.",
        )
    pieces = replace(pieces, ledger=partial(pieces.ledger, is_repair=True))
    executor = executor or ThreadExecutor(IN_FLIGHT_DEFAULT)
    try:
        book = pieces.ledger(found.output, _sink(said, filesystem), found.header, filesystem=filesystem)
        try:
            _prepare(book, client, found, executor, filesystem or SystemFilesystem())
        finally:
            book.abandon()
        return export(
            client, found.query, found.output, columns=said.columns, asked=said.asked, source=said.source,
            page_size=page_size, progress=progress, executor=executor, filesystem=filesystem, pieces=pieces,
        )  # fmt: skip
    except OSError as error:
        raise failed(error, found.output) from error
    finally:
        executor.close()


def _prepare(book: Ledger, client: Client, found: Verification, executor: Executor, filesystem: Filesystem) -> None:
    """Bring the ledger to where all windows are done in it that an export need not read again."""
    if book.header["interval"] != found.header["interval"]:
        raise OutputRefused(
            f"Beside {found.output} lies an unfinished export of {book.header['interval']}.",
            hint="Run its command again to finish it; or remove the folder "
            f"{found.output.name}{FOLDER_SUFFIX}, which holds what it has read so far.",
        )
    hits_now = {str(one.window): one.hits_now for one in found.findings if one.hits_now is not None}
    uncounted = [entry.window for entry in book.entries if entry.interval not in hits_now]
    hits_now |= _counts(client, found.query, uncounted, executor)
    book.keep(lambda entry: hits_now[entry.interval] == entry.hits_after)
    holding = {str(one.window) for one in found.findings if one.state == "holds"}
    manifest, _ = _manifest(found.output, filesystem)
    gaps = without(Interval.read(manifest.interval), [entry.window for entry in book.entries])
    for entry, at in _places(_sink(manifest.query, filesystem), manifest.windows):
        window = entry.window
        if entry.interval in holding and any(gap.start <= window.start and window.end <= gap.end for gap in gaps):
            _take_over(found.output, at, entry, book, filesystem)


def _manifest(output: Path, filesystem: Filesystem) -> tuple[_Manifest, Mapping[str, Any]]:
    if not output.name or filesystem.is_folder(output):
        raise OutputRefused(f"{output} is a folder.", hint="Name a finished export: conversations.csv.")
    path = output.with_name(output.name + MANIFEST_SUFFIX)
    try:
        body = filesystem.read(path)
        return msgspec.json.decode(body, type=_Manifest), msgspec.json.decode(body)["query"]
    except OSError as error:
        raise OutputRefused(
            f"{output} has no manifest: {path} cannot be read ({error.strerror}).",
            hint="Only a finished export can be verified. An unfinished one goes on when its command is given again.",
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OutputRefused(
            f"{path} is no manifest of everycall: {str(error).rstrip('.')}.", hint="Export anew with --fresh."
        ) from error


def _sink(said: _Header, filesystem: Filesystem | None) -> CsvSink:
    try:
        return CsvSink(columns(only=said.columns), filesystem)
    except QueryError as error:
        raise OutputRefused(
            f"The export was made by everycall {said.everycall}, whose columns were others: {error}",
            hint="Export anew with --fresh.",
        ) from error


def _places(sink: CsvSink, entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
    """Where each window's rows begin in the output."""
    at = len(sink.head())
    for entry in sorted(entries, key=lambda entry: entry.interval):
        yield entry, at
        at += entry.size_bytes


def _intact(output: Path, sink: CsvSink, entries: Sequence[Entry], filesystem: Filesystem) -> dict[str, bool]:
    """For each window, by its interval, whether its bytes are what was written.

    A wrong header damages them all; what was added at the end, the last.
    """
    places = list(_places(sink, entries))
    if filesystem.size(output) is None:
        return {entry.interval: False for entry in entries}
    with filesystem.open(output, "rb") as file:
        is_whole = file.read(len(sink.head())) == sink.head()
        length = filesystem.size(output) or 0
        intact = {
            entry.interval: is_whole
            and entry.size_bytes <= max(0, length - at)
            and _digest(file, at, entry.size_bytes) == entry.sha256
            for entry, at in places
        }
    if places and places[-1][1] + places[-1][0].size_bytes < length:
        intact[places[-1][0].interval] = False
    return intact


def _digest(file: File, at: int, size_bytes: int) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(file, at, size_bytes):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(file: File, at: int, size_bytes: int) -> Iterator[bytes]:
    if size_bytes:
        file.seek(at)
    while size_bytes and (piece := file.read(min(size_bytes, BUFFER_BYTES))):
        size_bytes -= len(piece)
        yield piece


def _counts(client: Client, query: Query, windows: Sequence[Interval], executor: Executor) -> dict[str, int]:
    """The API's present count of each window, by its interval."""

    def counted(window: Interval) -> tuple[str, int]:
        return str(window), client.play(count(query, window))

    for window in windows:
        executor.submit(partial(counted, window))
    return dict(executor.next() for _ in windows)


def _finding(entry: Entry, hits_now: int | None) -> Finding:
    if hits_now is None:
        state: State = "damaged"
    elif entry.verdict != "proven":
        state = "unproven"
    else:
        state = "holds" if hits_now == entry.hits_after else "changed"
    return Finding(entry.window, state, entry, hits_now)


def _take_over(path: Path, at: int, entry: Entry, book: Ledger, filesystem: Filesystem) -> None:
    """A window that holds, as a part of the export to be; durable before the ledger says so."""
    with filesystem.open(path, "rb") as output, filesystem.open(book.part_path(entry.window), "wb") as part:
        for piece in _pieces(output, at, entry.size_bytes):
            part.write(piece)
        filesystem.sync(part)
    book.commit(msgspec.structs.replace(entry, taken_over=True))
