"""What a report shows -> one file of HTML with everything in it.

The page's Content-Security-Policy forbids every request, and allows the two scripts and the style of the page by their
hashes only: no other script can run, and nothing is evaluated (Vega interprets its expressions instead). Texts of the
org stand in HTML escaped, and in the embedded JSON without any `<`, `>`, `&` or line separator.

Source: W3C Content Security Policy Level 3; HTML Standard, "Restrictions for contents of script elements".
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from everycall.analysis.report.figures import ReportData
from everycall.analysis.report.pictures import pictures
from everycall.sinks.extras import extra
from everycall.tables.kpis import MEASURES
from everycall.version import VERSION

TILES = {
    "offered": "Offered",
    "answered": "Answered",
    "abandoned": "Abandoned",
    "level": "Service level",
    "speed": "Speed of answer",
    "handle": "Handle time",
}

FIGURES = {
    "volume": (
        "Offered by half hour and weekday",
        "The average of each half hour on that weekday. The stronger the colour, the more.",
    ),
    "days": ("Offered, answered and abandoned", ""),
    "level": ("Service level against target", ""),
    "targets": (
        "Service level by queue and medium",
        "The bar is the service level, the upright line across it the queue's target, as it is set up now.",
    ),
    "media": ("Offered by medium", ""),
    "waits": ("How long customers waited", "Until an agent answered, or until they gave up."),
    "handle": ("Handle time by queue", "The average of all that were handled. Queues that handled most come first."),
    "codes": ("Wrap-up codes", "Those given most often come first."),
    "agents": ("Handle time by agent", "Those who handled most come first. The average of all whom they handled."),
    "coverage": (
        "What the export covers",
        "Each window of the export. Proven: what was read is what the API counts. Provisional: it can still change.",
    ),
}
"""The heading of each picture, and what it shows."""

WIDE = ("volume", "targets", "media", "coverage")

DEFINED = ("offered", "answered", "abandoned", "flowOuts", "asaMs", "handled", "ahtMs")
"""Measures of `tables.kpis` that the page explains."""

SEPARATORS = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    Raises:
        SettingsError: vl-convert-python is not installed.
    """
    with extra("report"):
        import vl_convert  # noqa: PLC0415 - only for reports

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # Inside a script element, only these two can end it or hide its end; neither is anything but a text in JavaScript.
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def page(data: ReportData, rows: int, bundle: Callable[[], str] = library) -> bytes:
    """The page.

    Args:
        data: what it shows.
        rows: conversations in the export.
        bundle: makes the script of the charting library.
    """
    style, script, charts = _text("page.css"), _text("page.js"), bundle()
    shown = _texts(data)
    return (
        Template(_text("page.html"))
        .substitute(
            {name: escape(text) for name, text in shown.items()},
            policy=policy([charts, script], style),
            notes="".join(f"<li>{escape(note)}</li>" for note in data.notes),
            filters="\n".join(_filters(data)),
            tiles="\n".join(_tiles()),
            figures="\n".join(_figures(data)),
            definitions="".join(_definitions(data)),
            version=VERSION,
            rows=f"{rows:,}",
            data=embedded(data),
            pictures=embedded(pictures()),
            style=style,
            script=script,
            library=charts,
        )
        .encode()
    )


def policy(scripts: list[str], style: str) -> str:
    """The Content-Security-Policy: these scripts and this style, and nothing else."""
    allowed = " ".join(map(_hash, scripts))
    return f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def embedded(value: Any) -> str:
    """JSON that can stand in a script element, whatever texts are in it."""
    return msgspec.json.encode(value).decode().translate(SEPARATORS)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _texts(data: ReportData) -> Mapping[str, str]:
    organization = f", organization {data.organization_id}" if data.organization_id else ""
    return {
        "title": data.title, "interval": data.interval, "timezone": data.timezone, "made_at": data.made_at,
        "organization": organization, "verdict_text": data.verdict_text,
        "verdict_class": "good" if data.verdict == "proven" else "bad",
    }  # fmt: skip


def _filters(data: ReportData) -> Iterator[str]:
    search = '<input type="search" placeholder="Search" aria-label="Search queues">' if len(data.queues) > 10 else ""
    for kind, title, inside in (("queue", "Queues", search), ("medium", "Media", "")):
        yield (
            f'<details class="filter" id="filter-{kind}"><summary>{title}: <span>all</span></summary><div>{inside}'
            '<button type="button" class="all">All</button> <button type="button" class="none">None</button>'
            "<ul></ul></div></details>"
        )


def _tiles() -> Iterator[str]:
    for name, title in TILES.items():
        yield f'<div id="tile-{name}"><dt>{title}</dt><dd></dd><div class="below"></div></div>'


def _figures(data: ReportData) -> Iterator[str]:
    for name, (title, explained) in FIGURES.items():
        if name == "agents" and data.agents is None:
            continue
        is_wide = name in WIDE or (name == "codes" and data.agents is None)
        heading = f"{title} by {data.unit}" if name in ("days", "level") else title
        text = data.level_text if name == "level" else explained
        yield (
            f'<figure id="{name}"{" class=wide" if is_wide else ""}><h2>{escape(heading)}</h2>'
            f'<p class="explained">{escape(text)}</p><p class="words"></p><p class="nothing" hidden>Nothing to show '
            'for this choice.</p><div class="picture"></div><details><summary>Table</summary><div class="scroll">'
            "<table></table></div></details></figure>"
        )


def _definitions(data: ReportData) -> Iterator[str]:
    found = {measure.name: measure for measure in MEASURES}
    names = {"flowOuts": "flow-outs", "asaMs": "average speed of answer", "ahtMs": "average handle time"}
    for name in DEFINED:
        doc, formula = escape(found[name].doc), escape(found[name].formula)
        yield f"<dt>{names.get(name, name)}</dt><dd>{doc} <code>{formula}</code></dd>"
    yield f"<dt>service level</dt><dd>{escape(data.level_text)}</dd>"
