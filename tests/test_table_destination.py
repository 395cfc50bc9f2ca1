"""What destinations with tables have in common: the tables of windows and names, and what they refuse."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from everycall.api.query import Interval
from everycall.manifest import Entry, Header, Manifest, Output
from everycall.sinks.names_form import Name
from everycall.sinks.table_destination import names_table, queue_tables, windows_table, with_others
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
    """Except the reason, which a window that is proven does not have, and what only replaced conversations have."""
    row = windows_table(manifest(), "org").to_pylist()[0]

    assert [name for name, value in row.items() if value is None] == ["reason", "replacedAt"]
    assert list(row) == [column.name for column in relational.table("windows").columns]


def test_every_column_of_the_table_of_names_is_filled() -> None:
    name = Name("users", "u", "Ann", "d", "active", "2026-01-05T08:00:00.000Z")

    assert names_table([name], "org").to_pylist() == [
        {
            "organizationId": "org", "kind": "users", "id": "u", "name": "Ann", "divisionId": "d", "state": "active",
            "lookedUpAt": datetime(2026, 1, 5, 8, tzinfo=UTC),
        }
    ]  # fmt: skip


QUEUE = {
    "memberCount": 3,
    "mediaSettings": {"call": {"serviceLevel": {"percentage": 0.8, "durationMs": 20_000}}, "chat": {}},
}


def queue(number: int, **settings: Any) -> Name:
    return Name(
        "queue", f"q{number}", f"Queue {number}", "d", None, "2026-01-05T08:00:00.000Z", settings or msgspec.UNSET
    )


def test_the_tables_of_queues_have_the_settings_that_were_looked_up_with_the_names() -> None:
    tables = queue_tables([queue(1, **QUEUE), Name("user", "u", "Ann")], "org")

    [one] = tables["queues"].to_pylist()
    assert (one["queueId"], one["name"], one["divisionId"], one["memberCount"]) == ("q1", "Queue 1", "d", 3)
    assert [(row["mediaType"], row["serviceLevelDurationMs"]) for row in tables["queue_media"].to_pylist()] == [
        ("voice", 20_000),
        ("chat", None),
    ]


def test_a_queue_whose_settings_are_not_known_has_a_row_with_its_name() -> None:
    tables = queue_tables([queue(1)], "org")

    assert tables["queues"]["name"].to_pylist() == ["Queue 1"]
    assert tables["queue_media"].num_rows == 0


def test_a_repair_keeps_the_queues_that_only_the_destination_knows() -> None:
    before = queue_tables([queue(1, memberCount=1), queue(2, memberCount=2)], "org")["queues"]
    now = queue_tables([queue(2, memberCount=5), queue(3, memberCount=3)], "org")["queues"]

    found = with_others(now, before)
    assert dict(zip(found["queueId"].to_pylist(), found["memberCount"].to_pylist(), strict=True)) == {
        "q1": 1, "q2": 5, "q3": 3,
    }  # fmt: skip
    assert found.schema == now.schema
