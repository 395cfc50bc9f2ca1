import json
from datetime import UTC, datetime

import pytest

from everycall.api.details_query import DETAILS_QUERY, HITS_UNREADABLE, Head, PageHead, TooLarge, count, hits, page
from everycall.api.details_query import answer as asked_page
from everycall.api.exchange import BrokenAnswer, NotAnAnswer, Request, Response
from everycall.api.limits import TOTAL_HITS_MAX
from everycall.api.query import Filters, Interval, Query
from everycall.api.records import Page
from everycall.errors import PermissionMissing, QueryRefused
from playing import answer, played

DAY = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
QUERY = Query(DAY, Filters.of(media_types=["voice"]))
TWO = {"conversations": [{"conversationId": "a"}, {"conversationId": "b"}], "totalHits": 2}
TOO_LARGE = {"message": "The response is over the size limit.", "code": "response.entity.too.large", "status": 400}


def test_a_page_is_one_request_with_its_number_in_the_body() -> None:
    asked, found = played(page(QUERY, DAY, 3, 100), answer(TWO))

    assert asked == [Request("POST", DETAILS_QUERY, json=QUERY.body(DAY, 3, 100))]
    assert isinstance(found, Page)
    assert [one.conversation_id for one in found.conversations] == ["a", "b"]
    assert found.total_hits == 2


def test_an_answer_comes_as_bytes_with_only_its_head_decoded() -> None:
    response = answer(TWO)

    _, found = played(asked_page(QUERY, DAY, 1, 100), response)

    assert isinstance(found, Response)
    assert found.content == response.content
    assert found.decoded == PageHead([Head("a"), Head("b")], 2)


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
def test_a_refused_page_raises_and_is_not_retried(status: int, error: type[Exception]) -> None:
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


def test_the_count_on_a_page_goes_before_the_number_of_its_conversations() -> None:
    assert hits(Page(total_hits=7)) == 7
    assert hits(Page()) == 0


# The head of a page

FULL = {
    "conversationId": "c",
    "conversationStart": "2026-01-05T08:00:00.000Z",
    "conversationEnd": "2026-01-05T08:05:00.000Z",
    "participants": [{"purpose": "customer", "sessions": []}], "fieldOfTomorrow": {"a": [1]},
}  # fmt: skip


def head(body: object) -> PageHead:
    return PageHead.decode(json.dumps(body).encode())


def test_a_head_holds_ids_starts_ends_and_the_count() -> None:
    expected = Head("c", "2026-01-05T08:00:00.000Z", "2026-01-05T08:05:00.000Z")

    assert head({"conversations": [FULL, {"conversationId": "d"}], "totalHits": 7}) == PageHead(
        [expected, Head("d")], 7
    )


@pytest.mark.parametrize("body", [{}, {"conversations": []}, {"conversations": None}, {"aggregations": []}])
def test_a_page_past_the_end_has_no_head(body: object) -> None:
    assert head(body) == PageHead([], None)


def test_unknown_fields_beside_known_ones_do_not_matter() -> None:
    assert head({"conversations": [FULL], "totalHits": 1, "nextOfTomorrow": 1, "message": "Hello"}).total_hits == 1


@pytest.mark.parametrize(
    "body",
    [
        {"results": [FULL], "total": 250}, {"data": None}, {"error": "login"}, {"access_token": "x"}, [], [FULL], 7,
        None, {"conversations": "none"}, {"conversations": {}}, {"message": "Busy", "conversations": None},
    ],
)  # fmt: skip
def test_an_unrecognised_answer_is_not_a_page(body: object) -> None:
    with pytest.raises(NotAnAnswer, match="not a page of conversations"):
        head(body)


@pytest.mark.parametrize("hits", [TOTAL_HITS_MAX + 1, 10**30, 1e300])
def test_an_impossible_count_is_not_an_answer(hits: float) -> None:
    with pytest.raises(NotAnAnswer, match="counts"):
        head({"conversations": [FULL], "totalHits": hits})


@pytest.mark.parametrize(
    ("hits", "expected"), [("250", 250), (250.0, 250), ("NaN", HITS_UNREADABLE), (True, HITS_UNREADABLE)]
)
def test_a_count_that_is_odd_is_an_oddity(hits: object, expected: int) -> None:
    found = head({"conversations": [FULL], "totalHits": hits})

    assert (len(found.conversations), found.total_hits) == (1, expected)
    assert [odd.path for odd in found.oddities] == ["totalHits"]


def test_a_number_too_large_for_any_type_is_an_oddity() -> None:
    body = b'{"conversations":[{"conversationId":"a"}],"totalHits":1e999}'

    assert PageHead.decode(body).total_hits == HITS_UNREADABLE


def test_an_unreadable_count_is_not_taken_for_zero() -> None:
    assert head({"conversations": [], "totalHits": "NaN"}).total_hits == HITS_UNREADABLE
    assert head({"conversations": [FULL], "totalHits": -2}).total_hits == -2


def test_a_conversation_with_odd_values_costs_the_others_nothing() -> None:
    found = head({"conversations": [FULL, {**FULL, "conversationId": 7, "conversationEnd": 5}, FULL], "totalHits": 3})

    assert [one.conversation_id for one in found.conversations] == ["c", "7", "c"]
    assert found.dropped == ()
    assert [odd.path for odd in found.oddities] == ["conversationId", "conversationEnd"]


@pytest.mark.parametrize("odd", [{}, {"conversationId": None}, {"conversationId": ["x"]}, 7, None, "text"])
def test_a_conversation_without_an_id_is_dropped_and_named(odd: object) -> None:
    found = head({"conversations": [FULL, odd, FULL], "totalHits": 3})

    assert (len(found.conversations), found.dropped, found.total_hits) == (2, (1,), 3)
    assert found.oddities


def test_an_answer_that_is_no_page_is_asked_for_again() -> None:
    with pytest.raises(BrokenAnswer, match="not a page of conversations"):
        played(count(QUERY, DAY), answer({"results": []}))
    with pytest.raises(BrokenAnswer, match="202"):
        played(count(QUERY, DAY), answer(TWO, 202))
