"""Rows of names, queues and windows."""

from datetime import UTC, datetime
from typing import Any

import pytest

from everycall.arrow.filled import table_of
from everycall.manifest import Replacement, WindowRead, plain
from everycall.sandbox import Org
from everycall.tables.reference import name_rows, queue_rows, window_row
from everycall.tables.relational import table

ORG = "o"
AT = datetime(2026, 1, 5, 8, 0, 0, 123_456, UTC)
CUT = datetime(2026, 1, 5, 8, 0, 0, 123_000, UTC)


def by_name(name: str, rows: Any) -> list[dict[str, Any]]:
    """The rows as values by column, by way of Arrow, which refuses what does not fit the schema."""
    found: list[dict[str, Any]] = table_of(name, rows).to_pylist()
    return found


def test_a_name_has_its_kind_division_and_state() -> None:
    user = {"id": "u", "name": "Ann", "division": {"id": "d", "name": "Sales"}, "state": "deleted", "email": "a@b.c"}

    assert by_name("names", name_rows(ORG, "users", [user], AT)) == [
        {
            "organizationId": ORG, "kind": "user", "id": "u", "name": "Ann", "divisionId": "d", "state": "deleted",
            "lookedUpAt": CUT,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("entity", [{}, {"name": "x"}, None, 1, {"id": None}])
def test_an_entity_without_an_id_has_no_row(entity: Any) -> None:
    assert list(name_rows(ORG, "queues", [entity], AT)) == []


def test_what_does_not_fit_is_left_out() -> None:
    [row] = by_name("names", name_rows(ORG, "queues", [{"id": "q", "name": ["x"], "division": "d", "state": 1}], AT))

    assert (row["name"], row["divisionId"], row["state"]) == (None, None, "1")


def test_a_queue_has_a_row_for_each_medium_named_as_sessions_name_it() -> None:
    setting = {
        "serviceLevel": {"percentage": 0.8, "durationMs": 20_000}, "alertingTimeoutSeconds": 8,
        "enableAutoAnswer": True,
    }  # fmt: skip
    queue = {
        "id": "q", "name": "Billing", "memberCount": 3, "dateCreated": "2020-01-05T08:00:00.000Z",
        "acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 120_000},
        "mediaSettings": {"call": setting, "email": {}},
    }  # fmt: skip
    rows = queue_rows(ORG, [queue], AT)

    [one] = by_name("queues", rows["queues"])
    assert (one["name"], one["memberCount"], one["acwTimeoutMs"]) == ("Billing", 3, 120_000)
    assert one["dateCreated"] == datetime(2020, 1, 5, 8, tzinfo=UTC)
    voice, email = by_name("queue_media", rows["queue_media"])
    assert voice == {
        "organizationId": ORG, "queueId": "q", "mediaType": "voice", "serviceLevelPercentage": 0.8,
        "serviceLevelDurationMs": 20_000, "alertingTimeoutSeconds": 8, "enableAutoAnswer": True, "lookedUpAt": CUT,
    }  # fmt: skip
    assert (email["mediaType"], email["serviceLevelPercentage"]) == ("email", None)


def test_the_sandboxs_queues_have_rows() -> None:
    queues = Org().entities("queues")
    rows = queue_rows(ORG, queues, AT)

    assert [row["queueId"] for row in by_name("queues", rows["queues"])] == [queue["id"] for queue in queues]
    assert any(row["serviceLevelDurationMs"] for row in by_name("queue_media", rows["queue_media"]))


def window(**fields: Any) -> dict[str, Any]:
    """A window of the manifest, of one day."""
    given: dict[str, Any] = {
        "interval": "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z", "route": "query", "verdict": "proven",
        "hits_before": 3, "hits_after": 3, "unique_ids": 3, "owned": 2, "carried_in": 1, "open": 1, "re_reads": 0,
        "provisional": False, "counted_at": "2026-02-01T00:00:00.000Z",
    }  # fmt: skip
    return plain(WindowRead(**given | fields))


def test_a_window_has_its_bounds_verdict_and_counts() -> None:
    [row] = by_name("windows", [window_row(ORG, window())])

    assert row == {
        "organizationId": ORG, "windowStart": datetime(2026, 1, 5, tzinfo=UTC),
        "windowEnd": datetime(2026, 1, 6, tzinfo=UTC), "route": "query", "verdict": "proven", "reason": None,
        "hitsBefore": 3, "hitsAfter": 3, "uniqueIds": 3, "owned": 2, "forgotten": 0, "carriedIn": 1, "strays": 0,
        "late": 0, "unreadable": 0, "open": 1, "reReads": 0, "provisional": False,
        "countedAt": datetime(2026, 2, 1, tzinfo=UTC), "replaced": 0, "replacedAt": None, "removed": 0,
    }  # fmt: skip


def test_a_window_says_how_many_conversations_are_newer_and_of_when() -> None:
    days = [f"2026-02-0{number}T00:00:00.000Z" for number in (3, 2)]
    replaced = tuple(Replacement(conversation_id=day, as_of=day) for day in days)
    [row] = by_name("windows", [window_row(ORG, window(replaced=replaced, removed=("00", "01")))])

    assert (row["replaced"], row["replacedAt"], row["removed"]) == (2, datetime(2026, 2, 3, tzinfo=UTC), 2)


def test_a_rows_values_are_as_many_as_its_columns() -> None:
    assert len(window_row(ORG, window())) == len(table("windows").columns)
