"""An export against the vendor's aggregates: what agrees, what differs, and whose rows they are."""

import json
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from everycall import Interval
from everycall.analysis.emitted import rows_of
from everycall.analysis.opening import OpenTables, open_tables
from everycall.analysis.reconciling import Reconciliation, reconcile
from everycall.api.aggregates import AGGREGATES, METRICS, Cell
from everycall.api.records import Page
from everycall.client import PATIENCE_S
from everycall.errors import OutputRefused, QueryError, ServiceError
from everycall.instants import DAY, text
from everycall.sandbox import Client as SandboxClient
from everycall.tables.kpi_sql import rows_query
from inprocess import Org, org

FIVE_WEEKS = "2026-01-01T00:00:00.000Z/2026-02-05T00:00:00.000Z"
FIRST_JUDGED = datetime(2026, 2, 1, tzinfo=UTC)
JUDGED = Interval(FIRST_JUDGED, datetime(2026, 2, 5, tzinfo=UTC))
MONDAY = Interval(datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Org, Path]:
    """An org, and a DuckDB file with five weeks of it."""
    where = org(conversations_per_day=15)
    output = tmp_path_factory.mktemp("reconciling") / "calls.duckdb"
    where.export(output, FIVE_WEEKS)
    return where, output


@pytest.fixture
def where(exported: tuple[Org, Path]) -> Org:
    return exported[0]


@pytest.fixture
def output(exported: tuple[Org, Path], tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(exported[1], tmp_path / "calls.duckdb"))


def reconciled(where: Org, output: Path | str, **options: Any) -> Reconciliation:
    with open_tables(output) as tables:
        return reconcile(where.client, tables, **options)


def changed(output: Path, sql: str) -> None:
    with duckdb.connect(str(output)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(sql)


def between(interval: Interval) -> tuple[str, str]:
    return text(interval.start), text(interval.end)


def a_row(output: Path, name: str = "tHandle") -> dict[str, Any]:
    """A metric row of that Monday, which is the only one of its cell."""
    with open_tables(output) as tables:
        rows = tables.query(rows_query([name], between(MONDAY))).to_pylist()
    cells = Counter((row["halfHour"], row["queueId"], row["mediaType"]) for row in rows)
    alone = [row for row in rows if cells[row["halfHour"], row["queueId"], row["mediaType"]] == 1 and row["queueId"]]
    return min(alone, key=lambda row: (row["halfHour"], row["conversationId"]))


def of_row(row: dict[str, Any]) -> str:
    """The condition of that row in SQL."""
    start = row["halfHour"].isoformat()
    return (
        f"\"conversationId\" = '{row['conversationId']}' AND \"name\" = '{row['name']}' "
        f"AND \"emitDate\" >= '{start}' AND \"emitDate\" < CAST('{start}' AS timestamptz) + INTERVAL 30 minutes"
    )


def test_an_export_agrees_where_nothing_was_changed(where: Org, output: Path) -> None:
    found = reconciled(where, output)

    assert found.differences == ()
    assert found.verdict == "agrees"
    assert [day.interval.start for day in found.judged] == [FIRST_JUDGED + n * DAY for n in range(4)]
    assert all(day.figures > 10 for day in found.judged)


def test_a_deleted_row_is_found_and_its_conversation_named(where: Org, output: Path) -> None:
    row = a_row(output)
    changed(output, f"DELETE FROM metrics WHERE {of_row(row)}")

    found = reconciled(where, output)

    (difference,) = found.differences
    assert difference.cell == Cell(row["halfHour"], row["queueId"], row["mediaType"], "tHandle")
    assert (difference.here.count, difference.vendor.count) == (0, 1)
    assert difference.missing == (row["conversationId"],)
    assert difference.extra == difference.conversations == ()
    assert found.verdict == "differs"


def test_a_row_that_moved_by_half_an_hour_is_missing_in_one_and_extra_in_the_other(where: Org, output: Path) -> None:
    row = a_row(output)
    changed(output, f'UPDATE metrics SET "emitDate" = "emitDate" + INTERVAL 30 minutes WHERE {of_row(row)}')

    before, after = reconciled(where, output).differences

    assert after.cell.start - before.cell.start == timedelta(minutes=30)
    assert (before.missing, before.extra) == ((row["conversationId"],), ())
    assert (after.missing, after.extra) == ((), (row["conversationId"],))
    assert row["conversationId"] in after.conversations


def test_a_changed_value_is_missing_and_extra_in_the_same_cell(where: Org, output: Path) -> None:
    row = a_row(output)
    changed(output, f'UPDATE metrics SET "value" = "value" + 1 WHERE {of_row(row)}')

    (difference,) = reconciled(where, output).differences

    assert difference.here.count == difference.vendor.count == 1
    assert difference.here.sum_ms == (difference.vendor.sum_ms or 0) + 1
    assert difference.missing == difference.extra == (row["conversationId"],)


def test_a_row_that_came_twice_is_extra(where: Org, output: Path) -> None:
    row = a_row(output)
    changed(output, f'INSERT INTO metrics SELECT * REPLACE (999 AS "metricOrdinal") FROM metrics WHERE {of_row(row)}')

    (difference,) = reconciled(where, output).differences

    assert (difference.here.count, difference.vendor.count) == (2, 1)
    assert difference.extra == (row["conversationId"],)


def test_a_conversation_that_is_missing_altogether_is_named(where: Org, output: Path) -> None:
    row = a_row(output)
    changed(output, f"DELETE FROM metrics WHERE \"conversationId\" = '{row['conversationId']}'")

    found = reconciled(where, output, interval=MONDAY)

    assert len(found.differences) > 3
    assert {one for difference in found.differences for one in difference.missing} == {row["conversationId"]}


def test_without_look_ups_the_conversations_of_the_cell_are_named(where: Org, output: Path) -> None:
    row = a_row(output)
    changed(output, f'UPDATE metrics SET "value" = "value" + 1 WHERE {of_row(row)}')

    (difference,) = reconciled(where, output, look_ups=0).differences

    assert not difference.is_looked_up
    assert difference.conversations == (row["conversationId"],)


def test_a_day_takes_one_request_and_a_difference_a_few_more(where: Org, output: Path) -> None:
    row, before = a_row(output), len(where.sandbox.requests)
    reconciled(where, output)
    agreed = len(where.sandbox.requests) - before
    changed(output, f"DELETE FROM metrics WHERE {of_row(row)}")

    reconciled(where, output)

    assert agreed == 4
    assert len(where.sandbox.requests) - before - agreed == 4 + 2


def test_days_that_the_export_does_not_reach_back_from_are_named_and_not_judged(where: Org, output: Path) -> None:
    found = reconciled(where, output)

    not_judged = [day for day in found.days if day.state == "not judged"]
    assert len(not_judged) == 31
    assert not_judged[-1].reason.startswith("the export begins on 2026-01-01")
    assert not_judged[-1].interval.end == FIRST_JUDGED


def test_an_export_of_a_few_days_is_not_judged_unless_it_is_wanted(where: Org, output: Path) -> None:
    early = Interval(datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 1, 22, tzinfo=UTC))

    assert reconciled(where, output, interval=early).verdict == "not judged"
    assert reconciled(where, output, interval=early, reach_back=10 * DAY).verdict == "agrees"


def test_a_part_of_a_day_is_cut_at_half_hours(where: Org, output: Path) -> None:
    part = Interval(datetime(2026, 2, 2, 9, 10, tzinfo=UTC), datetime(2026, 2, 2, 12, 50, tzinfo=UTC))

    (day,) = reconciled(where, output, interval=part).days

    assert (day.interval.start.time().isoformat(), day.interval.end.time().isoformat()) == ("09:30:00", "12:30:00")
    assert day.state == "agrees"


def test_an_interval_outside_the_export_is_refused(where: Org, output: Path) -> None:
    with pytest.raises(QueryError, match="is in the export"):
        reconciled(where, output, interval=Interval(JUDGED.end, JUDGED.end + DAY))


def test_only_some_metrics_are_compared(where: Org, output: Path) -> None:
    row = a_row(output)
    changed(output, f"DELETE FROM metrics WHERE {of_row(row)}")

    assert reconciled(where, output, metrics=["nOffered", "tAnswered"]).verdict == "agrees"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"filters": {"segmentFilters": [{}]}}, "exported with filters"),
        ({"redacted": ("personal", "queueId")}, "--redact queueId"),
        ({"redacted": ("queueId=drop",)}, "--redact queueId=drop"),
        ({"client_id": "another"}, "OAuth client another"),
    ],
)
def test_an_export_that_cannot_agree_is_refused(where: Org, output: Path, header: dict[str, Any], reason: str) -> None:
    with open_tables(output) as tables, pytest.raises(OutputRefused, match=reason):
        reconcile(where.client, _with_header(tables, **header))


def _with_header(tables: OpenTables, **header: Any) -> OpenTables:
    manifest = tables.manifest
    query = msgspec.structs.replace(manifest.query, **header)
    tables.manifest = msgspec.structs.replace(manifest, query=query)
    return tables


def test_rows_in_sql_are_those_of_the_records(where: Org, output: Path) -> None:
    """Queue, media type, half hour and value of every metric of four days."""
    with open_tables(output) as tables:
        found = tables.query(rows_query(METRICS, between(JUDGED))).to_pylist()
    stored = where.sandbox.store.conversations(FIVE_WEEKS)
    page = Page.read(json.dumps({"conversations": stored}).encode())
    rows = [row for one in page.conversations for row in rows_of(one, METRICS) if row.cell.start >= JUDGED.start]
    rows = [row for row in rows if row.cell.start < JUDGED.end]
    assert Counter(
        (Cell(row["halfHour"], row["queueId"], row["mediaType"], row["name"]), row["conversationId"], row["value"])
        for row in found
    ) == Counter((row.cell, row.conversation_id, row.value) for row in rows)


def test_every_kind_of_export_has_the_same_differences(where: Org, output: Path, postgres: str) -> None:
    """Of two days without those before them, some conversations are missing."""
    two_days = "2026-02-02T00:00:00.000Z/2026-02-04T00:00:00.000Z"
    names = ("two.duckdb", "two.parquet", "two.jsonl.zst")
    places: list[Path | str] = [*(output.with_name(name) for name in names), postgres]
    where.export(places, two_days)

    first, *others = (reconciled(where, place, reach_back=timedelta(0)).days for place in places)

    assert first[0].differences
    assert others == [first] * len(others)


# --- what is marked


def test_a_week_that_was_not_read_is_not_judged(tmp_path: Path) -> None:
    where, output = org(conversations_per_day=5), tmp_path / "calls.duckdb"
    where.export(output, "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z", max_pages=2)
    border = Interval(datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 13, tzinfo=UTC))

    read, unread = reconciled(where, output, reach_back=timedelta(0), interval=border).days

    assert read.state != "not judged"
    assert unread.state == "not judged"
    assert unread.reason == "the export does not have all of 2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"


def test_days_that_need_the_same_unread_week_have_the_same_reason(tmp_path: Path) -> None:
    where, output = org(conversations_per_day=5), tmp_path / "calls.duckdb"
    where.export(output, "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z", max_pages=2)

    days = reconciled(where, output, reach_back=timedelta(0)).days

    assert len({day.reason for day in days if day.state == "not judged"}) == 1


def test_a_day_that_was_rebuilt_since_is_provisional(tmp_path: Path) -> None:
    where, output = org(conversations_per_day=60), tmp_path / "calls.duckdb"
    where.export(output, "2026-02-27T00:00:00.000Z/2026-03-02T00:00:00.000Z")
    before = reconciled(where, output, reach_back=timedelta(0), metrics=["tAcw"])
    where.clock.advance(10 * DAY.total_seconds())

    after = reconciled(where, output, reach_back=timedelta(0), metrics=["tAcw"])

    assert all(day.is_provisional for day in (*before.days, *after.days))
    assert len(after.differences) > len(before.differences)


# --- how much is looked up


def handled(number: int, queue: str = "q1") -> dict[str, Any]:
    """A conversation of a queue with one handle time."""
    at = datetime(2026, 1, 5, 9, tzinfo=UTC) + timedelta(seconds=number)
    start, end = text(at), text(at + timedelta(minutes=5))
    return {
        "conversationId": f"00000000-0000-4000-8000-{number:012}",
        "conversationStart": start,
        "conversationEnd": end,
        "originatingDirection": "inbound",
        "participants": [{
            "participantId": f"p{number}",
            "purpose": "agent",
            "sessions": [{
                "sessionId": f"s{number}",
                "mediaType": "voice",
                "metrics": [{"emitDate": end, "name": "tHandle", "value": 300_000}],
                "segments": [
                    {"queueId": queue, "segmentStart": start, "segmentEnd": end, "segmentType": "interact"}
                ],
            }],
        }],
    }  # fmt: skip


@pytest.mark.parametrize(("look_ups", "missing"), [(3, ("00000000-0000-4000-8000-000000000207",)), (2, ())])
def test_a_queue_with_more_conversations_than_requests_are_left_is_not_looked_up(
    tmp_path: Path, look_ups: int, missing: tuple[str, ...]
) -> None:
    where, output = org(conversations=[handled(number) for number in range(250)]), tmp_path / "calls.duckdb"
    where.export(output)
    changed(output, "DELETE FROM metrics WHERE \"conversationId\" LIKE '%0207'")

    (difference,) = reconciled(where, output, reach_back=timedelta(0), look_ups=look_ups).differences

    assert difference.missing == missing
    assert difference.is_looked_up == bool(missing)
    assert difference.unnamed == 1 - len(missing)
    assert len(difference.conversations) == 249


def test_rows_without_a_queue_are_not_called_looked_up(tmp_path: Path) -> None:
    """The vendor cannot be asked for the conversations without a queue that the export does not have."""
    conversations = [handled(number) for number in range(3)]
    for one in conversations:
        del one["participants"][0]["sessions"][0]["segments"][0]["queueId"]
    where, output = org(conversations=conversations), tmp_path / "calls.duckdb"
    where.export(output)
    for table in ("conversations", "metrics", "segments"):
        changed(output, f"DELETE FROM {table} WHERE \"conversationId\" LIKE '%0001'")

    (difference,) = reconciled(where, output, reach_back=timedelta(0)).differences

    assert (difference.cell.queue_id, difference.missing) == ("", ())
    assert not difference.is_looked_up


@pytest.mark.parametrize("fault", ["cut", "cut_json", "reset"])
def test_answers_that_are_cut_for_ever_end_it_with_an_error(tmp_path: Path, fault: str) -> None:
    """After as long as any other request is retried."""
    where, output = org(conversations_per_day=2), tmp_path / "calls.duckdb"
    where.export(output, str(MONDAY))
    where.sandbox.faults.on(None, fault, path=AGGREGATES)
    began_s = where.clock.monotonic()
    with pytest.raises(ServiceError, match=r"^Gave up on .* after \d+ tries: "):
        reconciled(where, output, reach_back=timedelta(0))

    assert PATIENCE_S <= where.clock.monotonic() - began_s < PATIENCE_S + 60


def test_without_the_permission_for_details_nothing_is_looked_up(tmp_path: Path) -> None:
    world, output = [handled(number) for number in range(3)], tmp_path / "calls.duckdb"
    where = org(conversations=world)
    where.export(output)
    changed(output, "DELETE FROM metrics WHERE \"conversationId\" LIKE '%0001'")
    lesser = SandboxClient(
        where.sandbox.client_id,
        where.sandbox.client_secret,
        permissions=frozenset({"analytics:conversationAggregate:view"}),
    )

    found = reconciled(org(conversations=world, clients=[lesser]), output, reach_back=timedelta(0))

    assert found.is_look_up_refused
    assert [one.unnamed for one in found.differences] == [1]
