"""What happened in a conversation, one thing after the other: what every drawing lists in full. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from everycall.analysis.timeline import Bar, Fact, Lane, Mark, Timeline, Track, duration, things, value_text


@dataclass(frozen=True, slots=True)
class Event:
    """A segment that starts, or the metrics that a session emits at one time."""

    at: datetime | None
    lane: Lane
    what: str
    """The segmentType, or "metrics"."""
    took: str
    """How long, or why that is not known; empty for metrics."""
    facts: tuple[Fact, ...]
    """Queue, code, note, ending ...; of metrics their names and values."""
    is_metric: bool = False


def events(timeline: Timeline) -> list[Event]:
    """Every segment and every metric, by time; what has no time comes last."""
    found = [event for lane, track in things(timeline) for event in _of(lane, track)]
    return sorted(found, key=lambda one: (one.at is None, one.at.timestamp() if one.at else 0.0, one.is_metric))


def _of(lane: Lane, track: Track) -> Iterator[Event]:
    for bar in track.bars:
        yield _segment(lane, bar)
    for at_time, marks in groupby(track.marks, key=lambda mark: mark.at):
        yield Event(at_time, lane, "metrics", "", tuple(map(_metric, marks)), is_metric=True)


def _segment(lane: Lane, bar: Bar) -> Event:
    queue = bar.queue if bar.queue != lane.name else ""
    named = (("code", bar.code), ("note", bar.note), ("queue", queue), ("ended by", bar.disconnect))
    facts = tuple((label, text) for label, text in named if text)
    return Event(bar.start or bar.end, lane, bar.kind or "(no type)", took(bar), (*facts, *bar.facts))


def took(bar: Bar) -> str:
    """How long a segment took, or why that is not known."""
    if bar.took_ms is not None:
        return duration(bar.took_ms)
    return {
        "open": "goes on",
        "unended": "no end",
        "reversed": "ends before it starts",
        "undated": "no start" if bar.end else "no time",
    }[bar.state]


def _metric(mark: Mark) -> Fact:
    return mark.name or "(no name)", value_text(mark) or "(no value)"
