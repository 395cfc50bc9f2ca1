"""Makes outputs from an archive of JSON lines, without asking the API.

    OUT.jsonl with its manifest -> windows with their verdicts -> load -> outputs with the verdict of the archive
    other JSON lines            -> in order, without repetitions, in whole days -> load -> the verdict is `unknown`

Names come from `OUT.names.jsonl` beside the archive. A conversion that is interrupted starts over: it asks nobody, and
takes seconds where an export takes minutes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import msgspec

from everycall.acquire.part import DamagedPart, Part
from everycall.api.interval import Interval
from everycall.api.names import PATHS, SINGULAR, Entity, Found, Kind, Unavailable
from everycall.errors import OutputFailed, OutputRefused, ServiceFailed, SettingsError
from everycall.executor import Executor, ThreadExecutor
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.instants import DAY, EPOCH, MILLISECOND, start_of_day, text
from everycall.ledger import DISK_FULL, Ledger
from everycall.load.archive import LOADED_BYTES, ArchivePiece, ArchiveTask, BadLine, SectionTask, Spooled, spool
from everycall.load.load import Loaded, Loader, Task
from everycall.load.names import AskNames, NameSource
from everycall.load.redacted import redacted
from everycall.load.unpacking import PIECE_BYTES, LineTooLong, compression_of
from everycall.load.workers import Work, Workers
from everycall.manifest import (
    Entry,
    Header,
    Manifest,
    Output,
    Verdict,
    WindowRead,
    check_version,
    plain,
)  # fmt: skip
from everycall.privacy import Redaction, Redactor
from everycall.progress import Noticed, Progress, Silent, WindowClosed
from everycall.sinks.files import MANIFEST_SUFFIX, NAMES_SUFFIX
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Destination, Form
from everycall.sinks.names_form import Name, NamesForm
from everycall.sinks.style import PLAIN, Style
from everycall.sinks.targets import DAYS, check_different, destination, target_of
from everycall.sinks.window_files import WindowFiles
from everycall.store import Store
from everycall.stream import Stream
from everycall.tables.flat import FlatTable, flat_table
from everycall.tables.reference import KINDS
from everycall.version import VERSION

T = TypeVar("T")

SECTION = 5_000
"""Conversations of an archive without manifest that are loaded together, at least: whole days of them."""

NO_MANIFEST = "the archive has no manifest: nobody has counted"

NOTICES_MAX = 20


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """How to convert."""

    fresh: bool = False
    """Replace the outputs, whatever they contain."""
    workers: int = 0
    """Processes that load windows; 0 loads them in this process."""
    file_mode: int = 0o600
    """Permissions of new files. A replaced file keeps its own."""
    style: Style = PLAIN
    """How values look in flat rows."""
    redaction: Redaction | None = None
    """Which personal data every output is without."""
    organization_id: str = ""
    """The id of the org, which every row of tables has; by default that of the archive's manifest, if it has one."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ConvertEnvironment:
    """What a conversion runs on. Tests replace these parts."""

    executor: Executor | None = None
    filesystem: Filesystem | None = None
    now: Callable[[], datetime] = _now
    piece_bytes: int = LOADED_BYTES
    """How much of an archive is loaded by itself."""


@dataclass(frozen=True, slots=True)
class Converted:
    """How a conversion ended."""

    verdict: Verdict
    """That of the archive's manifest; "unknown" without one."""
    rows: int
    bad: tuple[BadLine, ...]
    """The first lines that are no conversations; the outputs are without them."""
    bad_count: int
    repeated: int
    """Lines that are not in the outputs, since a later line has the same conversation."""
    fits_manifest: bool
    """Whether the archive is as its manifest says; true if it has none."""
    outputs: tuple[str, ...]
    """The names of the outputs; none if the rows went to a stream."""
    interval: Interval | None
    """None where neither a manifest nor a conversation has one."""
    started_at: datetime
    finished_at: datetime
    manifest: Mapping[str, Any]
    """The manifest of the first output, as plain data."""

    @property
    def is_complete(self) -> bool:
        """Whether the outputs have every conversation of the archive, which was not found to be incomplete itself."""
        return self.verdict != "unproven" and not self.bad_count and self.fits_manifest


def convert(
    archive: Path | BinaryIO,
    output: Path | str | BinaryIO | Sequence[Path | str],
    *,
    view: str = "default",
    columns: Sequence[str] = (),
    format: str | None = None,  # noqa: A002 - the name of the option
    options: ConvertOptions = ConvertOptions(),
    progress: Progress | None = None,
    environment: ConvertEnvironment = ConvertEnvironment(),
) -> Converted:
    """Make outputs from an archive, as an export of the same conversations would make them.

    Args:
        archive: JSON lines, one conversation each, plain, gzipped or compressed by zstd: a path or a binary stream.
            With its manifest beside it, verdict and windows are those of the manifest. Otherwise the conversations
            are put in order of start and id, and the last line of each conversation counts.
        output: as for `export`.
        view: "default" or "extended".
        columns: these columns, in this order, instead of a view.
        format: the format of all outputs, whatever their endings are; of a stream, "csv" if it is left out.
        options: how to convert.
        progress: receives notes, and each window that is done.
        environment: what tests replace.

    Raises:
        SettingsError: the archive cannot be read, or the ending of an output belongs to no format.
        OutputRefused: an output cannot be written, or contains another export.
        OutputFailed: writing failed; the same call starts over.
        QueryError: the view or a column does not exist.
    """
    filesystem = environment.filesystem or SystemFilesystem(options.file_mode)
    table = flat_table(view, columns)
    organization_id = partial(_organization_id, options, archive, filesystem)
    maker = FormMaker(table.columns, filesystem, organization_id, options.style)
    place = _Place(output, format, maker, archive if isinstance(archive, Path) else None, is_fresh=options.fresh)
    run = _Conversion(archive, place, table, options, progress or Silent(), environment, filesystem)
    try:
        return run.run()
    except OSError as error:
        raise _failed(error) from error
    finally:
        run.close()


def _organization_id(options: ConvertOptions, archive: Path | BinaryIO, filesystem: Filesystem) -> str:
    """The id of the org as the caller gives it, or else by the archive's manifest; empty if that does not say."""
    if options.organization_id or not isinstance(archive, Path):
        return options.organization_id
    try:
        body = filesystem.read(archive.with_name(archive.name + MANIFEST_SUFFIX))
        return msgspec.json.decode(body, type=_Described).query.organization_id
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return ""


class _Asked(msgspec.Struct, rename="camel"):
    organization_id: str = ""


class _Described(msgspec.Struct):
    """The part of a manifest with the org."""

    query: _Asked


class _Place:
    """The outputs: a stream, or destinations with their ledger."""

    def __init__(
        self,
        output: Path | str | BinaryIO | Sequence[Path | str],
        format_: str | None,
        maker: FormMaker,
        archive: Path | None,
        *,
        is_fresh: bool,
    ) -> None:
        self.stream: BinaryIO | None = None
        self.destinations: list[Destination] = []
        self._maker = maker
        if isinstance(output, str | Path):
            output = (output,)
        if not isinstance(output, Sequence):
            self.stream, self.format = output, format_ or "csv"
            self.sink = maker.file(self.format)
            self.forms: tuple[Form, ...] = (self.sink,)
            return
        targets = [target_of(one, format_) for one in output]
        check_different(targets)
        for target in targets:
            if archive is not None and target.path is not None and target.path.absolute() == archive.absolute():
                raise OutputRefused(f"{archive} is the archive itself.", hint="Choose another output with -o.")
            if target.format in DAYS:
                raise OutputRefused(
                    f"{target.format} has a file for each day, and an archive has other windows.",
                    hint="Export it from the org, or choose another output.",
                )
        self.destinations = [destination(target, maker, is_fresh=is_fresh) for target in targets]
        self.format = self.destinations[0].format
        self.forms = tuple({form.name: form for one in self.destinations for form in one.forms}.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.destinations)

    def store(self, header: Header, *, fresh: bool) -> Store:
        """Open what keeps the windows until the outputs are published."""
        header = msgspec.structs.replace(
            header,
            everycall=VERSION,
            format=self.format,
            columns=tuple(column.name for column in self._maker.columns),
            local_times=self._maker.style.timezone if self._maker.style.times == "local" else "",
            defuse_formulas=self._maker.style.defuse_formulas,
            outputs=self.names if len(self.destinations) > 1 else (),
        )
        if self.stream is not None:
            return Stream(self.stream, self.sink, header, filesystem=self._maker.filesystem)
        ledger = Ledger(self.destinations, header, fresh=fresh, filesystem=self._maker.filesystem)
        if ledger.read:
            ledger.abandon()
            raise OutputRefused(
                f"There is an unfinished export beside {self.names[0]}.",
                hint="Run its command again to finish it, choose another output with -o, or use --fresh to replace it.",
            )
        return ledger


class _Conversion:
    """One conversion."""

    def __init__(
        self,
        archive: Path | BinaryIO,
        place: _Place,
        table: FlatTable,
        options: ConvertOptions,
        progress: Progress,
        environment: ConvertEnvironment,
        filesystem: Filesystem,
    ) -> None:
        self._archive, self._place, self._options, self._progress = archive, place, options, progress
        self._now, self._filesystem = environment.now, filesystem
        self._piece_bytes = environment.piece_bytes
        self._started_at = environment.now()
        self._noticed: set[str] = set()
        self._table = table
        self._executor = environment.executor
        self._loader: Loader | Workers = Loader(table, place.forms, filesystem)
        self._redaction = options.redaction
        """What is still to be redacted: nothing where the archive is redacted already."""
        self._is_redacted: tuple[tuple[str, ...], str] = ((), "")
        """The fields that are replaced in the outputs, and the fingerprint of the key."""

    def close(self) -> None:
        """End the threads and the worker processes."""
        if self._executor is not None:
            self._executor.close()
        self._loader.close()

    def _prepare(self, before: Header | None) -> None:
        """Make what loads windows, once it is known whether the archive is redacted already.

        Raises:
            SettingsError: it is, in another way.
        """
        wanted = (self._redaction.fields, self._redaction.fingerprint) if self._redaction else ((), "")
        already = (before.redacted, before.redaction_key) if before is not None else ((), "")
        if any(already):
            if self._redaction is not None and wanted != already:
                raise SettingsError(
                    f"The archive is redacted already: {', '.join(already[0])}, by the key {already[1]}.",
                    hint="Leave out --redact, or convert an archive that is not redacted.",
                )
            self._redaction = None
        self._is_redacted = already if any(already) else wanted
        options, forms = self._options, self._place.forms
        if options.workers:
            columns = tuple(column.name for column in self._table.columns)
            names = tuple(form.name for form in forms)
            org = _organization_id(options, self._archive, self._filesystem)
            work = Work(columns, names, options.file_mode, org, options.style, self._redaction, is_durable=False)
            self._loader = Workers(work, options.workers)
        else:
            redactor = Redactor(self._redaction) if self._redaction else None
            self._loader = Loader(self._table, forms, self._filesystem, redactor)
        # One more than workers, for what is done here meanwhile: checksums.
        self._executor = self._executor or ThreadExecutor(self._loader.at_once + bool(options.workers))

    def run(self) -> Converted:
        """Convert by the manifest where the archive has one and is as it says; otherwise without."""
        manifest = self._manifest()
        self._prepare(manifest.query if manifest else None)
        if manifest is None or not isinstance(self._archive, Path):
            return self._without_manifest()
        try:
            return self._by_manifest(manifest, self._archive)
        except DamagedPart as damaged:
            if self._place.stream is not None:
                raise OutputFailed(
                    f"{damaged}. Some rows may be written already.",
                    hint="Convert it to a file, or move its manifest away to convert it without a verdict.",
                ) from damaged
            self._notice(f"{damaged}. It is read without its manifest, so the verdict is unknown.")
        return self._without_manifest(fits_manifest=False)

    # With a manifest

    def _manifest(self) -> Manifest | None:
        """The archive's manifest; None if it has none that can be used."""
        if not isinstance(self._archive, Path):
            return None
        path = self._archive.with_name(self._archive.name + MANIFEST_SUFFIX)
        try:
            body = self._filesystem.read(path)
            check_version(body, f"{self._archive} was exported")
            manifest = msgspec.json.decode(body, type=Manifest)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._notice(f"{path} is not used: {getattr(error, 'strerror', None) or error}.")
            return None
        if not manifest.query.format.startswith("jsonl"):
            self._notice(f"{path} is not used: it describes a {manifest.query.format} file.")
            return None
        return manifest

    def _by_manifest(self, manifest: Manifest, archive: Path) -> Converted:
        size = _readable(archive, self._filesystem)
        if size != manifest.output.size_bytes:
            raise DamagedPart(f"{archive} was changed: it has {size:,} bytes, its manifest says otherwise")
        with self._filesystem.open(archive, "rb") as file:
            compression = compression_of(file.read(4))
        names = _Names.beside(archive, self._filesystem, manifest.names_unavailable)
        with self._store(manifest.query) as store:
            offsets = accumulate((entry.size_bytes for entry in manifest.windows), initial=0)
            tasks: list[tuple[WindowRead, Task]] = []
            for entry, offset in zip(manifest.windows, offsets, strict=False):
                task = ArchiveTask(
                    entry.window, archive, entry.sha256, frozenset(), frozenset(), store.path(entry.window, ""),
                    offset, entry.size_bytes, entry.rows, compression,
                )  # fmt: skip
                tasks.append((entry.lines("")[0], task))
            self._load(store, tasks, names)
            unread, not_kept = (list(map(Interval.read, some)) for some in (manifest.unread, manifest.not_kept))
            return self._finished(store, unread, not_kept)

    # Without one

    def _without_manifest(self, *, fits_manifest: bool = True) -> Converted:
        archive = self._archive
        if isinstance(archive, Path):
            _readable(archive, self._filesystem)
            names = _Names.beside(archive, self._filesystem, {})
        else:
            names = _Names({}, "standard input has none")
        with self._store(_header(_DAY_ZERO, self._started_at)) as store:
            spooled = self._spooled(store.path(_DAY_ZERO, ".part"))
            sections = _sections(spooled.part)
            whole = Interval(sections[0][0].start, sections[-1][0].end) if sections else self._today
            store.header = msgspec.structs.replace(store.header, interval=str(whole))
            tasks: list[tuple[WindowRead, Task]] = []
            for window, first, end in sections:
                task = SectionTask(
                    window, spooled.part.path, spooled.part.checksum, frozenset(), frozenset(),
                    store.path(window, ""), first, end,
                )  # fmt: skip
                tasks.append((_read(window, spooled.part.section(first, end)), task))
            self._load(store, tasks, names)
            return self._finished(store, [] if sections else [whole], [], spooled, fits_manifest=fits_manifest)

    @property
    def _today(self) -> Interval:
        """The interval of an archive without conversations, since there has to be one."""
        day = start_of_day(self._started_at)
        return Interval(day, day + DAY)

    def _spooled(self, path: Path) -> Spooled:
        archive = self._archive
        try:
            if not isinstance(archive, Path):
                return _spool(archive, path, self._filesystem)
            with self._filesystem.open(archive, "rb") as file:
                return _spool(file, path, self._filesystem)
        except LineTooLong as error:
            raise SettingsError(
                f"The archive has no JSON lines: {error}.", hint="Give a file with one conversation a line."
            ) from error

    # With and without

    @contextmanager
    def _store(self, header: Header) -> Iterator[Store]:
        """The store of the outputs, which keeps nothing if the conversion fails: it starts over."""
        fields, key = self._is_redacted
        header = msgspec.structs.replace(header, redacted=fields, redaction_key=key)
        store = self._place.store(header, fresh=self._options.fresh)
        try:
            yield store
        except BaseException:
            with suppress(OSError, ValueError):
                store.forget([read.window for read in store.read.values()])
            store.abandon()
            raise

    def _load(self, store: Store, tasks: Iterable[tuple[WindowRead, Task]], ask: AskNames) -> None:
        """Load all windows, as many pieces of them at the same time as the loader takes."""
        self._loader.start()  # before there are threads
        executor = self._executor or ThreadExecutor(1)
        names = NameSource(redacted(ask, Redactor(self._redaction)) if self._redaction else ask)
        loading = _AtOnce(executor)
        try:
            for read, task in tasks:
                store.commit_read(read)
                window = _Window(task, self._place.forms, self._filesystem, self._piece_bytes)
                for work in window.work(partial(self._loader.load, names=names)):
                    loading.submit(work, partial(self._go_on, loading, store, read, window))
            loading.finish()
        except Exception:
            loading.give_up()
            raise

    def _go_on(self, loading: "_AtOnce", store: Store, read: WindowRead, window: "_Window", _done: None) -> None:
        """Once all of a window is loaded, put it together, and take it."""
        window.left -= 1
        if not window.left:
            loading.submit(window.joined, partial(self._take, store, read))

    def _take(self, store: Store, read: WindowRead, loaded: Loaded) -> None:
        line = loaded.line(read)
        store.commit_loaded(line)
        for oddity in line.oddity_examples:
            self._notice(str(oddity))
        for kind, reason in line.names_unavailable.items():
            self._notice(f"The names of {SINGULAR[kind]}s cannot be looked up ({reason}); their ids are used.")
        self._progress.report(WindowClosed(read.window, line.rows, read.verdict == "proven", read.reason))

    def _notice(self, message: str) -> None:
        if message not in self._noticed and len(self._noticed) < NOTICES_MAX:
            self._noticed.add(message)
            self._progress.report(Noticed(message))

    def _finished(
        self,
        store: Store,
        unread: Sequence[Interval],
        not_kept: Sequence[Interval],
        spooled: Spooled | None = None,
        *,
        fits_manifest: bool = True,
    ) -> Converted:
        """Publish the outputs, and describe them."""

        def describe(header: Header, form: str, size_bytes: int, sha256: str) -> Manifest:
            return Manifest.of(
                header,
                [Entry.of(store.read[one], loaded, form) for one, loaded in sorted(store.loaded.items())],
                unread=unread,
                not_kept=not_kept,
                started_at=text(self._started_at),
                finished_at=text(self._now()),
                output=Output(format=header.format, size_bytes=size_bytes, sha256=sha256),
            )

        manifest = store.finish(describe)
        return Converted(
            verdict=manifest.verdict,
            rows=manifest.rows,
            bad=tuple(spooled.bad) if spooled else (),
            bad_count=spooled.bad_count if spooled else 0,
            repeated=spooled.repeated if spooled else 0,
            fits_manifest=fits_manifest,
            outputs=self._place.names,
            interval=None if spooled is not None and not spooled.part.size else store.header.window,
            started_at=self._started_at,
            finished_at=self._now(),
            manifest=plain(manifest),
        )


class _AtOnce:
    """Does as much at the same time as an executor does."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._is_given_up = False

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do some work as soon as there is room; `then` gets its result."""
        while self._executor.outstanding >= self._executor.size:
            self._executor.run_next()
        self._executor.submit(work, lambda result: None if self._is_given_up else then(result))

    def finish(self) -> None:
        """Wait until all is done."""
        while self._executor.outstanding:
            self._executor.run_next()

    def give_up(self) -> None:
        """Wait until nothing is done any more, and drop all results: files are removed then, which others write."""
        self._is_given_up = True
        while self._executor.outstanding:
            with suppress(Exception):
                self._executor.run_next()


class _Window:
    """A window that is loaded: in pieces where it can be, whose files are put together at the end."""

    def __init__(self, task: Task, forms: Sequence[Form], filesystem: Filesystem, piece_bytes: int) -> None:
        self._task, self._filesystem = task, filesystem
        self._joining = {form.name: form for form in forms if isinstance(form, WindowFiles) and not form.is_compressed}
        self._pieces: list[ArchivePiece] = []
        if isinstance(task, ArchiveTask) and not task.compression and len(self._joining) == len(forms):
            self._pieces = task.in_pieces(filesystem, piece_bytes)
        self._loaded: dict[int, Loaded] = {}
        self.left = max(1, len(self._pieces) + bool(self._pieces))
        """How much work is left before it can be put together."""

    def work(self, load: Callable[[Task], Loaded]) -> Iterator[Callable[[], None]]:
        """Yield what there is to do, in any order and in any threads: to load its pieces, and to check the whole."""

        def loading(number: int, task: Task) -> None:
            try:
                self._loaded[number] = load(task)
            except Exception as error:
                self._check()  # what has changed since it was exported may be anything
                if isinstance(error, _NOT_JSON) and isinstance(task, ArchiveTask):
                    raise DamagedPart(f"{task.part} has lines that are not JSON") from error
                raise

        if self._pieces:
            yield self._check
        for number, task in enumerate(self._pieces or [self._task]):
            yield partial(loading, number, task)

    def _check(self) -> None:
        """Compare pieces that are loaded unchecked with the checksum of the window.

        Raises:
            DamagedPart: they have changed.
        """
        if self._pieces and isinstance(self._task, ArchiveTask):
            self._task.check(self._filesystem)

    def joined(self) -> Loaded:
        """The whole window.

        Raises:
            DamagedPart: it does not have the lines that its manifest counts.
        """
        found = [loaded for _, loaded in sorted(self._loaded.items())]
        whole = found[0]
        if self._pieces:
            written = {
                form.name: form.join([piece.path(form) for piece in self._pieces], self._task.path(form))
                for form in self._joining.values()
            }
            whole = Loaded.joined(found, written)
        task = self._task
        if isinstance(task, ArchiveTask) and whole.given != task.rows:
            raise DamagedPart(f"{task.part} does not fit its manifest: {task.window} has {whole.given} lines")
        return whole


_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, ServiceFailed)
"""Errors of reading conversations; the last one is that of a page, as which some lines are checked."""

_DAY_ZERO = Interval(EPOCH, EPOCH + DAY)
"""The interval where there are conversations, but none has a start."""


def _header(interval: Interval, now: datetime) -> Header:
    """The header of outputs from an archive without a manifest; the outputs' part of it is added later."""
    return Header(
        everycall=VERSION,
        source="an archive without a manifest",
        client_id="",
        interval=str(interval),
        begun_at=text(now),
        asked={},
        filters={},
        match="start",
        format="jsonl",
    )


def _readable(archive: Path, filesystem: Filesystem) -> int:
    """The size of the archive.

    Raises:
        SettingsError: it does not exist, or is not readable.
    """
    try:
        with filesystem.open(archive, "rb"):
            return filesystem.size(archive) or 0
    except OSError as error:
        raise SettingsError(
            f"{archive} cannot be read: {error.strerror}.", hint="Name a file of JSON lines, or - for standard input."
        ) from error


def _spool(file: "_Readable", path: Path, filesystem: Filesystem) -> Spooled:
    beginning = file.read(PIECE_BYTES)
    packed = chain([beginning], iter(partial(file.read, PIECE_BYTES), b""))
    return spool(packed, compression_of(beginning), path, filesystem)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _sections(part: Part) -> list[tuple[Interval, int, int]]:
    """Windows of whole days that tile the time of a part, with the positions of their conversations in it.

    Conversations without a start are in the first one.
    """
    day: datetime | None = None
    begin = 0
    borders: list[tuple[datetime, int]] = []
    for position, one in enumerate(part.conversations()):
        its_day = None if one.start_ms is None else start_of_day(EPOCH + one.start_ms * MILLISECOND)
        if its_day is not None and its_day != day:
            is_begun = day is not None
            day = its_day
            if not is_begun or position - begin >= SECTION:
                begin = position if is_begun else 0
                borders.append((day, begin))
    if not part.size:
        return []
    borders = borders or [(_DAY_ZERO.start, 0)]
    ends = [*borders[1:], ((day or _DAY_ZERO.start) + DAY, part.size)]
    return [(Interval(start, end), at, up_to) for (start, at), (end, up_to) in zip(borders, ends, strict=True)]


def _read(window: Interval, section: Part) -> WindowRead:
    """The line of a window that nobody has counted."""
    return WindowRead(
        interval=str(window),
        route="archive",
        verdict="unknown",
        reason=NO_MANIFEST,
        hits_before=0,
        hits_after=0,
        unique_ids=section.size,
        owned=section.size,
        carried_in=0,
        open=len(section.open_ids()),
        re_reads=0,
        provisional=False,
        counted_at="",
    )


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of an archive, as a function that looks them up."""

    by_kind: Mapping[Kind, Mapping[str, Entity]]
    missing: str = ""
    """Why there are none; empty if there are some."""
    unavailable: Mapping[Kind, str] = field(default_factory=dict)
    """Kinds whose names the export could not look up."""

    @classmethod
    def beside(cls, archive: Path, filesystem: Filesystem, unavailable: Mapping[Kind, str]) -> "_Names":
        """Read the names of the archive at that path.

        Raises:
            SettingsError: there are names, but they cannot be read.
        """
        path = archive.with_name(archive.name + NAMES_SUFFIX)
        by_kind: dict[Kind, dict[str, Entity]] = {kind: {} for kind in PATHS}
        if not filesystem.exists(path):
            return cls({}, f"there is no {path}")
        try:
            for one in NamesForm(filesystem).read(path):
                kind = _KINDS.get(one.kind)
                if kind is not None:
                    by_kind[kind][one.id] = _entity(one)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{path} cannot be read: {str(error).rstrip('.')}.",
                hint="Move it away to convert with ids in place of names.",
            ) from error
        return cls(by_kind, "", unavailable)

    def __call__(self, kind: Kind, ids: Sequence[str]) -> Found | Unavailable:
        """See `load.names.AskNames`."""
        known = self.by_kind.get(kind, {})
        reason = self.missing or self.unavailable.get(kind, "")
        if reason and not known:
            return Unavailable(kind, reason)
        wanted = ids if kind == "users" else known
        return Found(kind, tuple(known[one] for one in wanted if one in known), reason)


_KINDS: Mapping[str, Kind] = {name: kind for kind, name in KINDS.items()}


def _entity(name: Name) -> Entity:
    """As it was looked up."""
    division = {"id": name.division_id} if name.division_id else None
    own = {"id": name.id, "name": name.name, "division": division, "state": name.state}
    settings = {} if name.settings is msgspec.UNSET else name.settings
    return msgspec.convert({**settings, **own, "lookedUpAt": name.looked_up_at or ""}, Entity)


def _failed(error: OSError) -> OutputFailed:
    """The error that reports an error of the filesystem to the user."""
    if isinstance(error, BrokenPipeError):
        return OutputFailed("The program that read the output ended before the conversion did.")
    where = f" ({error.filename})" if error.filename else ""
    reason = DISK_FULL.get(error.errno or 0) or f"Writing failed: {error.strerror or error}"
    return OutputFailed(f"{reason}{where}.", hint="Correct that, and run the same command again: it starts over.")
