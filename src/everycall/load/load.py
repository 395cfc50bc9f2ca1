"""Loads a sealed part: batches of conversations -> rows -> the sink's file for that window.

Loading is a pure function of part, columns, names and sink, so it can run while other windows are acquired, in another
process, or again after a crash. It decodes only the fields that the columns need. Conversations that do not fit are
read leniently, one by one, and reported. The first page of each window and one page in fifty are also decoded strictly
as whole records, to find unknown fields.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from everycall.acquire.part import Part, Place, Slice, raw_conversations
from everycall.api.names import Kind
from everycall.api.oddities import Oddity, without_lone_surrogates
from everycall.api.records import Page
from everycall.errors import ServiceFailed
from everycall.filesystem import Filesystem
from everycall.load.names import NameSource
from everycall.sinks.interface import Sink, WindowWriter, Written
from everycall.tables.attributes import names_of
from everycall.tables.flat import Facts, FlatTable, Record

BATCH = 1000
"""Conversations whose names are looked up together; their facts are in memory."""

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

    written: Written
    outlasting: int
    """Conversations that ended more than a day after the last agent was done."""
    pages: int
    pages_checked: int
    oddities: dict[str, int]
    """By kind and field."""
    examples: tuple[Oddity, ...]
    """The first of each kind and field."""
    names_unavailable: dict[Kind, str]
    attributes: frozenset[str] = frozenset()
    """Names of participant attributes that were seen; where the table has columns for some."""


@dataclass(slots=True)
class _Report:
    """The counts and oddities of a part, gathered while it is loaded."""

    outlasting: int = 0
    checked: set[int] = field(default_factory=set)
    """Numbers of the pages that were checked."""
    oddities: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Oddity] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)

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

    def counted(self, facts: Facts) -> Facts:
        self.outlasting += facts.outlasts
        return facts


def load(
    part: Part, kept_strays: frozenset[bytes], left_out: frozenset[bytes], table: FlatTable, sink: Sink, path: Path,
    names: NameSource,
) -> Loaded:  # fmt: skip
    """Write the rows of a part to a new file at `path`, in order of start and id.

    Args:
        part: a sealed part.
        kept_strays: ids of conversations that do not start in this window, and that it keeps.
        left_out: ids of conversations that a later reading of another window owns.
        table: the columns.
        sink: the kind of output.
        path: the file for the window's rows; an existing one is replaced.
        names: the names for the ids in the rows.

    Raises:
        DamagedPart: the part has changed since it was sealed.
        OSError: the disk is full, for example.
    """

    def is_wanted(id_: bytes, place: Place) -> bool:
        return (place == "owned" or id_ in kept_strays) and id_ not in left_out

    is_plain = not kept_strays and not left_out
    writer = sink.writer(path)
    report = _Report()
    try:
        batch: list[Facts] = []
        for piece in part.slices(None if is_plain else is_wanted):
            batch += _facts(piece, table, report)
            if len(batch) >= BATCH:
                _write(batch, table, names, writer)
                batch.clear()
        _write(batch, table, names, writer)
        written = writer.close()
    except BaseException:
        writer.discard()
        raise
    return Loaded(
        written, report.outlasting, part.pages, len(report.checked), dict(report.oddities),
        tuple(report.examples.values()), names.unavailable, frozenset(report.attributes),
    )  # fmt: skip


def _write(batch: list[Facts], table: FlatTable, names: NameSource, writer: WindowWriter) -> None:
    known = names.prepare(dict.fromkeys(pair for facts in batch for pair in table.ids(facts)))
    writer.write([table.row(facts, known) for facts in batch])


def _facts(piece: Slice, table: FlatTable, report: _Report) -> Iterator[Facts]:
    """Yield the facts of the wanted conversations of a page, and count its oddities."""
    is_checked = piece.page % CHECKED_EVERY == 0 or not report.checked or piece.page in report.checked
    if is_checked and piece.page not in report.checked:
        report.checked.add(piece.page)
        report.add(_oddities(piece.body))
    try:
        records = table.page(piece.body)
    except msgspec.DecodeError:
        yield from _lenient_facts(piece, table, report, is_checked=is_checked)
        return
    has_attributes = bool(table.attributes)
    for position in piece.positions:
        if has_attributes:
            report.add_names(records[position])
        yield report.counted(table.facts(records[position]))


def _lenient_facts(piece: Slice, table: FlatTable, report: _Report, *, is_checked: bool) -> Iterator[Facts]:
    raws = raw_conversations(piece.body)
    for position in piece.positions:
        record, oddities = table.one(bytes(raws[position]))
        if not is_checked:  # or they are counted already
            report.add(oddities)
        if record is not None:
            if table.attributes:
                report.add_names(record)
            yield report.counted(table.facts(record))


def _oddities(body: bytes) -> tuple[Oddity, ...]:
    """The values and fields of a page that do not fit the full records."""
    try:
        return Page.read(body).oddities
    except ServiceFailed:  # half a character in a text that the API cut
        return (HALF_CHARACTER, *Page.read(without_lone_surrogates(body)).oddities)


class Loader:
    """Loads parts one after the other in this process."""

    def __init__(self, table: FlatTable, sink: Sink, filesystem: Filesystem) -> None:
        """Load into this sink, with these columns."""
        self._table, self._sink, self._filesystem = table, sink, filesystem

    @property
    def at_once(self) -> int:
        """How many parts may be loaded at the same time."""
        return 1

    def load(self, task: "Task", names: NameSource) -> Loaded:
        """Open the part of a task by its path, and load it.

        Raises:
            DamagedPart: the part has changed since it was sealed.
            OSError: the disk is full, for example.
        """
        part = Part.open(task.part, self._filesystem, task.part_sha256)
        return load(part, task.kept_strays, task.left_out, self._table, self._sink, task.rows, names)

    def close(self) -> None:
        """Do nothing: there are no processes to end."""


@dataclass(frozen=True, slots=True)
class Task:
    """A part to load, as plain data that can be sent to another process."""

    part: Path
    part_sha256: str
    kept_strays: frozenset[bytes]
    left_out: frozenset[bytes]
    rows: Path
    """The file for the window's rows."""
