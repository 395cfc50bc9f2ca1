"""A finished export -> what a report shows.

The database adds up; only sums reach this process. Key figures are those of `tables.kpis`: metrics count in the half
hour and on the local day in which they were emitted. Only metrics that were emitted in the export's interval count,
since on later days there are only those of conversations that began before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from everycall.analysis.opening import OpenTables
from everycall.analysis.report.figures import (
    CODE_MEASURES,
    DAY_MEASURES,
    WAIT_STEPS_S,
    WORK_MEASURES,
    Cube,
    ReportData,
    Target,
)
from everycall.analysis.report.folding import Keys, Numbered, by_total, cube, labels
from everycall.analysis.report.local_time import LocalTime
from everycall.analysis.summary import lost_fields
from everycall.api.asked import zone_of
from everycall.printable import printable
from everycall.sinks.extras import extra
from everycall.tables.kpi_sql import emitted_query, kpi_query
from everycall.tables.kpis import Grain, Switches
from everycall.tables.sql import literal

if TYPE_CHECKING:
    import pyarrow as pa

QUEUES_MAX, CODES_MAX, AGENTS_MAX = 100, 60, 300
"""So many have a name in a report; the rest is added up as one."""

DAY_ROWS_MAX, SLOT_ROWS_MAX, WORK_ROWS_MAX = 15_000, 50_000, 5_000
"""Rows of the cubes by day, by half hour, and by code or agent. Where there would be more, fewer have a name: so a
report stays under 3 MB."""

QUEUE_DAY, QUEUE_HALF_HOUR = Grain("queue", "local_day"), Grain("queue", "half_hour")
CODES, AGENTS = Grain("wrapup", "local_day"), Grain("agent", "local_day")

NOUNS = {"queue": "queue", "wrapUpCode": "code", "user": "agent"}
"""The kinds of names, and how a report calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What a report is to show."""

    timezone: str = ""
    """IANA name; empty for that of the destination."""
    with_agents: bool = False
    """Whether agents are shown at all."""
    redact_names: bool = False
    """Whether queues, codes and agents are numbered instead of named, and the org's id is left out."""
    switches: Switches = field(default_factory=Switches)
    """What counts into the service level."""


def gather(tables: OpenTables, options: ReportOptions, now: datetime) -> ReportData:
    """The data of a report.

    Raises:
        QueryError: there is no such time zone.
        OutputFailed: the destination cannot be read.
    """
    with extra("report"):
        import pyarrow  # noqa: F401, ICN001, PLC0415 - for an error that names the extra
    return _Gathering(tables, options).data(now)


class _Gathering:
    """One reading of the tables."""

    def __init__(self, tables: OpenTables, options: ReportOptions) -> None:
        self.tables, self.options = tables, options
        self.timezone = options.timezone or tables.about.timezone
        self.time = LocalTime(tables.interval, zone_of(self.timezone))
        self.bounds = (self.time.start.isoformat(), self.time.end.isoformat())

    def data(self, now: datetime) -> ReportData:
        by_day, by_slot = self._by_day(), self._by_slot()
        media = Numbered(by_total(by_day, "mediaType", ("offered", "handled")))
        queues = _those_that_fit(by_day, by_slot, media)
        keys: Keys = {"queue": ("queueId", queues), "medium": ("mediaType", media)}
        windows = self.tables.windows()
        days = self.time.days(windows)
        dates = Numbered([day.date for day in days])
        codes, by_code = self._work(CODES, "wrapUpCode", "code", CODE_MEASURES, CODES_MAX, keys)
        agents, by_agent = self._agents(keys)
        organization_id = "" if self.options.redact_names else self.tables.about.organization_id
        return ReportData(
            title="Contact centre report",
            organization_id=printable(organization_id, 100),
            interval=f"{self.time.shown(self.time.start)} to {self.time.shown(self.time.end)}",
            timezone=self.timezone,
            made_at=self.time.shown(now),
            verdict=self.tables.manifest.verdict,
            verdict_text=self._verdict_text(),
            notes=tuple(self._notes()),
            unit=self.time.unit,
            queues=self._names("queue", queues),
            media=tuple(printable(one, 40) if one else "no medium" for one in media.ids),
            days=days,
            by_day=cube(by_day, {**keys, "day": ("bucket", dates)}, DAY_MEASURES),
            by_slot=cube(by_slot, {**keys, "slot": ("slot", None)}, ("offered",)),
            slot_times=self.time.slot_times(),
            wait_steps=wait_steps(),
            waits=cube(self._waits(), {**keys, "step": ("step", None)}, ("answered", "abandoned")),
            codes=self._names("wrapUpCode", codes),
            by_code=by_code,
            agents=None if agents is None else self._names("user", agents),
            rest={
                noun: len(numbered.named)
                for noun, numbered in (("queue", queues), ("code", codes), ("agent", agents))
                if numbered is not None and numbered.others
            },
            by_agent=by_agent,
            level_terms=self.options.switches.terms,
            level_text=level_text(self.options.switches),
            targets=tuple(self._targets(queues, media)),
            windows=self.time.covered(windows),
        )

    # --- what the database adds up

    def _kpis(self, grain: Grain) -> str:
        query = kpi_query(grain, self.tables.dialect, timezone=self.timezone, interval=self.bounds)
        return f"({query}) AS kpis"

    def _by_day(self) -> "pa.Table":
        day = 'CAST("day" AS timestamp)'
        bucket = day if self.time.unit == "day" else f"date_trunc('{self.time.unit}', {day})"
        return self.tables.query(f"""
SELECT CAST(CAST({bucket} AS date) AS varchar) AS bucket, "queueId", "mediaType", {_sums(DAY_MEASURES)}
FROM {self._kpis(QUEUE_DAY)}
GROUP BY 1, 2, 3""")

    def _by_slot(self) -> "pa.Table":
        local = f'("halfHour" AT TIME ZONE {literal(self.timezone)})'
        return self.tables.query(f"""
SELECT CAST((extract(isodow FROM {local}) - 1) * 48 + extract(hour FROM {local}) * 2
    + floor(extract(minute FROM {local}) / 30) AS integer) AS slot, "queueId", "mediaType", {_sums(("offered",))}
FROM {self._kpis(QUEUE_HALF_HOUR)}
WHERE "offered" > 0
GROUP BY 1, 2, 3""")

    def _waits(self) -> "pa.Table":
        emitted = emitted_query(QUEUE_HALF_HOUR, interval=self.bounds)
        steps = " ".join(f"WHEN value < {bound * 1000} THEN {step}" for step, bound in enumerate(WAIT_STEPS_S))
        return self.tables.query(f"""
SELECT CASE {steps} ELSE {len(WAIT_STEPS_S)} END AS step, "queueId", "mediaType",
    CAST(count(*) FILTER (WHERE "name" = 'tAnswered') AS bigint) AS answered,
    CAST(count(*) FILTER (WHERE "name" = 'tAbandon') AS bigint) AS abandoned
FROM ({emitted}) AS emitted
WHERE "name" IN ('tAnswered', 'tAbandon') AND value IS NOT NULL
GROUP BY 1, 2, 3""")

    def _work(
        self, grain: Grain, dimension: str, noun: str, measures: Sequence[str], most: int, keys: Keys
    ) -> tuple[Numbered, Cube]:
        """Handle times by a dimension: those with a name, as many as fit, and the cube."""
        found = self.tables.query(f"""
SELECT "{dimension}", "queueId", "mediaType", {_sums(measures)}
FROM {self._kpis(grain)}
GROUP BY 1, 2, 3""")
        order = by_total(found, dimension, ("handled",))
        while True:
            numbered = Numbered(order, most)
            folded = cube(found, {**keys, noun: (dimension, numbered)}, measures)
            if most <= 1 or len(folded["queue"]) <= WORK_ROWS_MAX:
                return numbered, folded
            most = most * 3 // 4

    def _agents(self, keys: Keys) -> tuple[Numbered | None, Cube]:
        """Nothing about agents is read where they are not shown."""
        if not self.options.with_agents:
            return None, {}
        return self._work(AGENTS, "userId", "agent", WORK_MEASURES, AGENTS_MAX, keys)

    # --- names and settings

    def _names(self, kind: str, numbered: Numbered) -> tuple[str, ...]:
        """The label of each number; the names of the org, unless they are to be left out."""
        noun = NOUNS[kind]
        if self.options.redact_names:
            names = {one: f"{noun.capitalize()} {at}" for at, one in enumerate(numbered.named, 1)}
        else:
            sql = f'SELECT "id", "name" FROM "names" WHERE "kind" = {literal(kind)}'
            names = {row["id"]: row["name"] for row in self.tables.query(sql).to_pylist() if row["name"]}
        return labels(numbered, names, noun)

    def _targets(self, queues: Numbered, media: Numbered) -> Iterable[Target]:
        sql = 'SELECT "queueId", "mediaType", "serviceLevelPercentage", "serviceLevelDurationMs" FROM "queue_media"'
        for row in self.tables.query(sql).to_pylist():
            queue, medium = queues.number_of(row["queueId"]), media.number_of(row["mediaType"])
            share, wait_ms = row["serviceLevelPercentage"], row["serviceLevelDurationMs"]
            if queue is not None and medium is not None and share is not None and wait_ms is not None:
                yield Target(queue=queue, medium=medium, percent=round(share * 100, 2), seconds=wait_ms / 1000)

    # --- what is known of the export

    def _verdict_text(self) -> str:
        manifest = self.tables.manifest
        count = len(manifest.windows) + len(manifest.unread)
        if manifest.verdict == "proven":
            return f"Complete: proven for all {count:,} windows" if count != 1 else "Complete: proven"
        if manifest.verdict == "unknown":
            return "Not counted: the conversations come from an archive without a manifest"
        parts = {
            "not proven": manifest.unproven,
            "not read": manifest.unread,
            "no longer kept by the org": manifest.not_kept,
        }
        found = ", ".join(f"{len(windows):,} {what}" for what, windows in parts.items() if windows)
        return f"Not proven complete: of {count:,} windows, {found}"

    def _notes(self) -> Iterable[str]:
        manifest, start = self.tables.manifest, self.time.shown(self.time.start)
        yield (
            f"Each figure counts when it happened. Conversations that began before {start} are not in this export, so "
            "its first hours can be too low."
        )
        if manifest.provisional_from:
            since = self.time.shown(datetime.fromisoformat(manifest.provisional_from))
            yield f"From {since} on the data is provisional: the vendor still changes it."
        if manifest.open:
            yield f"{manifest.open:,} conversations had not ended yet; what was still to come of them is missing."
        if manifest.query.filters:
            yield "The export was filtered: queues and agents may have handled more than this page shows."
        if lost := lost_fields(manifest):
            yield f"Figures and times cannot be counted without {', '.join(lost)}, which are redacted in the export."
        if self.time.has_odd_half_hours:
            yield "The vendor cuts half hours in UTC: here, each begins 15 minutes later than it is named."
        if self.tables.notices:
            yield "The archive was not read without remarks; the command that made this page printed them."


def _those_that_fit(by_day: "pa.Table", by_slot: "pa.Table", media: Numbered) -> Numbered:
    """The queues with a name of their own."""
    order, most = by_total(by_day, "queueId", ("offered", "handled")), QUEUES_MAX
    while True:
        queues = Numbered(order, most)
        keys: Keys = {"queue": ("queueId", queues), "medium": ("mediaType", media)}
        days = len(cube(by_day, {**keys, "day": ("bucket", None)}, ())["queue"])
        slots = len(cube(by_slot, {**keys, "slot": ("slot", None)}, ())["queue"])
        if most <= 1 or (days <= DAY_ROWS_MAX and slots <= SLOT_ROWS_MAX):
            return queues
        most = most * 3 // 4


def _sums(measures: Sequence[str]) -> str:
    """Sums of measures of the views; times in whole seconds."""
    return ", ".join(f'CAST({_sum(one)} AS bigint) AS "{one}"' for one in measures)


def _sum(measure: str) -> str:
    return f'floor(sum("{measure}") / 1000.0 + 0.5)' if measure.endswith("Ms") else f'sum("{measure}")'


def level_text(switches: Switches) -> str:
    """How the service level is counted, in words."""
    counted: Mapping[str, bool] = {
        "abandoned": switches.abandons,
        "short abandons": switches.abandons and switches.short_abandons,
        "flow-outs": switches.flow_outs,
    }
    parts = ["answered", *(what for what, is_in in counted.items() if is_in and what != "short abandons")]
    left_out = [what for what, is_in in counted.items() if not is_in]
    text = f"Answered within the queue's target, as a share of {' + '.join(parts)}."
    return f"{text} Not counted: {', '.join(left_out)}." if left_out else text


def wait_steps() -> tuple[str, ...]:
    """The labels of the steps of waits."""
    bounds = [_length(bound) for bound in WAIT_STEPS_S]
    between = (f"{low} to {high}" for low, high in pairwise(bounds))
    return (f"under {bounds[0]}", *between, f"{bounds[-1]} or more")


def _length(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % (size // 2) == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds} s"
