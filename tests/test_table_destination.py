"""What destinations with tables have in common: the tables of windows and names, and what they refuse."""

from datetime import UTC, datetime

from everycall.api.query import Interval
from everycall.manifest import Entry, Header, Manifest, Output
from everycall.sinks.names_form import Name
from everycall.sinks.table_destination import names_table, windows_table
from everycall.tables import relational

FIRST, SECOND = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z", "2026-01-06T00:00:00.000Z/2026-01-07T00:00:00.000Z"


def entry() -> Entry:
    return Entry(
        interval=FIRST, route="query", verdict="proven", hits_before=3, hits_after=3, unique_ids=3, owned=2, rows=2,
        carried_in=1, open=1, re_reads=1, provisional=True, counted_at="2026-01-07T09:00:00.000Z", size_bytes=0,
        sha256="",
    )  # fmt: skip


def manifest() -> Manifest:
    """One window that was read, and one that was not."""
    header = Header(
        everycall="1", source="s", client_id="c", interval="2026-01-05T00:00:00.000Z/2026-01-07T00:00:00.000Z",
        begun_at="2026-01-07T09:00:00.000Z", asked={}, filters={}, match="start", format="parquet",
    )  # fmt: skip
    output = Output(format="parquet", size_bytes=0, sha256="")
    at = "2026-01-07T09:00:00.000Z"
    unread = [Interval.read(SECOND)]
    return Manifest.of(header, [entry()], unread=unread, not_kept=[], started_at=at, finished_at=at, output=output)


def test_the_table_of_windows_says_what_is_proven_and_what_is_not() -> None:
    first, second = windows_table(manifest(), "org").to_pylist()

    assert first["windowStart"] == datetime(2026, 1, 5, tzinfo=UTC)
    assert first["countedAt"] == datetime(2026, 1, 7, 9, tzinfo=UTC)
    assert (first["organizationId"], first["verdict"], first["owned"], first["carriedIn"]) == ("org", "proven", 2, 1)
    assert (second["verdict"], second["windowEnd"], second["owned"]) == (
        "unread",
        datetime(2026, 1, 7, tzinfo=UTC),
        None,
    )


def test_every_column_of_the_table_of_windows_is_filled() -> None:
    """Except the reason, which a window that is proven does not have."""
    row = windows_table(manifest(), "org").to_pylist()[0]

    assert [name for name, value in row.items() if value is None] == ["reason"]
    assert list(row) == [column.name for column in relational.table("windows").columns]


def test_every_column_of_the_table_of_names_is_filled() -> None:
    name = Name("users", "u", "Ann", "d", "active", "2026-01-05T08:00:00.000Z")

    assert names_table([name], "org").to_pylist() == [
        {
            "organizationId": "org", "kind": "users", "id": "u", "name": "Ann", "divisionId": "d", "state": "active",
            "lookedUpAt": datetime(2026, 1, 5, 8, tzinfo=UTC),
        }
    ]  # fmt: skip
