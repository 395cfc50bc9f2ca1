"""Loads a sealed part: batches of conversations -> rows or records -> a file of the window in each form.

Loading is a pure function of part, columns, names and forms, so it can run while other windows are acquired, in another
process, or again after a crash. It decodes only the fields that the columns need. Conversations that do not fit are
read leniently, one by one, and reported. The first page of each window and one page in fifty are also decoded strictly
as whole records, to find unknown fields.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Protocol

import msgspec

from everycall.acquire.part import Part, Place, Slice, raw_conversations
from everycall.api.names import Kind
from everycall.api.oddities import Oddity, without_lone_surrogates
from everycall.api.query import Interval
from everycall.api.records import Page
from everycall.errors import ServiceFailed
from everycall.filesystem import Filesystem
from everycall.instants import since_epoch_ms
from everycall.lines import chained, lengths
from everycall.load.names import NameSource
from everycall.load.redacted import RedactedSource
from everycall.manifest import WindowLoaded, WindowRead, Written
from everycall.privacy import Redactor
from everycall.sinks.forms import NAMES, TABLES
from everycall.sinks.interface import Batch, Form, WindowWriter
from everycall.tables.attributes import names_of
from everycall.tables.flat import Facts, FlatTable, Record
from everycall.tables.mentioned import Mentioned

BATCH = 1000
"""Conversations whose names are looked up together; their facts are in memory."""

TABLES_BATCH = 3000
"""The same where a form makes tables, of which they make a row group: five thousand are as fast, in 40 MB more."""

TABLES_BYTES = 32 << 20
"""Of JSON, after which such a batch ends early: some conversations are a hundred times as large as others."""

CHECKED_EVERY = 50
"""One page in so many is checked for unknown fields, and always the first page of a window."""

EXAMPLES_MAX = 20

ATTRIBUTES_MAX = 10_000
"""Names of attributes that are remembered: nothing limits how many an org has."""

HALF_CHARACTER = Oddity("unusual value", "", "$", "half of a surrogate pair", "U+FFFD")
"""Reported for a text that the API cut in the middle of an emoji."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of loading a part."""

    rows: int
    """Conversations that were written."""
    given: int
    """Conversations that the source had: those that were written, and those whose ids cannot be read."""
    written: dict[str, Written]
    """What is on disk, by the name of the form."""
    outlasting: int
    """Conversations that ended more than a day after the last agent was done; 0 if no form has flat rows."""
    pages: int
    pages_checked: int
    oddities: dict[str, int]
    """By kind and field."""
    examples: tuple[Oddity, ...]
    """The first of each kind and field."""
    names_unavailable: dict[Kind, str]
    attributes: frozenset[str] = frozenset()
    """Names of participant attributes that were seen; where the table has columns for some."""

    def line(self, read: WindowRead) -> WindowLoaded:
        """The line of the ledger for this window."""
        return WindowLoaded(
            interval=read.interval,
            rows=self.rows,
            written=self.written,
            outlasting=self.outlasting,
            pages=self.pages,
            pages_checked=self.pages_checked,
            oddities=self.oddities,
            oddity_examples=self.examples,
            names_unavailable=self.names_unavailable,
        )

    @classmethod
    def joined(cls, pieces: Sequence["Loaded"], written: dict[str, Written]) -> "Loaded":
        """The result of loading a window in pieces, in their order, once their files are put together."""
        examples: dict[str, Oddity] = {}
        for oddity in chain.from_iterable(piece.examples for piece in pieces):
            examples.setdefault(f"{oddity.kind}: {oddity.field}", oddity)
        return cls(
            sum(piece.rows for piece in pieces),
            sum(piece.given for piece in pieces),
            written,
            sum(piece.outlasting for piece in pieces),
            sum(piece.pages for piece in pieces),
            sum(piece.pages_checked for piece in pieces),
            dict(sum((Counter(piece.oddities) for piece in pieces), Counter[str]())),
            tuple(examples.values())[:EXAMPLES_MAX],
            {kind: reason for piece in pieces for kind, reason in piece.names_unavailable.items()},
            frozenset().union(*(piece.attributes for piece in pieces)),
        )


@dataclass(slots=True)
class _Report:
    """The counts and oddities of a part, gathered while it is loaded."""

    outlasting: int = 0
    checked: set[int] = field(default_factory=set)
    """Numbers of the pages that were checked."""
    oddities: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Oddity] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    has_tables: bool = False
    """Whether a form looks at every value: then pages are checked for unknown fields only."""

    def add_names(self, record: Record) -> None:
        """Note which attributes there are."""
        if len(self.attributes) < ATTRIBUTES_MAX:
            self.attributes.update(names_of(record))

    def add(self, oddities: tuple[Oddity, ...] | list[Oddity]) -> None:
        for oddity in oddities:
            name = f"{oddity.kind}: {oddity.field}"
            self.oddities[name] += 1
            if len(self.examples) < EXAMPLES_MAX:
                self.examples.setdefault(name, oddity)

    def check(self, piece: Slice) -> bool:
        """Count the oddities of a page if it is one of those that are checked; return whether they are counted."""
        is_checked = piece.page % CHECKED_EVERY == 0 or not self.checked or piece.page in self.checked
        if is_checked and piece.page not in self.checked:
            self.checked.add(piece.page)
            self.add([one for one in _oddities(piece.body) if not self.has_tables or one.kind == "unknown field"])
        return is_checked or self.has_tables


class Source(Protocol):
    """Where the conversations of a window come from: a part, or a piece of an archive."""

    @property
    def pages(self) -> int:
        """How many pages it has; known once all of its conversations were read."""
        ...

    def slices(self, is_wanted: Callable[[bytes, Place], bool] | None = None) -> Iterator[Slice]:
        """Yield its conversations in order, those of a page together.

        Raises:
            DamagedPart: it has changed since it was written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """A part to load, as plain data that can be sent to another process."""

    window: Interval
    part: Path
    part_sha256: str
    kept_strays: frozenset[bytes]
    """Ids of conversations that do not start in this window, and that it keeps."""
    left_out: frozenset[bytes]
    """Ids of conversations that a later reading of another window owns."""
    stem: Path
    """The path of the window's files, without the suffix of the form."""

    def open(self, filesystem: Filesystem) -> Source:
        """Open the part.

        Raises:
            DamagedPart: it is not complete, or has changed.
            OSError: it cannot be read.
        """
        return Part.open(self.part, filesystem, self.part_sha256)

    def is_wanted(self, id_: bytes, place: Place) -> bool:
        """Whether the output has this conversation of the part."""
        return (place == "owned" or id_ in self.kept_strays) and id_ not in self.left_out

    def path(self, form: Form) -> Path:
        """The path of the window's file in this form; an existing one is replaced."""
        return self.stem.with_name(self.stem.name + form.suffix)

    def owner_times_ms(self, starts_ms: Iterable[int | None]) -> list[int]:
        """The instants that place conversations in this window: their starts; of strays, the start of the window."""
        first, end = since_epoch_ms(self.window.start), since_epoch_ms(self.window.end)
        return [start if start is not None and first <= start < end else first for start in starts_ms]


def load(source: Source, task: Task, table: FlatTable, forms: Sequence[Form], names: NameSource) -> Loaded:
    """Write the conversations of a part in each form, in order of start and id.

    Args:
        source: the conversations of the task: its sealed part, or a piece of an archive.
        task: which of its conversations, and where to.
        table: the columns of flat rows.
        forms: at least one.
        names: the names for the ids.

    Raises:
        DamagedPart: the part has changed since it was sealed.
        OSError: the disk is full, for example.
    """
    is_plain = not task.kept_strays and not task.left_out
    report = _Report(has_tables=any(form.name == TABLES for form in forms))
    batches = _Batches(task, table, names, report, frozenset(form.wants for form in forms))
    writers: dict[str, WindowWriter] = {}
    try:
        for form in forms:
            writers[form.name] = form.writer(task.path(form))
        for piece in source.slices(None if is_plain else task.is_wanted):
            batches.add(piece)
            if batches.is_complete:
                _write(batches.take(), writers, report)
        _write(batches.take(), writers, report)
        written = _closed(writers, names)
        for writer in writers.values():
            report.add(list(writer.take_oddities()))
    except BaseException:
        for writer in writers.values():
            with suppress(OSError):
                writer.discard()
        raise
    return Loaded(
        batches.rows, batches.given, written, report.outlasting, source.pages, len(report.checked),
        dict(report.oddities), tuple(report.examples.values()), names.unavailable, frozenset(report.attributes),
    )  # fmt: skip


def _write(batch: Batch, writers: dict[str, WindowWriter], report: _Report) -> None:
    for writer in writers.values():
        writer.write(batch)
        report.add(list(writer.take_oddities()))


def _closed(writers: dict[str, WindowWriter], names: NameSource) -> dict[str, Written]:
    """Close the writers: that of the names last, after those that say which names are mentioned."""
    closing = sorted(writers, key=lambda name: name == NAMES)
    written: dict[str, Written] = {}
    for name in closing:
        if name == NAMES:
            mentioned = tuple(dict.fromkeys(pair for writer in writers.values() for pair in writer.mentioned))
            writers[name].write(Batch(mentioned=mentioned, names=names.prepare(mentioned)))
        written[name] = writers[name].close()
    return {name: written[name] for name in writers}


class _Batches:
    """Gathers the conversations of a part until a batch is complete."""

    def __init__(
        self, task: Task, table: FlatTable, names: NameSource, report: _Report, wanted: frozenset[str]
    ) -> None:
        self._task, self._table, self._names, self._report = task, table, names, report
        self._has_rows, self._has_records = "rows" in wanted, "records" in wanted
        self._facts: list[Facts] = []
        self._records: list[Sequence[bytes]] = []
        """Those of each page."""
        self._owner_times_ms: list[int] = []
        self._mentioned = Mentioned()
        self.size = self.rows = self.given = self._bytes = 0

    def add(self, piece: Slice) -> None:
        """Add the wanted conversations of a page."""
        self.given += len(piece.positions)
        is_checked = self._report.check(piece)
        if self._has_rows:
            self._facts += _facts(piece, self._table, self._report, is_checked=is_checked)
        if self._has_records:
            records = piece.records()
            self._records.append(records)
            self._bytes += sum(lengths(records))
            if not self._report.has_tables:  # or they say it
                self._mentioned.add(records)
            self._owner_times_ms += self._task.owner_times_ms(piece.starts_ms)
        self.size = max(len(self._facts), sum(map(len, self._records)))

    @property
    def is_complete(self) -> bool:
        """Whether there are enough conversations for a batch."""
        if self._report.has_tables:
            return self.size >= TABLES_BATCH or self._bytes >= TABLES_BYTES
        return self.size >= BATCH

    def take(self) -> Batch:
        """The batch so far, with the names that it needs. The next one begins empty."""
        ids = self._table.ids(*self._facts)
        in_records = self._mentioned.pairs()
        names = self._names.prepare(dict.fromkeys((*ids, *in_records)))
        rows = self._table.rows(self._facts, names)
        batch = Batch(rows, chained(self._records), self._owner_times_ms, in_records, names)
        self.rows += self.size
        self._facts, self._records, self._owner_times_ms, self.size, self._bytes = [], [], [], 0, 0
        self._mentioned = Mentioned()
        return batch


def _facts(piece: Slice, table: FlatTable, report: _Report, *, is_checked: bool) -> list[Facts]:
    """The facts of the wanted conversations of a page."""
    try:
        records = table.page(piece.body)
    except msgspec.DecodeError:
        wanted = list(_lenient(piece, table, report, is_checked=is_checked))
    else:
        wanted = [records[position] for position in piece.positions]
    for record in wanted if table.attributes else ():
        report.add_names(record)
    found = [table.facts(record) for record in wanted]
    report.outlasting += sum(facts.outlasts for facts in found)
    return found


def _lenient(piece: Slice, table: FlatTable, report: _Report, *, is_checked: bool) -> Iterator[Record]:
    """Yield the wanted conversations of a page, read one by one, without those whose ids cannot be read."""
    raws = raw_conversations(piece.body)
    for position in piece.positions:
        record, oddities = table.one(bytes(raws[position]))
        if not is_checked:  # or they are counted already
            report.add(oddities)
        if record is not None:
            yield record


def _oddities(body: bytes) -> tuple[Oddity, ...]:
    """The values and fields of a page that do not fit the full records."""
    try:
        return Page.read(body).oddities
    except ServiceFailed:  # half a character in a text that the API cut
        return (HALF_CHARACTER, *Page.read(without_lone_surrogates(body)).oddities)


class Loader:
    """Loads parts one after the other in this process."""

    def __init__(
        self, table: FlatTable, forms: Sequence[Form], filesystem: Filesystem, redactor: Redactor | None = None
    ) -> None:
        """Load into these forms, flat rows with these columns; without personal data if there is a redactor."""
        self._table, self._forms, self._filesystem, self._redactor = table, forms, filesystem, redactor

    @property
    def at_once(self) -> int:
        """How many parts may be loaded at the same time."""
        return 1

    def start(self) -> None:
        """Do nothing: there are no processes to start."""

    def load(self, task: Task, names: NameSource) -> Loaded:
        """Open the source of a task, and load it.

        Raises:
            DamagedPart: the part has changed since it was sealed.
            OSError: the disk is full, for example.
        """
        source = task.open(self._filesystem)
        if self._redactor is None:
            return load(source, task, self._table, self._forms, names)
        loaded = load(RedactedSource(source, self._redactor), task, self._table, self._forms, names)
        return replace(loaded, examples=tuple(one.without_value() for one in loaded.examples))

    def close(self) -> None:
        """Do nothing: there are no processes to end."""
