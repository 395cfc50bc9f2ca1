"""Participant attributes as columns of an export."""

from pathlib import Path
from typing import Any

import pytest

from everycall import Interval, Query, rows
from everycall.attributes import Attribute, seen_attributes
from everycall.errors import QueryError
from everycall.progress import Event, Noticed
from everycall.sandbox.recorded import Recorded
from everycall.tables.flat import columns
from everycall.verification import repair, verify
from inprocess import MONDAY, Org, manifest_of, org, read_csv


def participant(number: int, begins: str | None, **attributes: str) -> dict[str, Any]:
    segments = [{"segmentType": "interact", "segmentStart": f"2026-01-05T{begins}:00.000Z"}] if begins else []
    session = {"mediaType": "voice", "sessionId": f"s{number}", "segments": segments}
    return {
        "participantId": f"p{number}",
        "purpose": "customer",
        "sessions": [session] if begins else [],
        "attributes": attributes,
    }


def conversation(*participants: dict[str, Any]) -> dict[str, Any]:
    return {
        "conversationId": "00000000-0000-4000-8000-000000000001",
        "conversationStart": "2026-01-05T08:00:00.000Z",
        "conversationEnd": "2026-01-05T09:00:00.000Z",
        "participants": list(participants),
    }


def with_one(*participants: dict[str, Any]) -> Org:
    return org(world=Recorded([conversation(*participants)], {}))


class Listening:
    """Keeps the notices."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def report(self, event: Event) -> None:
        self.notices += [event.message] if isinstance(event, Noticed) else []


def cell(output: Path, where: Org, name: str = "Order No") -> str:
    where.export(output, columns=["conversationId", f"attribute:{name}"])
    (row,) = read_csv(output)
    return row[f"attribute:{name}"]


def test_an_attribute_is_a_column_by_its_name_as_it_stands(output: Path) -> None:
    where = with_one(participant(1, "08:00", **{"Order No": "A 17", "order no": "other"}))

    assert cell(output, where) == "A 17"


def test_of_several_participants_the_one_who_came_last_counts(output: Path) -> None:
    where = with_one(
        participant(1, "08:30", **{"Order No": "late"}),
        participant(2, "08:00", **{"Order No": "early"}),
        participant(3, None, **{"Order No": "never spoke"}),
        participant(4, "08:45", other="x"),
    )

    assert cell(output, where) == "late"


def test_of_those_at_the_same_time_the_one_who_is_named_last_counts(output: Path) -> None:
    where = with_one(participant(1, "08:00", **{"Order No": "1"}), participant(2, "08:00", **{"Order No": "2"}))

    assert cell(output, where) == "2"


def test_a_conversation_without_the_attribute_has_an_empty_cell(output: Path) -> None:
    assert cell(output, with_one(participant(1, "08:00"))) == ""


def test_attributes_come_by_jobs_whatever_the_options_say(output: Path) -> None:
    where = with_one(participant(1, "08:00", a="1"))
    summary = where.export(output, columns=["conversationId", "attribute:a"], route="query")

    assert summary.verdict == "proven"
    assert {window["route"] for window in manifest_of(output)["windows"]} == {"jobs"}


def test_a_repair_brings_attributes_again(output: Path) -> None:
    where = with_one(participant(1, "08:00", a="1"))
    where.export(output, columns=["conversationId", "attribute:a"])
    output.write_bytes(output.read_bytes().replace(b",1", b",2"))
    found = verify(where.client, output)

    assert repair(where.client, found).verdict == "proven"
    assert [row["attribute:a"] for row in read_csv(output)] == ["1"]


def test_worker_processes_fill_the_columns_too(output: Path) -> None:
    where = with_one(participant(1, "08:00", a="1"))
    where.export(output, columns=["conversationId", "attribute:a"], workers=1)

    assert [row["attribute:a"] for row in read_csv(output)] == ["1"]


def test_an_attribute_that_nobody_has_is_reported_with_near_ones(output: Path) -> None:
    where, listening = with_one(participant(1, "08:00", OrderNo="1", Language="de")), Listening()
    where.export(output, columns=["conversationId", "attribute:Orderno", "attribute:Language"], progress=listening)

    assert listening.notices == ["No conversation has the attribute 'Orderno'; there are 'OrderNo'."]


def test_where_none_is_near_some_are_named(output: Path) -> None:
    where, listening = with_one(participant(1, "08:00", a="1")), Listening()
    where.export(output, columns=["conversationId", "attribute:Quite another"], progress=listening)

    assert listening.notices == ["No conversation has the attribute 'Quite another'; there are 'a'."]


def test_two_attributes_that_differ_in_case_are_two_columns() -> None:
    assert [one.name for one in columns(only=["attribute:a", "attribute:A", "attribute:a"])] == [
        "attribute:a", "attribute:A",
    ]  # fmt: skip


def test_a_prefix_without_a_name_is_no_column() -> None:
    with pytest.raises(QueryError, match="no column 'attribute:'"):
        columns(only=["attribute:"])


def test_rows_of_the_query_refuse_attributes() -> None:
    where = with_one(participant(1, "08:00", a="1"))

    with pytest.raises(QueryError, match="have no attributes"):
        next(rows(where.client, Query(Interval.read(MONDAY)), columns=["attribute:a"]))


# Which there are


def test_names_are_listed_with_how_often_and_of_whom() -> None:
    where = with_one(participant(1, "08:00", a="1", b="2"), participant(2, "08:30", a="1"))
    seen = seen_attributes(where.client, Query(Interval.read(MONDAY)))

    assert (str(seen.window), seen.conversations) == (MONDAY, 1)
    assert seen.attributes == (Attribute("a", 1, {"customer": 2}), Attribute("b", 1, {"customer": 1}))


@pytest.mark.parametrize(
    ("interval", "day"),
    [
        ("2026-01-01T00:00:00.000Z/2026-01-06T00:00:00.000Z", MONDAY),
        ("2026-02-20T00:00:00.000Z/2026-03-02T11:00:00.000Z", "2026-03-01T00:00:00.000Z/2026-03-02T00:00:00.000Z"),
        ("2026-01-05T08:00:00.000Z/2026-01-05T10:00:00.000Z", "2026-01-05T08:00:00.000Z/2026-01-05T10:00:00.000Z"),
        ("2026-03-02T08:00:00.000Z/2026-03-02T11:00:00.000Z", "2026-03-02T08:00:00.000Z/2026-03-02T11:00:00.000Z"),
    ],
)
def test_the_last_whole_day_that_jobs_have_is_read(interval: str, day: str) -> None:
    where = org(conversations_per_day=20)

    assert str(seen_attributes(where.client, Query(Interval.read(interval))).window) == day


def test_a_busy_day_is_not_read_to_its_end() -> None:
    where = org(conversations_per_day=7000, flat=True)

    assert seen_attributes(where.client, Query(Interval.read(MONDAY))).conversations == 5000


def test_the_sandboxs_own_attributes_can_be_exported(output: Path) -> None:
    where, listening = org(conversations_per_day=60), Listening()
    where.export(output, columns=["conversationId", "attribute:?"], progress=listening)
    name = listening.notices[0].split("there are '")[1].split("'")[0]
    where.export(output, columns=["conversationId", f"attribute:{name}"], fresh=True)

    assert any(row[f"attribute:{name}"] for row in read_csv(output))
