"""A time line as an SVG picture that opens by itself, or stands in a page. Pure.

The picture has a title and a description for those who do not see it, and a tooltip at each bar and mark. It follows
the light or dark mode of whoever looks, and no bar differs from another by its colour alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from itertools import groupby
from unicodedata import east_asian_width

from everycall.analysis.drawing import captions
from everycall.analysis.drawing.events import took
from everycall.analysis.drawing.layout import Layout, Placed, PlacedLane, PlacedTrack, layout
from everycall.analysis.drawing.looks import APPEARANCES, word
from everycall.analysis.drawing.safe import inline
from everycall.analysis.timeline import Bar, Lane, Look, Mark, Timeline, value_text

WIDTH = 1000
"""Of a picture that stands by itself."""

NARROW = 600
"""Narrower pictures have the names above the bars."""

LABELS, MARGIN = 200, 10
BAR, ROW, MARKS, GAP = 20, 24, 18, 10
"""Heights: of a bar, of a row, of the marks below, and between lanes."""

AXIS, LEGEND = 26, 22
CHARACTER = 6.6
"""The width of a character of 12 px, on average; wide ones take two."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a picture, and what it is for."""

    zone: tzinfo
    zone_name: str
    width: int = WIDTH
    prefix: str = "t"
    """Of its ids, since a page has several pictures."""
    is_alone: bool = True
    """Whether it brings its own title and styles, rather than standing in a page."""

    @property
    def labels(self) -> int:
        """The width of the names beside the bars; none where they are above."""
        return 0 if self.width < NARROW else min(LABELS, self.width // 4)

    @property
    def left(self) -> int:
        """Where the bars begin."""
        return MARGIN + self.labels

    @property
    def plot(self) -> int:
        """The width of the bars."""
        return self.width - self.left - MARGIN

    def x(self, share: float) -> float:
        """The position in the picture."""
        return round(self.left + share * self.plot, 1)


@dataclass(slots=True)
class _Canvas:
    """What was drawn so far, from top to bottom."""

    y: float = 0.0
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "") -> None:
        """Write a text, which is escaped here."""
        classes = f' class="{kind}"' if kind else ""
        anchored = f' text-anchor="{anchor}"' if anchor else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{classes}{anchored}>{inline(text)}</text>')

    def line(self, x: float, top: float, bottom: float, kind: str) -> None:
        """Draw a vertical line."""
        self.parts.append(f'<path class="{kind}" d="M{x:g} {top:g}V{bottom:g}"/>')


def svg(timeline: Timeline, frame: Frame) -> str:
    """The picture: an XML document if it stands alone, else an element."""
    drawn = layout(timeline)
    canvas = _Canvas(y=float(MARGIN))
    if frame.is_alone:
        _head(timeline, frame, canvas)
    top = canvas.y + AXIS
    below = _Canvas(y=top)
    for lane in drawn.lanes:
        _lane(lane, frame, below)
    _axis(drawn, frame, canvas, below.y)
    canvas.parts += below.parts
    canvas.y = below.y
    if frame.is_alone:
        _legend(drawn, frame, canvas)
        _closing(timeline, frame, canvas)
    return _document(drawn, frame, canvas)


def _document(drawn: Layout, frame: Frame, canvas: _Canvas) -> str:
    height = round(canvas.y + MARGIN)
    ids = f"{frame.prefix}-title {frame.prefix}-desc"
    size = f'viewBox="0 0 {frame.width} {height}" width="{frame.width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline" {size} role="img" aria-labelledby="{ids}">',
        f'<title id="{frame.prefix}-title">{inline(_title(drawn.timeline))}</title>',
        f'<desc id="{frame.prefix}-desc">{inline(_description(drawn, frame))}</desc>',
        *([f"<style>{STYLE}</style>"] if frame.is_alone else []),
        f"<defs>{''.join(_pattern(look, frame) for look in APPEARANCES)}</defs>",
        f'<rect class="background" width="{frame.width}" height="{height}"/>',
        *canvas.parts,
        "</svg>",
    ]
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n' if frame.is_alone else ""
    return declaration + "\n".join(parts) + "\n"


def _title(timeline: Timeline) -> str:
    return f"Time line of conversation {timeline.conversation_id}"


def _description(drawn: Layout, frame: Frame) -> str:
    """The same for those who do not see the picture: who took part in which order, and for how long."""
    timeline = drawn.timeline
    lanes = (f"{_who(lane.lane)}: {_summary(lane.lane)}" for lane in drawn.lanes[:50])
    when = captions.when(timeline, frame.zone)
    return f"{captions.title(timeline)}, {when}, {frame.zone_name}. {'; '.join(lanes)}."


def _who(lane: Lane) -> str:
    return f"{lane.label} ({lane.purpose})" if lane.name and lane.purpose else lane.label


def _summary(lane: Lane) -> str:
    bars = [f"{bar.kind or 'segment'} {took(bar)}" for track in lane.tracks for bar in track.bars]
    more = f" and {len(bars) - 12} more" if len(bars) > 12 else ""
    return (", ".join(bars[:12]) + more) or "no segment"


def _head(timeline: Timeline, frame: Frame, canvas: _Canvas) -> None:
    canvas.text(MARGIN, canvas.y + 14, captions.title(timeline), "heading")
    canvas.text(MARGIN, canvas.y + 32, f"{captions.when(timeline, frame.zone)}, {frame.zone_name}", "muted")
    canvas.text(MARGIN, canvas.y + 48, timeline.conversation_id, "muted")
    canvas.y += 54
    _paragraph("; ".join(f"{label}: {text}" for label, text in timeline.facts), frame, canvas)
    canvas.y += 6


def _paragraph(text: str, frame: Frame, canvas: _Canvas, kind: str = "") -> None:
    for line in _wrapped(text, frame.width - 2 * MARGIN):
        canvas.text(MARGIN, canvas.y + 14, _cropped(line, frame.width - 2 * MARGIN), kind)
        canvas.y += 16


def _closing(timeline: Timeline, frame: Frame, canvas: _Canvas) -> None:
    """What was written down about the conversation, which a page has in tables."""
    notes = [f"{lane.label}: {'; '.join(filter(None, (bar.code, bar.note)))}" for lane, bar in captions.codes(timeline)]
    for review in timeline.reviews:
        at = captions.day(review.at, frame.zone) if review.at else "without a time"
        notes.append(f"{review.kind}, {at}: {'; '.join(f'{label}: {text}' for label, text in review.facts)}")
    if notes:
        canvas.y += GAP
        canvas.text(MARGIN, canvas.y + 14, "Codes, notes and what came afterwards", "name")
        canvas.y += 18
    for text in notes:
        _paragraph(text, frame, canvas)


# --- the scale


def _axis(drawn: Layout, frame: Frame, canvas: _Canvas, bottom: float) -> None:
    top = canvas.y + AXIS - 6
    for cut in drawn.scale.cuts:
        left, right = frame.x(cut.left), frame.x(cut.right)
        canvas.parts.append(
            f'<g><title>{inline(_cut_title(drawn, frame))}</title><rect class="cut" x="{left:g}" y="{top:g}" '
            f'width="{right - left:g}" height="{bottom - top:g}"/></g>'
        )
        canvas.text((left + right) / 2, canvas.y + 12, "//", "muted", "middle")
    taken = [(frame.x(cut.left), frame.x(cut.right)) for cut in drawn.scale.cuts]
    ticks = drawn.scale.ticks(max(2, frame.plot // 90), frame.zone) or drawn.timeline.instants[:1]
    for at, text in captions.tick_texts(ticks, frame.zone):
        x = frame.x(drawn.scale.x(at))
        canvas.line(x, top, bottom, "grid")
        half = width_of(text) / 2
        middle = min(max(x, half), frame.width - half)
        if all(middle + half < left or middle - half > right for left, right in taken):
            canvas.text(middle, canvas.y + 12, text, "muted", "middle")
            taken.append((middle - half - 6, middle + half + 6))


def _cut_title(drawn: Layout, frame: Frame) -> str:
    return captions.cuts(drawn.scale, frame.zone)


def width_of(text: str) -> float:
    """About how wide a text of 12 px is."""
    return CHARACTER * sum(2 if east_asian_width(one) in "WF" else 1 for one in text)


def _cropped(text: str, width: float) -> str:
    """As much of a text as fits."""
    text = " ".join(text.split())
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 2 * CHARACTER:
        text = text[:-1]
    return f"{text.rstrip()}…"


# --- lanes


def _lane(lane: PlacedLane, frame: Frame, canvas: _Canvas) -> None:
    canvas.parts.append(f'<path class="separator" d="M{MARGIN} {canvas.y:g}H{frame.width - MARGIN}"/>')
    canvas.y += GAP / 2
    for at, track in enumerate(lane.tracks):
        names = _names(lane.lane, track) if at == 0 else ("", _medium(track))
        if not frame.labels:
            _names_above(names, frame, canvas)
            _track(track, frame, canvas)
        else:
            top = canvas.y
            _track(track, frame, canvas)
            _names_beside(names, top, frame, canvas)
    canvas.y += GAP / 2


def _names(lane: Lane, track: PlacedTrack) -> tuple[str, str]:
    purpose = lane.purpose if lane.name else ""
    return lane.label, ", ".join(filter(None, (purpose, _medium(track))))


def _medium(track: PlacedTrack) -> str:
    return " ".join(filter(None, (track.track.media, track.track.direction)))


def _names_above(names: tuple[str, str], frame: Frame, canvas: _Canvas) -> None:
    name, second = names
    room = frame.width - 2 * MARGIN
    canvas.y += 14
    name = _cropped(name, room * 0.62)
    second = _cropped(second, room - width_of(name) * 1.1 - 8)
    gap = 8 if name else 0
    canvas.parts.append(
        f'<text x="{MARGIN}" y="{canvas.y:g}"><tspan class="name">{inline(name)}</tspan>'
        f'<tspan class="muted" dx="{gap}">{inline(second)}</tspan></text>'
    )
    canvas.y += 6


def _names_beside(names: tuple[str, str], top: float, frame: Frame, canvas: _Canvas) -> None:
    name, second = names
    if name:
        canvas.text(MARGIN, top + 15, _cropped(name, frame.labels - 14), "name")
        top += 16
    canvas.text(MARGIN, top + 15, _cropped(second, frame.labels - 8), "muted")
    canvas.y = max(canvas.y, top + 22)


def _track(track: PlacedTrack, frame: Frame, canvas: _Canvas) -> None:
    for row in track.rows:
        for at, placed in enumerate(row.bars):
            is_last = at + 1 == len(row.bars)
            _bar(placed, frame.x(1.0 if is_last else row.bars[at + 1].left), frame, canvas)
        canvas.y += ROW
    if track.marks:
        _marks(track, frame, canvas)


def _bar(placed: Placed, room_until: float, frame: Frame, canvas: _Canvas) -> None:
    """A bar, at least two pixels wide, with its kind and how long it took where there is room."""
    bar, left = placed.bar, frame.x(placed.left)
    width = max(2.0, frame.x(placed.right) - left)
    title = f"<title>{inline(_bar_title(bar, frame))}</title>"
    fill = f'fill="url(#{frame.prefix}-{bar.look})"'
    y = canvas.y
    if bar.state == "ended":
        shape = f'<rect class="bar" {fill} x="{left:g}" y="{y:g}" width="{width:g}" height="{BAR}" rx="2"/>'
    elif bar.state == "open":  # it runs out in a point
        tip, right = min(8.0, width), left + width
        path = f"M{left:g} {y:g}H{right - tip:g}L{right:g} {y + BAR / 2:g}L{right - tip:g} {y + BAR:g}H{left:g}Z"
        shape = f'<path class="bar" {fill} d="{path}"/>'
    else:  # a diamond where one time is known
        path = f"M{left:g} {y:g}l5 {BAR / 2}l-5 {BAR / 2}l-5 -{BAR / 2}Z"
        shape = f'<path class="bar doubtful" {fill} d="{path}"/>'
    canvas.parts.append(f"<g>{title}{shape}</g>")
    _bar_text(placed, left, width, room_until - left, canvas)


def _bar_text(placed: Placed, left: float, width: float, room: float, canvas: _Canvas) -> None:
    """Say in the bar, or else beside it, what it is and how long it took, as far as there is room."""
    bar = placed.bar
    texts = captions.bar_texts(bar)
    has_room = bar.state in ("ended", "open")
    fitting = next((text for text in texts if has_room and width_of(text) + 10 <= width), "")
    outside = next((text for text in texts if width + width_of(text) + 10 <= room), "")
    if len(outside) > len(fitting):
        canvas.text(left + max(width, 5) + 4, canvas.y + 14, outside, "beside")
        return
    for text in (fitting, word(bar), took(bar)):
        if text and has_room and width_of(text) + 10 <= width:
            canvas.text(left + 5, canvas.y + 14, text, "on-bar")
            return


def _bar_title(bar: Bar, frame: Frame) -> str:
    """The tooltip of a bar."""
    times = [captions.clock(at, frame.zone) for at in (bar.start, bar.end) if at is not None]
    facts = [(label, text) for label, text in (("queue", bar.queue), ("code", bar.code), ("note", bar.note)) if text]
    facts += [("ended by", bar.disconnect)] if bar.disconnect else []
    return "; ".join(
        [f"{bar.kind or 'segment'}, {' to '.join(times)}, {took(bar)}", *(f"{a}: {b}" for a, b in (*facts, *bar.facts))]
    )


def _marks(track: PlacedTrack, frame: Frame, canvas: _Canvas) -> None:
    """Triangles where metrics were emitted, and what is notable about them, in up to two lines."""
    notable: list[tuple[int, float, str]] = []
    for x, group in groupby(track.marks, key=lambda pair: float(round(frame.x(pair[0])))):
        marks = [mark for _, mark in group]
        title = f"<title>{inline(_mark_title(marks, frame))}</title>"
        triangle = f'<path class="mark" d="M{x:g} {canvas.y - 2:g}l4 7h-8Z"/>'
        canvas.parts.append(f"<g>{title}{triangle}</g>")
        if texts := captions.notable(marks):
            notable.append((captions.rank(texts[0]), x, ", ".join(texts)))
    lines: list[list[tuple[float, float]]] = [[], []]
    for _, x, text in sorted(notable):
        _annotate(x, text, lines, frame, canvas)
    canvas.y += MARKS * (2 if lines[1] else 1) if notable else 8


def _annotate(x: float, text: str, lines: Sequence[list[tuple[float, float]]], frame: Frame, canvas: _Canvas) -> None:
    """Write a text below a mark, in the first line that has room for it."""
    half = width_of(text) * 0.92 / 2
    middle = min(max(x, (frame.left if frame.labels else 0) + half + 2), frame.width - half - 2)
    for at, taken in enumerate(lines):
        if all(middle + half + 4 < left or middle - half - 4 > right for left, right in taken):
            taken.append((middle - half, middle + half))
            canvas.text(middle, canvas.y + 14 + at * 14, text, "notable", "middle")
            return


def _mark_title(marks: Sequence[Mark], frame: Frame) -> str:
    at = marks[0].at
    shown = ", ".join(f"{mark.name or 'metric'} {value_text(mark)}".rstrip() for mark in marks)
    return f"{captions.clock(at, frame.zone)}: {shown}" if at else shown


# --- the legend


def _legend(drawn: Layout, frame: Frame, canvas: _Canvas) -> None:
    canvas.y += GAP
    x = float(MARGIN)
    for look in drawn.looks:
        label = APPEARANCES[look].label
        width = 34 + width_of(label) * 1.05 + 14
        if x + width > frame.width and x > MARGIN:
            x, canvas.y = float(MARGIN), canvas.y + LEGEND
        canvas.parts.append(
            f'<rect class="bar" fill="url(#{frame.prefix}-{look})" x="{x:g}" y="{canvas.y:g}" width="26" height="14"/>'
        )
        canvas.text(x + 32, canvas.y + 11, label)
        x += width
    canvas.y += LEGEND
    notes = [MARKS_NOTE, captions.cuts(drawn.scale, frame.zone), captions.undrawn(drawn)]
    _paragraph(" ".join(filter(None, notes)), frame, canvas, "muted")


MARKS_NOTE = "Triangles: metrics, where they were emitted."


def _wrapped(text: str, width: float) -> Iterator[str]:
    line = ""
    for following in text.split():
        if line and width_of(f"{line} {following}") > width:
            yield line
            line = following
        else:
            line = f"{line} {following}".lstrip()
    if line:
        yield line


def swatch(look: Look, prefix: str) -> str:
    """A small bar for the legend of a page, which has the patterns of the picture with that prefix."""
    return (
        '<svg class="swatch" viewBox="0 0 26 14" width="26" height="14" aria-hidden="true">'
        f"<defs>{_pattern(look, Frame(UTC, '', prefix=f'{prefix}-{look}'))}</defs>"
        f'<rect class="bar" fill="url(#{prefix}-{look}-{look})" width="26" height="14"/></svg>'
    )


# --- styles


def _pattern(look: Look, frame: Frame) -> str:
    path = APPEARANCES[look].pattern
    lines = f'<path class="ink" d="{path}"/>' if path else ""
    return (
        f'<pattern id="{frame.prefix}-{look}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect class="{look}" width="8" height="8"/>{lines}</pattern>'
    )


def _colours(is_dark: bool) -> str:
    return "".join(f".{look}{{fill:{one.dark if is_dark else one.light}}}" for look, one in APPEARANCES.items())


_LIGHT = (
    ".background{fill:#fff}.timeline text{fill:#1b1f24}.timeline .muted{fill:#4d5561}.grid{stroke:#d9dde3}"
    ".separator{stroke:#e3e6ea}.cut{fill:#eceff3}.ink{stroke:#1b1f24;stroke-opacity:.55;fill:none}.bar{stroke:#4d5561}"
    ".mark{fill:#1b1f24}.timeline .on-bar{stroke:#fff}"
)
_DARK = (
    ".background{fill:#15181d}.timeline text{fill:#e8ebef}.timeline .muted{fill:#aab2bd}.grid{stroke:#333a43}"
    ".separator{stroke:#2a3038}.cut{fill:#20262e}.ink{stroke:#fff;stroke-opacity:.5;fill:none}.bar{stroke:#aab2bd}"
    ".mark{fill:#e8ebef}.timeline .on-bar{stroke:#15181d}"
)
STYLE = (
    ".timeline text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    ".timeline .heading{font-size:16px;font-weight:600}.timeline .name{font-weight:600}.timeline .notable,"
    ".timeline .beside{font-size:11px}"
    ".timeline .on-bar{font-size:12px;paint-order:stroke;stroke-width:3px;stroke-linejoin:round}"
    ".bar{stroke-width:.75}.doubtful{stroke-dasharray:2 1}.grid,.separator{stroke-width:1;fill:none}"
    f"{_LIGHT}{_colours(is_dark=False)}"
    f"@media (prefers-color-scheme:dark){{{_DARK}{_colours(is_dark=True)}}}"
)
"""The styles of pictures, for light and dark; a page that has pictures needs them, too."""
