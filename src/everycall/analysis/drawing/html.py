"""A time line as a page: one file that needs nothing else, no scripts, and sends nothing anywhere. Pure.

The page has the picture three times, for wide, middling and narrow screens, one of which is shown, and everything in
tables below. Its content security policy allows nothing but its own style sheet, by the checksum. All that comes from
the org is escaped by `safe`.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from hashlib import sha256

from everycall.analysis.drawing import captions, safe, svg
from everycall.analysis.drawing.events import Event, events
from everycall.analysis.drawing.layout import Layout, layout
from everycall.analysis.drawing.looks import APPEARANCES
from everycall.analysis.drawing.svg import Frame
from everycall.analysis.timeline import Fact, Lane, Timeline, Track
from everycall.instants import local

WIDTHS = {"wide": 960, "middle": 640, "narrow": 360}
"""The widths of the pictures; they are stretched a little to fit, so that their text stays as large as the page's."""


def html(timeline: Timeline, zone: tzinfo, zone_name: str, source: str) -> str:
    """The page.

    Args:
        timeline: what it shows.
        zone: on whose clocks times are shown.
        zone_name: what the page calls it.
        source: where the conversation was found.
    """
    frame = Frame(zone, zone_name, is_alone=False)
    body = "\n".join(_body(timeline, frame, source))
    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(digest=digest)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>Conversation {safe.inline(timeline.conversation_id)}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


POLICY = "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _body(timeline: Timeline, frame: Frame, source: str) -> Iterator[str]:
    drawn = layout(timeline)
    yield "<header>"
    yield f"<h1>{safe.inline(captions.title(timeline))}</h1>"
    yield f"<p>{safe.inline(captions.when(timeline, frame.zone))}, {safe.inline(frame.zone_name)}</p>"
    yield f'<p class="muted id">{safe.inline(timeline.conversation_id)}</p>'
    yield f"{_pairs(timeline.facts, 'summary')}</header>"
    yield "<main>"
    yield from _picture(timeline, drawn, frame)
    yield from _codes(timeline)
    yield from _reviews(timeline, frame.zone)
    yield from _happened(timeline, frame.zone)
    yield from _participants(timeline)
    yield "</main>"
    yield f"<footer>Made by everycall from {safe.inline(source)}. Times: {safe.inline(frame.zone_name)}.</footer>"


def _picture(timeline: Timeline, drawn: Layout, frame: Frame) -> Iterator[str]:
    yield "<figure>"
    for name, width in WIDTHS.items():
        picture = svg.svg(timeline, replace(frame, width=width, prefix=name))
        yield f'<div class="{name}">{picture}</div>'
    yield f"<figcaption>{''.join(_legend(drawn))}"
    notes = (svg.MARKS_NOTE, captions.cuts(drawn.scale, frame.zone), captions.undrawn(drawn))
    yield f"<p>{safe.inline(' '.join(filter(None, notes)))}</p></figcaption></figure>"


def _legend(drawn: Layout) -> Iterator[str]:
    yield "<ul>"
    for look in drawn.looks:
        yield f"<li>{svg.swatch(look, 'legend')} {safe.inline(APPEARANCES[look].label)}</li>"
    yield "</ul>"


def _pairs(facts: Iterable[Fact], kind: str = "") -> str:
    """Labels and texts; notes keep their lines."""
    pairs = "".join(f"<div><dt>{safe.inline(a)}</dt><dd><bdi>{safe.lines(b)}</bdi></dd></div>" for a, b in facts)
    classes = f' class="{kind}"' if kind else ""
    return f"<dl{classes}>{pairs}</dl>" if pairs else ""


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{heading}</h2>{content}</section>"


def _codes(timeline: Timeline) -> Iterator[str]:
    """Yield what agents wrote, which else stands far below."""
    given = captions.codes(timeline)
    if given:
        rows = ((_name(lane), _bdi(bar.code), _note(bar.note)) for lane, bar in given)
        yield _section("Codes and notes", _table(("Who", "Code", "Note"), rows, "Wrap-up codes and notes"))


def _note(note: str) -> str:
    return f'<bdi class="note">{safe.lines(note)}</bdi>' if note else ""


def _bdi(text: str) -> str:
    return f"<bdi>{safe.inline(text)}</bdi>"


def _name(lane: Lane) -> str:
    purpose = f' <span class="muted">{safe.inline(lane.purpose)}</span>' if lane.name and lane.purpose else ""
    return _bdi(lane.label) + purpose


def _reviews(timeline: Timeline, zone: tzinfo) -> Iterator[str]:
    if timeline.reviews:
        rows = ((_moment(one.at, zone), one.kind, _pairs(one.facts)) for one in timeline.reviews)
        table = _table(("When", "What", "Details"), rows, "Evaluations, surveys and resolutions")
        yield _section("Afterwards", table)


def _happened(timeline: Timeline, zone: tzinfo) -> Iterator[str]:
    found = events(timeline)
    if found:
        rows = _event_rows(found, zone)
        table = _table(("Time", "Who", "What"), rows, "All segments and metrics, by time")
        yield _section("What happened", table)


def _event_rows(found: Sequence[Event], zone: tzinfo) -> Iterator[Sequence[str]]:
    shown_day = ""
    for event in found:
        today = captions.day(event.at, zone) if event.at else "without a time"
        if today != shown_day:
            yield (f'<th colspan="3" scope="rowgroup">{safe.inline(today)}</th>',)
            shown_day = today
        time = f"<time>{local(event.at, zone):%H:%M:%S}.{event.at.microsecond // 1000:03}</time>" if event.at else ""
        yield time, _name(event.lane), _what(event)


def _what(event: Event) -> str:
    if event.is_metric:
        shown = (f"<span>{safe.inline(name)}&nbsp;<b>{safe.inline(value)}</b></span>" for name, value in event.facts)
        return f'<div class="metrics"><span class="muted">metrics</span> {" ".join(shown)}</div>'
    return f"<b>{safe.inline(event.what)}</b> {safe.inline(event.took)}{_pairs(event.facts)}"


def _moment(at: datetime | None, zone: tzinfo) -> str:
    return safe.inline(f"{captions.day(at, zone)} {captions.clock(at, zone)}" if at else "without a time")


def _participants(timeline: Timeline) -> Iterator[str]:
    if timeline.lanes:
        rows = ((_name(lane), "".join(_sessions(lane))) for lane in timeline.lanes)
        table = _table(("Who", "Sessions and attributes"), rows, "Participants with their sessions and attributes")
        yield _section("Who took part", table)


def _sessions(lane: Lane) -> Iterator[str]:
    for track in lane.tracks:
        yield _session(track)
    if lane.facts:
        count = "1 attribute" if len(lane.facts) == 1 else f"{len(lane.facts)} attributes"
        yield f"<details><summary>{count}</summary>{_pairs(lane.facts)}</details>"


def _session(track: Track) -> str:
    medium = " ".join(filter(None, (track.media, track.direction))) or "session"
    return f"<div><b>{safe.inline(medium)}</b>{_pairs(track.facts)}</div>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table of cells that are escaped; a single cell brings its own tag."""
    heads = "".join(f'<th scope="col">{one}</th>' for one in head)
    lines = ("".join(row if len(row) == 1 else (f"<td>{cell}</td>" for cell in row)) for row in rows)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


STYLE = svg.STYLE + (
    ":root{color-scheme:light dark}*{box-sizing:border-box}"
    "body{margin:0 auto;padding:16px;max-width:1000px;font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,"
    "sans-serif;background:#fff;color:#1b1f24;overflow-wrap:anywhere}"
    "h1{font-size:22px;margin:0}h2{font-size:17px;margin:28px 0 8px}p{margin:4px 0}.muted,footer,dt{color:#4d5561}"
    ".id{font-size:13px}figure{margin:20px 0 0}figcaption{font-size:13px}"
    "svg.timeline{display:block;width:100%;height:auto}.middle,.narrow{display:none}"
    "figcaption ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;padding:0;margin:8px 0}"
    "figcaption li{display:flex;gap:6px;align-items:center}.swatch{flex:none}"
    "dl{margin:0;display:flex;flex-wrap:wrap;gap:0 14px;font-size:13px}dl div{display:flex;gap:5px;min-width:0}"
    "dt{flex:none;max-width:12em}dt::after{content:':'}dd{margin:0;min-width:0;white-space:pre-wrap}"
    ".summary{margin-top:12px;display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:10px 16px;"
    "font-size:15px}.summary div{display:block}.summary dt{font-size:13px}.summary dt::after{content:''}"
    "table{width:100%;border-collapse:collapse;font-size:14px}caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}"
    "th,td{text-align:left;vertical-align:top;padding:5px 10px 5px 0;border-bottom:1px solid #e3e6ea;"
    "overflow-wrap:anywhere}td:nth-child(-n+2){min-width:6.2em}td:first-child:has(time){min-width:0}"
    "thead th{font-weight:600}tbody th{padding-top:12px}time{font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".metrics{font-size:13px}.metrics span{margin-right:10px;display:inline-block}.note{white-space:pre-wrap}"
    "footer{margin:28px 0 8px;font-size:13px}summary{cursor:pointer}"
    "@media (max-width:900px){.wide{display:none}.middle{display:block}}"
    "@media (max-width:600px){.middle{display:none}.narrow{display:block}body{padding:12px}td,th{padding-right:8px}"
    "td .muted{display:block}td .metrics .muted{display:inline-block}table{font-size:13px}}"
    "@media (prefers-color-scheme:dark){body{background:#15181d;color:#e8ebef}"
    ".muted,footer,dt{color:#aab2bd}th,td{border-color:#2a3038}}"
    "@media print{body{max-width:none;padding:0}tr,.timeline{break-inside:avoid}}"
)
