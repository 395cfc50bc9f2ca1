"""The tables of an invented contact centre of any size, made by SQL in a DuckDB in memory.

Conversation number n is for queue n % queues. Every tenth is abandoned after n % 200 seconds; the others wait n % 60
seconds, and are handled for 300: 240 of talk, 20 of hold, 40 of after-call work. Whoever waits more than 20 seconds is
over the target. Conversations are spread evenly over the interval.

    python tests/centre_by_sql.py --count 1000000
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from everycall.analysis.opening import OpenTables
from everycall.analysis.report.gathering import ReportOptions, gather
from everycall.analysis.report.page import page
from everycall.api.interval import Interval
from everycall.manifest import Entry, Header, Manifest, Output
from everycall.tables.relational import TABLES
from everycall.tables.sql import sql

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)

MEDIA = ("voice", "chat", "email")

SIZE_MAX = 3_000_000


@dataclass(frozen=True, kw_only=True)
class Centre:
    """How large it is."""

    count: int
    days: int = 28
    queues: int = 4
    agents: int = 10
    codes: int = 5
    media: int = 1
    queue_names: Sequence[str] = ()
    """Names of the first queues; the others are called `Queue of n`."""
    verdicts: Sequence[str] = ()
    """Of the first days; the others are proven."""
    provisional_days: int = 0
    """The last days."""
    filters: bool = False
    offset_s: int = 0
    """How long after the start of the interval the first conversation begins."""
    timezone: str = ""

    @property
    def interval(self) -> Interval:
        return Interval(START, START + timedelta(days=self.days))


@contextmanager
def opened(centre: Centre) -> Iterator[OpenTables]:
    """Its tables, as if an export of them were opened."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            for statement in sql(table, "duckdb"):
                connection.execute(statement)
        for statement in _rows(centre):
            connection.execute(statement)
        for number, name in enumerate(centre.queue_names):
            connection.execute("UPDATE names SET name = $1 WHERE id = $2", [name, f"q{number}"])

        def run(statement: str, parameters: Sequence[object]) -> Any:
            return connection.sql(statement, params=list(parameters)).to_arrow_table()

        yield OpenTables("a centre", "duckdb", manifest(centre), frozenset(table.name for table in TABLES), run)


def _rows(centre: Centre) -> Iterator[str]:
    step_ms = centre.days * 86_400_000 / max(centre.count, 1)
    media = ", ".join(f"'{one}'" for one in MEDIA[: centre.media])
    start = f"TIMESTAMPTZ '{START.isoformat()}'"
    yield f"""
CREATE TABLE centre AS
SELECT n, 'c' || n AS c, {start} + to_milliseconds({centre.offset_s * 1000} + n * {step_ms}) AS t,
    'q' || n % {centre.queues} AS q, 'u' || (n * 7) % {centre.agents} AS u, 'w' || n % {centre.codes} AS w,
    list_extract([{media}], 1 + CAST((n // {centre.queues}) % {centre.media} AS integer)) AS m,
    n % 10 = 9 AS is_abandoned, CASE WHEN n % 10 = 9 THEN n % 200 ELSE n % 60 END AS waits
FROM range({centre.count}) numbers(n)"""
    yield """
INSERT INTO conversations BY NAME
SELECT 'o' AS "organizationId", c AS "conversationId", t AS "ownerTime", t AS "conversationStart" FROM centre"""
    keys = """'o' AS "organizationId", c AS "conversationId", t AS "ownerTime" """
    both = "(SELECT *, 0 AS p FROM centre UNION ALL SELECT *, 1 AS p FROM centre WHERE NOT is_abandoned)"
    yield f"""
INSERT INTO participants BY NAME SELECT {keys}, p AS "participantOrdinal",
    CASE p WHEN 0 THEN 'acd' ELSE 'agent' END AS purpose, CASE p WHEN 1 THEN u END AS "userId" FROM {both}"""
    yield f"""
INSERT INTO sessions BY NAME SELECT {keys}, p AS "participantOrdinal", 0 AS "sessionOrdinal", m AS "mediaType"
FROM {both}"""
    yield f"""
INSERT INTO segments BY NAME SELECT {keys}, p AS "participantOrdinal", 0 AS "sessionOrdinal", 0 AS "segmentOrdinal",
    'interact' AS "segmentType", t AS "segmentStart", q AS "queueId", CASE p WHEN 1 THEN w END AS "wrapUpCode"
FROM {both}"""
    metrics = {
        "nOffered": ("0", "1", "true", 0),
        "tAbandon": ("waits", "waits * 1000", "is_abandoned", 0),
        "tAnswered": ("waits", "waits * 1000", "NOT is_abandoned", 1),
        "nOverSla": ("waits", "1", "NOT is_abandoned AND waits > 20", 1),
        "tTalkComplete": ("waits + 260", "240000", "NOT is_abandoned", 1),
        "tHeldComplete": ("waits + 260", "20000", "NOT is_abandoned", 1),
        "tAcw": ("waits + 300", "40000", "NOT is_abandoned", 1),
        "tHandle": ("waits + 300", "300000", "NOT is_abandoned", 1),
    }
    for ordinal, (name, (after_s, value, condition, participant)) in enumerate(metrics.items()):
        yield f"""
INSERT INTO metrics BY NAME SELECT {keys}, {participant} AS "participantOrdinal", 0 AS "sessionOrdinal",
    {ordinal} AS "metricOrdinal", '{name}' AS name, {value} AS value, t + to_seconds({after_s}) AS "emitDate"
FROM centre WHERE {condition}"""
    named = {
        "queue": ("q", centre.queues, "Queue of "),
        "user": ("u", centre.agents, "Agent Name "),
        "wrapUpCode": ("w", centre.codes, "Code "),
    }
    for kind, (letter, count, prefix) in named.items():
        yield f"""
INSERT INTO names BY NAME
SELECT 'o' AS "organizationId", '{kind}' AS kind, '{letter}' || n AS id, '{prefix}' || n AS name
FROM range({count}) numbers(n)"""
    yield f"""
INSERT INTO queue_media BY NAME SELECT 'o' AS "organizationId", 'q' || n AS "queueId", m AS "mediaType",
    0.8 AS "serviceLevelPercentage", 20000 AS "serviceLevelDurationMs"
FROM range({centre.queues}) numbers(n), (SELECT unnest([{media}]) AS m)"""


def manifest(centre: Centre) -> Manifest:
    """A window for each day."""
    entries = [_entry(centre, number) for number in range(centre.days)]
    at = "2026-04-01T08:30:00.000Z"
    header = Header(
        everycall="1", source="an org", client_id="c", interval=str(centre.interval), begun_at=at,
        asked={"timezone": centre.timezone} if centre.timezone else {}, match="start", format="duckdb",
        filters={"conversationFilters": []} if centre.filters else {}, organization_id="org-id",
    )  # fmt: skip
    output = Output(format="duckdb", size_bytes=0, sha256="")
    return Manifest.of(header, entries, unread=[], not_kept=[], started_at=at, finished_at=at, output=output)


def _entry(centre: Centre, number: int) -> Entry:
    start = START + timedelta(days=number)
    verdict: Any = centre.verdicts[number] if number < len(centre.verdicts) else "proven"
    count = (number + 1) * centre.count // centre.days - number * centre.count // centre.days
    return Entry(
        interval=str(Interval(start, start + timedelta(days=1))), route="query", verdict=verdict, hits_before=count,
        hits_after=count, unique_ids=count, owned=count, carried_in=0, open=0, re_reads=0, rows=count, size_bytes=0,
        provisional=number >= centre.days - centre.provisional_days, counted_at="2026-04-01T08:30:00.000Z", sha256="",
        reason="The count moved while it was read." if verdict == "unproven" else "",
    )  # fmt: skip


def main() -> None:
    """Make a report of a large centre, and fail if it is too large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--output", default="")
    arguments = parser.parse_args()
    centre = Centre(count=arguments.count, days=arguments.days, queues=300, agents=2000, codes=150, media=3)
    begun = time.monotonic()
    with opened(centre) as tables:
        made_s = time.monotonic() - begun
        data = gather(tables, ReportOptions(timezone="Europe/Berlin", with_agents=True), NOW)
        whole = page(data, centre.count)
    took_s = time.monotonic() - begun - made_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{centre.count:,} conversations, {len(data.queues)} queues shown: {len(whole):,} bytes in {took_s:.1f} s; "
        f"tables made in {made_s:.1f} s; {peak_mb:,.0f} MB\n"
    )
    if arguments.output:
        with open(arguments.output, "wb") as file:  # noqa: PTH123
            file.write(whole)
    if sum(data.by_day["offered"]) != centre.count:
        raise SystemExit(f"{sum(data.by_day['offered']):,} offered in the report")
    if len(whole) >= SIZE_MAX:
        raise SystemExit(f"too large: {len(whole):,} bytes")


if __name__ == "__main__":
    main()
