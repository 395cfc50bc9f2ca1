"""A time line as rows: which bars stand beside each other, and where. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from everycall.analysis.drawing.scale import Scale, scale
from everycall.analysis.timeline import Bar, Lane, Look, Mark, Timeline, Track


@dataclass(frozen=True, slots=True)
class Placed:
    """A bar with its ends, from 0 to 1."""

    left: float
    right: float
    bar: Bar


@dataclass(frozen=True, slots=True)
class Row:
    """Bars that do not overlap, in the order of time."""

    bars: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class PlacedTrack:
    """A session: one row, or several where its segments overlap."""

    track: Track
    rows: tuple[Row, ...]
    marks: tuple[tuple[float, Mark], ...]
    """Metrics with their positions, by time; those without a time are not drawn."""


@dataclass(frozen=True, slots=True)
class PlacedLane:
    """A participant with its sessions."""

    lane: Lane
    tracks: tuple[PlacedTrack, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that is drawn, with positions from 0 to 1."""

    timeline: Timeline
    scale: Scale
    lanes: tuple[PlacedLane, ...]

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks in it, each once."""
        bars = (placed.bar for lane in self.lanes for track in lane.tracks for row in track.rows for placed in row.bars)
        found = {bar.look for bar in bars}
        return tuple(look for look in get_args(Look) if look in found)

    @property
    def undrawn(self) -> int:
        """Bars and metrics without any time, which are only listed."""
        tracks = [track for lane in self.lanes for track in lane.tracks]
        drawn = sum(len(row.bars) for track in tracks for row in track.rows) + sum(len(one.marks) for one in tracks)
        return sum(len(one.track.bars) + len(one.track.marks) for one in tracks) - drawn


def layout(timeline: Timeline) -> Layout:
    """The rows of a time line."""
    where = scale(timeline)
    lanes = (
        PlacedLane(lane, tuple(_track(track, where) for track in lane.tracks or (Track("", "", (), (), ()),)))
        for lane in timeline.lanes
    )
    return Layout(timeline, where, tuple(lanes))


def _track(track: Track, where: Scale) -> PlacedTrack:
    marks = tuple((where.x(mark.at), mark) for mark in track.marks if mark.at is not None)
    return PlacedTrack(track, tuple(_rows(list(_placed(track.bars, where)))), marks)


def _placed(bars: Sequence[Bar], where: Scale) -> Iterator[Placed]:
    for bar in bars:
        known = bar.start or bar.end
        if known is None:
            continue
        left = where.x(known)
        if bar.state == "open":
            yield Placed(left, 1.0, bar)
        elif bar.state == "ended" and bar.end is not None:
            yield Placed(left, where.x(bar.end), bar)
        else:
            yield Placed(left, left, bar)


def _rows(bars: Sequence[Placed]) -> Iterator[Row]:
    """Yield rows; each bar goes to the first row whose last bar has ended."""
    rows: list[list[Placed]] = []
    for bar in bars:
        free = next((row for row in rows if row[-1].right <= bar.left + 1e-9), None)
        if free is None:
            rows.append([bar])
        else:
            free.append(bar)
    for row in rows or [[]]:
        yield Row(tuple(row))
