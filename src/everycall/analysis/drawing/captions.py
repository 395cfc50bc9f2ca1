"""What pictures, pages and terminals say about a conversation in the same words. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from everycall.analysis.drawing.events import took
from everycall.analysis.drawing.layout import Layout
from everycall.analysis.drawing.looks import word
from everycall.analysis.drawing.scale import Scale
from everycall.analysis.timeline import NOTABLE, Bar, Lane, Mark, Timeline, duration
from everycall.instants import MILLISECOND, local


def title(timeline: Timeline) -> str:
    """`Voice, inbound`; what kind of conversation it is."""
    kind = ", ".join(filter(None, (timeline.media, timeline.direction)))
    return f"{kind[0].upper()}{kind[1:]}" if kind else "Conversation"


def when(timeline: Timeline, zone: tzinfo) -> str:
    """From when to when, on the clocks of the zone, and how long."""
    if timeline.start is None:
        return "without a start"
    start = local(timeline.start, zone)
    began = f"{start:%a} {start.day} {start:%b %Y, %H:%M:%S}"
    if timeline.end is None:
        return f"{began}, goes on"
    end = local(timeline.end, zone)
    ended = f"{end:%H:%M:%S}" if end.date() == start.date() else f"{end:%a} {end.day} {end:%b %Y, %H:%M:%S}"
    took = (timeline.end - timeline.start) // MILLISECOND
    return f"{began} to {ended} ({duration(took)})" if took >= 0 else f"{began}; ends before it starts, {ended}"


def day(at: datetime, zone: tzinfo) -> str:
    """`Mon 5 Jan 2026`."""
    shown = local(at, zone)
    return f"{shown:%a} {shown.day} {shown:%b %Y}"


def clock(at: datetime, zone: tzinfo, *, has_seconds: bool = True) -> str:
    """`09:05:13`, on the clocks of the zone."""
    return f"{local(at, zone):{'%H:%M:%S' if has_seconds else '%H:%M'}}"


def tick_texts(ticks: Iterable[datetime], zone: tzinfo) -> Iterator[tuple[datetime, str]]:
    """Yield what stands at each tick: the time, with seconds if any tick has them, and the day where it changes."""
    ticks = list(ticks)
    has_seconds = any(at.second for at in ticks)
    shown_day = None
    for at in ticks:
        today = local(at, zone).date()
        date = f"{today.day} {today:%b} " if shown_day not in (None, today) else ""
        shown_day = today
        yield at, date + clock(at, zone, has_seconds=has_seconds)


CUTS_SHOWN = 6


def cuts(scale: Scale, zone: tzinfo) -> str:
    """Which gaps are cut out of the scale, for the reader; empty where none is."""
    found = scale.cuts
    if not found:
        return ""
    lengths = [f"{duration(one.length // MILLISECOND)} from {_moment(one.start, zone)}" for one in found[:CUTS_SHOWN]]
    more = f", and {len(found) - CUTS_SHOWN} more" if len(found) > CUTS_SHOWN else ""
    which = "1 gap is" if len(found) == 1 else f"{len(found)} gaps are"
    return f"The scale is not continuous: {which} cut at //: {', '.join(lengths)}{more}."


def _moment(at: datetime, zone: tzinfo) -> str:
    shown = local(at, zone)
    return f"{shown.day} {shown:%b %H:%M}"


def undrawn(layout: Layout) -> str:
    """How much has no time and is not in the picture; empty where nothing is."""
    count = layout.undrawn
    if not count:
        return ""
    what = "1 segment or metric has" if count == 1 else f"{count} segments or metrics have"
    return f"{what} no time: listed below, not drawn."


def notable(marks: Iterable[Mark]) -> list[str]:
    """What pictures write at metrics of one time: the most important first, each once."""
    names = {mark.name for mark in marks}
    if names & {"nBlindTransferred", "nConsultTransferred"}:
        names.discard("nTransferred")
    if "nConsultTransferred" in names:
        names.discard("nConsult")
    if "tNotResponding" in names:
        names.discard("nError")
    return list(dict.fromkeys(text for name, text in NOTABLE.items() if name in names))


def rank(text: str) -> int:
    """How important such a text is, from 0: where there is no room for all, the others are left out."""
    return list(dict.fromkeys(NOTABLE.values())).index(text)


def bar_texts(bar: Bar) -> list[str]:
    """What a picture says of a bar, if there is room: what it is, how long it took, and its code; the longest first."""
    whole = f"{word(bar)} {took(bar)}"
    return [f"{whole}: {bar.code}", whole] if bar.code else [whole]


def codes(timeline: Timeline) -> list[tuple[Lane, Bar]]:
    """The segments with a wrap-up code or a note, with who gave it; in the order of lanes and time."""
    return [
        (lane, bar)
        for lane in timeline.lanes
        for track in lane.tracks
        for bar in track.bars
        if bar.code or bar.note
    ]  # fmt: skip
