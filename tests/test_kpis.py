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
from everycall.sandbox.store import Store
from everycall.sandbox.switches import Switches
from everycall.tables.kpi_sql import in_delta, in_parquet, kpi_query
from everycall.tables.kpis import GRAINS, Grain
from inprocess import org
from kpis_by_sandbox import END, OneDay, by_sandbox, by_view, differences

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


def test_a_difference_is_found() -> None:
    key = (datetime.fromisoformat("2026-01-05T10:00:00Z"), "queue", "voice")

    assert differences({key: {"offered": 2, "answered": 1}}, {key: {"offered": 3, "answered": 1}}) == [
        (key, "offered", 2, 3)
    ]
    assert differences({key: {"offered": 2}}, {}) == [(key, "offered", 2, None)]


# Each kind of destination


def test_the_views_of_duckdb_and_postgresql_and_queries_of_files_have_the_same_rows(
    exported: Exported, tables: OpenTables, postgres: str
) -> None:
    convert(exported.archive, postgres)
    with open_tables(exported.parquet) as parquet, open_tables(postgres) as database:
        for grain in GRAINS:
            expected = in_order(rows(tables, grain))
            assert in_order(database.query(f"SELECT * FROM {grain.view}").to_pylist()) == expected, grain.view
            assert in_order(tables.query(f"SELECT * FROM export.main.{grain.view}").to_pylist()) == expected, grain.view
            assert in_order(rows(parquet, grain)) == expected, grain.view


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
