"""What a reader sees while an export runs, and at its end. Everything here goes to standard error."""

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import IO, Any, Protocol, cast

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from everycall.api.names import WORDS
from everycall.api.query import Interval
from everycall.client import Counts
from everycall.exporting import Summary
from everycall.progress import Event, Noticed, PageRead, Progress, Started, WindowClosed

LINE_EVERY_S = 10.0
"""Without a terminal, a line of progress at most this often."""

TIME_LEFT_AFTER_S, TIME_LEFT_FROM = 3.0, 0.05
"""Before so many seconds and such a part, how long it took so far says little about how long it will take."""

WRONG_SHOWN = 3
"""Unproven windows that the summary names, with their reasons as far as this many signs; the manifest has them all."""

REASON_SHOWN = 85


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

    def report(self, event: Event) -> None:
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

    def report(self, event: Event) -> None:
        """A line for each window, and one now and then between."""
        if isinstance(event, Started):
            self._interval = event.interval
            self._say(exporting(event))
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
    """One bar along the interval, in one line, for a terminal."""

    def __init__(self, console: Console, counts: Callable[[], Counts]) -> None:
        """The bar is drawn on the console; `counts` is asked for the present state of the client."""
        self._console = console
        whole = Column(no_wrap=True)
        self._bars = Bars(
            BarColumn(bar_width=24 if console.width >= 100 else 12),
            TextColumn("{task.percentage:>3.0f}%", table_column=whole),
            TextColumn("{task.fields[rows]:,} rows", table_column=whole),
            _TimeLeftColumn(table_column=whole),
            _StateColumn(counts),  # the last one is what a narrow terminal cuts
            console=console,
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._bars.add_task("", total=None, rows=0)
        self._interval: Interval | None = None

    def report(self, event: Event) -> None:
        """Move the bar; what has to be known stands above it."""
        if isinstance(event, Started):
            self._interval = event.interval
            self._console.print(exporting(event), highlight=False, markup=False, soft_wrap=True)
            total = event.interval.length.total_seconds()
            self._bars.update(self._task, total=total, completed=event.covered.total_seconds(), rows=event.rows)
            self._bars.start()
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
        return Text(state(self._counts()), no_wrap=True, overflow="ellipsis")


class _TimeLeftColumn(ProgressColumn):
    """How long it will take, going by how long it took so far."""

    def render(self, task: Task) -> Text:
        if not task.total or task.completed < task.total * TIME_LEFT_FROM or (task.elapsed or 0) < TIME_LEFT_AFTER_S:
            return Text("")
        left_s = round((task.elapsed or 0) * (task.total - task.completed) / task.completed)
        return Text(f"{took(timedelta(seconds=left_s)) if left_s >= 60 else f'{left_s} s'} left")


def exporting(event: Started) -> str:
    """What is begun, or gone on with: `exporting 2026-01-05 to 2026-01-12 UTC, 43% of it done before`."""
    again = f", {event.covered / event.interval.length:.0%} of it done before" if event.covered else ""
    return f"exporting {span(event.interval)}{again}"


def state(counts: Counts) -> str:
    """Requests and the throttle: `140 requests, rate limit: the next in 12 s`."""
    line = f"{counts.requests:,} requests"
    if counts.trouble:
        return f"{line}, {counts.trouble}"
    return f"{line}, rate limit: the next in {counts.waits_s:.0f} s" if counts.waits_s >= 1 else line


def face(console: Console, counts: Callable[[], Counts], *, quiet: bool) -> Face:
    """What fits: silence, a bar on a terminal, lines elsewhere."""
    if quiet:
        return Quiet(console)
    return Bar(console, counts) if console.is_terminal and not console.is_dumb_terminal else Lines(console, counts)


class _StandardError:
    """Standard error as the console sees it. That it is full or that nobody reads it does not end an export."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def console() -> Console:
    """Standard error, as wide as it is; NO_COLOR and TERM=dumb are honoured."""
    return Console(file=cast("IO[str]", _StandardError()), highlight=False, soft_wrap=True)


def silence() -> Console:
    """Where nothing is shown."""
    return Console(quiet=True)


def notice(where: Console, message: str) -> None:
    """Something to know, in one line."""
    _print(where, Text("note: ", style="yellow") + Text(message))


def failure(where: Console, message: str, hint: str = "", correlation_id: str = "") -> None:
    """What went wrong, a blank line, what to do."""
    _print(where, Text("error: ", style="bold red") + Text(message))
    if hint:
        where.print()
        _print(where, Text("hint: ", style="bold cyan") + Text(hint))
    if correlation_id:
        _print(where, Text(f"For the vendor's support: ININ-Correlation-Id {correlation_id}", style="dim"))


def _print(where: Console, text: Text) -> None:
    """Lines that a terminal is too narrow for are broken between words; a log's are left whole."""
    where.print(text, soft_wrap=not where.is_terminal)


def summary(where: Console, done: Summary, source: str) -> None:
    """How it ended, on one screen."""
    _print(where, _verdict(done))
    where.print()
    for name, words in _facts(done, source):
        where.print(Text(f"  {name:<12}", style="dim") + Text(_wrapped(words, where)), soft_wrap=True)


def _wrapped(words: str, where: Console) -> str:
    """Broken between words where a terminal is too narrow; a path or a log is left whole."""
    if not where.is_terminal or os.sep in words:
        return words
    return textwrap.fill(
        words, max(24, where.width - 14), subsequent_indent=" " * 14, break_long_words=False, break_on_hyphens=False
    ).lstrip()


def _verdict(done: Summary) -> Text:
    if done.verdict == "proven":
        as_of = f", as of {done.manifest['provenAsOf'][:19]}Z" if done.entries else ""
        return Text("Proven: ", style="bold green") + Text(
            f"{counted(done.rows, 'conversation')}, none missing and none twice{as_of}."
        )
    wrong, total = len(done.unproven) + len(done.unread), len(done.entries) + len(done.unread)
    return Text("NOT PROVEN: ", style="bold red") + Text(
        f"{counted(done.rows, 'conversation')}, but {wrong} of {counted(total, 'window')} cannot be shown to be whole."
    )


def _facts(done: Summary, source: str) -> Iterable[tuple[str, str]]:
    yield "source", source
    resumed = f", {done.resumed_windows} of them done before" if done.resumed_windows else ""
    windows = counted(len(done.entries) + len(done.unread), "window")
    yield "interval", f"{span(done.interval)}, in {windows}{resumed}"
    yield from _wrong(done)
    yield from _doubtful(done.manifest)
    counts = done.counts
    yield (
        "requests",
        (
            f"{counts.requests:,}, at most {counts.allowed:.0f} a minute allowed; {counts.rejected} answered 429, "
            f"{counts.retried} tried again"
        ),
    )
    yield "took", took(done.finished_at - done.started_at)
    if done.output is not None:
        yield "rows", f"{done.output} ({size(done.manifest['output']['sizeBytes'])})"
        yield "manifest", f"{done.output}.manifest.json"


def _wrong(done: Summary) -> Iterable[tuple[str, str]]:
    """What is not proven, as far as there is room."""
    for entry in done.unproven[:WRONG_SHOWN]:
        yield "not proven", f"{span(entry.window)}: {textwrap.shorten(entry.reason, REASON_SHOWN, placeholder=' ...')}"
    if len(done.unproven) > WRONG_SHOWN:
        yield "", f"... and {counted(len(done.unproven) - WRONG_SHOWN, 'window')} more, which the manifest lists"
    if done.unread:
        between = span(Interval(done.unread[0].start, done.unread[-1].end))
        yield "not read", f"{counted(len(done.unread), 'window')} in {between}"


def _doubtful(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What is complete, and still not the last word."""
    if manifest["provisionalRows"]:
        yield (
            "provisional",
            (
                f"{counted(manifest['provisionalRows'], 'row')} since {manifest['provisionalFrom'][:16]}Z: "
                "wrap-ups and the nightly rebuild may change them"
            ),
        )
    if manifest["open"]:
        yield "open", f"{counted(manifest['open'], 'conversation')} without an end so far"
    if manifest["namesUnavailable"]:
        kinds = ", ".join(f"{WORDS[kind]}s" for kind in sorted(manifest["namesUnavailable"]))
        yield "names", f"ids stand for the names of {kinds}"
    if manifest["oddities"]:
        odd = sum(manifest["oddities"].values())
        yield "oddities", f"{counted(odd, 'value')} that the records do not know; the manifest names them"


def counted(number: int, what: str) -> str:
    """`1 window`, `2,815 windows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


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
