"""What a reader sees while an export runs, and at its end. Everything here goes to standard error."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from everycall.client import Counts
from everycall.export import Summary
from everycall.progress import Event, Noticed, PageRead, Progress, Started, WindowClosed
from everycall.query import Interval

LINE_EVERY_S = 10.0
"""Without a terminal, a line of progress at most this often."""


class Face(Progress, Protocol):
    """Progress that wants to be closed."""

    def close(self) -> None:
        """Nothing more is told."""
        ...


class Quiet:
    """Says what has to be known, and nothing else."""

    def __init__(self, console: Console) -> None:
        """Notices go to the console."""
        self._console = console

    def tell(self, event: Event) -> None:
        """A notice is a line; the rest is nothing."""
        if isinstance(event, Noticed):
            notice(self._console, event.message)

    def close(self) -> None:
        """Nothing."""


class Lines:
    """Plain lines, for a log."""

    def __init__(
        self, console: Console, counts: Callable[[], Counts], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Lines go to the console; `counts` is asked for the present state of the client."""
        self._console = console
        self._counts = counts
        self._monotonic = monotonic
        self._interval: Interval | None = None
        self._last = monotonic()

    def tell(self, event: Event) -> None:
        """A line for each window, and one now and then between."""
        if isinstance(event, Started):
            self._interval = event.interval
            again = f", {event.covered / event.interval.length:.0%} of it done before" if event.covered else ""
            self._say(f"exporting {span(event.interval)}{again}")
        elif isinstance(event, WindowClosed):
            verdict = "proven" if event.proven else f"NOT proven: {event.reason}"
            self._say(f"{span(event.window)}: {event.rows:,} rows, {verdict}")
        elif isinstance(event, Noticed):
            notice(self._console, event.message)
        elif self._monotonic() - self._last >= LINE_EVERY_S:
            self._say(self._present(event))

    def _present(self, event: PageRead) -> str:
        share = f"{event.covered / self._interval.length:.0%}" if self._interval else ""
        return f"{share} of the interval, {event.rows:,} rows, {state(self._counts())}"

    def _say(self, line: str) -> None:
        self._last = self._monotonic()
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Nothing."""


class Bar:
    """One bar along the interval, for a terminal."""

    def __init__(self, console: Console, counts: Callable[[], Counts]) -> None:
        """The bar is drawn on the console; `counts` is asked for the present state of the client."""
        self._console = console
        self._bars = Bars(
            TextColumn("{task.fields[day]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[rows]:,} rows"),
            _StateColumn(counts),
            _TimeLeftColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bars.add_task("", total=None, day="", rows=0)
        self._interval: Interval | None = None
        self._bars.start()

    def tell(self, event: Event) -> None:
        """Move the bar; notices stand above it."""
        if isinstance(event, Started):
            self._interval = event.interval
            total = event.interval.length.total_seconds()
            done = event.covered.total_seconds()
            self._bars.update(self._task, total=total, completed=done, rows=event.rows, day=span(event.interval))
        elif isinstance(event, PageRead):
            self._bars.update(self._task, completed=event.covered.total_seconds(), rows=event.rows)
        elif isinstance(event, Noticed):
            notice(self._console, event.message)
        elif not event.proven:
            notice(self._console, f"{span(event.window)} is not proven: {event.reason}.")

    def close(self) -> None:
        """Take the bar away."""
        self._bars.stop()


class _StateColumn(ProgressColumn):
    """Requests, and what the export waits for."""

    def __init__(self, counts: Callable[[], Counts]) -> None:
        super().__init__()
        self._counts = counts

    def render(self, task: Task) -> Text:  # noqa: ARG002 - the bar's signature
        return Text(state(self._counts()))


class _TimeLeftColumn(ProgressColumn):
    """How long it will take, going by how long it took so far."""

    def render(self, task: Task) -> Text:
        if not task.total or not task.completed or task.elapsed is None:
            return Text("")
        left_s = task.elapsed * (task.total - task.completed) / task.completed
        return Text(f"{took(timedelta(seconds=left_s))} left")


def state(counts: Counts) -> str:
    """Requests and the throttle: `140 requests, waiting 12 s for the rate limit`."""
    line = f"{counts.requests:,} requests"
    if counts.trouble:
        return f"{line}, {counts.trouble}"
    return f"{line}, rate limit: {counts.waits_s:.0f} s" if counts.waits_s >= 1 else line


def face(console: Console, counts: Callable[[], Counts], *, quiet: bool) -> Face:
    """What fits: silence, a bar on a terminal, lines elsewhere."""
    if quiet:
        return Quiet(console)
    return Bar(console, counts) if console.is_terminal and not console.is_dumb_terminal else Lines(console, counts)


def console() -> Console:
    """Standard error, as wide as it is; NO_COLOR and TERM=dumb are honoured."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def notice(where: Console, message: str) -> None:
    """Something to know, in one line."""
    where.print(Text("note: ", style="yellow") + Text(message), soft_wrap=True)


def failure(where: Console, message: str, hint: str = "", correlation_id: str = "") -> None:
    """What went wrong, a blank line, what to do."""
    where.print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)
    if hint:
        where.print()
        where.print(Text("hint: ", style="bold cyan") + Text(hint), soft_wrap=True)
    if correlation_id:
        where.print(
            Text(f"For the vendor's support: ININ-Correlation-Id {correlation_id}", style="dim"), soft_wrap=True
        )


def summary(where: Console, done: Summary, source: str) -> None:
    """How it ended, on one screen."""
    where.print(_verdict(done), soft_wrap=True)
    where.print()
    for name, words in _facts(done, source):
        where.print(Text(f"  {name:<12}", style="dim") + Text(words), soft_wrap=True)


def _verdict(done: Summary) -> Text:
    if done.verdict == "proven":
        as_of = f", as of {done.manifest['provenAsOf'][:19]}Z" if done.entries else ""
        counted = f"{done.rows:,} conversation{'s' if done.rows != 1 else ''}"
        return Text("Proven: ", style="bold green") + Text(f"{counted}, none missing and none twice{as_of}.")
    total = len(done.entries) + len(done.unread)
    wrong = len(done.unproven) + len(done.unread)
    return Text("NOT PROVEN: ", style="bold red") + Text(
        f"{done.rows:,} conversations, but {wrong} of {total} windows cannot be shown to be complete."
    )


def _facts(done: Summary, source: str) -> Iterable[tuple[str, str]]:
    counts, manifest = done.counts, done.manifest
    windows = len(done.entries) + len(done.unread)
    resumed = f", {done.resumed_windows} of them done before" if done.resumed_windows else ""
    yield "source", source
    yield "interval", f"{span(done.interval)}, in {windows} window{'s' if windows != 1 else ''}{resumed}"
    yield from (("not proven", f"{span(entry.window)}: {entry.reason}") for entry in done.unproven[:5])
    yield from (("not read", f"{span(window)}") for window in done.unread[:5])
    if len(done.unproven) > 5 or len(done.unread) > 5:
        yield "", "... the manifest lists them all"
    if manifest["provisionalRows"]:
        since = manifest["provisionalFrom"][:16]
        yield (
            "provisional",
            f"{manifest['provisionalRows']:,} rows since {since}Z: wrap-ups and the nightly rebuild may change them",
        )
    if manifest["open"]:
        yield "open", f"{manifest['open']:,} have no end yet"
    if manifest["oddities"]:
        yield (
            "oddities",
            f"{sum(manifest['oddities'].values()):,} values the records do not know; the manifest names them",
        )
    yield (
        "requests",
        (
            f"{counts.requests:,}, at most {counts.allowed:.0f} a minute allowed; {counts.rejected} answered 429, "
            f"{counts.retried} tried again"
        ),
    )
    yield "took", took(done.finished_at - done.started_at)
    if done.output is not None:
        yield "rows", f"{done.output} ({size(manifest['output']['sizeBytes'])})"
        yield "manifest", f"{done.output}.manifest.json"


def span(interval: Interval) -> str:
    """`2026-01-05 08:00 to 2026-01-06 UTC`: as short as it can be said exactly to the second."""
    return f"{_short(interval.start)} to {_short(interval.end)} UTC"


def _short(instant: datetime) -> str:
    if instant.hour == instant.minute == instant.second == 0:
        return f"{instant:%Y-%m-%d}"
    return f"{instant:%Y-%m-%d %H:%M}" if instant.second == 0 else f"{instant:%Y-%m-%d %H:%M:%S}"


def took(length: timedelta) -> str:
    """`6.8 s`, `3 min 12 s`, `2 h 5 min`."""
    seconds = length.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """`1.8 MB`, in powers of 1,000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
