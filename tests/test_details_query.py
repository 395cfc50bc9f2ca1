from datetime import UTC, datetime

import pytest

from everycall.api.details_query import DETAILS_QUERY, TooLarge, count, hits, page
from everycall.api.details_query import answer as asked_page
from everycall.api.exchange import Request
from everycall.api.query import Filters, Interval, Query
from everycall.api.records import Page
from everycall.errors import PermissionMissing, QueryRefused
from playing import answer, played

DAY = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
QUERY = Query(DAY, Filters.of(media_types=["voice"]))
TWO = {"conversations": [{"conversationId": "a"}, {"conversationId": "b"}], "totalHits": 2}
TOO_LARGE = {"message": "The response is over the size limit.", "code": "response.entity.too.large", "status": 400}


def test_a_page_is_one_request_whose_body_says_which() -> None:
    asked, found = played(page(QUERY, DAY, 3, 100), answer(TWO))

    assert asked == [Request("POST", DETAILS_QUERY, json=QUERY.body(DAY, 3, 100))]
    assert isinstance(found, Page)
    assert [one.conversation_id for one in found.conversations] == ["a", "b"]
    assert found.total_hits == 2


def test_the_answer_itself_can_be_had_unread() -> None:
    response = answer(TWO)

    _, found = played(asked_page(QUERY, DAY, 1, 100), response)

    assert found is response


def test_a_page_past_the_end_is_an_empty_object() -> None:
    _, found = played(page(QUERY, DAY, 9, 100), answer({}))

    assert found == Page()


@pytest.mark.parametrize("status", [400, 413])
def test_an_answer_over_the_size_limit_asks_for_smaller_pages(status: int) -> None:
    _, found = played(page(QUERY, DAY, 1, 100), answer(TOO_LARGE, status))

    assert found == TooLarge(100)


def test_one_conversation_that_is_over_the_size_limit_is_refused() -> None:
    with pytest.raises(QueryRefused, match="over the size limit"):
        played(page(QUERY, DAY, 1, 1), answer(TOO_LARGE, 400))


@pytest.mark.parametrize(("status", "error"), [(400, QueryRefused), (403, PermissionMissing), (404, QueryRefused)])
def test_a_refusal_is_raised_and_never_asked_again(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        played(page(QUERY, DAY, 1, 100), answer({"message": "no", "code": "bad.request"}, status))


@pytest.mark.parametrize(
    ("body", "expected"),
    [({**TWO, "totalHits": 114}, 114), ({"totalHits": 0}, 0), ({}, 0), ({"conversations": TWO["conversations"]}, 2)],
)
def test_the_count_is_asked_by_a_page_of_one(body: object, expected: int) -> None:
    asked, found = played(count(QUERY, DAY), answer(body))

    assert [request.json and request.json["paging"] for request in asked] == [{"pageSize": 1, "pageNumber": 1}]
    assert found == expected


def test_hits_are_what_the_page_says_before_what_it_holds() -> None:
    assert hits(Page(total_hits=7)) == 7
    assert hits(Page()) == 0
