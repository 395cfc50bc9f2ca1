"""Conversations that are asked for by their ids: in how few requests, and what comes."""

from datetime import UTC, datetime

from everycall.acquire.by_id import by_ids
from everycall.api.query import Filters, Interval
from everycall.instants import DAY
from everycall.sandbox import QUERY
from inprocess import Org, org

FIRST = datetime(2026, 1, 5, tzinfo=UTC)


def day(number: int) -> Interval:
    start = FIRST + number * DAY
    return Interval(start, start + DAY)


def ids_of(where: Org, number: int, count: int) -> list[str]:
    return [one for one, _, _ in where.truth(str(day(number)))][:count]


def test_days_of_a_month_are_asked_for_together_as_the_api_has_them() -> None:
    where = org(conversations_per_day=20)
    wanted = {day(number): ids_of(where, number, 2) for number in (0, 3, 30)}
    found = by_ids(where.client, Filters(), wanted)
    starts = {one: start for number in wanted for one, start, _ in where.truth(str(number))}

    assert sorted(found) == sorted(one for ids in wanted.values() for one in ids)
    assert len(where.queries) == 1
    assert {one: came.start for one, came in found.items()} == {
        one: datetime.fromisoformat(starts[one]) for one in found
    }


def test_a_span_of_more_than_31_days_takes_another_request() -> None:
    where = org(conversations_per_day=20)
    wanted = {day(number): ids_of(where, number, 1) for number in (0, 31, 45)}

    assert len(by_ids(where.client, Filters(), wanted)) == 3
    assert len(where.queries) == 2


def test_more_than_a_hundred_take_another_request() -> None:
    where = org(conversations_per_day=200)
    wanted = {day(0): ids_of(where, 0, 130), day(1): ids_of(where, 1, 50)}

    assert len(by_ids(where.client, Filters(), wanted)) == 180
    assert [len(asked.body["conversationFilters"][0]["predicates"]) for asked in where.queries] == [100, 80]


def test_an_answer_that_would_be_too_large_is_asked_for_in_halves() -> None:
    where = org(conversations_per_day=20)
    where.sandbox.faults.on(None, "too_large", path=QUERY)  # above 50 a page
    wanted = {day(number): ids_of(where, number, 20) for number in range(4)}

    assert len(by_ids(where.client, Filters(), wanted)) == sum(map(len, wanted.values())) > 50
    assert len(where.queries) == 3


def test_what_does_not_match_the_filters_of_the_export_does_not_come() -> None:
    where = org(conversations_per_day=60)
    wanted = {day(0): ids_of(where, 0, 60)}
    found = by_ids(where.client, Filters.of(media_types=["voice"]), wanted)

    assert 0 < len(found) < 60
