"""Verifies a finished export window by window, and repairs it by exporting again the windows that do not hold.

    OUT and its manifest -> compare the bytes of each window to their checksum
                         -> compare the count of each window to the API's count now

A window *holds* if both match. It has *changed* if the API counts differently now, because something arrived late. It
is *damaged* if its bytes have changed, and *unproven* or *unread* if the export was already incomplete there. Verifying
costs one request for each window. It does not notice changes that leave the count the same, such as a late wrap-up
code.
"""

import os
from collections.abc import Callable, Mapping, Sequence
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
from everycall.exporting import Carried, Summary, output_failed, run
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.ledger import Ledger
from everycall.manifest import Entry, Header, Manifest, check_interval
from everycall.privacy import KEY_VARIABLE
from everycall.progress import Progress
from everycall.setup import IN_FLIGHT_DEFAULT, Environment, Options, Setup
from everycall.sinks import postgresql_address as address
from everycall.sinks.files import FOLDER_SUFFIX, MANIFEST_SUFFIX
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Destination
from everycall.sinks.style import Style, Times
from everycall.sinks.targets import FORMATS, Target, destination, is_elsewhere, is_url, manifest_at, target_of
from everycall.tables.flat import FlatTable, flat_table
from everycall.version import VERSION

WHOLE_FORMATS = ("xlsx",)
"""Formats that have one checksum for the whole file: windows cannot be distinguished in it."""

State = Literal["holds", "forgotten", "changed", "damaged", "unproven", "unread"]

HOLDING = ("holds", "forgotten")
"""The states in which nothing is wrong. `everycall forget` took out what was in a forgotten window."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one window."""

    window: Interval
    state: State
    entry: Entry | None
    """The window in the manifest; None if the window was never read."""
    hits_now: int | None
    """The API's count now; None if it was not requested."""

    def __str__(self) -> str:
        """The state as a phrase for the user."""
        if self.state == "changed" and self.entry is not None and self.hits_now is not None:
            difference = self.hits_now - self.entry.hits_after
            noun = "conversation" if abs(difference) == 1 else "conversations"
            return f"changed: {difference:+,} {noun} since {self.entry.counted_at[:19]}Z"
        reason = f": {self.entry.reason}" if self.state == "unproven" and self.entry and self.entry.reason else ""
        phrases = {"damaged": "damaged: the output was changed", "unread": "was never read"}
        return phrases.get(self.state, self.state) + reason + self._replaced()

    def _replaced(self) -> str:
        """What the proof of the window does not cover."""
        if self.state != "holds" or self.entry is None or not self.entry.replaced:
            return ""
        count = len(self.entry.replaced)
        noun = "conversation was" if count == 1 else "conversations were"
        last = max(one.as_of for one in self.entry.replaced)
        return f", as of {self.entry.counted_at[:19]}Z; {count:,} {noun} replaced since, last at {last[:19]}Z"


@dataclass(frozen=True, slots=True)
class Verification:
    """The state of an export."""

    output: Path | str
    """A path, or the address of an object store or a database."""
    findings: tuple[Finding, ...]
    """One for each window, in the order of time."""
    query: Query
    manifest: Manifest
    changed: tuple[str, ...] = ()
    """The files or tables of the output that are missing or changed, where that is known."""

    @property
    def name(self) -> str:
        """The output as messages show it."""
        return name_of(self.output)

    @property
    def holds(self) -> bool:
        """Whether every window holds."""
        return all(finding.state in HOLDING for finding in self.findings)

    def as_json(self) -> Mapping[str, Any]:
        """The findings as plain data for `json.dumps`."""
        windows = [
            {
                "interval": str(finding.window),
                "state": finding.state,
                "hitsNow": finding.hits_now,
                "message": str(finding),
            }
            for finding in self.findings
        ]
        output = os.fsencode(self.name).decode(errors="replace")  # a file's name may not be valid text
        verdict = "holds" if self.holds else "does not hold"
        return {"output": output, "verdict": verdict, "changed": list(self.changed), "windows": windows}


def header_of(output: Path | str, filesystem: Filesystem | None = None) -> Header:
    """The header of an export, by its manifest: its query, and its org.

    Raises:
        OutputRefused: `output` is not a finished export.
    """
    return _manifest(output, filesystem or SystemFilesystem()).query


def verify(
    client: Client,
    output: Path | str,
    *,
    environment: Environment = Environment(),  # noqa: B008 - frozen
) -> Verification:
    """Check the bytes of each window, and count each undamaged window again, with one request.

    Of a database, the rows of each window are counted in place of bytes.

    Args:
        client: the client of the org.
        output: a path, or the address of an object store or a database.
        environment: what tests replace.

    Raises:
        OutputRefused: `output` is not a finished export, or it was made with another OAuth client, or by a version of
            everycall with other columns.
        EverycallError: whatever the client raises.
    """
    filesystem = environment.filesystem or SystemFilesystem()
    manifest = _manifest(output, filesystem)
    header = manifest.query
    check_client(header, name_of(output), client)
    query = Query(header.window, Filters(header.filters), header.match)
    destination = destination_of(header, output, environment.forms, filesystem)
    intervals = [entry.interval for entry in manifest.windows]
    intact = dict(zip(intervals, destination.intact(manifest), strict=True))
    changed = () if all(intact.values()) else tuple(destination.changed(manifest))
    executor = environment.executor or ThreadExecutor(IN_FLIGHT_DEFAULT)
    try:
        counted = [one.window for one in manifest.windows if intact[one.interval] and not one.is_forgotten]
        hits = _counts(client, query, counted, executor)
    finally:
        executor.close()
    findings = [
        Finding(entry.window, "forgotten", entry, None)
        if entry.is_forgotten and intact[entry.interval]
        else _finding(entry, hits.get(entry.interval))
        for entry in manifest.windows
    ]
    findings += [Finding(Interval.read(interval), "unread", None, None) for interval in manifest.unread]
    findings.sort(key=lambda finding: finding.window.start)
    return Verification(output, tuple(findings), query, manifest, changed)


def check_client(header: Header, name: str, client: Client) -> None:
    """Refuse an export of another OAuth client, which may see other conversations.

    Args:
        header: of the export.
        name: of the export, for the message.
        client: the present client.

    Raises:
        OutputRefused: it is another one's.
    """
    if header.client_id != client.credentials.client_id:
        raise OutputRefused(
            f"{name} was exported with the OAuth client {header.client_id}. The present client is another one, and may "
            "see other conversations.",
            hint="Set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET to that client, or export again with --fresh.",
        )


def repair(
    client: Client,
    found: Verification,
    *,
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    environment: Environment = Environment(),  # noqa: B008 - frozen
) -> Summary:
    """Export the windows again that do not hold, and replace the output in one step at the end.

    Windows that hold are taken over from the output, without a request. A window that an interrupted repair has read
    costs one request: it is counted again, and read again only if the count has changed. Where that repair had split a
    window and read a part of it, the rest is read too, even if the window as a whole holds by now.

    Args:
        client: the client of the org.
        found: the result of `verify`.
        options: as for `export`; the org and the query are those of the export.
        progress: receives the events of the repair.
        environment: what tests replace.

    Raises:
        OutputRefused: another process writes the output, an export of another interval is unfinished, or another
            version of everycall made the export.
        OutputFailed: the disk is full, for example; the same repair resumes from there.
        EverycallError: whatever an export raises.
    """
    header = found.manifest.query
    if header.format in WHOLE_FORMATS:
        raise OutputRefused(
            f"{found.output} can only be made as a whole: single windows of it cannot be replaced.",
            hint="Export again with --fresh.",
        )
    if header.everycall != VERSION:
        raise OutputRefused(
            f"{found.output} was exported by everycall {header.everycall}, and {VERSION} may write other rows.",
            hint="Export again with --fresh.",
        )
    _check_redaction(header, options)
    known_from = options.kept_from
    kept_from = kept_from_of(found.manifest, known_from)
    # The query has what jobs will only have hours later.
    options = replace(options, route="query", kept_from=kept_from, style=_style(header))
    setup = Setup.of(client, _table(header), options, progress, environment)
    try:
        destination = destination_of(header, found.output, environment.forms, setup.filesystem)
        ledger = environment.ledger([destination], header, is_repair=True, filesystem=setup.filesystem)
        try:
            _prepare(ledger, setup, found, destination)
        except BaseException:
            ledger.abandon()
            raise
        carried = Carried.of(found.manifest, known_from)
        return run(setup, found.query, ledger, [destination], carried=carried)
    except OSError as error:
        raise output_failed(error) from error
    finally:
        setup.executor.close()


def kept_from_of(manifest: Manifest, known: datetime | None = None) -> datetime | None:
    """When the retention begins for windows that are taken over: after the last one that was not kept when it was read.

    Args:
        manifest: of the export.
        known: when the org's retention begins now, if it counts.
    """
    ends = [Interval.read(window).end for window in manifest.not_kept]
    return max([*ends, *([known] if known else [])], default=None)


def destination_of(
    header: Header, output: Path | str, forms: Callable[..., FormMaker], filesystem: Filesystem
) -> Destination:
    """The destination of a finished export, by the header of its manifest."""
    maker = forms(_table(header).columns, filesystem, lambda: header.organization_id, _style(header))
    return destination(Target(header.format, str(output)), maker)


def _prepare(ledger: Ledger, setup: Setup, found: Verification, destination: Destination) -> None:
    """Record in the ledger all windows that need not be read again."""
    header = found.manifest.query
    if ledger.header.interval != header.interval:
        raise OutputRefused(
            f"There is an unfinished export of {ledger.header.interval} beside {found.name}.",
            hint="Run its command again to finish it, or remove the folder "
            f"{Path(found.output).name}{FOLDER_SUFFIX} with its finished windows.",
        )
    hits_now = {str(finding.window): finding.hits_now for finding in found.findings if finding.hits_now is not None}
    uncounted = [read.window for read in ledger.read.values() if read.interval not in hits_now]
    hits_now |= _counts(setup.client, found.query, uncounted, setup.executor)
    ledger.keep(lambda interval: hits_now[interval] == ledger.read[interval].hits_after)
    holding = {str(finding.window) for finding in found.findings if finding.state in HOLDING}
    gaps = without(header.window, [read.window for read in ledger.read.values()])
    for number, entry in enumerate(found.manifest.windows):
        window = entry.window
        if entry.interval in holding and any(gap.start <= window.start and window.end <= gap.end for gap in gaps):
            take_over(found.manifest, number, destination, ledger)


def name_of(output: Path | str) -> str:
    """An output as messages show it: a path, or an address without what does not say where it is."""
    is_database = isinstance(output, str) and is_elsewhere(output) and not is_url(output)
    return address.parse(str(output)).name if is_database else str(output)


def manifest_or_none(output: str) -> Manifest | None:
    """The manifest of what is at the place that `-o` names; None if nothing is there.

    Raises:
        OutputRefused: the manifest cannot be read.
        OutputFailed: the server of a database is away, for example.
    """
    place = target_of(output)
    if place.path is None:
        return manifest_at(output)
    path, filesystem = place.path, SystemFilesystem()
    is_there = filesystem.exists(path.with_name(path.name + MANIFEST_SUFFIX))
    return _manifest(path, filesystem) if is_there else None


def _manifest(output: Path | str, filesystem: Filesystem) -> Manifest:
    if isinstance(output, str) and is_elsewhere(output):
        return _manifest_elsewhere(output)
    output = Path(output)
    path = output.with_name(output.name + MANIFEST_SUFFIX) if output.name else output
    if not output.name or (filesystem.is_folder(output) and not filesystem.exists(path)):
        raise OutputRefused(f"{output} is a folder.", hint="Name a finished export: conversations.csv.")
    try:
        manifest = msgspec.json.decode(filesystem.read(path), type=Manifest)
    except OSError as error:
        raise OutputRefused(
            f"{output} has no manifest: {path} cannot be read ({error.strerror}).",
            hint="Only a finished export can be verified. An unfinished one resumes when its command is run again.",
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OutputRefused(
            f"{path} is not a manifest of everycall {VERSION}: {str(error).rstrip('.')}.",
            hint="Export again with --fresh.",
        ) from error
    check_interval(manifest.query, path)
    return manifest


def _manifest_elsewhere(output: str) -> Manifest:
    name = name_of(output)
    try:
        manifest = manifest_at(output)
    except msgspec.MsgspecError as error:
        raise OutputRefused(
            f"{name} has no manifest of everycall {VERSION}: {str(error).rstrip('.')}.",
            hint="Export again with --fresh.",
        ) from error
    if manifest is None:
        raise OutputRefused(
            f"{name} has no finished export{'' if is_url(output) else ' in its schema'}.",
            hint="Only a finished export can be verified. An unfinished one resumes when its command is run again.",
        )
    check_interval(manifest.query, Path(name))
    return manifest


def _table(header: Header) -> FlatTable:
    """The columns of flat rows; those of the default view where the output has no flat rows."""
    if header.format not in FORMATS:
        raise OutputRefused(
            f"The export has the format {header.format!r}, which everycall {VERSION} cannot verify.",
            hint="Export again with --fresh.",
        )
    try:
        return flat_table(only=header.columns)
    except QueryError as error:
        raise OutputRefused(
            f"The export was made by everycall {header.everycall}, which had other columns: {error}",
            hint="Export again with --fresh.",
        ) from error


def _check_redaction(header: Header, options: Options) -> None:
    """Refuse a repair that would mix rows with and without personal data, or hashes of two keys."""
    redaction = options.redaction
    now = (redaction.fields, redaction.fingerprint) if redaction else ((), "")
    if now != (header.redacted, header.redaction_key):
        fields = ",".join(header.redacted) or "nothing"
        raise OutputRefused(
            f"The export is redacted ({fields}) by the key {header.redaction_key or '(none)'}, and a repair has to "
            "use the same.",
            hint=f"Set {KEY_VARIABLE} to that key, or export again with --fresh.",
        )


def _style(header: Header) -> Style:
    """How the values of the export look."""
    times: Times = "local" if header.local_times else "utc"
    return Style(times, header.local_times or "UTC", header.defuse_formulas)


def _counts(client: Client, query: Query, windows: Sequence[Interval], executor: Executor) -> dict[str, int]:
    """Request the present count of each window; the counts by interval."""
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


def take_over(
    manifest: Manifest, number: int, destination: Destination, ledger: Ledger, *, is_of_this_run: bool = False
) -> None:
    """Record a window that holds as finished; its rows are durable before the ledger has it.

    Args:
        manifest: that of the destination.
        number: the position of the window in it.
        destination: has its rows.
        ledger: gets its lines.
        is_of_this_run: whether this run has read it, so that what it removed counts.
    """
    window = manifest.windows[number].window
    written = destination.take_over(manifest, number, lambda form: ledger.path(window, form.suffix))
    read, loaded = manifest.windows[number].lines(destination.forms[0].name)
    ledger.commit_read(read if is_of_this_run else msgspec.structs.replace(read, removed=()))
    ledger.commit_loaded(msgspec.structs.replace(loaded, written=written, taken_over=True))
