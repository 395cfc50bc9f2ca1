from datetime import UTC, datetime

import pytest

from everycall.api.filters import Filters
from everycall.api.interval import Interval
from everycall.api.query import Match, Query
from everycall.instants import since_epoch_ms


def utc(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


FILTERS = Filters.of(queue_ids=["q"])
WEEK = Interval(utc("2026-01-05"), utc("2026-01-12"))
MONDAY = Interval(utc("2026-01-05"), utc("2026-01-06"))


def test_the_body_pages_by_number_through_one_window_in_order_of_start() -> None:
    body = Query(WEEK, FILTERS).body(MONDAY, 3, 100)

    assert body == {
        "interval": "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z",
        "order": "asc",
        "orderBy": "conversationStart",
        **FILTERS.lists,
        "paging": {"pageSize": 100, "pageNumber": 3},
    }


@pytest.mark.parametrize(
    ("started", "match", "owned"),
    [
        ("2026-01-05T00:00:00", "start", True),
        ("2026-01-05T23:59:59.999", "start", True),
        ("2026-01-06T00:00:00", "start", False),
        ("2026-01-04T23:59:59.999", "start", False),
        ("2026-01-04T23:59:59.999", "activity", False),
        ("2026-01-06T00:00:00", "activity", False),
    ],
)
def test_a_window_owns_what_started_in_it(started: str, match: Match, owned: bool) -> None:
    assert Query(WEEK, match=match).owns(utc(started), MONDAY) is owned


@pytest.mark.parametrize(
    ("started", "match", "counts_from"),
    [
        ("2026-01-05T09:00:00", "start", "2026-01-05T09:00:00"),
        ("2026-01-05T09:00:00", "activity", "2026-01-05T12:00:00"),
        ("2026-01-05T00:00:00", "activity", "2026-01-05T12:00:00"),
        ("2026-01-04T23:59:59.999", "activity", "2026-01-04T23:59:59.999"),
        ("2026-01-05T13:00:00", "activity", "2026-01-05T13:00:00"),
    ],
)
def test_what_was_alive_before_an_interval_of_activity_counts_from_its_start_if_it_began_on_that_day(
    started: str, match: Match, counts_from: str
) -> None:
    query = Query(Interval(utc("2026-01-05T12:00:00"), utc("2026-01-06T00:00:00")), match=match)

    assert query.belongs_at(since_epoch_ms(utc(started))) == since_epoch_ms(utc(counts_from))
