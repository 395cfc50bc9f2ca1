"""Windows that are ready to be published, for tests of destinations with tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from everycall.api.names import Entity, Found, Names
from everycall.api.query import Interval
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.instants import text
from everycall.manifest import Entry, Header, Manifest, Output, WindowLoaded, WindowRead, Written
from everycall.sinks.interface import Batch, Finished, Form, Loaded
from everycall.sinks.names_form import NamesForm
from everycall.sinks.tables_form import TablesForm
from everycall.store import window_name
from tables_in import DAY, ORGANIZATION, batch

AT = "2026-01-09T09:00:00.000Z"
USER = "00000000-0000-4000-b000-000000000001"


def header(interval: Interval, **changes: Any) -> Header:
    """The header of an export of that interval, as the ledger has it."""
    fields = {
        "everycall": "1", "source": "an org", "client_id": "c", "interval": str(interval), "begun_at": AT, "asked": {},
        "filters": {}, "match": "start", "format": "parquet",
    }  # fmt: skip
    return Header(**{**fields, **changes})


def hours(first: float, last: float) -> Interval:
    """From one hour to another, counted from the start of `DAY`."""
    return Interval(DAY + timedelta(hours=first), DAY + timedelta(hours=last))


@dataclass
class Export:
    """An export whose windows are loaded."""

    folder: Path
    """Of the ledger."""
    filesystem: Filesystem = field(default_factory=SystemFilesystem)
    organization_id: str = ORGANIZATION
    windows: list[Loaded] = field(default_factory=list)
    _written: dict[str, dict[str, Written]] = field(default_factory=dict)

    @property
    def tables(self) -> TablesForm:
        """The form of tables."""
        return TablesForm(self.organization_id, self.filesystem)

    @property
    def names(self) -> NamesForm:
        """The form of names."""
        return NamesForm(self.filesystem)

    def load(self, window: Interval, conversations: Sequence[dict[str, Any]]) -> "Export":
        """Add a window with these conversations, and one name."""
        names = Names()
        names.learn(Found("users", (Entity(USER, "Ann"),)).as_of(text(window.end)))
        given = batch(conversations)
        whole = Batch((), given.records, given.owner_times_ms, [("users", USER)] if conversations else [], names)
        written = {}
        for form in (self.tables, self.names):
            writer = form.writer(self._path(window, form))
            writer.write(whole)
            written[form.name] = writer.close()
        return self._add(window, len(conversations), written, is_taken_over=False)

    def take_over(self, window: Interval, rows: int) -> "Export":
        """Add a window that the destination has."""
        return self._add(window, rows, {"tables": Written(size_bytes=0, sha256="")}, is_taken_over=True)

    def _add(self, window: Interval, rows: int, written: dict[str, Written], *, is_taken_over: bool) -> "Export":
        self._written[str(window)] = written
        read = WindowRead(
            interval=str(window), route="query", verdict="proven", hits_before=rows, hits_after=rows, unique_ids=rows,
            owned=rows, carried_in=0, open=0, re_reads=0, provisional=False, counted_at=AT,
        )  # fmt: skip
        self.windows.append(
            Loaded(read, rows, partial(self._path, window), lambda form: written[form.name], is_taken_over)
        )
        return self

    def _path(self, window: Interval, form: Form) -> Path:
        return self.folder / f"{window_name(window)}{form.suffix}"

    @property
    def interval(self) -> Interval:
        """From the first window to the last."""
        return Interval(self.windows[0].window.start, self.windows[-1].window.end)

    def finished(self, **changes: Any) -> Finished:
        """What a destination is given; `changes` are those of the header."""
        whole = header(self.interval, **changes)
        return Finished(whole, self.windows, self.folder, partial(self._manifest, whole), iter)

    def _manifest(self, whole: Header, form: str, size_bytes: int, sha256: str) -> Manifest:
        output = Output(format=whole.format, size_bytes=size_bytes, sha256=sha256)
        return Manifest.of(
            whole, [self._entry(one, form) for one in self.windows], unread=[], not_kept=[], started_at=AT,
            finished_at=AT, output=output,
        )  # fmt: skip

    def _entry(self, one: Loaded, form: str) -> Entry:
        interval = one.read.interval
        return Entry.of(one.read, WindowLoaded(interval=interval, rows=one.rows, written=self._written[interval]), form)


def half_days(conversations: Callable[[datetime, datetime], Iterable[dict[str, Any]]], export: Export) -> Export:
    """Three windows of half a day, so that the first day has two, and the second one only a half."""
    for number in range(3):
        window = hours(12 * number, 12 * number + 12)
        export.load(window, list(conversations(window.start, window.end)))
    return export
