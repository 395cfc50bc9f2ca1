"""What a finished export amounts to: volume, service level and handle times by queue and agent, and wrap-up codes.

Of tables, the figures are the key figures (`tables.kpis`), added up over all days: metrics of the export's
conversations, on whichever day they were emitted. `flat_summary` makes the same of CSV, as far as its columns go.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from everycall.analysis.opening import OpenTables
from everycall.api.interval import Interval
from everycall.manifest import Manifest, Verdict
from everycall.tables.kpi_sql import kpi_query
from everycall.tables.kpis import Grain, Subject
from everycall.tables.sql import literal


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a queue, an agent, a code or everything; None where they cannot be given."""

    conversations: int | None = None
    """Only of CSV: rows."""
    offered: int | None = None
    answered: int | None = None
    abandoned: int | None = None
    service_level: float | None = None
    """(answered - over the target) / (answered + abandoned), from 0 to 1; None where both are 0."""
    asa_ms: float | None = None
    """Average speed of answer."""
    handled: int | None = None
    """Legs of agents that came to their end; of CSV, conversations with a handle time."""
    aht_ms: float | None = None
    """Average handle time of those; likewise the next three."""
    talk_ms: float | None = None
    hold_ms: float | None = None
    acw_ms: float | None = None
    given: int | None = None
    """Of a wrap-up code: how often it was given; of CSV, how many conversations have it last."""

    def as_json(self) -> dict[str, Any]:
        """As plain data, by camelCase names, without what cannot be given."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {_camel(name): value for name, value in values if value is not None}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


FIGURES = tuple(_camel(field.name) for field in fields(Figures))
"""The names of all figures, as JSON and CSV have them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One queue, agent or code."""

    id: str
    """The API's id; empty for what has none, and of CSV."""
    name: str
    """Its name, else its id; empty for metrics without a queue."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class Summary:
    """What an export amounts to."""

    output: str
    """The export as messages show it."""
    verdict: Verdict
    interval: str | None
    """`start/end` in UTC; None of CSV without its manifest."""
    as_of: str | None
    """When the first window was counted."""
    provisional_from: str | None
    """From when on the vendor could still change the data when it was exported; None if it could not."""
    timezone: str
    """Of the days."""
    conversations: int
    open: int
    """Conversations without an end."""
    media: Mapping[str, int]
    """Conversations by media type, most first. Of tables, one with several media counts for each."""
    days: Mapping[str, int]
    """Conversations that began on each local day that has any, in the order of time: `2026-01-05`."""
    all: Figures
    """Of all queues, and of what was in none."""
    queues: tuple[Line, ...]
    """Most offered first; of CSV, most conversations first."""
    agents: tuple[Line, ...]
    """Most handled first."""
    codes: tuple[Line, ...]
    """Most given first."""
    notes: tuple[str, ...] = ()
    """What cannot be given, and what to mind."""

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data for `json.dumps`."""
        return {
            "output": self.output,
            "verdict": self.verdict,
            "interval": self.interval,
            "asOf": self.as_of,
            "provisionalFrom": self.provisional_from,
            "timezone": self.timezone,
            "conversations": self.conversations,
            "open": self.open,
            "media": dict(self.media),
            "days": dict(self.days),
            "all": self.all.as_json(),
            "queues": [_line_as_json(line) for line in self.queues],
            "agents": [_line_as_json(line) for line in self.agents],
            "codes": [_line_as_json(line) for line in self.codes],
            "notes": list(self.notes),
        }


def _line_as_json(line: Line) -> dict[str, Any]:
    return {"id": line.id or None, "name": line.name or None, **line.figures.as_json()}


# --- of tables

COUNTED: Mapping[Subject, tuple[str, ...]] = {
    "queue": (
        "offered", "answered", "abandoned", "overSla", "answeredWaitMs", "handled", "handleMs", "talkCount", "talkMs",
        "holdCount", "holdMs", "acwCount", "acwMs",
    ),
    "agent": (
        "answered", "answeredWaitMs", "handled", "handleMs", "talkCount", "talkMs", "holdCount", "holdMs", "acwCount",
        "acwMs",
    ),
}  # fmt: skip
"""The measures that are added up, from which the others are made."""


def summarize(tables: OpenTables, timezone: str = "") -> Summary:
    """The summary of an export with tables.

    Args:
        tables: the export.
        timezone: of the days; an IANA name, or that of the export if it is left out.

    Raises:
        OutputFailed: the export cannot be read.
    """
    manifest = tables.manifest
    timezone = timezone or tables.about.timezone
    queues, agents = _sums(tables, "queue", "queueId", "queueName"), _sums(tables, "agent", "userId", "agentName")
    return Summary(
        tables.name,
        manifest.verdict,
        manifest.interval,
        manifest.proven_as_of,
        manifest.provisional_from,
        timezone,
        manifest.rows,
        manifest.open,
        _media(tables),
        _days(tables, timezone),
        figures_of(_total(queues)) if not lost_fields(manifest) else Figures(),
        _lines(queues, "offered"),
        _lines(agents, "handled"),
        _codes(tables),
        (*tables.notices, *notes_of(manifest), *_notes_on_figures(manifest)),
    )


def notes_of(manifest: Manifest) -> Iterator[str]:
    """Yield what an export left out: parts of the interval, conversations, values."""
    left_out = [str(Interval.read(one)) for one in (*manifest.unread, *manifest.not_kept)]
    if left_out:
        more = f" and {len(left_out) - 1:,} other windows" if len(left_out) > 1 else ""
        yield f"The export does not have {left_out[0]}{more}, so its figures are those of the rest."
    if manifest.query.filters:
        filters = ", ".join(manifest.query.filters)
        yield f"It was exported with filters ({filters}): other conversations are not counted."
    if manifest.query.redacted:
        yield f"It was exported with --redact {','.join(manifest.query.redacted)}."


def _notes_on_figures(manifest: Manifest) -> Iterator[str]:
    if lost := lost_fields(manifest):
        yield f"Its figures and times cannot be counted without {', '.join(lost)}, which are redacted."


def lost_fields(manifest: Manifest) -> list[str]:
    """The redacted fields of an export without which no metric can be counted, sorted."""
    return sorted({field.removesuffix("=drop") for field in manifest.query.redacted} & COUNTED_BY)


COUNTED_BY = frozenset(("name", "value", "emitDate"))
"""The fields of a metric."""


def _sums(tables: OpenTables, subject: Subject, id_: str, name: str) -> list[dict[str, Any]]:
    """The measures of each queue or agent over all days; none where the metrics are redacted."""
    if lost_fields(tables.manifest):
        return []
    grain = Grain(subject, "day")
    sums = ", ".join(f'CAST(sum("{one}") AS bigint) AS "{one}"' for one in COUNTED[subject])
    query = kpi_query(grain, tables.dialect)
    sql = f'SELECT "{id_}" AS id, max("{name}") AS name, {sums} FROM ({query}) AS kpi GROUP BY "{id_}"'  # noqa: S608
    found: list[dict[str, Any]] = tables.query(sql).to_pylist()
    return found


def _total(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in COUNTED["queue"]}


def figures_of(sums: Mapping[str, Any]) -> Figures:
    """The figures of added-up measures."""
    answered, abandoned = sums["answered"], sums.get("abandoned")
    level = None
    if abandoned is not None and answered + abandoned > 0:
        level = max(0, answered - sums["overSla"]) / (answered + abandoned)
    return Figures(
        offered=sums.get("offered"),
        answered=answered,
        abandoned=abandoned,
        service_level=level,
        asa_ms=_average(sums, "answeredWaitMs", "answered"),
        handled=sums["handled"],
        aht_ms=_average(sums, "handleMs", "handled"),
        talk_ms=_average(sums, "talkMs", "talkCount"),
        hold_ms=_average(sums, "holdMs", "holdCount"),
        acw_ms=_average(sums, "acwMs", "acwCount"),
    )


def _average(sums: Mapping[str, Any], total: str, count: str) -> float | None:
    return sums[total] / sums[count] if sums[count] else None


def _lines(rows: Sequence[Mapping[str, Any]], by: str) -> tuple[Line, ...]:
    """The rows that have anything of it or of handled legs, those with most first."""
    found = [row for row in rows if row[by] or row["handled"] or row["answered"]]
    found.sort(key=lambda row: (-row[by], -row["handled"], row["name"] or row["id"] or ""))
    return tuple(Line(row["id"] or "", row["name"] or row["id"] or "", figures_of(row)) for row in found)


def _media(tables: OpenTables) -> dict[str, int]:
    found = tables.query(
        'SELECT "mediaType" AS name, count(DISTINCT "conversationId") AS n FROM sessions '
        'WHERE "mediaType" IS NOT NULL GROUP BY 1 ORDER BY n DESC, name'
    )
    return {row["name"]: row["n"] for row in found.to_pylist()}


def _days(tables: OpenTables, timezone: str) -> dict[str, int]:
    found = tables.query(
        f'SELECT CAST("ownerTime" AT TIME ZONE {literal(timezone)} AS date) AS "day", count(*) AS n '  # noqa: S608
        "FROM conversations GROUP BY 1 ORDER BY 1"
    )
    return {str(row["day"]): row["n"] for row in found.to_pylist()}


def _codes(tables: OpenTables) -> tuple[Line, ...]:
    """The wrap-up codes, by the segments that have them."""
    found = tables.query("""
SELECT code.id, n."name", code.given
FROM (
    SELECT "wrapUpCode" AS id, count(*) AS given FROM segments WHERE "wrapUpCode" <> '' GROUP BY 1
) AS code
LEFT JOIN names n ON n."kind" = 'wrapUpCode' AND n."id" = code.id
ORDER BY code.given DESC, code.id
""")
    return tuple(Line(row["id"], row["name"] or row["id"], Figures(given=row["given"])) for row in found.to_pylist())
