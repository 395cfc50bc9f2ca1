"""What is shown while an export runs and at its end, at widths and on terminals that are arguments."""

import dataclasses
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clocks import NOON, StillClock
from everycall import Counts, Interval, Summary
from everycall.cli import formats, progress, summary
from everycall.cli.bar import Bar
from everycall.cli.display import Display
from everycall.manifest import Entry
from everycall.printable import printable
from everycall.progress import Event, Noticed, PageRead, Progress, Started, WindowClosed
from inprocess import org

DAY = timedelta(days=1)
WEEK = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

COUNTS = Counts(requests=1_234, allowed=300.0)
WAITING = Counts(requests=300, allowed=300.0, waits_s=41.6)
TROUBLED = Counts(requests=9, allowed=300.0, trouble="the service answered 503: try later; trying again in 4 s")


class RecordedConsole(Console):
    """A console whose bytes are kept."""

    def __init__(self, *, width: int = 80, terminal: bool = False, **options: Any) -> None:
        self.kept = io.StringIO()
        super().__init__(
            file=self.kept, width=width, height=24, force_terminal=terminal, soft_wrap=True, highlight=False,
            _environ=options.pop("environ", {"TERM": "xterm-256color"} if terminal else {}),
        )  # fmt: skip


class Recorded(Display):
    """A display whose bytes are kept."""

    def __init__(self, *, width: int = 80, terminal: bool = False, **options: Any) -> None:
        self.recorded = RecordedConsole(width=width, terminal=terminal, **options)
        super().__init__(self.recorded)

    @property
    def raw(self) -> str:
        """What was written."""
        return self.recorded.kept.getvalue()

    @property
    def shown(self) -> str:
        """What was written, colours and movements left out."""
        return ESCAPE.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        return self.shown.splitlines()


def days(count: int, start: int = 0) -> list[Interval]:
    return [Interval(WEEK.start + at * DAY, WEEK.start + (at + 1) * DAY) for at in range(start, start + count)]


def entry(window: Interval, *, reason: str = "", rows: int = 100) -> Entry:
    return Entry(
        interval=str(window), route="query", verdict="unproven" if reason else "proven", reason=reason,
        hits_before=rows, hits_after=rows, unique_ids=rows, owned=rows, rows=rows, carried_in=0, open=0, re_reads=0,
        provisional=False, counted_at="2026-03-02T12:00:00.000Z", size_bytes=1, sha256="",
    )  # fmt: skip


def ended(entries: list[Entry], unread: list[Interval] | None = None, **manifest: Any) -> Summary:
    """A summary with these windows; what is given by name is added to its manifest."""
    proven = not unread and all(one.verdict == "proven" for one in entries)
    numbers = {
        "provenAsOf": "2026-03-02T12:00:00.000Z", "provisionalRows": 0, "provisionalFrom": None, "open": 0,
        "namesUnavailable": {}, "oddities": {}, "output": {"sizeBytes": 1_800_000},
    }  # fmt: skip
    return Summary(
        verdict="proven" if proven else "unproven", rows=sum(one.rows for one in entries), entries=tuple(entries),
        unread=tuple(unread or ()), resumed_windows=0, counts=COUNTS, pages=1, started_at=NOON,
        finished_at=NOON + timedelta(seconds=192), interval=WEEK, outputs=("conversations.csv",),
        manifest={**numbers, **manifest},
    )  # fmt: skip


def summed_up(done: Summary, width: int = 80, *, terminal: bool = False) -> list[str]:
    display = Recorded(width=width, terminal=terminal)
    summary.show(display, done, "https://api.mypurecloud.de")
    return display.lines


def screen_lines(lines: list[str], width: int) -> int:
    """How many lines of a terminal they take."""
    return sum(max(1, -(-len(line) // width)) for line in lines)


def report(where: Progress, *events: Event) -> None:
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

    assert lines[0] == "NOT PROVEN: 1 conversation, but 2 of 3 windows may be incomplete."
    assert "  not proven  2026-01-06 to 2026-01-07 UTC: 3 of 100 never came" in lines
    assert "  not read    1 window in 2026-01-07 to 2026-01-08 UTC" in lines


def test_the_summary_names_what_can_still_change() -> None:
    doubtful = ended(
        [entry(WEEK)], provisionalRows=1, provisionalFrom="2026-01-09T00:00:00.000Z", open=17,
        namesUnavailable={"users": "403", "queues": "403"}, oddities={"new: conversations.x": 12},
    )  # fmt: skip

    lines = "\n".join(summed_up(doubtful))

    assert "provisional 1 row since 2026-01-09T00:00Z: wrap-ups and the nightly rebuild may change them" in lines
    assert "open        17 conversations without an end yet" in lines
    assert "names       ids instead of the names of queues, users" in lines
    assert "oddities    12 unexpected values, which the manifest lists" in lines


def test_windows_from_before_the_retention_are_counted_once_as_incomplete() -> None:
    first, second = days(2)
    done = ended([entry(first, reason="3 never came"), entry(second)], notKept=[str(first), str(second)])

    lines = summed_up(dataclasses.replace(done, verdict="unproven"))

    assert lines[0] == "NOT PROVEN: 200 conversations, but 2 of 2 windows may be incomplete."
    assert "  not kept    2 windows before the org's retention, maybe deleted in part" in lines


def test_the_summary_counts_strays_late_and_outlasting_conversations() -> None:
    lines = summed_up(ended([entry(WEEK)], outlasting=2, strays=1))

    assert "  outlasting  2 conversations open more than a day after their handling" in lines
    assert "  strays      1 conversation that no other window returns; the manifest has them" in lines


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

    assert "... and 57 more windows, which the manifest lists" in "\n".join(lines)
    assert screen_lines(lines, width) <= 24


def test_a_narrow_terminal_breaks_lines_between_words() -> None:
    lines = summed_up(ended([entry(WEEK)]), 60, terminal=True)

    assert "  requests    1,234, at most 300 a minute allowed; 0" in lines
    assert "              answered 429, 0 tried again" in lines


def test_errors_are_wrapped_between_words() -> None:
    display = Recorded(width=40, terminal=True)

    display.failure("The folder is missing.", "Make it, or choose another output with -o, somewhere else.")

    assert [line.rstrip() for line in display.lines[2:]] == [
        "hint: Make it, or choose another output",
        "with -o, somewhere else.",
    ]


def test_an_export_without_conversations_is_shown_as_proven() -> None:
    assert summed_up(ended([entry(WEEK, rows=0)]))[0].startswith("Proven: 0 conversations, none missing")


# Lines, for a log


def lines_of(clock: StillClock, counts: Counts, *events: tuple[float, Event]) -> list[str]:
    display = Recorded()
    listener = progress.Lines(display, lambda: counts, clock.monotonic)
    for after_s, event in events:
        clock.advance(after_s)
        listener.report(event)
    listener.close()
    return display.lines


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


def test_a_resumed_export_shows_how_much_was_done() -> None:
    lines = lines_of(StillClock(), COUNTS, (0, Started(WEEK, 3 * DAY, 1000)))

    assert lines == ["exporting 2026-01-05 to 2026-01-12 UTC, 43% of it done before"]


def test_a_log_holds_no_escape_codes() -> None:
    display = Recorded()
    report(progress.Lines(display, lambda: TROUBLED), Started(WEEK, 3 * DAY, 0), WindowClosed(WEEK, 7, False, "x"))
    summary.show(display, ended([entry(WEEK, reason="x")]), "here")
    display.failure("It failed.", "Do something.", "1-2-3")

    assert "\x1b" not in display.raw


# The bar, on a terminal


def bar(width: int, counts: Counts, *events: Event) -> Recorded:
    """What is on the screen while the bar stands there."""
    display = Recorded(width=width, terminal=True)
    listener = Bar(display, lambda: counts)
    try:
        report(listener, *events)
        listener._bars.refresh()
    finally:
        listener.close()
    return display


def drawn(display: Recorded) -> list[str]:
    """The bar as it was drawn each time."""
    return [line.strip() for line in re.split(r"[\r\n]", display.shown) if "requests" in line]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("counts", [COUNTS, WAITING, TROUBLED])
def test_the_bar_is_one_line_on_any_terminal(width: int, counts: Counts) -> None:
    display = bar(width, counts, Started(WEEK, timedelta(), 0), PageRead(1_234_567, 3 * DAY))

    last = [line for line in re.split(r"[\r\n]", display.shown) if line.strip()][-1]

    assert "43% 1,234,567 rows" in last
    assert len(last) <= width
    assert len([line for line in display.shown.split("\n") if "rows" in line]) == 1


def test_the_bar_moves_along_the_interval() -> None:
    display = bar(120, COUNTS, Started(WEEK, timedelta(), 0), *(PageRead(at * 100, at * DAY) for at in (1, 4)))

    assert "exporting 2026-01-05 to 2026-01-12 UTC" in display.shown
    assert "57% 400 rows 1,234 requests" in " ".join(drawn(display)[-1].split())


def test_the_bar_says_what_it_waits_for() -> None:
    assert "300 requests, rate limit: the next in 42 s" in bar(120, WAITING, Started(WEEK, timedelta(), 0)).shown
    assert "9 requests, the service answered 503" in bar(120, TROUBLED, Started(WEEK, timedelta(), 0)).shown


def test_notes_are_printed_above_the_bar() -> None:
    display = bar(80, COUNTS, Started(WEEK, timedelta(), 0), Noticed("Look here."), WindowClosed(WEEK, 1, False, "x"))

    assert "note: Look here." in display.shown
    assert "note: 2026-01-05 to 2026-01-12 UTC is not proven: x." in display.shown


def test_no_color_leaves_the_bar_without_colours() -> None:
    display = Recorded(terminal=True, environ={"TERM": "xterm-256color", "NO_COLOR": "1"})
    listener = Bar(display, lambda: COUNTS)
    report(listener, Started(WEEK, timedelta(), 0), PageRead(100, DAY), Noticed("Look here."))
    listener.close()
    summary.show(display, ended([entry(WEEK, reason="x")]), "here")

    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", display.raw)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_wait_for_the_limit_can_be_read_at_any_width(width: int) -> None:
    """Together with rows of seven digits and a time left of the longest form."""
    clock = StillClock()
    counts = Counts(requests=300, allowed=10.0, waits_s=41.6, latency_s=0.4, ends_s=42.0)
    display = Recorded(width=width, terminal=True)
    listener = Bar(display, lambda: counts, clock.monotonic)
    report(listener, Started(WEEK, timedelta(), 0), PageRead(1_234_567, DAY))
    counts = dataclasses.replace(counts, requests=400)
    clock.advance(30)
    report(listener, PageRead(1_234_567, 1.5 * DAY))
    listener._bars.refresh()
    listener.close()

    lines = re.split(r"[\r\n]+", display.shown)
    line = next(line for line in reversed(lines) if "1,234,567 rows" in line)
    assert "left" in line
    assert ("limit: wait 42 s" if width < 100 else "rate limit: the next in 42 s") in line


# Which of them


@pytest.mark.parametrize(
    ("options", "quiet", "expected"),
    [
        ({}, False, progress.Lines),
        ({"terminal": True}, False, Bar),
        ({"terminal": True, "environ": {"TERM": "dumb"}}, False, progress.Lines),
        ({"terminal": True}, True, progress.Quiet),
    ],
)
def test_a_terminal_gets_a_bar_and_a_log_gets_lines(options: Any, quiet: bool, expected: type) -> None:
    assert isinstance(progress.listener(Recorded(**options), lambda: COUNTS, quiet=quiet).shown, expected)


def test_quiet_prints_only_notes() -> None:
    display = Recorded()
    happened: list[Event] = [
        Started(WEEK, timedelta(), 0),
        PageRead(1, DAY),
        WindowClosed(WEEK, 1, True, ""),
        Noticed("!"),
    ]

    report(progress.Quiet(display), *happened)

    assert display.lines == ["note: !"]


def test_progress_is_shown_along_the_interval(output: Path) -> None:
    where = org(conversations_per_day=200)
    display = Recorded(width=100, terminal=True)
    listener = progress.listener(display, where.client.counts, quiet=False)

    where.export(output, progress=listener)
    listener.close()

    assert "exporting 2026-01-05 to 2026-01-06 UTC" in display.shown
    assert display.raw.count("\x1b[?25l") == display.raw.count("\x1b[?25h") == 1


# Small things


def test_a_failure_says_what_was_wrong_and_what_to_do() -> None:
    display = Recorded()

    display.failure("No [red]x[/red].", "Do y.", "1-2-3")

    assert display.lines == [
        "error: No [red]x[/red].", "", "hint: Do y.", "For the vendor's support: ININ-Correlation-Id 1-2-3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0.0 s"), (6.84, "6.8 s"), (60, "1 min 0 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")],
)
def test_a_length_of_time_is_shown_in_two_units(seconds: float, expected: str) -> None:
    assert formats.duration(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (1.8e6, "1.8 MB"), (5e12, "5.0 TB")]
)
def test_a_size_is_shown_in_powers_of_a_thousand(count: float, expected: str) -> None:
    assert formats.size(count) == expected


def test_an_interval_is_shown_as_short_as_possible() -> None:
    assert formats.span(WEEK) == "2026-01-05 to 2026-01-12 UTC"
    assert formats.span(Interval(NOON, NOON + timedelta(hours=1, seconds=5))) == (
        "2026-03-02 12:00 to 2026-03-02 13:00:05 UTC"
    )


# Text that is not ours


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("Zürich 🎧 日本", "Zürich 🎧 日本"),
        ("a\nProven: 7 conversations", r"a\nProven: 7 conversations"),
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("\u202egnp.csv\u2066", r"\u202egnp.csv\u2066"),
        ("\u2028\u2029\u200b", r"\u2028\u2029\u200b"),
        ("\udcff\ue000", r"\udcff\ue000"),
    ],
)
def test_control_characters_are_escaped(foreign: str, shown: str) -> None:
    assert printable(foreign) == shown


@given(st.text())
def test_any_text_becomes_one_line_that_can_be_encoded(foreign: str) -> None:
    assert printable(foreign).isprintable()
    assert printable(foreign).encode().decode() == printable(foreign)


@pytest.mark.parametrize("terminal", [True, False])
def test_no_display_function_prints_an_escape_code(terminal: bool) -> None:
    evil = "\x1b[2J\nProven: 7 conversations"
    display = Recorded(terminal=terminal, environ={"TERM": "xterm", "NO_COLOR": "1"}, width=200)

    display.print(evil)
    display.notice(evil)
    display.failure(evil, evil, evil)
    display.fact("source", evil)
    listener = progress.Lines(display, lambda: Counts(trouble=evil))
    report(listener, Started(WEEK, timedelta(), 0), WindowClosed(WEEK, 1, False, evil), Noticed(evil))
    summary.show(display, ended([entry(WEEK, reason=evil)]), evil)

    assert "[2J" not in display.raw.replace(r"\x1b[2J", "")
    assert not [line for line in display.lines if line.startswith("Proven: 7")]


def test_a_bar_lets_no_escape_code_through() -> None:
    display = bar(200, Counts(trouble="\x1b[2J"), Started(WEEK, timedelta(), 0), PageRead(1, DAY))

    assert r"\x1b[2J" in display.raw
    assert "\x1b[2J" not in display.raw


# What an interruption leaves


def test_the_message_about_kept_windows_counts_this_run_and_earlier_ones() -> None:
    kept = progress.Kept(progress.Quiet(Recorded()))
    report(kept, Started(WEEK, 2 * DAY, 200), PageRead(250, 3 * DAY), WindowClosed(days(1)[0], 70, True, ""))
    report(kept, WindowClosed(days(1, 1)[0], 30, False, "it is read again by the next run"))

    assert str(kept) == "43% of the interval is kept (270 rows): the same command continues from there."


def test_where_no_window_is_finished_nothing_is_kept() -> None:
    kept = progress.Kept(progress.Quiet(Recorded()))

    assert "starts from the beginning" in str(kept)
    report(kept, Started(WEEK, timedelta(), 0), PageRead(100, DAY))
    assert "starts from the beginning" in str(kept)
