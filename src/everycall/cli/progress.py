"""Shows the progress of an export: a bar on a terminal, lines in a log, or with --quiet the notes only."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from everycall.api.interval import Interval
from everycall.cli.display import Display
from everycall.cli.formats import counted, span
from everycall.cli.time_left import Left, TimeLeft
from everycall.logs import log
from everycall.progress import Event, Noticed, Progress, Started, WindowClosed

if TYPE_CHECKING:
    from everycall.client import Counts

LINE_EVERY_S = 10.0
"""In a log, a line of progress at most this often."""


class Listener(Progress, Protocol):
    """A listener that has to be closed."""

    def close(self) -> None:
        """End the display of progress."""
        ...


class Quiet:
    """Shows notes only."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def report(self, event: Event) -> None:
        """Print a note; ignore other events."""
        if isinstance(event, Noticed):
            self._display.notice(event.message)

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """Shows progress as plain lines, for a log."""

    def __init__(
        self, display: Display, counts: "Callable[[], Counts]", monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`counts` returns the client's present counts."""
        self._display = display
        self._counts = counts
        self._monotonic = monotonic
        self._interval: Interval | None = None
        self._last = monotonic()
        self._left = TimeLeft()

    def report(self, event: Event) -> None:
        """Print a line for each window, and one every `LINE_EVERY_S` in between."""
        if isinstance(event, Started):
            self._interval = event.interval
            self._print(exporting(event))
        elif isinstance(event, WindowClosed):
            self._print(closed(event))
        elif isinstance(event, Noticed):
            self._display.notice(event.message)
        elif self._interval:
            counts, share = self._counts(), event.covered / self._interval.length
            left = self._left.estimate(self._monotonic(), share, counts)
            if self._monotonic() - self._last >= LINE_EVERY_S:
                parts = [f"{share:.0%} of the interval", f"{event.rows:,} rows", time_left(left), state(counts)]
                self._print(", ".join(part for part in parts if part))

    def _print(self, line: str) -> None:
        self._last = self._monotonic()
        self._display.print(line)

    def close(self) -> None:
        """Do nothing."""


class Kept:
    """Passes events on, and adds up what is kept for the next run after an interruption."""

    def __init__(self, listener: Progress) -> None:
        self._listener = listener
        self._interval: Interval | None = None
        self._covered = timedelta()
        self._rows = 0

    def report(self, event: Event) -> None:
        """Add up the proven windows, which the next run need not read again."""
        if isinstance(event, Started):
            self._interval, self._covered, self._rows = event.interval, event.covered, event.rows
        elif isinstance(event, WindowClosed) and event.proven:
            self._covered += event.window.length
            self._rows += event.rows
        self._listener.report(event)

    def __str__(self) -> str:
        """The hint after the interruption of an export to a file."""
        if not self._interval or not self._covered:
            return "No window is finished yet: the same command starts from the beginning."
        share = self._covered / self._interval.length
        return f"{share:.0%} of the interval is kept ({self._rows:,} rows): the same command continues from there."


def exporting(event: Started) -> str:
    """The first line: `exporting 2026-01-05 to 2026-01-12 UTC, 43% of it done before`."""
    resumed = f", {event.covered / event.interval.length:.0%} of it done before" if event.covered else ""
    return f"exporting {span(event.interval)}{resumed}"


def state(counts: "Counts") -> str:
    """Requests and the rate limit: `140 requests, rate limit: the next in 12 s`."""
    line = f"{counts.requests:,} requests"
    if counts.trouble:
        return f"{line}, {counts.trouble}"
    return f"{line}, rate limit: the next in {counts.waits_s:.0f} s" if counts.waits_s >= 1 else line


class Logged:
    """Logs events, and passes them on."""

    def __init__(self, shown: Listener) -> None:
        self.shown = shown

    def report(self, event: Event) -> None:
        """Log what is worth a line in a log: all but pages."""
        if isinstance(event, Started):
            log(logging.INFO, "started", exporting(event), interval=str(event.interval), rows=event.rows)
        elif isinstance(event, WindowClosed):
            level = logging.INFO if event.proven else logging.WARNING
            fields = {"interval": str(event.window), "rows": event.rows, "proven": event.proven, "reason": event.reason}
            log(level, "window", closed(event), **fields)
        elif isinstance(event, Noticed):
            log(logging.WARNING, "notice", event.message)
        self.shown.report(event)

    def close(self) -> None:
        """End the display of progress."""
        self.shown.close()


def closed(event: WindowClosed) -> str:
    """The line of a window that is done: `2026-01-05 to 2026-01-06 UTC: 2,319 rows, proven`."""
    verdict = "proven" if event.proven else f"NOT proven: {event.reason}"
    return f"{span(event.window)}: {counted(event.rows, 'row')}, {verdict}"


def short_state(counts: "Counts") -> str:
    """What the export is waiting for, else the number of requests, in few columns: `limit: wait 12 s`."""
    if counts.waits_s >= 1:
        return f"limit: wait {counts.waits_s:.0f} s"
    return counts.trouble or f"{counts.requests:,} requests"


def time_left(left: Left | None) -> str:
    """`42 s left`, `3 min left`, `over 2 h left`; empty while nothing is known."""
    if left is None:
        return ""
    seconds = max(1, round(left.seconds))
    if seconds < 90:
        shown = f"{seconds} s"
    elif seconds < 5400:
        shown = f"{round(seconds / 60)} min"
    else:
        shown = f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{'over ' if left.is_at_least else ''}{shown} left"


def listener(display: Display, counts: "Callable[[], Counts]", *, quiet: bool) -> Logged:
    """The listener for the display: notes only if `quiet`, a bar on a terminal, lines elsewhere. All of them log."""
    if quiet:
        return Logged(Quiet(display))
    if not display.is_terminal:
        return Logged(Lines(display, counts))
    from everycall.cli.bar import Bar  # noqa: PLC0415 - it loads rich's bars

    return Logged(Bar(display, counts))
