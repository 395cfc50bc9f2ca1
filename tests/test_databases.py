"""DuckDB and PostgreSQL as outputs: what both promise."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from databases import Place, Windows
from everycall import OutputRefused, Query, View, export
from everycall.api.query import Interval
from everycall.executor import SerialExecutor
from everycall.setup import Environment, Options
from everycall.sinks.database_schema import DERIVED, Database
from everycall.sinks.duckdb import DuckDBDestination
from everycall.sinks.postgresql import PostgresDestination
from everycall.tables.relational import TABLES
from everycall.verification import Verification, repair, verify
from inprocess import MONDAY, Org, org, read_csv
from tables_in import conversation, evenly

DAY = datetime(2026, 1, 5, tzinfo=UTC)
NOON, NIGHT = DAY + timedelta(hours=12), DAY + timedelta(days=1)
TWO_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z"
"""Two windows."""

WHOLE, MORNING, AFTERNOON = Interval(DAY, NIGHT), Interval(DAY, NOON), Interval(NOON, NIGHT)


@pytest.fixture
def where() -> Org:
    return org(conversations_per_day=60, flat=True)


def exported(where: Org, *outputs: str | Path, interval: str = MONDAY, view: View = "default", **options: Any) -> None:
    export(
        where.client, Query(Interval.read(interval)), list(outputs), view=view, options=Options(**options),
        environment=Environment(executor=SerialExecutor()),
    )  # fmt: skip


@pytest.fixture
def two_halves(tmp_path: Path) -> Windows:
    """A day in two windows."""
    windows = Windows(tmp_path / "windows", WHOLE)
    windows.load(MORNING, evenly(20, DAY, NOON))
    windows.load(AFTERNOON, [conversation(100 + number, NOON + timedelta(minutes=number)) for number in range(20)])
    return windows


# What is in them


def test_the_flat_rows_are_those_of_the_csv_file(place: Place, where: Org, output: Path) -> None:
    exported(where, place.output, output, view="extended")
    rows = read_csv(output)
    names = list(rows[0])
    columns = ", ".join(f'"{name}"' for name in names)

    found = [tuple(map(as_csv, row)) for row in place.query(f"SELECT {columns} FROM flat")]
    assert sorted(found) == sorted(tuple(map(as_number, row.values())) for row in rows)


def as_csv(value: Any) -> str | float:
    """A cell as the CSV file has it; numbers as numbers."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return float(value)
    return as_number("|".join(value) if isinstance(value, list) else value or "")


def as_number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def test_names_and_windows_are_in_tables(place: Place, where: Org) -> None:
    exported(where, place.output)

    assert place.query('SELECT "verdict", "owned" FROM windows') == [("proven", len(where.truth()))]
    kinds = dict(place.query('SELECT "kind", count(*) FROM names GROUP BY "kind"'))
    assert kinds["queue"] > 0
    assert kinds["user"] > 0


def test_tables_and_columns_have_comments(place: Place, where: Org) -> None:
    exported(where, place.output)
    if place.kind == "duckdb":
        comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'metrics' AND column_name = 'ownerTime'"
    else:
        comments = (
            "SELECT col_description('metrics'::regclass, attnum) FROM pg_attribute "
            "WHERE attrelid = 'metrics'::regclass AND attname = 'ownerTime'"
        )

    assert "conversationStart" in place.query(comments)[0][0]


def test_all_tables_are_there_and_no_others(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    schema = "main" if place.kind == "duckdb" else "everycall"
    found = place.query(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'")

    own = {"conversations_flat", "flat", "everycall_export", "everycall_windows", *DERIVED}
    assert {row[0] for row in found} == {table.name for table in TABLES} | own


def test_the_settings_of_queues_are_in_tables(place: Place, where: Org) -> None:
    exported(where, place.output)
    named = place.query("SELECT count(*) FROM names WHERE \"kind\" = 'queue'")

    assert place.query("SELECT count(*) FROM queues") == named
    assert place.query('SELECT count(*) FROM queue_media WHERE "serviceLevelPercentage" IS NOT NULL')[0][0] > 0


# Again


def test_a_second_export_changes_nothing(place: Place, where: Org) -> None:
    exported(where, place.output)
    before = place.content()
    exported(where, place.output)

    assert content_without_times(place) == without_times(before)


def test_publishing_again_changes_nothing(place: Place, two_halves: Windows) -> None:
    destination = place.destination()
    destination.publish(two_halves.finished())
    before = place.content()
    destination.publish(two_halves.finished())

    assert place.content() == before


def content_without_times(place: Place) -> dict[str, list[str]]:
    return without_times(place.content())


def without_times(content: dict[str, list[str]]) -> dict[str, list[str]]:
    """What does not depend on when names were looked up and windows counted."""
    return {name: rows for name, rows in content.items() if name not in ("names", "windows")}


def test_half_a_day_is_replaced_and_the_other_half_stays(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    half = f"SELECT * FROM segments WHERE \"ownerTime\" >= TIMESTAMPTZ '{NOON.isoformat()}'"
    before, versions = sorted(map(repr, place.query(half))), versions_of(place)
    two_halves.load(MORNING, evenly(7, DAY, NOON))
    place.destination().publish(two_halves.finished())

    assert sorted(map(repr, place.query(half))) == before
    assert versions_of(place) == versions
    assert place.query('SELECT "owned" FROM windows ORDER BY "windowStart"') == [(7,), (20,)]
    assert place.query("SELECT count(*) FROM conversations") == [(27,)]


def versions_of(place: Place) -> list[tuple[Any, ...]]:
    """By what PostgreSQL shows that a row was written again."""
    if place.kind == "duckdb":
        return []
    return place.query(f"SELECT xmin::text FROM segments WHERE \"ownerTime\" >= TIMESTAMPTZ '{NOON.isoformat()}'")


def test_a_conversation_that_moves_to_another_window_is_there_once(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    moved = conversation(100, DAY + timedelta(hours=3))
    two_halves.load(MORNING, [*evenly(20, DAY, NOON), moved])
    two_halves.load(AFTERNOON, [conversation(100 + one, NOON + timedelta(minutes=one)) for one in range(1, 20)])
    place.destination().publish(two_halves.finished())

    of_it = f"WHERE \"conversationId\" = '{moved['conversationId']}'"
    assert place.query(f"SELECT count(*) FROM conversations {of_it}") == [(1,)]
    assert place.query(f"SELECT count(*) FROM segments {of_it}") == [(2,)]
    assert place.query("SELECT count(*) FROM conversations") == [(40,)]


def test_a_day_that_is_cut_otherwise_has_no_line_of_the_old_windows(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    two_halves.loaded.clear()
    two_halves.load(WHOLE, evenly(30, DAY, NIGHT))
    place.destination().publish(two_halves.finished())

    assert place.query('SELECT "owned" FROM windows') == [(30,)]
    assert place.query("SELECT count(*) FROM conversations") == [(30,)]


def test_what_the_interval_no_longer_has_is_removed(place: Place, two_halves: Windows, tmp_path: Path) -> None:
    """As a file that is replaced, a database has what the export has, and nothing else."""
    place.destination().publish(two_halves.finished())
    afternoon = Windows(tmp_path / "afternoon", AFTERNOON)
    afternoon.loaded[AFTERNOON] = two_halves.loaded[AFTERNOON]
    place.destination().publish(afternoon.finished())

    assert place.query("SELECT count(*) FROM conversations") == [(20,)]
    assert place.query("SELECT count(*) FROM windows") == [(1,)]


def test_a_missing_column_is_added(place: Place, two_halves: Windows) -> None:
    destination = place.destination()
    destination.publish(two_halves.finished())
    place.execute('ALTER TABLE segments DROP COLUMN "wrapUpNote" CASCADE')  # in PostgreSQL with a view that reads it
    two_halves.load(MORNING, evenly(5, DAY, NOON))
    destination.publish(two_halves.finished())

    assert place.query('SELECT count("wrapUpNote"), count(*) FROM segments') == [(0, 50)]


def test_views_of_an_earlier_version_are_replaced(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    place.execute("DROP VIEW kpi_queue_day")
    place.execute("CREATE VIEW kpi_queue_day AS SELECT 1 AS one")
    place.execute("DROP VIEW kpi_agent_day")
    place.execute("DELETE FROM everycall_export WHERE name = 'views'")
    place.destination().publish(two_halves.finished())

    assert place.query('SELECT count("talkCount") FROM kpi_queue_day') == [(0,)]
    assert place.query("SELECT count(*) FROM kpi_agent_day") == [(0,)]


def test_what_somebody_has_made_of_a_view_stays(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    place.execute("CREATE VIEW mine AS SELECT * FROM kpi_queue_day")
    place.execute("DELETE FROM everycall_export WHERE name = 'views'")
    place.execute("DROP VIEW flat_from_tables")
    place.execute("CREATE TABLE flat_from_tables AS SELECT 1 AS one")
    place.destination().publish(two_halves.finished())

    assert place.query("SELECT count(*) FROM mine") == [(0,)]
    assert place.query("SELECT * FROM flat_from_tables") == [(1,)]


def test_rows_that_somebody_deleted_come_back(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    before = place.content()
    place.execute("DELETE FROM segments WHERE \"segmentType\" = 'interact'")
    place.destination().publish(two_halves.finished())

    assert place.content() == before


# Interrupted


class Failing:
    """A connection that breaks at one statement."""

    def __init__(self, database: Database, at: int) -> None:
        self._database, self._left = database, at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._database, name)
        if name not in ("execute", "query", "append", "commit"):
            return found
        self._left -= 1
        if self._left < 0:
            raise ConnectionError("lost")
        return found


def test_whichever_statement_fails_the_next_run_ends_as_an_undisturbed_one(
    place: Place, two_halves: Windows, tmp_path: Path
) -> None:
    """It is tried with some statements, in a database that has another state of the day."""
    destination = place.destination()
    destination.publish(two_halves.finished())
    wanted = place.content()
    other = Windows(tmp_path / "other", WHOLE)
    other.load(WHOLE, evenly(5, DAY, NIGHT))
    for at in range(0, 500, 37):
        destination.publish(other.finished())
        if not failed(destination, two_halves, at):
            break
        assert_whole_windows(place)
        destination.publish(two_halves.finished())
        assert place.content() == wanted
    else:
        raise AssertionError("there are more statements")


def failed(destination: DuckDBDestination | PostgresDestination, windows: Windows, at: int) -> bool:
    """Publish by a connection that breaks at a statement, and return whether it came to that."""
    try:
        with destination.opened() as database:
            destination.put(cast("Database", Failing(database, at)), windows.finished())
    except ConnectionError:
        return True
    return False


def assert_whole_windows(place: Place) -> None:
    """Each window in the table of windows has as many conversations as it says."""
    found = place.query(
        'SELECT w."owned", count(c."conversationId") FROM windows w LEFT JOIN conversations c ON '
        'c."ownerTime" >= w."windowStart" AND c."ownerTime" < w."windowEnd" GROUP BY w."windowStart", w."owned"'
    )
    assert all(owned == count for owned, count in found), found


# Refused


def test_another_query_is_refused_with_the_difference(place: Place, two_halves: Windows, tmp_path: Path) -> None:
    place.destination().publish(two_halves.finished())
    other = Windows(tmp_path / "other", WHOLE, asked="2d")
    other.load(WHOLE, evenly(3, DAY, NIGHT))
    before = place.content()

    with pytest.raises(OutputRefused, match=r'"last":"1d".* there, .*"last":"2d"'):
        place.destination().check_content(other.finished().header, is_repair=False)
    with pytest.raises(OutputRefused, match="contains another export"):
        place.destination().publish(other.finished())
    assert place.content() == before


def test_fresh_replaces_another_query(place: Place, two_halves: Windows, tmp_path: Path) -> None:
    place.destination().publish(two_halves.finished())
    other = Windows(tmp_path / "other", WHOLE, asked="2d")
    other.load(WHOLE, evenly(3, DAY, NIGHT))
    place.destination(is_fresh=True).publish(other.finished())

    assert place.query("SELECT count(*) FROM conversations") == [(3,)]
    assert place.query("SELECT count(*) FROM flat") == [(3,)]


def test_another_org_is_refused(place: Place, where: Org) -> None:
    exported(where, place.output, source="one org")

    with pytest.raises(OutputRefused, match='source: "one org" there, "another org" now'):
        exported(where, place.output, source="another org")


def test_a_schema_of_another_version_is_refused(place: Place, two_halves: Windows) -> None:
    place.destination().publish(two_halves.finished())
    place.execute("UPDATE everycall_export SET value = replace(value, '\"schemaVersion\":1', '\"schemaVersion\":7')")

    with pytest.raises(OutputRefused, match="schemaVersion: 7 there, 1 now"):
        place.destination().check_content(two_halves.finished().header, is_repair=False)


def test_tables_of_another_program_are_refused(place: Place, two_halves: Windows) -> None:
    if place.kind == "postgresql":
        place.execute("CREATE SCHEMA everycall")
    place.execute("CREATE TABLE sessions (cookie text)")

    for is_fresh in (False, True):
        with pytest.raises(OutputRefused, match="did not create: sessions"):
            place.destination(is_fresh=is_fresh).publish(two_halves.finished())


# Verified


def verified(where: Org, place: Place) -> Verification:
    output = place.output if place.kind == "postgresql" else Path(place.output)
    return verify(where.client, output, environment=Environment(executor=SerialExecutor()))


@pytest.fixture
def small() -> Org:
    return org(conversations_per_day=6, flat=True)


def test_a_finished_export_holds(place: Place, small: Org) -> None:
    exported(small, place.output)

    assert verified(small, place).holds


@pytest.mark.parametrize("table", ["conversations", "segments", "conversations_flat"])
def test_a_window_that_lacks_a_row_of_any_table_is_damaged_and_repaired(place: Place, small: Org, table: str) -> None:
    exported(small, place.output, interval=TWO_WEEKS)
    before = place.content()
    place.execute(
        f'DELETE FROM {table} WHERE "conversationId" = (SELECT min("conversationId") FROM {table} '
        "WHERE \"ownerTime\" < TIMESTAMPTZ '2026-01-06T00:00:00Z')"
    )
    found = verified(small, place)
    repair(small.client, found, environment=Environment(executor=SerialExecutor()))

    assert [finding.state for finding in found.findings] == ["damaged", "holds"]
    assert verified(small, place).holds
    assert content_without_times(place) == without_times(before)


def test_a_database_without_an_export_cannot_be_verified(small: Org, postgres: str) -> None:
    with pytest.raises(OutputRefused, match="has no finished export in its schema"):
        verify(small.client, postgres)
