"""A finished export, asked again: does each window still hold? And if not, only those windows anew.

    OUT and its manifest -> the bytes of each window against their checksum
                         -> each window's count against the API's count now

A window *holds* where both agree. It has *changed* where the API counts differently now: something arrived late. It is
*damaged* where the bytes are not those that were written, and *unproven* or *unread* where the export already said so.
One request a window; changes that leave the count as it was - a wrap-up code that came late - it does not see.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from everycall.acquire.windows import without
from everycall.api.details_query import count
from everycall.api.query import Filters, Interval, Query
from everycall.client import Client
from everycall.errors import OutputRefused, QueryError
from everycall.executor import Executor, ThreadExecutor
from everycall.exporting import Summary, failed, run
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.ledger import FOLDER_SUFFIX, MANIFEST_SUFFIX, Ledger, check_interval, sha256_of
from everycall.manifest import Entry, Header, Manifest
from everycall.progress import Progress
from everycall.setup import IN_FLIGHT_DEFAULT, Environment, Options, Setup
from everycall.sinks.interface import Placed, Sink
from everycall.tables.flat import FlatTable, flat_table
from everycall.version import VERSION

State = Literal["holds", "changed", "damaged", "unproven", "unread"]


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
        phrases = {"damaged": "damaged: the file does not hold what was written", "unread": "was never read"}
        return phrases.get(self.state, self.state) + reason


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of an export."""

    output: Path
    findings: tuple[Finding, ...]
    """In the order of time."""
    query: Query
    manifest: Manifest

    @property
    def holds(self) -> bool:
        """Whether every window does."""
        return all(finding.state == "holds" for finding in self.findings)

    def as_json(self) -> Mapping[str, Any]:
        """For programs."""
        windows = [
            {"interval": str(one.window), "state": one.state, "hitsNow": one.hits_now, "message": str(one)}
            for one in self.findings
        ]
        output = os.fsencode(self.output).decode(errors="replace")  # a file's name may be no text
        return {"output": output, "verdict": "holds" if self.holds else "does not hold", "windows": windows}


def source_of(output: Path, filesystem: Filesystem | None = None) -> str:
    """Where the export says that it came from.

    Raises:
        OutputRefused: it is no finished export.
    """
    return _manifest(output, filesystem or SystemFilesystem()).query.source


def verify(client: Client, output: Path, *, environment: Environment = Environment()) -> Verification:  # noqa: B008
    """Check the bytes of each window, and count each that is undamaged again, with one request.

    Raises:
        OutputRefused: `output` is no finished export, was made with another OAuth client, or by a version that writes
            differently.
        EverycallError: what the client raises.
    """
    filesystem = environment.filesystem or SystemFilesystem()
    manifest = _manifest(output, filesystem)
    header = manifest.query
    if header.client_id != client.credentials.client_id:
        raise OutputRefused(
            f"{output} was exported with the OAuth client {header.client_id}, and this is another one, "
            "which may see other conversations.",
            hint="Set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET to that client's, or export again with --fresh.",
        )
    query = Query(header.window, Filters(header.filters), header.match)
    sink = environment.sink(_table(header).columns, filesystem)
    intact = _intact(output, sink, manifest, filesystem)
    _check_output(output, sink, manifest, filesystem, is_whole=bool(intact) and all(intact.values()))
    executor = environment.executor or ThreadExecutor(IN_FLIGHT_DEFAULT)
    try:
        hits = _counts(client, query, [entry.window for entry in manifest.windows if intact[entry.interval]], executor)
    finally:
        executor.close()
    findings = [_finding(entry, hits.get(entry.interval)) for entry in manifest.windows]
    findings += [Finding(Interval.read(interval), "unread", None, None) for interval in manifest.unread]
    findings.sort(key=lambda finding: finding.window.start)
    return Verification(output, tuple(findings), query, manifest)


def repair(
    client: Client,
    found: Verification,
    *,
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    environment: Environment = Environment(),  # noqa: B008 - frozen
) -> Summary:
    """Export the windows that do not hold again, and put them in the place of the old ones, in one step.

    Until then the output stays as it was. Windows that hold are taken over from it, and cost no request. Those that an
    interrupted repair had read cost one each: they are counted again, and read again only where they have changed.

    Args:
        client: the way into the org.
        found: what `verify` has found just now.
        options: see `export`; which org and which query are the export's.
        progress: is told what happens.
        environment: what tests replace.

    Raises:
        OutputRefused: another process is at it, an export of another time is unfinished, or another version of
            everycall made it.
        OutputFailed: the disk is full; the same repair resumes from there, as after what an export raises.
        EverycallError: what an export raises.
    """
    header = found.manifest.query
    if header.everycall != VERSION:
        raise OutputRefused(
            f"{found.output} was exported by everycall {header.everycall}, and {VERSION} may write other rows.",
            hint="Export again with --fresh.",
        )
    options = replace(options, kept_from=_kept_from(found.manifest, options.kept_from))
    setup = Setup.of(client, _table(header), options, progress, environment)
    try:
        ledger = environment.ledger(found.output, setup.sink, header, is_repair=True, filesystem=setup.filesystem)
        try:
            _prepare(ledger, setup, found)
        except BaseException:
            ledger.abandon()
            raise
        return run(setup, found.query, ledger, found.output)
    except OSError as error:
        raise failed(error, found.output) from error
    finally:
        setup.executor.close()


def _kept_from(manifest: Manifest, known: datetime | None) -> datetime | None:
    """What was not kept when it was exported is not proven by a repair either: where the last such window ends."""
    ends = [Interval.read(window).end for window in manifest.not_kept]
    return max([*ends, *([known] if known else [])], default=None)


def _prepare(ledger: Ledger, setup: Setup, found: Verification) -> None:
    """Bring the ledger to where all windows are done in it that need not be read again."""
    header = found.manifest.query
    if ledger.header.interval != header.interval:
        raise OutputRefused(
            f"Beside {found.output} lies an unfinished export of {ledger.header.interval}.",
            hint="Run its command again to finish it; or remove the folder "
            f"{found.output.name}{FOLDER_SUFFIX}, which holds what it has read so far.",
        )
    hits_now = {str(one.window): one.hits_now for one in found.findings if one.hits_now is not None}
    uncounted = [read.window for read in ledger.read.values() if read.interval not in hits_now]
    hits_now |= _counts(setup.client, found.query, uncounted, setup.executor)
    ledger.keep(lambda interval: hits_now[interval] == ledger.read[interval].hits_after)
    holding = {str(one.window) for one in found.findings if one.state == "holds"}
    gaps = without(header.window, [read.window for read in ledger.read.values()])
    for number, entry in enumerate(found.manifest.windows):
        window = entry.window
        if entry.interval in holding and any(gap.start <= window.start and window.end <= gap.end for gap in gaps):
            _take_over(found, number, setup, ledger)


def _manifest(output: Path, filesystem: Filesystem) -> Manifest:
    if not output.name or filesystem.is_folder(output):
        raise OutputRefused(f"{output} is a folder.", hint="Name a finished export: conversations.csv.")
    path = output.with_name(output.name + MANIFEST_SUFFIX)
    try:
        manifest = msgspec.json.decode(filesystem.read(path), type=Manifest)
    except OSError as error:
        raise OutputRefused(
            f"{output} has no manifest: {path} cannot be read ({error.strerror}).",
            hint="Only a finished export can be verified. An unfinished one resumes when its command is run again.",
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OutputRefused(
            f"{path} is no manifest of everycall {VERSION}: {str(error).rstrip('.')}.",
            hint="Export again with --fresh.",
        ) from error
    check_interval(manifest.query, path)
    return manifest


def _table(header: Header) -> FlatTable:
    try:
        return flat_table(only=header.columns)
    except QueryError as error:
        raise OutputRefused(
            f"The export was made by everycall {header.everycall}, whose columns were others: {error}",
            hint="Export again with --fresh.",
        ) from error


def _placed(entries: Sequence[Entry]) -> list[Placed]:
    return [Placed(entry.window, entry.rows, entry.size_bytes, entry.sha256) for entry in entries]


def _intact(output: Path, sink: Sink, manifest: Manifest, filesystem: Filesystem) -> dict[str, bool]:
    """For each window, by its interval, whether its rows are what was written."""
    intervals = [entry.interval for entry in manifest.windows]
    length = filesystem.size(output)
    if length is None:
        return dict.fromkeys(intervals, False)
    with filesystem.open(output, "rb") as file:
        return dict(zip(intervals, sink.intact(file, length, _placed(manifest.windows)), strict=True))


def _check_output(output: Path, sink: Sink, manifest: Manifest, filesystem: Filesystem, *, is_whole: bool) -> None:
    """Refuse a manifest whose length or checksum of the whole output is not that of its windows."""
    length = len(sink.head()) + sum(entry.size_bytes for entry in manifest.windows)
    is_other = is_whole and sha256_of(output, filesystem) != manifest.output.sha256
    if manifest.output.size_bytes != length or is_other:
        raise OutputRefused(
            f"The manifest of {output} contradicts itself: its output is not what its windows are.",
            hint="Somebody has edited it: export again with --fresh.",
        )


def _counts(client: Client, query: Query, windows: Sequence[Interval], executor: Executor) -> dict[str, int]:
    """The API's present count of each window, by its interval."""
    found: dict[str, int] = {}
    for window in windows:
        executor.submit(partial(_counted, client, query, window), partial(found.__setitem__, str(window)))
    while executor.outstanding:
        executor.run_next()
    return found


def _counted(client: Client, query: Query, window: Interval) -> int:
    return client.play(count(query, window))


def _finding(entry: Entry, hits_now: int | None) -> Finding:
    if hits_now is None:
        state: State = "damaged"
    elif entry.verdict != "proven":
        state = "unproven"
    else:
        state = "holds" if hits_now == entry.hits_after else "changed"
    return Finding(entry.window, state, entry, hits_now)


def _take_over(found: Verification, number: int, setup: Setup, ledger: Ledger) -> None:
    """A window that holds, as a finished window of the export to be; durable before the ledger says so."""
    entry = found.manifest.windows[number]
    with setup.filesystem.open(found.output, "rb") as output:
        setup.sink.extract(output, _placed(found.manifest.windows), number, ledger.path(entry.window, ".rows"))
    read, loaded = entry.lines(setup.sink.format)
    ledger.commit_read(read)
    ledger.commit_loaded(msgspec.structs.replace(loaded, taken_over=True))
