"""The key figures: each view against the sandbox's aggregates, and each kind of destination against the others."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from everycall.analysis.opening import OpenTables, open_tables
from everycall.converting import convert
from everycall.sandbox import Recorded
from everycall.sandbox.store import Store
from everycall.sandbox.switches import Switches
from everycall.tables.kpi_sql import in_delta, in_parquet, kpi_query
from everycall.tables.kpis import GRAINS, REQUIRED, Grain
from everycall.tables.kpis import Switches as Counted
from everycall.tables.relational import OF_CONVERSATIONS, QUEUE_MEDIA
from everycall.tables.sql import sql
from flat_by_sql import InDuckDB, encoded, tables_of
from inprocess import org
from kpis_by_sandbox import END, Odd, OneDay, Tree, by_sandbox, by_view, differences, service_levels

CONVERSATIONS = int(os.environ.get("EVERYCALL_CONVERSATIONS", "400"))

HALF_HOUR = Grain("queue", "half_hour")
BERLIN = "Europe/Berlin"


@dataclass
class Exported:
    """A Monday of an org, exported as an archive and as files with tables."""

    store: Store
    archive: Path
    parquet: Path
    duckdb: Path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Conversations of every kind; as many as EVERYCALL_CONVERSATIONS says."""
    folder = tmp_path_factory.mktemp("kpis")
    where = org(world=OneDay(CONVERSATIONS), rate_limit=1_000_000, switches=Switches(aggregate_results_max=0))
    found = Exported(where.sandbox.store, folder / "calls.jsonl.gz", folder / "calls.parquet", folder / "calls.duckdb")
    where.export([found.archive, found.parquet, found.duckdb])
    return found


@pytest.fixture(scope="module")
def tables(exported: Exported) -> Iterator[OpenTables]:
    with open_tables(exported.duckdb) as opened:
        yield opened


def rows(tables: OpenTables, grain: Grain, **arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tables.query(kpi_query(grain, tables.dialect, **arguments)).to_pylist()
    return found


def is_asked(row: Mapping[str, Any]) -> bool:
    """Whether the sandbox was asked for the time of a row."""
    at: datetime | date = row["halfHour"] if "halfHour" in row else row["day"]
    return at < (END if isinstance(at, datetime) else END.date())


# The aggregates of the API


def test_the_conversations_are_of_every_kind() -> None:
    world = OneDay(CONVERSATIONS)
    monday = world.day(20_458)

    assert {monday[number].kind for number in range(len(monday))} == world.kinds
    assert len(monday) == CONVERSATIONS


@pytest.mark.parametrize("grain", [grain for grain in GRAINS if grain.slice != "local_day"], ids=lambda one: one.view)
def test_every_view_equals_the_aggregates_cell_by_cell(exported: Exported, tables: OpenTables, grain: Grain) -> None:
    view = by_view(grain, filter(is_asked, rows(tables, grain)))
    sandbox = by_sandbox(exported.store, grain)

    assert differences(sandbox, view) == []
    assert view.keys() == sandbox.keys()
    assert len(view) > (3 if grain.subject == "flow_out" else 30)


@pytest.mark.parametrize("subject", ["queue", "agent", "wrapup", "flow_out"])
def test_local_days_are_those_of_the_time_zone(exported: Exported, tables: OpenTables, subject: Any) -> None:
    grain = Grain(subject, "local_day")
    # From midnight to midnight in Berlin. The export begins an hour later, at midnight in UTC.
    interval = "2026-01-04T23:00:00.000Z/2026-02-03T23:00:00.000Z"
    local = [row for row in rows(tables, grain, timezone=BERLIN) if row["day"] < date(2026, 2, 4)]

    sandbox = by_sandbox(exported.store, grain, interval=interval, timezone=BERLIN)

    assert differences(sandbox, by_view(grain, local)) == []


def test_flow_outs_are_counted_by_where_they_went(tables: OpenTables) -> None:
    found = {row["flowOutType"] for row in rows(tables, Grain("flow_out", "day"))}

    assert {"voicemail", "callback", "flow"} <= found


def test_a_difference_is_found() -> None:
    key = (datetime.fromisoformat("2026-01-05T10:00:00Z"), "queue", "voice")

    assert differences({key: {"offered": 2, "answered": 1}}, {key: {"offered": 3, "answered": 1}}) == [
        (key, "offered", 2, 3)
    ]
    assert differences({key: {"offered": 2}}, {}) == [(key, "offered", 2, None)]


def in_duckdb(conversations: list[Tree]) -> duckdb.DuckDBPyConnection:
    """A database in memory with the tables of these conversations, and nothing else."""
    database = InDuckDB(tables_of(encoded(conversations))).connection
    for table in (QUEUE_MEDIA, *OF_CONVERSATIONS):
        database.execute(next(sql(table, "duckdb")))
    return database


def found_in(database: duckdb.DuckDBPyConnection, grain: Grain) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = database.sql(kpi_query(grain, "duckdb")).to_arrow_table().to_pylist()
    return found


@pytest.mark.parametrize("grain", [grain for grain in GRAINS if grain.slice == "half_hour"], ids=lambda one: one.view)
def test_what_is_rare_is_attributed_as_by_the_aggregates(grain: Grain) -> None:
    """Segments that begin together or in the wrong order, metrics at borders, without a queue, medium or segment."""
    conversations = Odd(1).conversations(3000)
    sandbox = by_sandbox(org(world=Recorded(conversations)).sandbox.store, grain)
    with in_duckdb(conversations) as database:
        view = by_view(grain, found_in(database, grain))

    assert differences(sandbox, view) == []
    assert {key[1] for key in view} > {None} or grain.subject in REQUIRED


def one(*metrics: tuple[str, float | None, str | None], **segment: Any) -> Tree:
    """A conversation with a session in a queue, which emits metrics: name, value, time."""
    emitted = [{"name": name, "value": value, "emitDate": at} for name, value, at in metrics]
    session = {
        "sessionId": "s", "mediaType": "voice", "metrics": emitted,
        "segments": [{"queueId": "q", "segmentStart": "2026-01-05T09:00:00.000Z", **segment}],
    }  # fmt: skip
    participant = {"purpose": "agent", "userId": "u", "sessions": [session]}
    return {"conversationId": "c", "conversationStart": "2026-01-05T09:00:00.000Z", "participants": [participant]}


AT = "2026-01-05T09:10:00.000Z"


def only(conversation: Tree, grain: Grain = HALF_HOUR) -> dict[str, Any]:
    """The only row of a view."""
    with in_duckdb([conversation]) as database:
        [row] = found_in(database, grain)
    return row


def test_a_metric_without_a_time_counts_nowhere() -> None:
    row = only(one(("tHandle", 5, None), ("tHandle", 7, AT)))

    assert (row["handled"], row["handleMs"]) == (1, 7)


def test_values_that_are_absurd_or_missing_add_nothing() -> None:
    row = only(one(("tHandle", 1e300, AT), ("tHandle", None, AT), ("tHandle", 7.4, AT), ("nOffered", None, AT)))

    assert (row["handled"], row["handleMs"], row["handleMaxMs"], row["offered"]) == (3, 7, 7, 0)


def test_what_cannot_be_divided_is_null() -> None:
    row = only(one(("nOffered", 1, AT)))

    assert (row["asaMs"], row["serviceLevel"], row["answerRate"], row["targetMs"]) == (None, None, 0.0, None)


def test_segments_without_a_start_are_the_first() -> None:
    whole = one(("tHandle", 5, AT))
    segments = whole["participants"][0]["sessions"][0]["segments"]
    segments += [{"queueId": "q0"}, {"queueId": "q1"}, {"queueId": "q2", "segmentStart": AT}]

    assert only(whole)["queueId"] == "q"
    del segments[0]
    assert only(whole)["queueId"] == "q1"


SERVICE = [
    *(("tAnswered", 1000, AT) for _ in range(6)), ("nOverSla", 2, AT), *(("tAbandon", 1000, AT) for _ in range(3)),
    ("tShortAbandon", 1000, AT), ("tFlowOut", 1000, AT),
]  # fmt: skip


@pytest.mark.parametrize(
    ("switches", "level"),
    [
        (Counted(), 4 / 9),
        (Counted(flow_outs=True), 4 / 10),
        (Counted(short_abandons=False), 4 / 8),
        (Counted(flow_outs=True, short_abandons=False), 4 / 9),
        (Counted(abandons=False), 4 / 6),
        (Counted(flow_outs=True, abandons=False), 4 / 7),
        (Counted(short_abandons=False, abandons=False), 4 / 6),
    ],
    ids=lambda one: one.column if isinstance(one, Counted) else "",
)
def test_each_way_of_counting_the_service_level_has_a_column(switches: Counted, level: float) -> None:
    assert only(one(*SERVICE))[switches.column] == level


def test_the_service_level_is_that_of_the_aggregates(exported: Exported, tables: OpenTables) -> None:
    found = {
        (row["halfHour"], row["queueId"], row["mediaType"]): (row["serviceLevel"], row["targetServiceLevel"])
        for row in rows(tables, HALF_HOUR)
        if is_asked(row) and row["serviceLevel"] is not None
    }
    expected = service_levels(exported.store)
    deleted = {key[1] for key in expected} - {one["id"] for one in tables.query(QUEUES).to_pylist()}

    assert {key: level for key, (level, _) in found.items()} == {key: level for key, (level, _) in expected.items()}
    # No listing has the target of a queue that is deleted.
    assert found == {key: (level, None if key[1] in deleted else aim) for key, (level, aim) in expected.items()}
    assert len({aim for _, aim in found.values()}) > 1


QUEUES = 'SELECT "queueId" AS id FROM queues'


# Each kind of destination


def test_the_views_of_duckdb_and_postgresql_and_queries_of_files_have_the_same_rows(
    exported: Exported, tables: OpenTables, postgres: str, tmp_path: Path
) -> None:
    convert(exported.archive, [postgres, tmp_path / "calls.delta"])
    with (
        open_tables(exported.parquet) as parquet,
        open_tables(tmp_path / "calls.delta") as delta,
        open_tables(postgres) as database,
    ):
        for grain in GRAINS:
            expected = in_order(rows(tables, grain))
            assert in_order(database.query(f"SELECT * FROM {grain.view}").to_pylist()) == expected, grain.view
            assert in_order(tables.query(f"SELECT * FROM export.main.{grain.view}").to_pylist()) == expected, grain.view
            assert in_order(rows(parquet, grain)) == expected, grain.view
            assert in_order(rows(delta, grain)) == expected, grain.view


def in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: repr(list(row.values())[:7]))


def test_the_query_over_parquet_reads_the_files_alone(exported: Exported, tables: OpenTables) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = kpi_query(HALF_HOUR, "duckdb", tables=in_parquet(str(exported.parquet)))
        found = connection.sql(query).to_arrow_table().to_pylist()

    assert in_order(found) == in_order(rows(tables, HALF_HOUR))


def test_the_query_over_delta_scans_its_tables() -> None:
    assert "FROM delta_scan('s3://bucket/calls.delta/metrics') m" in kpi_query(
        HALF_HOUR, "duckdb", tables=in_delta("s3://bucket/calls.delta")
    )
