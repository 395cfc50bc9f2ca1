"""Shows the progress of an export as a bar, for a terminal."""

import time
from collections.abc import Callable

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from everycall.cli.display import Display
from everycall.cli.formats import span
from everycall.cli.progress import exporting, short_state, state, time_left
from everycall.cli.time_left import TimeLeft
from everycall.client import Counts
from everycall.printable import printable
from everycall.progress import Event, Noticed, PageRead, Started

NARROW, WIDE = 72, 100
"""Columns of a terminal below which the bar is very short, and from which bar and state are long."""


class Bar:
    """Shows progress along the interval as a bar, for a terminal."""

    def __init__(
        self, display: Display, counts: Callable[[], Counts], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`counts` returns the client's present counts."""
        self._display = display
        whole = Column(no_wrap=True)
        width = display.console.width
        self._bars = Bars(
            BarColumn(bar_width=24 if width >= WIDE else 12 if width >= NARROW else 6),
            TextColumn("{task.percentage:>3.0f}%", table_column=whole),
            TextColumn("{task.fields[rows]:,} rows", table_column=whole),
            _TimeLeftColumn(counts, monotonic, whole),
            _StateColumn(counts, is_short=width < WIDE),  # a narrow terminal cuts off the last column
            console=display.console,
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._bars.add_task("", total=None, rows=0)

    def report(self, event: Event) -> None:
        """Move the bar; print notes above it."""
        if isinstance(event, Started):
            self._display.print(exporting(event))
            total = event.interval.length.total_seconds()
            self._bars.update(self._task, total=total, completed=event.covered.total_seconds(), rows=event.rows)
            self._bars.start()
        elif isinstance(event, PageRead):
            self._bars.update(self._task, completed=event.covered.total_seconds(), rows=event.rows)
        elif isinstance(event, Noticed):
            self._display.notice(event.message)
        elif not event.proven:
            self._display.notice(f"{span(event.window)} is not proven: {event.reason}.")

    def close(self) -> None:
        """Remove the bar."""
        self._bars.stop()


class _StateColumn(ProgressColumn):
    """The number of requests, and what the export is waiting for."""

    def __init__(self, counts: Callable[[], Counts], *, is_short: bool) -> None:
        super().__init__()
        self._counts = counts
        self._state = short_state if is_short else state

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich's signature
        return Text(printable(self._state(self._counts())), no_wrap=True, overflow="ellipsis")


class _TimeLeftColumn(ProgressColumn):
    """The time left."""

    def __init__(self, counts: Callable[[], Counts], monotonic: Callable[[], float], column: Column) -> None:
        super().__init__(table_column=column)
        self._counts = counts
        self._monotonic = monotonic
        self._left = TimeLeft()

    def render(self, task: Task) -> Text:
        if not task.total:
            return Text("")
        return Text(time_left(self._left.estimate(self._monotonic(), task.completed / task.total, self._counts())))
