"""Exports a query: from a client, a query and an output to the written output, its manifest and a summary.

    query -> windows -> acquisition (pages -> parts, proven) -> load (parts -> rows) -> ledger -> output and manifest

`export` opens the ledger of an output, `Run` reads and loads the missing windows, and the ledger assembles the output.
A repair is the same run on a ledger in which the windows that still hold are already done.
"""

import errno
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from everycall import memory
from everycall.acquire.acquisition import Acquisition, Settled
from everycall.acquire.part import DamagedPart
from everycall.acquire.proof import ID_BYTES, id_bytes
from everycall.acquire.route import Route, WindowReading
from everycall.acquire.settling import contains
from everycall.acquire.windows import is_provisional, windows, without
from everycall.api import names as look_ups
from everycall.api.names import Found, Kind, Unavailable
from everycall.api.query import Interval, Query
from everycall.api.retention import RETENTION_MIN
from everycall.client import Client, Counts
from everycall.errors import OutputError, OutputFailed, QueryError
from everycall.instants import DAY, text
from everycall.ledger import DISK_FULL
from everycall.load.load import Loaded, Task
from everycall.load.names import NameSource
from everycall.load.redacted import redacted
from everycall.manifest import (
    Entry,
    Header,
    Manifest,
    Output,
    Stray,
    Verdict,
    WindowLoaded,
    WindowPatched,
    WindowRead,
    plain,
)
from everycall.printable import printable, without_queries
from everycall.progress import Noticed, PageRead, Progress, Started, WindowClosed
from everycall.setup import Environment, Options, Setup
from everycall.sinks.interface import Destination, Form
from everycall.sinks.targets import DAYS, check_different, destination, target_of
from everycall.store import Store
from everycall.stream import Stream
from everycall.tables.flat import flat_table
from everycall.tables.typed import View
from everycall.version import VERSION

ATTRIBUTES_SHOWN = 5
"""Names of attributes that are shown where none is near."""

NOTICES_MAX = 20
"""Oddities that are reported while the export runs; the manifest counts all of them."""

GIVEN_BACK_AFTER = 100
"""Pages after which free memory is given back. That takes no CPU that could be measured."""

NOT_KEPT = "it begins before the org's retention"

KEPT_TWICE = (
    "has conversations that the API has elsewhere by now. It is not read again, since the org may no longer keep all "
    "of it: they are in the output twice. --fresh has them once, without what the org no longer keeps."
)

RESUMES = (
    "Continuing an unfinished export of {}, with that interval. "
    "Use --fresh to start over with the interval of this command."
)


@dataclass(frozen=True, slots=True)
class Summary:
    """How an export ended."""

    verdict: Verdict
    rows: int
    entries: tuple[Entry, ...]
    """Every window that was read, in order of time."""
    unread: tuple[Interval, ...]
    """Windows that `max_pages` left unread."""
    resumed_windows: int
    """How many of the entries an earlier run had finished."""
    counts: Counts
    """The requests of this run."""
    pages: int
    """Pages received in this run."""
    started_at: datetime
    finished_at: datetime
    interval: Interval
    outputs: tuple[str, ...]
    """The names of the outputs; none if the rows went to a stream."""
    manifest: Mapping[str, Any]
    """The manifest of the first output, as plain data for `json.dumps`, except for the lists of open conversations,
    which only the file has."""

    @property
    def output(self) -> Path | None:
        """The path of the first output; None if the rows went to a stream."""
        return Path(self.outputs[0]) if self.outputs else None

    @property
    def unproven(self) -> tuple[Entry, ...]:
        """The windows that were read and are not proven."""
        return tuple(entry for entry in self.entries if entry.verdict != "proven")


def export(
    client: Client,
    query: Query,
    output: Path | str | BinaryIO | Sequence[Path | str],
    *,
    view: View = "default",
    columns: Sequence[str] = (),
    format: str | None = None,  # noqa: A002 - the name of the option
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    environment: Environment = Environment(),  # noqa: B008 - frozen
) -> Summary:
    """Export the conversations of a query, each once, and prove that none is missing.

    Rows are in the order of their windows, and within a window by start and id. After an interruption, the same call
    continues with the windows that are not finished yet. A file appears in one step at the end, together with
    `OUTPUT.manifest.json`.

    Args:
        client: the client of the org.
        query: which conversations. Its interval ends a minute ago at the latest.
        output: one output or several, each as `-o` takes it: the ending of a path names the format, or `FORMAT:PATH`
            does. Or a binary stream, which gets only the conversations and cannot be resumed.
        view: "default" or "extended".
        columns: these columns, in this order, instead of a view.
        format: the format of all outputs, whatever their endings are; of a stream, "csv" if it is left out.
        options: how to export.
        progress: receives the events of the export.
        environment: what tests replace.

    Returns:
        The verdict and the numbers. `summary.verdict` is "proven" only if every window is.

    Raises:
        SettingsError: the ending of an output belongs to no format.
        OutputRefused: an output cannot be written, or contains another export.
        OutputFailed: writing failed during the export; the same call continues from there.
        QueryError: the whole interval is in the future, or `options.asked` names another one.
        EverycallError: whatever the client and the query raise.
    """
    asked = options.asked if options.asked is not None else {"interval": str(query.interval)}
    options = replace(options, asked=asked)
    setup = Setup.of(client, flat_table(view, columns), options, progress, environment)
    query = replace(query, interval=query.interval.until_now(setup.started_at))
    if isinstance(output, str | Path):
        output = (output,)
    if not isinstance(output, Sequence):
        return _to_stream(setup, query, output, format or "csv")
    targets = [target_of(one, format) for one in output]
    check_different(targets)
    if any(target.format in DAYS for target in targets):
        setup = replace(setup, options=replace(options, by_day=True))
    destinations = [destination(target, setup.maker, is_fresh=options.fresh) for target in targets]
    header = header_of(setup, query, destinations)
    _check_asked(header)
    try:
        store = environment.ledger(destinations, header, fresh=options.fresh, filesystem=setup.filesystem)
    except OSError as error:
        raise output_failed(error) from error
    return run(setup, query, store, destinations)


def _to_stream(setup: Setup, query: Query, output: BinaryIO, format_: str) -> Summary:
    sink = setup.maker.file(format_)
    header = header_of(setup, query)
    _check_asked(header)
    try:
        store = Stream(output, sink, msgspec.structs.replace(header, format=format_), filesystem=setup.filesystem)
    except OSError as error:
        raise output_failed(error, is_stream=True) from error
    return run(setup, query, store, (), [sink])


def header_of(setup: Setup, query: Query, destinations: Sequence[Destination] = ()) -> Header:
    """The header of the ledger: an export is resumed only with the same header."""
    options, credentials = setup.options, setup.client.credentials
    # The folder of the ledger names the output, unless there are several, or none has a folder here.
    is_named = len(destinations) > 1 or any(one.path is None for one in destinations)
    return Header(
        everycall=VERSION,
        source=options.source or credentials.env,
        client_id=credentials.client_id,
        interval=str(query.interval),
        begun_at=text(setup.started_at),
        asked=dict(options.asked or {}),
        filters=dict(query.filters.lists),
        match=query.match,
        format=destinations[0].format if destinations else "csv",
        columns=tuple(column.name for column in setup.table.columns),
        local_times=options.style.timezone if options.style.times == "local" else "",
        defuse_formulas=options.style.defuse_formulas,
        redacted=options.redaction.fields if options.redaction else (),
        redaction_key=options.redaction.fingerprint if options.redaction else "",
        outputs=tuple(one.name for one in destinations) if is_named else (),
    )


def _check_asked(header: Header) -> None:
    named = header.named_instead
    if named is not None:
        raise QueryError(
            f"The interval is {header.interval}, but the terms in `asked` name {named}.",
            hint="Pass the terms from which the interval was made, or none.",
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """What the manifest of a destination has beside its windows, for a run that replaces only some of them."""

    swept_until: str | None = None
    """See `Manifest.swept_until`."""
    forgotten: frozenset[bytes] = frozenset()
    """Ids, in 16 bytes each, of conversations that were taken out and must not come back."""
    forgotten_windows: tuple[Interval, ...] = ()
    """Windows whose conversations were all taken out."""
    had: Callable[[Interval], frozenset[bytes]] | None = None
    """Gives the ids, in 16 bytes each, of the conversations that the destination had in a window; None if what is gone
    is not counted."""
    kept_from: datetime | None = None
    """When the org's retention begins, if that is known; see `Run._is_fixed`."""

    @classmethod
    def of(cls, manifest: Manifest, kept_from: datetime | None = None) -> "Carried":
        """What a destination has."""
        ids = (id_ for entry in manifest.windows for id_ in entry.forgotten)
        windows = tuple(entry.window for entry in manifest.windows if entry.is_forgotten)
        return cls(manifest.swept_until, frozenset(map(bytes.fromhex, ids)), windows, kept_from=kept_from)

    def is_forgotten(self, window: Interval) -> bool:
        """Whether all conversations of the window were taken out."""
        return any(one.start <= window.start and window.end <= one.end for one in self.forgotten_windows)


def run(
    setup: Setup,
    query: Query,
    store: Store,
    destinations: Sequence[Destination],
    forms: Sequence[Form] = (),
    carried: Carried = Carried(),
) -> Summary:
    """Read and load the windows that are missing in the store, and publish the outputs.

    Args:
        setup: what it runs on.
        query: which conversations.
        store: the ledger of the destinations, or a stream.
        destinations: none if the store is a stream.
        forms: the form of a stream; otherwise the destinations name theirs.
        carried: what goes on where only some windows of a destination are replaced.

    Raises:
        OutputFailed, EverycallError: as `export`. Finished windows are kept, unless the output is a stream.
    """
    is_resumed = query.interval != store.header.window
    query = replace(query, interval=store.header.window)
    resumed = len(store.loaded)
    forms = forms or tuple({form.name: form for one in destinations for form in one.forms}.values())
    try:
        this = Run(setup, query, store, setup.route(query, store.path), forms, carried)
    except BaseException:
        store.abandon()
        setup.executor.close()
        raise
    try:
        try:
            this.run(RESUMES.format(query.interval) if is_resumed else "")
        finally:
            this.leave()
        manifest = store.finish(this.manifest)
    except BaseException as error:
        this.discard()
        store.abandon()
        if isinstance(error, OSError):
            raise output_failed(error, is_stream=not destinations) from error
        raise
    finally:
        this.close()
    return Summary(
        verdict=manifest.verdict,
        rows=manifest.rows,
        entries=manifest.windows,
        unread=tuple(this.unread),
        resumed_windows=resumed,
        counts=setup.client.counts(),
        pages=this.pages,
        started_at=setup.started_at,
        finished_at=setup.client.clock.utc(),
        interval=query.interval,
        outputs=tuple(one.name for one in destinations),
        manifest=plain(manifest),
    )


class Run:
    """One run: acquires the windows that are not done, and loads each settled part."""

    def __init__(
        self,
        setup: Setup,
        query: Query,
        store: Store,
        route: Route[WindowReading],
        forms: Sequence[Form],
        carried: Carried,
    ) -> None:
        """Prepare a run that loads windows into these forms; no request is sent yet."""
        self._setup, self._query, self._store, self._carried = setup, query, store, carried
        self._progress = setup.progress
        redactor = setup.redactor
        self._names = NameSource(redacted(self._ask_names, redactor) if redactor else self._ask_names)
        self._loader = setup.loader(forms)
        self._to_load: deque[WindowRead] = deque()
        self._loading = 0
        self._noticed: set[str] = set()
        self._attributes: set[str] = set()
        self._was_begun = bool(store.loaded)
        self._damaged: set[str] = set()
        """Windows whose part turned out to be damaged when it was loaded."""
        done = [read.window for read in store.read.values()]
        self._rows = sum(read.owned for read in store.read.values())
        self._pages = 0
        self._covered = sum((window.length for window in done), timedelta())
        self._acquisition = Acquisition(
            setup.client,
            query,
            route,
            setup.executor,
            store,
            setup.filesystem,
            todo=self._todo(done),
            done={read.window: datetime.fromisoformat(read.counted_at) for read in store.read.values()},
            strays={read.window: [stray.conversation_id for stray in read.strays] for read in store.read.values()},
            on_page=self._count_page,
            on_settled=self._commit,
            is_fixed=self._is_fixed,
            max_pages=setup.options.max_pages,
            part=setup.environment.part,
        )

    def _todo(self, done: list[Interval]) -> list[Interval]:
        """The windows that are not read yet."""
        queries = (replace(self._query, interval=gap) for gap in without(self._query.interval, done))
        now, span_max = self._setup.started_at, DAY if self._setup.options.by_day else None
        return [window for query in queries for window in windows(query, now, span_max)]

    @property
    def unread(self) -> list[Interval]:
        """Windows that `max_pages` left unread."""
        return self._acquisition.unread

    @property
    def pages(self) -> int:
        """Pages received in this run."""
        return self._acquisition.pages

    def run(self, notice: str = "") -> None:
        """Acquire and load all windows that are not done yet.

        Args:
            notice: a note to report at the beginning.

        Raises:
            EverycallError: whatever the client, the exchanges and the sink raise. Committed windows are kept.
        """
        self._loader.start()  # before there are threads
        self._progress.report(Started(self._query.interval, self._covered, self._rows))
        if notice:
            self._progress.report(Noticed(notice))
        for read in sorted(self._store.read.values(), key=lambda read: read.interval):
            if read.interval not in self._store.loaded:
                self._load(read)
        while self._acquisition.step():
            pass
        for window in sorted(self._acquisition.kept_twice, key=lambda one: one.start):
            self._progress.report(Noticed(f"{window} {KEPT_TWICE}"))
        if not self._was_begun:  # or a window that an earlier run has loaded may have them
            self._notice_attributes()

    def _notice_attributes(self) -> None:
        """Report the attributes that no conversation has, with near ones."""
        for name in self._setup.table.attributes:
            if name not in self._attributes:
                near = get_close_matches(name, self._attributes, n=3) or sorted(self._attributes)[:ATTRIBUTES_SHOWN]
                there = f"; there are {', '.join(map(repr, near))}" if near else ""
                self._progress.report(Noticed(printable(f"No conversation has the attribute {name!r}{there}.")))

    def leave(self) -> None:
        """Ask the API to end what it still does for this run."""
        self._acquisition.leave()

    def discard(self) -> None:
        """Remove the files of the windows that are being read."""
        self._acquisition.discard()

    def close(self) -> None:
        """End the threads and the worker processes."""
        self._setup.executor.close()
        self._loader.close()

    def manifest(self, header: Header, form: str, size_bytes: int, sha256: str) -> Manifest:
        """The manifest for an output with this header, of that size and checksum."""
        store = self._store
        moved = self._moved()
        entries = [
            Entry.of(_without_moved(store.read[interval], moved), loaded, form)
            for interval, loaded in sorted(store.loaded.items())
        ]
        found = Manifest.of(
            header,
            entries,
            unread=self.unread,
            not_kept=[entry.window for entry in entries if not self._is_kept(entry.window)],
            started_at=text(self._setup.started_at),
            finished_at=text(self._setup.client.clock.utc()),
            output=Output(format=header.format, size_bytes=size_bytes, sha256=sha256),
        )
        return msgspec.structs.replace(found, swept_until=self._carried.swept_until)

    def _moved(self) -> frozenset[str]:
        """Of the conversations that no longer came in a window, those that another one has now, in hex."""
        gone = {id_ for read in self._store.read.values() for id_ in read.removed}
        if not gone:
            return frozenset()
        lists = [ids for read in self._store.read.values() if (ids := self._store.ids(read.window))]
        return frozenset(id_ for id_ in gone if any(contains(ids, bytes.fromhex(id_)) for ids in lists))

    def _is_kept(self, window: Interval) -> bool:
        kept_from = self._setup.options.kept_from
        return kept_from is None or window.start >= kept_from

    def _is_fixed(self, window: Interval) -> bool:
        """Whether the destination is to keep a window as it is: the org may have deleted conversations of it."""
        since = self._carried.kept_from or self._setup.started_at - RETENTION_MIN
        return self._carried.is_forgotten(window) or not self._is_kept(window) or window.start < since

    # Acquired

    def _count_page(self, owned: int) -> None:
        self._rows += owned
        self._pages += 1
        if self._pages % GIVEN_BACK_AFTER == 0:
            memory.give_back()
        self._progress.report(PageRead(self._rows, self._covered + self._acquisition.covered))

    def _commit(self, settled: Settled) -> None:
        """Record that the window is read, and load it."""
        read = self._with_removed(self._without_forgotten(self._line(settled))).redacted(self._setup.client.redact)
        if self._setup.options.redaction is not None:
            read = read.without_values()
        self._store.commit_read(read)
        self._covered += settled.window.length
        self._load(read)

    def _line(self, settled: Settled) -> WindowRead:
        verdict = settled.verdict
        return WindowRead(
            interval=str(settled.window),
            route=settled.route,
            verdict="proven" if verdict.proven else "unproven",
            reason=verdict.reason,
            hits_before=verdict.hits_before,
            hits_after=verdict.hits_after,
            unique_ids=verdict.unique_ids,
            owned=settled.owned,
            carried_in=verdict.unique_ids - settled.owned,
            strays=tuple(
                Stray(conversation_id=stray.conversation_id, start=stray.start, reason=stray.reason)
                for stray in settled.strays
            ),
            unreadable=settled.unreadable,
            late=settled.late,
            open=len(settled.open_ids),
            open_conversations=settled.open_ids,
            re_reads=verdict.passes - 1,
            provisional=is_provisional(settled.window, self._setup.client.clock.utc()),
            counted_at=text(settled.counted_at),
            correlation_ids=verdict.correlation_ids,
            left_out=tuple(sorted(id_.hex() for id_ in settled.left_out)),
            part_sha256=settled.part.checksum,
        )

    def _without_forgotten(self, read: WindowRead) -> WindowRead:
        """The line, where conversations that were taken out of the destination do not come back."""
        if self._carried.is_forgotten(read.window):
            return msgspec.structs.replace(read, is_forgotten=True, open=0, open_conversations=(), strays=())
        ids = (self._store.ids(read.window) or b"") if self._carried.forgotten else b""
        gone = {id_ for id_ in self._carried.forgotten if contains(ids, id_)}
        if not gone:
            return read
        still_open = tuple(one for one in read.open_conversations if id_bytes(one) not in gone)
        return msgspec.structs.replace(
            read,
            forgotten=tuple(sorted(id_.hex() for id_ in gone)),
            open=len(still_open),
            open_conversations=still_open,
            strays=tuple(one for one in read.strays if id_bytes(one.conversation_id) not in gone),
        )

    def _with_removed(self, read: WindowRead) -> WindowRead:
        """The line with the conversations that the destination had, and that no longer came."""
        if self._carried.had is None or read.is_forgotten:
            return read
        ids = self._store.ids(read.window) or b""
        gone = self._carried.had(read.window) - {ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)}
        return msgspec.structs.replace(read, removed=tuple(sorted(id_.hex() for id_ in gone)))

    # Loaded

    def _load(self, read: WindowRead) -> None:
        self._to_load.append(read)
        self._start_loading()

    def _start_loading(self) -> None:
        while self._to_load and self._loading < self._loader.at_once:
            read = self._to_load.popleft()
            self._loading += 1
            self._setup.executor.submit(partial(self._loaded, self._task(read)), partial(self._take, read))

    def _task(self, read: WindowRead) -> Task:
        part, stem = (self._store.path(read.window, suffix) for suffix in (".part", ""))
        left_out = read.without
        if read.is_forgotten:
            ids = self._store.ids(read.window) or b""
            left_out |= {ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)}
        return Task(read.window, part, read.part_sha256, read.kept_strays, left_out, stem)

    def _loaded(self, task: Task) -> Loaded | DamagedPart:
        try:
            return self._loader.load(task, self._names)
        except DamagedPart as damaged:
            return damaged

    def _take(self, read: WindowRead, loaded: Loaded | DamagedPart) -> None:
        """Commit a loaded window; read it again if its part is damaged."""
        self._loading -= 1
        if isinstance(loaded, DamagedPart):
            if read.interval in self._damaged:
                raise OutputFailed(
                    f"{loaded}, for the second time.", hint="The disk may be failing: choose another one with -o."
                )
            self._damaged.add(read.interval)
            self._progress.report(Noticed(f"{loaded}; the window is read again"))
            self._covered -= read.window.length
            self._rows -= read.owned
            self._acquisition.read_again([read.window])
        else:
            line = loaded.line(read).redacted(self._setup.client.redact)
            self._notice(read, line)
            line = read.loaded(line) if isinstance(read, WindowPatched) else line
            self._store.commit_loaded(line)
            self._attributes |= loaded.attributes
            is_proven = read.verdict == "proven" and self._is_kept(read.window)
            reason = read.reason or ("" if is_proven else NOT_KEPT)
            self._progress.report(WindowClosed(read.window, line.rows, is_proven, reason))
        self._start_loading()

    def _notice(self, read: WindowRead, loaded: WindowLoaded) -> None:
        """Report the first oddity of each kind and field, and each kind of names that cannot be looked up."""
        notices = {
            f"{oddity.kind}: {oddity.field}": str(oddity) for oddity in (*read.unreadable, *loaded.oddity_examples)
        }
        for kind, reason in loaded.names_unavailable.items():
            noun = look_ups.SINGULAR[kind]
            notices[kind] = f"The names of {noun}s cannot be looked up ({reason}); their ids are used."
        for name, message in notices.items():
            if name not in self._noticed and len(self._noticed) < NOTICES_MAX:
                self._noticed.add(name)
                self._progress.report(Noticed(message))

    def _ask_names(self, kind: Kind, ids: Sequence[str]) -> Found | Unavailable:
        client = self._setup.client
        return client.play(look_ups.look_up(kind, ids)).redacted(client.redact).as_of(text(client.clock.utc()))


def _without_moved(read: WindowRead, moved: frozenset[str]) -> WindowRead:
    """The line without the removed conversations that are only in another window now."""
    if moved.isdisjoint(read.removed):
        return read
    return msgspec.structs.replace(read, removed=tuple(id_ for id_ in read.removed if id_ not in moved))


def output_failed(error: OSError, *, is_stream: bool = False) -> OutputError:
    """The error that reports an error of the filesystem to the user."""
    if isinstance(error, BrokenPipeError):
        return OutputFailed("The program that read the output ended before the export did.")
    where = f" ({error.filename})" if error.filename else ""
    reason = DISK_FULL.get(error.errno or 0) or f"Writing failed: {error.strerror or without_queries(str(error))}"
    steps = {**dict.fromkeys(DISK_FULL, "Make room"), errno.EFBIG: "Raise the limit (ulimit -f)"}
    first = steps.get(error.errno or 0, "Correct that")
    follows = "an export to a stream starts over" if is_stream else "it resumes from here"
    return OutputFailed(f"{reason}{where}.", hint=f"{first}, and run the same command: {follows}.")
