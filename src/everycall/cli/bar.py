"""Shows the progress of an export as a bar, for a terminal."""

from collections.abc import Callable
from datetime import timedelta

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from everycall.cli.display import Display
from everycall.cli.formats import duration, span
from everycall.cli.progress import exporting, state
from everycall.client import Counts
from everycall.printable import printable
from everycall.progress import Event, Noticed, PageRead, Started

TIME_LEFT_AFTER_S, TIME_LEFT_FROM = 3.0, 0.05
"""The time left is shown only after so many seconds and such a share of the interval; before, it is too uncertain."""


class Bar:
    """Shows progress along the interval as a bar, for a terminal."""

    def __init__(self, display: Display, counts: Callable[[], Counts]) -> None:
        """`counts` returns the client's present counts."""
        self._display = display
        whole = Column(no_wrap=True)
        self._bars = Bars(
            BarColumn(bar_width=24 if display.console.width >= 100 else 12),
            TextColumn("{task.percentage:>3.0f}%", table_column=whole),
            TextColumn("{task.fields[rows]:,} rows", table_column=whole),
            _TimeLeftColumn(table_column=whole),
            _StateColumn(counts),  # a narrow terminal cuts off the last column
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

    def __init__(self, counts: Callable[[], Counts]) -> None:
        super().__init__()
        self._counts = counts

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich's signature
        return Text(printable(state(self._counts())), no_wrap=True, overflow="ellipsis")


class _TimeLeftColumn(ProgressColumn):
    """The time left, estimated from the time so far."""

    def render(self, task: Task) -> Text:
        if not task.total or task.completed < task.total * TIME_LEFT_FROM or (task.elapsed or 0) < TIME_LEFT_AFTER_S:
            return Text("")
        left_s = round((task.elapsed or 0) * (task.total - task.completed) / task.completed)
        return Text(f"{duration(timedelta(seconds=left_s)) if left_s >= 60 else f'{left_s} s'} left")
