"""Records that hold only what some columns read, and the table that is filled from them."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

import sampled
from building import agent, customer, queue, tree
from everycall.api.names import Names
from everycall.api.records import Conversation, conversation_of
from everycall.errors import QueryError
from everycall.sandbox import Org
from everycall.sandbox.traffic import DAY_MS
from everycall.tables.flat import DEFAULT, EXTENDED, Column, Facts, flat_table, row
from everycall.tables.narrow import ALWAYS, record_type

NOBODY_KNOWN = Names()
CASES = Path(__file__).parent / "cases"
MONDAY = 20_458
"""5 January 2026, in days since 1970."""


def page(*conversations: Any) -> bytes:
    return msgspec.json.encode({"conversations": conversations, "totalHits": len(conversations)})


def fields(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}


@cache
def of_every_kind() -> tuple[dict[str, Any], ...]:
    """Conversations of the sandbox, up to 8 of a kind: half of them finished, half of them as they were at noon."""
    org, seen, found = Org(conversations_per_day=4000), Counter[str](), []
    for day in range(MONDAY, MONDAY + 7):
        for sketch in org.day(day):
            seen[sketch.kind] += 1
            if seen[sketch.kind] <= 8:
                now_ms = day * DAY_MS + (DAY_MS * 2 // 3 if seen[sketch.kind] % 2 else 60 * DAY_MS)
                found.append(org.conversation(sketch, max(now_ms, sketch.start_ms + 1)))
    assert len(seen) > 25
    found += sampled.conversations()
    found += [one for path in sorted(CASES.glob("S*.json")) for one in json.loads(path.read_bytes())["conversations"]]
    # Two agents and no queue's leg: which of their queues counts depends on who they are.
    found.append(tree(customer(), agent("u1", "08:00:00", queueId="q1"), agent("u2", "08:01:00", queueId="q2")))
    return tuple(found)


# The record


def test_a_record_holds_what_every_row_needs_and_no_more() -> None:
    made = record_type([])

    assert fields(made) == {"conversation_id", "conversation_start", "conversation_end", "participants"}
    one = msgspec.json.decode(
        b'{"conversationId": "c", "participants": [{"purpose": "acd", "userId": "u"}]}',
        type=made,
    )
    assert fields(type(one.participants[0])) == {"purpose", "sessions"}


def test_a_path_adds_its_field_and_nothing_beside() -> None:
    made = record_type(["participants.sessions.flow.flow_name", "evaluations.deleted"])
    body = (
        b'{"conversationId": "c", "evaluations": [{"deleted": true, "released": true}], "participants": '
        b'[{"sessions": [{"flow": {"flowName": "Main", "exitReason": "X"}}]}]}'
    )

    one = msgspec.json.decode(body, type=made)
    flow = one.participants[0].sessions[0].flow
    assert flow
    assert (fields(type(flow)), flow.flow_name) == ({"flow_name"}, "Main")
    assert fields(type(one.evaluations[0])) == {"deleted"}


def test_the_same_paths_give_the_same_type() -> None:
    assert record_type(["surveys.event_time", "division_ids"]) is record_type(["division_ids", "surveys.event_time"])


def test_a_path_that_ends_at_a_list_of_records_keeps_it_as_json() -> None:
    made = record_type(["participants.sessions.metrics"])

    one = msgspec.json.decode(
        b'{"conversationId": "c", "participants": [{"sessions": [{"metrics": [{"name": 7}]}]}]}', type=made
    )
    kept: object = one.participants[0].sessions[0].metrics
    assert isinstance(kept, msgspec.Raw)
    assert bytes(kept) == b'[{"name": 7}]'


@pytest.mark.parametrize("path", ["nothing", "participants.nothing", "participants.sessions.metrics.nothing"])
def test_a_path_to_an_unknown_field_is_refused(path: str) -> None:
    with pytest.raises(AttributeError, match="has no field nothing"):
        record_type([path])


# Filling the table from it


@pytest.mark.parametrize("column", EXTENDED, ids=lambda column: str(column.name))
def test_a_column_alone_is_filled_as_from_the_full_record(column: Any) -> None:
    table, trees = flat_table(only=[column.name]), of_every_kind()

    narrow = [table.row(table.facts(one), NOBODY_KNOWN) for one in table.page(page(*trees))]
    full = [row(Facts.of(msgspec.convert(one, Conversation)), NOBODY_KNOWN, table.columns) for one in trees]
    assert narrow == full


@pytest.mark.parametrize("view", ["default", "extended"])
def test_facts_are_the_same_from_the_narrow_and_from_the_full_record(view: str) -> None:
    table, trees = flat_table(view), of_every_kind()

    narrow = [table.facts(one) for one in table.page(page(*trees))]
    full = [Facts.of(msgspec.convert(one, Conversation), table.columns) for one in trees]
    assert narrow == full


def test_a_page_comes_back_in_its_order_whatever_else_is_in_it() -> None:
    body = (
        b'{"aggregations": [1], "conversations": [{"conversationId": "b", "new": {}}, {"conversationId": "a"}], "x": 1}'
    )

    assert [one.conversation_id for one in flat_table().page(body)] == ["b", "a"]


@pytest.mark.parametrize("body", [b"{}", b'{"totalHits":0}', b'{"conversations":[]}'])
def test_an_empty_page_has_no_conversations(body: bytes) -> None:
    assert flat_table().page(body) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"conversationId": None},
        {"conversationId": "c", "conversationStart": "2026-01-5T08:00:00Z"},
        {"conversationId": "c", "conversationStart": "2026-01-05T08:00:00"},
        {"conversationId": "c", "participants": None},
        {"conversationId": "c", "participants": [{"userId": 7}]},
    ],
)
def test_an_unreadable_value_that_a_column_needs_fails_the_page(odd: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        flat_table().page(page({"conversationId": "a"}, odd))


def test_an_unreadable_value_that_no_column_needs_does_not_matter() -> None:
    odd = {"conversationId": "c", "participants": [{"purpose": "agent", "userId": 7}], "surveys": "none"}

    assert len(flat_table(only=["conversationId"]).page(page(odd))) == 1


def test_a_page_that_is_no_json_fails() -> None:
    with pytest.raises(msgspec.DecodeError):
        flat_table().page(b'{"conversations": [')


def test_one_odd_conversation_is_read_as_far_as_it_can_be() -> None:
    table = flat_table()
    odd = tree(
        customer(), queue("q1", "08:01:00"), agent("u1", "08:02:00"), conversationEnd="2026-01-5T08:10:00Z", end=None
    )
    odd["participants"].append({"purpose": 7, "sessions": "none"})

    found, oddities = table.one(msgspec.json.encode(odd))

    assert found
    assert type(found) is type(table.page(page({"conversationId": "c"}))[0])
    assert table.row(table.facts(found), NOBODY_KNOWN)[5:7] == ("q1", "u1")
    assert [one.path for one in oddities] == ["conversationEnd", "participants[3].purpose", "participants[3].sessions"]


def test_bytes_that_are_not_utf8_fail_the_page_and_cost_no_row() -> None:
    body = page(tree(customer(), agent("u1", "08:02:00"), conversationId="c?")).replace(b"c?", b"c\xff")
    whole = body.removeprefix(b'{"conversations":[').partition(b'],"totalHits"')[0]

    with pytest.raises(msgspec.DecodeError):
        flat_table().page(body)
    found, [oddity] = flat_table().one(whole)
    assert found
    assert (found.conversation_id, oddity.kind) == ("c\ufffd", "unusual value")


@pytest.mark.parametrize("view", ["default", "extended"])
def test_a_conversation_alone_is_what_it_is_in_a_page(view: str) -> None:
    table, trees = flat_table(view), of_every_kind()

    alone = [table.one(msgspec.json.encode(one)) for one in trees]
    assert [table.facts(one) for one, _ in alone if one] == [table.facts(one) for one in table.page(page(*trees))]
    assert [oddities for _, oddities in alone if oddities] == []


def test_a_malformed_conversation_alone_gives_the_full_records_row() -> None:
    table, body = flat_table("extended"), sampled.body("conversation_malformed_2021")
    whole, expected = conversation_of(body)
    assert whole

    found, oddities = table.one(body)
    assert found
    assert oddities == expected
    assert table.row(table.facts(found), NOBODY_KNOWN) == row(Facts.of(whole), NOBODY_KNOWN, EXTENDED)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"conversationId": null}'])
def test_a_conversation_without_a_readable_id_is_left_out_and_named(body: bytes) -> None:
    found, oddities = flat_table().one(body)

    assert found is None
    assert oddities


def test_the_table_asks_for_the_names_that_its_columns_need() -> None:
    table = flat_table()
    [record] = table.page(page(tree(customer(), queue("q1", "08:01:00"), agent("u1", "08:02:00", wrap_up="w1"))))

    assert list(table.ids(table.facts(record))) == [("queues", "q1"), ("users", "u1"), ("wrapupcodes", "w1")]


def test_a_table_has_the_columns_that_were_chosen() -> None:
    assert flat_table().columns == DEFAULT
    assert [one.name for one in flat_table(only=["DURATION", "ani"]).columns] == ["duration", "ani"]


@pytest.mark.parametrize(("view", "only"), [("full", ()), ("default", ["quename"])])
def test_an_unknown_view_or_column_is_refused(view: str, only: list[str]) -> None:
    with pytest.raises(QueryError, match="There is no"):
        flat_table(view, only)


def test_every_path_that_a_column_declares_is_needed() -> None:
    """Without it, some conversation's row fails or differs: nothing is decoded in vain."""
    trees = [msgspec.convert(one, Conversation) for one in of_every_kind()]
    for column in DEFAULT:
        for path in set(column.reads) - set(ALWAYS):
            assert not _is_filled_without(column, path, trees), (column.name, path)


def _is_filled_without(column: Column, path: str, trees: list[Conversation]) -> bool:
    kind = record_type(one for one in column.reads if one != path)
    try:
        for whole in trees:
            Facts.of(msgspec.json.decode(msgspec.json.encode(whole), type=kind), (column,))
    except AttributeError:
        return False
    return True
