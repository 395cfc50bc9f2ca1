"""What is shown, at widths and on terminals that are arguments. No standard error of this process is written to."""

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from clocks import NOON, StillClock
from everycall import Counts, Interval, Summary
from everycall.cli import face
from everycall.ledger import Entry
from everycall.progress import Event, Noticed, PageRead, Started, WindowClosed
from inprocess import org

DAY = timedelta(days=1)
WEEK = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

COUNTS = Counts(requests=1_234, allowed=300.0)
WAITING = Counts(requests=300, allowed=300.0, waits_s=41.6)
TROUBLED = Counts(requests=9, allowed=300.0, trouble="the service answered 503: try later; trying again in 4 s")


class Recorded(Console):
    """A console whose bytes are kept."""

    def __init__(self, *, width: int = 80, terminal: bool = False, **options: Any) -> None:
        self.kept = io.StringIO()
        super().__init__(
            file=self.kept, width=width, height=24, force_terminal=terminal, soft_wrap=True, highlight=False,
            _environ=options.pop("environ", {"TERM": "xterm-256color"} if terminal else {}),
        )  # fmt: skip

    @property
    def said(self) -> str:
        """What was written, colours and movements left out."""
        return ESCAPE.sub("", self.kept.getvalue())

    @property
    def lines(self) -> list[str]:
        return self.said.splitlines()


def days(count: int, start: int = 0) -> list[Interval]:
    return [Interval(WEEK.start + at * DAY, WEEK.start + (at + 1) * DAY) for at in range(start, start + count)]


def entry(window: Interval, *, reason: str = "", rows: int = 100) -> Entry:
    return Entry(
        interval=str(window), route="query", verdict="unproven" if reason else "proven", reason=reason,
        hits_before=rows, hits_after=rows, unique_ids=rows, rows=rows, carried_in=0, open=0, re_reads=0,
        provisional=False, counted_at="2026-03-02T12:00:00.000Z", size_bytes=1, sha256="",
    )  # fmt: skip


def ended(entries: list[Entry], unread: list[Interval] | None = None, **manifest: Any) -> Summary:
    """A summary with these windows; what is given by name is added to its manifest."""
    proven = not unread and all(one.verdict == "proven" for one in entries)
    told = {
        "provenAsOf": "2026-03-02T12:00:00.000Z", "provisionalRows": 0, "provisionalFrom": None, "open": 0,
        "namesUnavailable": {}, "oddities": {}, "output": {"sizeBytes": 1_800_000},
    }  # fmt: skip
    return Summary(
        verdict="proven" if proven else "unproven", rows=sum(one.rows for one in entries), entries=tuple(entries),
        unread=tuple(unread or ()), resumed_windows=0, counts=COUNTS, pages=1, started_at=NOON,
        finished_at=NOON + timedelta(seconds=192), interval=WEEK, output=Path("conversations.csv"),
        manifest={**told, **manifest},
    )  # fmt: skip


def summed_up(done: Summary, width: int = 80, *, terminal: bool = False) -> list[str]:
    console = Recorded(width=width, terminal=terminal)
    face.summary(console, done, "https://api.mypurecloud.de")
    return console.lines


def screen_lines(lines: list[str], width: int) -> int:
    """How many lines of a terminal they take."""
    return sum(max(1, -(-len(line) // width)) for line in lines)


def told(where: face.Face, *events: Event) -> None:
    for event in events:
        where.report(event)


# The summary


def test_the_summary_says_what_is_proven_and_where_it_is() -> None:
    assert summed_up(ended([entry(WEEK, rows=2815)])) == [
        "Proven: 2,815 conversations, none missing and none twice, as of 2026-03-02T12:00:00Z.",
        "",
        "  source      https://api.mypurecloud.de",
        "  interval    2026-01-05 to 2026-01-12 UTC, in 1 window",
        "  requests    1,234, at most 300 a minute allowed; 0 answered 429, 0 tried again",
        "  took        3 min 12 s",
        "  rows        conversations.csv (1.8 MB)",
        "  manifest    conversations.csv.manifest.json",
    ]


def test_the_summary_says_what_is_not_proven_and_why() -> None:
    first, second, third = days(3)

    lines = summed_up(ended([entry(first, rows=1), entry(second, reason="3 of 100 never came", rows=0)], [third]))

    assert lines[0] == "NOT PROVEN: 1 conversation, but 2 of 3 windows cannot be shown to be whole."
    assert "  not proven  2026-01-06 to 2026-01-07 UTC: 3 of 100 never came" in lines
    assert "  not read    1 window in 2026-01-07 to 2026-01-08 UTC" in lines


def test_the_summary_says_what_is_not_the_last_word() -> None:
    doubtful = ended(
        [entry(WEEK)], provisionalRows=1, provisionalFrom="2026-01-09T00:00:00.000Z", open=17,
        namesUnavailable={"users": "403", "queues": "403"}, oddities={"new: conversations.x": 12},
    )  # fmt: skip

    lines = "\n".join(summed_up(doubtful))

    assert "provisional 1 row since 2026-01-09T00:00Z: wrap-ups and the nightly rebuild may change them" in lines
    assert "open        17 conversations without an end so far" in lines
    assert "names       ids stand for the names of queues, users" in lines
    assert "oddities    12 values that the records do not know; the manifest names them" in lines


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_worst_summary_fits_one_screen(width: int) -> None:
    long_reason = "read 4 times: 99,312 conversations, 99,315 counted, and the count moved between the readings"
    worst = ended(
        [entry(one, reason=long_reason) for one in days(60)], days(60, 60), provisionalRows=12_345,
        provisionalFrom="2026-01-09T00:00:00.000Z", open=17,
        namesUnavailable=dict.fromkeys(("users", "queues", "wrapupcodes", "divisions"), "403"),
        oddities={"new: conversations.x": 12_000},
    )  # fmt: skip

    lines = summed_up(worst, width, terminal=True)

    assert "... and 57 windows more, which the manifest lists" in "\n".join(lines)
    assert screen_lines(lines, width) <= 24


def test_a_narrow_terminal_breaks_lines_between_words() -> None:
    lines = summed_up(ended([entry(WEEK)]), 60, terminal=True)

    assert "  requests    1,234, at most 300 a minute allowed; 0" in lines
    assert "              answered 429, 0 tried again" in lines


def test_what_goes_wrong_is_broken_between_words_too() -> None:
    console = Recorded(width=40, terminal=True)

    face.failure(console, "The folder is missing.", "Make it, or choose another output with -o, somewhere else.")

    assert [line.rstrip() for line in console.lines[2:]] == [
        "hint: Make it, or choose another output",
        "with -o, somewhere else.",
    ]


@pytest.mark.parametrize(
    ("covered", "elapsed_s", "words"),
    [(3.5, 2, ""), (0.1, 100, ""), (3.5, 30, "30 s left"), (0.7, 600, "1 h 30 min left")],
)
def test_the_time_left_is_said_once_it_can_be_told(covered: float, elapsed_s: float, words: str) -> None:
    clock = StillClock()
    bars = Bars(console=Recorded(), get_time=clock.monotonic)
    task = bars.add_task("", total=7.0)
    clock.advance(elapsed_s)
    bars.update(task, completed=covered)

    assert str(face._TimeLeftColumn().render(bars.tasks[0])) == words


def test_an_export_of_nothing_is_proven_too() -> None:
    assert summed_up(ended([entry(WEEK, rows=0)]))[0].startswith("Proven: 0 conversations, none missing")


# Lines, for a log


def lines_of(clock: StillClock, counts: Counts, *events: tuple[float, Event]) -> list[str]:
    console = Recorded()
    listener = face.Lines(console, lambda: counts, clock.monotonic)
    for after_s, event in events:
        clock.advance(after_s)
        listener.report(event)
    listener.close()
    return console.lines


def test_a_log_gets_a_line_for_each_window() -> None:
    first, second = days(2)

    lines = lines_of(
        StillClock(), COUNTS,
        (0, Started(WEEK, timedelta(), 0)),
        (1, WindowClosed(first, 2815, True, "")),
        (1, WindowClosed(second, 7, False, "the count moved")),
        (1, Noticed("Names of users cannot be looked up.")),
    )  # fmt: skip

    assert lines == [
        "exporting 2026-01-05 to 2026-01-12 UTC",
        "2026-01-05 to 2026-01-06 UTC: 2,815 rows, proven",
        "2026-01-06 to 2026-01-07 UTC: 7 rows, NOT proven: the count moved",
        "note: Names of users cannot be looked up.",
    ]


def test_a_log_gets_a_line_between_windows_every_ten_seconds_at_most() -> None:
    pages = [(1.0, PageRead(rows, timedelta(days=rows / 1000))) for rows in range(100, 2600, 100)]

    lines = lines_of(StillClock(), WAITING, (0, Started(WEEK, timedelta(), 0)), *pages)

    assert lines[1:] == [
        "14% of the interval, 1,000 rows, 300 requests, rate limit: the next in 42 s",
        "29% of the interval, 2,000 rows, 300 requests, rate limit: the next in 42 s",
    ]


def test_an_export_that_is_gone_on_with_says_how_much_was_done() -> None:
    lines = lines_of(StillClock(), COUNTS, (0, Started(WEEK, 3 * DAY, 1000)))

    assert lines == ["exporting 2026-01-05 to 2026-01-12 UTC, 43% of it done before"]


def test_a_log_holds_no_escape_codes() -> None:
    console = Recorded()
    told(face.Lines(console, lambda: TROUBLED), Started(WEEK, 3 * DAY, 0), WindowClosed(WEEK, 7, False, "x"))
    face.summary(console, ended([entry(WEEK, reason="x")]), "here")
    face.failure(console, "It failed.", "Do something.", "1-2-3")

    assert "\x1b" not in console.kept.getvalue()


# The bar, on a terminal


def bar(width: int, counts: Counts, *events: Event) -> Recorded:
    """What is on the screen while the bar stands there."""
    console = Recorded(width=width, terminal=True)
    listener = face.Bar(console, lambda: counts)
    try:
        told(listener, *events)
        listener._bars.refresh()
    finally:
        listener.close()
    return console


def drawn(console: Recorded) -> list[str]:
    """The bar as it was drawn each time."""
    return [line.strip() for line in re.split(r"[\r\n]", console.said) if "requests" in line]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("counts", [COUNTS, WAITING, TROUBLED])
def test_the_bar_is_one_line_on_any_terminal(width: int, counts: Counts) -> None:
    console = bar(width, counts, Started(WEEK, timedelta(), 0), PageRead(1_234_567, 3 * DAY))

    last = [line for line in re.split(r"[\r\n]", console.said) if line.strip()][-1]

    assert "43% 1,234,567 rows" in last
    assert len(last) <= width
    assert len([line for line in console.said.split("\n") if "rows" in line]) == 1


def test_the_bar_moves_along_the_interval() -> None:
    console = bar(120, COUNTS, Started(WEEK, timedelta(), 0), *(PageRead(at * 100, at * DAY) for at in (1, 4)))

    assert "exporting 2026-01-05 to 2026-01-12 UTC" in console.said
    assert "57% 400 rows 1,234 requests" in " ".join(drawn(console)[-1].split())


def test_the_bar_says_what_it_waits_for() -> None:
    assert "300 requests, rate limit: the next in 42 s" in bar(120, WAITING, Started(WEEK, timedelta(), 0)).said
    assert "9 requests, the service answered 503" in bar(120, TROUBLED, Started(WEEK, timedelta(), 0)).said


def test_what_has_to_be_known_stands_above_the_bar() -> None:
    console = bar(80, COUNTS, Started(WEEK, timedelta(), 0), Noticed("Look here."), WindowClosed(WEEK, 1, False, "x"))

    assert "note: Look here." in console.said
    assert "note: 2026-01-05 to 2026-01-12 UTC is not proven: x." in console.said


def test_no_color_leaves_the_bar_without_colours() -> None:
    console = Recorded(terminal=True, environ={"TERM": "xterm-256color", "NO_COLOR": "1"})
    listener = face.Bar(console, lambda: COUNTS)
    told(listener, Started(WEEK, timedelta(), 0), PageRead(100, DAY), Noticed("Look here."))
    listener.close()
    face.summary(console, ended([entry(WEEK, reason="x")]), "here")

    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", console.kept.getvalue())


# Which of them


@pytest.mark.parametrize(
    ("options", "quiet", "expected"),
    [
        ({}, False, face.Lines),
        ({"terminal": True}, False, face.Bar),
        ({"terminal": True, "environ": {"TERM": "dumb"}}, False, face.Lines),
        ({"terminal": True}, True, face.Quiet),
    ],
)
def test_a_terminal_gets_a_bar_and_a_log_gets_lines(options: Any, quiet: bool, expected: type) -> None:
    assert isinstance(face.face(Recorded(**options), lambda: COUNTS, quiet=quiet), expected)


def test_quiet_says_notes_alone() -> None:
    console = Recorded()
    happened: list[Event] = [
        Started(WEEK, timedelta(), 0),
        PageRead(1, DAY),
        WindowClosed(WEEK, 1, True, ""),
        Noticed("!"),
    ]

    told(face.Quiet(console), *happened)

    assert console.lines == ["note: !"]


def test_a_whole_export_is_shown_along_time(output: Path) -> None:
    where = org(conversations_per_day=200)
    console = Recorded(width=100, terminal=True)
    listener = face.face(console, where.client.counts, quiet=False)

    where.export(output, progress=listener)
    listener.close()

    assert "exporting 2026-01-05 to 2026-01-06 UTC" in console.said
    assert console.kept.getvalue().count("\x1b[?25l") == console.kept.getvalue().count("\x1b[?25h") == 1


# Small things


def test_a_failure_says_what_was_wrong_and_what_to_do() -> None:
    console = Recorded()

    face.failure(console, "No [red]x[/red].", "Do y.", "1-2-3")

    assert console.lines == [
        "error: No [red]x[/red].", "", "hint: Do y.", "For the vendor's support: ININ-Correlation-Id 1-2-3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (6.84, "6.8 s"), (60, "1 min 0 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")],
)
def test_a_length_of_time_is_said_in_two_units(seconds: float, words: str) -> None:
    assert face.took(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (1.8e6, "1.8 MB"), (5e12, "5.0 TB")]
)
def test_a_size_is_said_in_powers_of_a_thousand(count: float, words: str) -> None:
    assert face.size(count) == words


def test_an_interval_is_as_short_as_it_can_be_said() -> None:
    assert face.span(WEEK) == "2026-01-05 to 2026-01-12 UTC"
    assert face.span(Interval(NOON, NOON + timedelta(hours=1, seconds=5))) == (
        "2026-03-02 12:00 to 2026-03-02 13:00:05 UTC"
    )
