"""A time line as lines for a terminal of any width; without colours, characters tell the bars apart.

Lines are lists of pieces, a text and a style of rich, so that this module needs no terminal. Texts are not yet safe to
print: whoever prints them passes them through `printable`, or calls `safe` here, which the lines have been through.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from typing import TypeAlias

from rich.cells import cell_len, chop_cells, set_cell_size

from everycall.analysis.drawing import captions
from everycall.analysis.drawing.events import Event, events, took
from everycall.analysis.drawing.layout import Layout, Placed, PlacedLane, PlacedTrack, layout
from everycall.analysis.drawing.looks import APPEARANCES
from everycall.analysis.timeline import Fact, Lane, Look, Timeline
from everycall.printable import printable

Piece: TypeAlias = tuple[str, str]
"""A text and its style; empty for none."""

Line: TypeAlias = list[Piece]

ROOM_MIN = 24
"""Columns that a text needs beside what stands before it; otherwise it stands below."""

CUT = "//"


@dataclass(frozen=True, slots=True)
class Terminal:
    """What is known of the terminal."""

    width: int
    zone: tzinfo
    zone_name: str
    is_ascii: bool = False
    """Whether it knows ASCII only."""

    @property
    def label(self) -> int:
        """Columns for the names of the lanes."""
        return max(12, min(26, self.width // 4))

    @property
    def plot(self) -> int:
        """Columns for the bars."""
        return max(20, self.width - self.label - 1)

    def character(self, look: Look) -> str:
        """What fills a bar."""
        appearance = APPEARANCES[look]
        return appearance.ascii if self.is_ascii else appearance.character


def lines(timeline: Timeline, terminal: Terminal) -> Iterator[Line]:
    """Yield the lines: a head, the picture with its legend, who took part, what happened, and reviews."""
    yield from map(_stripped, _lines(timeline, terminal))


def _stripped(line: Line) -> Line:
    """The line without spaces at its end."""
    while line and not line[-1][0].rstrip():
        line = line[:-1]
    return [*line[:-1], (line[-1][0].rstrip(), line[-1][1])] if line else line


def _lines(timeline: Timeline, terminal: Terminal) -> Iterator[Line]:
    drawn = layout(timeline)
    yield from _head(timeline, terminal)
    yield []
    yield from _picture(drawn, terminal)
    yield []
    yield from _legend(drawn, terminal)
    yield from _section("Who took part", _participants(timeline, terminal))
    yield from _section("What happened", _happened(timeline, terminal))
    yield from _section("Afterwards", _reviews(timeline, terminal))


def _section(heading: str, found: Iterator[Line]) -> Iterator[Line]:
    below = list(found)
    if below:
        yield []
        yield [(heading, "bold")]
        yield from below


def safe(text: str) -> str:
    """A text in one line, with single spaces, without characters that move a cursor."""
    return printable(" ".join(text.split()))


def _head(timeline: Timeline, terminal: Terminal) -> Iterator[Line]:
    title, id_ = safe(captions.title(timeline)), safe(timeline.conversation_id)
    if cell_len(title) + 2 + cell_len(id_) <= terminal.width:
        yield [(title, "bold"), (f"  {id_}", "")]
    else:
        yield from _wrapped(title, "", terminal.width, "bold")
        yield from _wrapped(id_, "", terminal.width)
    when = captions.when(timeline, terminal.zone)
    yield from _wrapped(f"{when}, {terminal.zone_name}", "", terminal.width)
    yield from _wrapped(_joined(timeline.facts), "", terminal.width)


def _joined(facts: Sequence[Fact]) -> str:
    return "; ".join(f"{safe(label)}: {safe(text)}" for label, text in facts)


def _wrapped(text: str, first: str, width: int, style: str = "") -> Iterator[Line]:
    """Yield the text in lines no wider than the terminal, indented by what stands before it if that leaves room."""
    indent = " " * cell_len(first)
    if len(indent) > width - ROOM_MIN:
        yield from ([("  ", ""), (line, "")] for line in _broken(first, width - 2))
        first = indent = " " * 4
    for at, line in enumerate(_broken(text, width - len(indent))):
        yield [(first if at == 0 else indent, ""), (line, style)]


def _broken(text: str, width: int) -> Iterator[str]:
    """Yield lines of at most so many columns, broken between words, and within those that are longer."""
    line = ""
    for word_ in text.split():
        joined = f"{line} {word_}" if line else word_
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            yield line
        *whole, line = chop_cells(word_, width) or [""]
        yield from whole
    yield line


# --- the picture


def _picture(drawn: Layout, terminal: Terminal) -> Iterator[Line]:
    if not drawn.scale.stretches and not drawn.timeline.instants:
        yield [("Nothing in this conversation has a time.", "")]
        return
    yield _axis(drawn, terminal)
    for lane in drawn.lanes:
        yield from _lane(lane, drawn, terminal)


def _axis(drawn: Layout, terminal: Terminal) -> Line:
    cells = [" "] * terminal.plot
    for left in _cut_columns(drawn, terminal):
        _write(cells, left, CUT)
    free_from = 0
    ticks = drawn.scale.ticks(max(2, terminal.plot // 10), terminal.zone) or drawn.timeline.instants[:1]
    for at, text in captions.tick_texts(ticks, terminal.zone):
        column = _column(drawn.scale.x(at), terminal)
        shown = f"|{text}"
        is_free = column >= free_from and all(cell == " " for cell in cells[column : column + len(shown)])
        if is_free and column + len(shown) <= terminal.plot:
            _write(cells, column, shown)
            free_from = column + len(shown) + 1
    return [(" " * (terminal.label + 1), ""), ("".join(cells).rstrip(), "dim")]


def _column(x: float, terminal: Terminal) -> int:
    return min(terminal.plot - 1, int(x * terminal.plot + 1e-6))


def _cut_columns(drawn: Layout, terminal: Terminal) -> list[int]:
    columns = (int((one.left + one.right) / 2 * terminal.plot) - 1 for one in drawn.scale.cuts)
    return [max(0, min(terminal.plot - 2, column)) for column in columns]


def _write(cells: list[str], at: int, text: str) -> None:
    cells[at : at + len(text)] = text[: len(cells) - at]


def _lane(lane: PlacedLane, drawn: Layout, terminal: Terminal) -> Iterator[Line]:
    names = _lane_names(lane.lane, len(lane.tracks))
    for at, track in enumerate(lane.tracks):
        for number, row in enumerate(track.rows):
            label = names[at] if number == 0 else ""
            style, indent = ("bold", 0) if at == 0 else ("", 2)
            yield [(_fitted(label, terminal.label, indent) + " ", style), *_bars(row.bars, drawn, terminal)]
        second = _second_name(lane.lane, track) if at == 0 else ""
        for number, marks in enumerate(_marks(track, terminal) or ([""] if second else [])):
            label = second if number == 0 else ""
            yield [(_fitted(label, terminal.label, 2) + " ", "dim"), (marks, "")]


def _lane_names(lane: Lane, count: int) -> list[str]:
    first = lane.label
    return [first, *(f"{track.media or 'session'} {track.direction}".rstrip() for track in lane.tracks[1:count])]


def _second_name(lane: Lane, track: PlacedTrack) -> str:
    """The purpose under the name, and the queue of an agent's first segment with one."""
    purpose = lane.purpose if lane.name else ""
    return ", ".join(filter(None, (purpose, track.track.media)))


def _fitted(text: str, width: int, indent: int = 0) -> str:
    """The text in exactly so many columns."""
    text = " " * indent + safe(text)
    if cell_len(text) > width:
        text = set_cell_size(text, width - 2) + ".."
    return set_cell_size(text, width)


def _bars(bars: Sequence[Placed], drawn: Layout, terminal: Terminal) -> Line:
    """The bars of a row; each has at least one column, so that a short one moves its successor."""
    cells, styles = [" "] * terminal.plot, [""] * terminal.plot
    columns = list(_columns(bars, terminal))
    cuts = list(zip(drawn.scale.cuts, _cut_columns(drawn, terminal), strict=True))
    free_until = [*(left for left, _ in columns[1:]), len(cells)][: len(columns)]
    for placed, (left, right), until in zip(bars, columns, free_until, strict=True):
        through = [
            at for cut, at in cuts if placed.left <= cut.left + ROUNDING and placed.right >= cut.right - ROUNDING
        ]
        _write(cells, left, _bar(placed, right - left, terminal))
        for at in through:
            _write(cells, at, CUT)
        _label(placed, _longest(left, right, through), (right, until), cells)
        styles[left:right] = [APPEARANCES[placed.bar.look].style] * (right - left)
    return _pieces(cells, styles)


ROUNDING = 1e-9
"""Positions that differ by less are the same."""


def _longest(left: int, right: int, cuts: Sequence[int]) -> tuple[int, int]:
    """The longest piece of a bar between cuts."""
    starts, ends = [left, *(at + len(CUT) for at in cuts)], [*cuts, right]
    return max(zip(starts, ends, strict=True), key=lambda piece: piece[1] - piece[0])


def _columns(bars: Sequence[Placed], terminal: Terminal) -> Iterator[tuple[int, int]]:
    """Yield the columns of each bar: its first one, and the first one after it."""
    free_from = 0
    for placed in bars:
        left = min(terminal.plot - 1, max(_column(placed.left, terminal), free_from))
        free_from = max(left + 1, min(terminal.plot, round(placed.right * terminal.plot)))
        yield left, free_from


ENDS = {"open": ">", "unended": "?", "reversed": "?", "undated": "?"}


def _bar(placed: Placed, width: int, terminal: Terminal) -> str:
    """The characters of a bar."""
    end = ENDS.get(placed.bar.state, "")
    return (terminal.character(placed.bar.look) * (width - len(end)) + end)[-width:]


def _label(placed: Placed, inside: tuple[int, int], beside: tuple[int, int], cells: list[str]) -> None:
    """Write what a bar is and how long it took into it, or else beside it, where there is room."""
    texts = [f" {safe(text)}" for text in captions.bar_texts(placed.bar)]
    texts = [text for text in texts if cell_len(text) == len(text)]  # wide characters would move the rest
    room = inside[1] - inside[0] - 2 - len(ENDS.get(placed.bar.state, ""))
    fitting = next((text for text in texts if len(text) <= room), "")
    outside = next((text for text in texts if len(text) < beside[1] - beside[0]), "")
    if len(outside) > len(fitting):
        _write(cells, beside[0], outside)
        return
    text = fitting or f" {took(placed.bar)}"
    if len(text) <= room:
        _write(cells, inside[0] + 1, f"{text} ")


def _pieces(cells: Sequence[str], styles: Sequence[str]) -> Line:
    pairs = list(zip(cells, styles, strict=True))
    while pairs and pairs[-1][0] == " ":
        pairs.pop()
    return [("".join(cell for cell, _ in group), style) for style, group in groupby(pairs, key=lambda pair: pair[1])]


def _marks(track: PlacedTrack, terminal: Terminal) -> list[str]:
    """A line with a mark where metrics were emitted and what is notable about them, and one for what has no room there.

    No line where the session emitted nothing.
    """
    marks, below = [" "] * terminal.plot, [" "] * terminal.plot
    notable: list[tuple[int, int, str]] = []
    for column, group in groupby(track.marks, key=lambda pair: _column(pair[0], terminal)):
        marks[column] = "^"
        if texts := captions.notable(mark for _, mark in group):
            notable.append((captions.rank(texts[0]), column, ", ".join(texts)))
    for _, column, text in sorted(notable):
        if not _annotate(marks, column, text):
            _annotate(below, column - 1, text)
    return [line for cells in (marks, below) if (line := "".join(cells).rstrip())]


def _annotate(cells: list[str], column: int, text: str) -> bool:
    """Write a text to the right of a mark, or to the left, if there is room."""
    right = slice(column + 1, column + 2 + len(text))
    if column + 1 + len(text) <= len(cells) and not "".join(cells[right]).strip():
        _write(cells, column + 1, text)
        return True
    left = column - len(text)
    if left >= 0 and not "".join(cells[max(0, left - 1) : column]).strip():
        _write(cells, left, text)
        return True
    return False


# --- below the picture


def _legend(drawn: Layout, terminal: Terminal) -> Iterator[Line]:
    entries: list[Line] = [
        [(terminal.character(look) * 3, APPEARANCES[look].style), (f" {APPEARANCES[look].label}", "")]
        for look in drawn.looks
    ]
    entries.append([("^", ""), (" metrics emitted", "")])
    if drawn.timeline.is_open:
        entries.append([(">", ""), (" goes on", "")])
    states = {
        placed.bar.state for lane in drawn.lanes for one in lane.tracks for row in one.rows for placed in row.bars
    }
    if states & {"unended", "reversed", "undated"}:
        entries.append([("?", ""), (" a time is missing or wrong", "")])
    yield from _flowed(entries, terminal.width)
    for text in (captions.cuts(drawn.scale, terminal.zone), captions.undrawn(drawn)):
        if text:
            yield from _wrapped(text, "", terminal.width, "dim")


def _flowed(entries: Sequence[Line], width: int) -> Iterator[Line]:
    """Yield entries beside each other, as many as fit on a line."""
    line: Line = []
    used = 0
    for entry in entries:
        size = sum(cell_len(text) for text, _ in entry)
        if line and used + 3 + size > width:
            yield line
            line, used = [], 0
        line += [("   ", ""), *entry] if line else entry
        used += size + (3 if used else 0)
    if line:
        yield line


def _participants(timeline: Timeline, terminal: Terminal) -> Iterator[Line]:
    seen: set[Fact] = set()  # what others have shown is not repeated, such as the number that was called
    for lane in timeline.lanes:
        name = f"  {_who(lane)}: "
        sessions = [_session(track.media, track.direction, _new(track.facts, seen)) for track in lane.tracks]
        yield from _wrapped(" | ".join(sessions) or "no session", name, terminal.width)


def _new(facts: Sequence[Fact], seen: set[Fact]) -> list[Fact]:
    """The facts that were not seen yet; they are from now on."""
    found = [fact for fact in facts if fact not in seen]
    seen.update(found)
    return found


def _who(lane: Lane) -> str:
    purpose = f" ({safe(lane.purpose)})" if lane.name and lane.purpose else ""
    return f"{safe(lane.label)}{purpose}"


def _session(media: str, direction: str, facts: Sequence[Fact]) -> str:
    medium = " ".join(filter(None, (safe(media), safe(direction)))) or "session"
    return "; ".join(filter(None, (medium, _joined(facts))))


def _happened(timeline: Timeline, terminal: Terminal) -> Iterator[Line]:
    shown_day = ""
    seen: set[tuple[int, Fact]] = set()
    names = max((cell_len(safe(lane.label)) for lane in timeline.lanes), default=0)
    width = min(names, terminal.label - 2)
    for event in events(timeline):
        today = captions.day(event.at, terminal.zone) if event.at else "without a time"
        if today != shown_day:
            yield [(f"  {today}", "dim")]
            shown_day = today
        yield from _event(event, width, terminal, seen)


SAID_ONCE = ("queue", "subject")
"""Facts that all segments of a participant have: shown where they come first."""


def _event(event: Event, width: int, terminal: Terminal, seen: set[tuple[int, Fact]]) -> Iterator[Line]:
    at = captions.clock(event.at, terminal.zone) if event.at else " " * 8
    head = f"  {at}  {_fitted(event.lane.label, width)}  "
    if event.is_metric:
        text = ", ".join(f"{safe(name)} {safe(value)}" for name, value in event.facts)
        yield from _wrapped(f"^ {text}", head, terminal.width, "dim")
        return
    facts = _joined([fact for fact in event.facts if (id(event.lane), fact) not in seen])
    seen.update((id(event.lane), fact) for fact in event.facts if fact[0] in SAID_ONCE)
    what = f"{safe(event.what)} {event.took}"
    yield from _wrapped(f"{what}; {facts}" if facts else what, head, terminal.width)


def _reviews(timeline: Timeline, terminal: Terminal) -> Iterator[Line]:
    for review in timeline.reviews:
        at = _date_and_time(review.at, terminal.zone)
        yield from _wrapped(_joined(review.facts), f"  {at}  {review.kind}  ", terminal.width)


def _date_and_time(at: datetime | None, zone: tzinfo) -> str:
    return f"{captions.day(at, zone)} {captions.clock(at, zone)}" if at else "without a time"
