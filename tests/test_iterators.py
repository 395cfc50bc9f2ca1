from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from clocks import StillClock
from everycall import (
    Conversation,
    Interval,
    Query,
    QueryError,
    UnknownName,
    Unproven,
    View,
    conversations,
    ids_named,
    pages,
    rows,
)
from everycall.acquire.settling import STRAYS_MAX
from everycall.sandbox import QUERY, Switches
from inprocess import MONDAY, WEEK, Org, org, read_csv
from tampering import adding, restarting, tampered

T = TypeVar("T")


def flat(count: int, **settings: Any) -> Org:
    """An org with so many conversations on every UTC day."""
    return org(conversations_per_day=count, flat=True, **settings)


def of(interval: str = MONDAY, **options: Any) -> Query:
    return Query(Interval.read(interval), **options)


def ids(found: list[Conversation]) -> list[str]:
    return [one.conversation_id for one in found]


def truth(where: Org, interval: str = MONDAY) -> list[str]:
    return [one["conversationId"] for one in where.sandbox.store.conversations(interval)]


def until_unproven(some: Iterator[T]) -> tuple[list[T], Unproven]:
    """What came before `Unproven` was raised."""
    found: list[T] = []
    try:
        found.extend(one for one in some)
    except Unproven as unproven:
        return found, unproven
    raise AssertionError("Unproven was not raised")


# pages


def test_pages_come_as_answered_and_empty_ones_are_left_out() -> None:
    found = list(pages(flat(250).client, of()))

    assert [len(page.conversations) for page in found] == [100, 100, 50]
    assert {page.total_hits for page in found} == {250}


def test_the_page_size_can_be_chosen() -> None:
    found = list(pages(flat(10).client, of(), page_size=4))

    assert [len(page.conversations) for page in found] == [4, 4, 2]


def test_pages_prove_nothing_and_raise_nothing() -> None:
    where = flat(250)
    where.sandbox.faults.on(None, "total_hits", path=QUERY, off=3)

    assert sum(len(page.conversations) for page in pages(where.client, of())) == 250


def test_nothing_is_asked_before_the_first_page_is_wanted() -> None:
    where = flat(250)
    some = pages(where.client, of())
    assert list(where.sandbox.requests) == []

    next(some)

    assert len(where.queries) == 1


# conversations


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_every_conversation_comes_once_in_order_of_start(count: int) -> None:
    where = flat(count) if count else org(conversations=[])

    assert ids(list(conversations(where.client, of()))) == truth(where)


def test_conversations_of_several_windows_come_window_by_window() -> None:
    where = flat(30)
    interval = "2026-01-01T07:00:00.000Z/2026-01-20T09:30:00.000Z"

    assert ids(list(conversations(where.client, of(interval)))) == truth(where, interval)


def test_conversations_carried_in_are_left_to_their_owner() -> None:
    where = flat(200)
    afternoon = "2026-01-05T12:00:00.000Z/2026-01-06T00:00:00.000Z"

    assert ids(list(conversations(where.client, of(afternoon)))) == truth(where, afternoon)
    assert len(list(conversations(where.client, of(afternoon, match="activity")))) > len(truth(where, afternoon))


def test_a_row_that_arrives_while_paging_comes_once() -> None:
    where = flat(250)
    late = truth(where)[0]
    where.sandbox.faults.on(range(1, 4), "unseen", path=QUERY, conversation_id=late)
    found = ids(list(conversations(where.client, of())))

    assert sorted(found) == sorted(truth(where))


@pytest.mark.parametrize("biggest", [50, 12])
def test_an_answer_that_would_be_too_large_changes_nothing(biggest: int) -> None:
    where = flat(120)
    where.sandbox.faults.on(None, "too_large", path=QUERY, page_size=biggest)

    assert ids(list(conversations(where.client, of()))) == truth(where)


def test_a_day_of_too_many_hits_is_cut() -> None:
    where = flat(300)
    where.sandbox.faults.on(1, "total_hits", path=QUERY, off=99_800)

    assert ids(list(conversations(where.client, of()))) == truth(where)


def test_unproven_is_raised_after_the_last_conversation_of_the_window() -> None:
    where = flat(250)
    where.sandbox.faults.on(None, "total_hits", path=QUERY, off=3)
    found, unproven = until_unproven(conversations(where.client, of()))

    assert ids(found) == truth(where)
    assert "253 before and 253 after, but 250 different ones came" in str(unproven)
    assert unproven.window == Interval.read(MONDAY)
    assert unproven.verdict.unique_ids == 250


LOST: dict[str, Any] = {
    "conversationId": "00000000-0000-4000-8000-0000000000ff",
    "conversationStart": "0001-01-01T00:00:00.000Z",
    "participants": [],
}
TWO_WEEKS = ["2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z", "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"]


def test_a_conversation_that_starts_at_no_plausible_time_comes_once_with_the_window_that_returned_it_first() -> None:
    where = tampered(adding(LOST, *TWO_WEEKS), conversations_per_day=3, flat=True)
    interval = "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z"
    found = ids(list(conversations(where.client, of(interval))))

    assert found == [LOST["conversationId"], *truth(where, interval)]


def test_more_strays_than_the_maximum_are_not_proven() -> None:
    where = flat(STRAYS_MAX + 5)
    changes = [restarting(conversation_id, LOST["conversationStart"]) for conversation_id in truth(where)]
    where = tampered(*changes, conversations_per_day=STRAYS_MAX + 5, flat=True)
    found, unproven = until_unproven(conversations(where.client, of()))

    assert len(found) == STRAYS_MAX + 5
    assert "25 of its conversations start on days that were not asked for" in str(unproven)


def test_one_page_is_held_at_a_time() -> None:
    where = flat(250)
    some = conversations(where.client, of())
    for _ in range(100):
        next(some)

    assert len(where.queries) == 1


@pytest.mark.parametrize("rung", [pages, conversations, rows])
def test_an_interval_in_the_future_is_refused_by_iterators(rung: Any) -> None:
    where = flat(5)
    with pytest.raises(QueryError, match="in the future"):
        list(rung(where.client, of("2026-04-01T00:00:00Z/2026-04-02T00:00:00Z")))

    assert list(where.sandbox.requests) == []


def test_an_interval_up_to_now_ends_a_minute_ago() -> None:
    where = flat(200, clock=StillClock(datetime(2026, 1, 5, 15, tzinfo=UTC)))

    found = list(conversations(where.client, of()))

    assert ids(found) == truth(where, "2026-01-05T00:00:00.000Z/2026-01-05T14:59:00.000Z")
    assert any(one.conversation_end is None for one in found)


# rows


@pytest.mark.parametrize("view", ["default", "extended"])
def test_rows_hold_what_an_export_writes(output: Path, view: View) -> None:
    where = flat(150)
    where.export(output, view=view)
    found = list(rows(where.client, of(), view=view))
    written = read_csv(output)

    assert [list(row) for row in found] == [list(row) for row in written]
    for name in ("conversationId", "channel", "queueName", "agentName", "disposition"):
        assert [row[name] or "" for row in found] == [row[name] for row in written]


def test_rows_of_chosen_columns() -> None:
    found = list(rows(flat(2).client, of(), columns=["duration", "conversationId"]))

    assert [list(row) for row in found] == [["duration", "conversationId"]] * 2
    assert all(isinstance(row["duration"], float) for row in found)


def test_all_rows_of_an_unproven_window_come_before_unproven_is_raised() -> None:
    where = flat(250)
    where.sandbox.faults.on(None, "total_hits", path=QUERY, off=3)
    found, _ = until_unproven(rows(where.client, of()))

    assert [row["conversationId"] for row in found] == truth(where)


def test_names_are_asked_for_once_each() -> None:
    where = flat(150)
    list(rows(where.client, of(WEEK)))
    paths = [served.path for served in where.sandbox.requests]
    asked = [
        one for served in where.sandbox.requests if served.path == "/api/v2/users"
        for one in dict(served.parameters)["id"].split(",")
    ]  # fmt: skip

    assert paths.count("/api/v2/routing/queues") == 1
    assert paths.count("/api/v2/routing/wrapupcodes") == 1
    assert len(asked) == len(set(asked))


def test_names_that_may_not_be_looked_up_cost_no_row() -> None:
    where = flat(150)
    where.sandbox.faults.on(None, "403", path="/api/v2/users")
    found = list(rows(where.client, of()))

    assert [row["conversationId"] for row in found] == truth(where)
    assert [served.path for served in where.sandbox.requests].count("/api/v2/users") == 1


@pytest.mark.parametrize("empty_answer", ["{}", "totalHits", "empty list"])
def test_an_interval_without_conversations_yields_nothing(empty_answer: Any) -> None:
    where = org(conversations=[], switches=Switches(empty_answer=empty_answer))

    assert list(rows(where.client, of(WEEK))) == []


# ids by name, through the client


def test_a_queue_is_found_by_its_name() -> None:
    where = flat(3)
    queue = next(one for one in where.sandbox.store.world.entities("queues") if one["name"] == "Customer Care")

    assert where.client.play(ids_named("queues", ["customer care"])) == [queue["id"]]


def test_an_unknown_queue_name_is_refused() -> None:
    with pytest.raises(UnknownName, match="no queue called 'Nowhere'"):
        flat(3).client.play(ids_named("queues", ["Nowhere"]))
