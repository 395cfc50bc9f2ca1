from typing import Any

import pytest
from made import MONDAY, caller, conversation, spread

from everycall.sandbox import QUERY, Switches

TEXT_100000 = (
    "Pagination may not exceed 100000 results.\n\n"
    "Tip: When extracting large chunks of data (multiple days/weeks), maximize pagination performance by querying in "
    "smaller intervals. For example, paging through 1am-2am, then 2am-3am, then 3am-4am, and so forth will "
    "outperform paging through one large interval that covers the same time frame."
)

ONE_FILTER = [{"type": "and", "predicates": [{"dimension": "mediaType", "value": "voice"}]}]


def refused(**body: Any) -> tuple[int, str, str]:
    return caller([]).refused(**{"interval": MONDAY, **body})


def interval_text(days: int) -> str:
    return f"You must specify a search interval as part of your query that does not exceed {days} days."


def test_the_last_reachable_page_is_the_thousandth_of_a_hundred() -> None:
    client = caller([])

    assert client.query(MONDAY, size=100, number=1000) == {"totalHits": 0}
    assert client.refused(interval=MONDAY, paging={"pageSize": 100, "pageNumber": 1001}) == (
        400,
        "bad.request",
        TEXT_100000,
    )


def test_a_refusal_is_the_whole_envelope() -> None:
    status, headers, content = caller([]).post(QUERY, {"paging": {"pageSize": 50, "pageNumber": 2001}})

    assert status == 400
    assert content == {
        "message": TEXT_100000,
        "code": "bad.request",
        "status": 400,
        "contextId": headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }


def test_a_page_size_above_a_hundred_is_refused() -> None:
    assert refused(paging={"pageSize": 101})[:2] == (400, "bad.request")


def test_a_page_size_above_a_hundred_is_a_hundred_where_the_switch_says_so() -> None:
    client = caller(spread(120), switches=Switches(page_size_over_limit="clamp"))

    assert len(client.query(size=1000)["conversations"]) == 100
    assert len(client.query(size=1000, number=2)["conversations"]) == 20


@pytest.mark.parametrize("paging", [{"pageSize": 0}, {"pageNumber": 0}, {"pageSize": -5}])
def test_paging_below_one_is_refused(paging: dict[str, int]) -> None:
    assert refused(paging=paging)[:2] == (400, "bad.request")


def test_twenty_five_from_the_first_page_on_unless_asked() -> None:
    status, _, content = caller(spread(30)).post(QUERY, {"interval": MONDAY})

    assert status == 200
    assert [conversation["conversationId"][-2:] for conversation in content["conversations"]][::24] == ["01", "25"]


@pytest.mark.parametrize(
    "interval",
    [
        "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z",
        "2026-01-05T00:00:00/2026-01-06T00:00:00",
        "2026-01-05T00:00Z/2026-01-06T00:00Z",
        "2026-01-05T00:00:00.000000000Z/2026-01-06T00:00:00.0Z",
        "2026-01-05T01:00:00+01:00/2026-01-05T19:00:00-0500",
    ],
)
def test_instants_come_in_several_forms(interval: str) -> None:
    assert caller(spread(3)).found(interval) == [1, 2, 3]


@pytest.mark.parametrize(
    "interval",
    [
        "yesterday",
        "2026-01-05T00:00:00Z",
        "2026-01-05T00:00:00Z/",
        "2026-13-05T00:00:00Z/2026-13-06T00:00:00Z",
        "2026-1-5T00:00:00Z/2026-1-6T00:00:00Z",
        "2026-01-05T00:00:00Z/P1D",
        "P7D",
        "2026-01-05/2026-01-06",
    ],
)
def test_what_is_no_interval_is_an_invalid_date(interval: str) -> None:
    assert refused(interval=interval) == (
        400,
        "invalid.date",
        "Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ",
    )


@pytest.mark.parametrize("interval", [None, ""])
def test_a_missing_interval_is_refused(interval: str | None) -> None:
    assert refused(interval=interval) == (400, "bad.request", interval_text(7))


@pytest.mark.parametrize(
    "interval", ["2026-01-06T00:00:00Z/2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z/2026-01-05T00:00:00Z"]
)
def test_an_interval_reversed_or_empty_is_refused(interval: str) -> None:
    assert refused(interval=interval)[:2] == (400, "bad.request")


def test_seven_days_are_the_most_without_a_filter() -> None:
    client = caller([])

    assert client.query("2026-01-05T00:00:00Z/2026-01-12T00:00:00Z") == {"totalHits": 0}
    assert client.refused(interval="2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.001Z") == (
        400,
        "bad.request",
        interval_text(7),
    )


def test_thirty_one_days_may_be_the_most_without_a_filter_by_a_switch() -> None:
    client = caller([], switches=Switches(unfiltered_days_max=31))

    assert client.query("2026-01-01T00:00:00Z/2026-02-01T00:00:00Z") == {"totalHits": 0}
    assert client.refused(interval="2026-01-01T00:00:00Z/2026-02-01T00:00:01Z")[2] == interval_text(31)


def test_thirty_one_days_are_the_most_with_a_filter() -> None:
    client = caller([])

    assert client.query("2026-01-01T00:00:00Z/2026-02-01T00:00:00Z", segmentFilters=ONE_FILTER) == {"totalHits": 0}
    assert client.refused(interval="2026-01-01T00:00:00Z/2026-02-01T00:00:00.001Z", segmentFilters=ONE_FILTER) == (
        400,
        "bad.request",
        interval_text(31),
    )


@pytest.mark.parametrize(
    "empty",
    [
        [],
        [{"type": "and"}],
        [{"type": "or", "predicates": []}],
        [{"type": "and", "clauses": [{"type": "or", "predicates": []}]}],
    ],
)
def test_an_empty_filter_does_not_count_as_one(empty: list[Any]) -> None:
    client = caller(spread(2))

    assert client.found(segmentFilters=empty) == [1, 2]
    assert client.refused(interval="2026-01-05T00:00:00Z/2026-01-13T00:00:00Z", segmentFilters=empty) == (
        400,
        "bad.request",
        interval_text(7),
    )


@pytest.mark.parametrize("name", ["groupBy", "metrics", "view", "pageSize", "cursor"])
def test_a_field_that_the_query_does_not_have_is_refused(name: str) -> None:
    assert refused(**{name: None}) == (
        400,
        "invalid.property",
        f"Value [{name}] is not a valid property for object [ConversationQuery]",
    )


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"paging": {"size": 5}}, "PagingSpec"),
        ({"segmentFilters": [{"type": "and", "operator": "x"}]}, "SegmentDetailQueryFilter"),
        (
            {"segmentFilters": [{"type": "and", "clauses": [{"type": "or", "clauses": []}]}]},
            "SegmentDetailQueryClause",
        ),
        (
            {"conversationFilters": [{"type": "and", "predicates": [{"property": "x"}]}]},
            "ConversationDetailQueryPredicate",
        ),
        (
            {"resolutionFilters": [{"type": "and", "predicates": [{"dimension": "queueId"}]}]},
            "ResolutionDetailQueryPredicate",
        ),
        ({"aggregations": [{"field": "queueId"}]}, "AnalyticsQueryAggregation"),
    ],
)
def test_unknown_fields_are_refused_at_every_depth(body: dict[str, Any], model: str) -> None:
    status, code, message = refused(**body)

    assert (status, code) == (400, "invalid.property")
    assert message.endswith(f"is not a valid property for object [{model}]")


def test_a_filter_without_a_type_is_the_captured_refusal() -> None:
    assert refused(segmentFilters=[{"predicates": []}]) == (
        400,
        "invalid.value",
        "Value [] is not valid for field type [QueryFilterType]. Allowable values are: and, or",
    )


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        ({"order": "ascending"}, "[QueryOrder]. Allowable values are: asc, desc, unordered"),
        (
            {"orderBy": "queueId"},
            "[QueryOrderBy]. Allowable values are: conversationStart, conversationEnd, segmentStart, segmentEnd",
        ),
        (
            {"segmentFilters": [{"type": "not", "predicates": []}]},
            "[QueryFilterType]. Allowable values are: and, or",
        ),
        (
            {"segmentFilters": [{"type": "and", "predicates": [{"dimension": "queueId", "operator": "like"}]}]},
            "[QueryOperator]. Allowable values are: matches, exists, notExists",
        ),
        (
            {"segmentFilters": [{"type": "and", "predicates": [{"type": "metric", "metric": "tTalk"}]}]},
            "[SegmentDetailQueryMetric]. Allowable values are: tSegmentDuration",
        ),
        (
            {"surveyFilters": [{"type": "and", "predicates": [{"type": "property"}]}]},
            "[QueryPredicateType]. Allowable values are: dimension, metric",
        ),
    ],
)
def test_a_value_that_an_enumeration_does_not_have_is_refused(body: dict[str, Any], ending: str) -> None:
    status, code, message = refused(**body)

    assert (status, code) == (400, "invalid.value")
    assert message.endswith(ending)


def test_a_dimension_of_another_list_is_refused() -> None:
    status, code, message = refused(
        conversationFilters=[{"type": "and", "predicates": [{"dimension": "queueId", "value": "x"}]}]
    )

    assert (status, code) == (400, "invalid.value")
    assert message == (
        "Value [queueId] is not valid for field type [ConversationDetailQueryDimension]. Allowable values are: "
        "accessAttribute, conversationEnd, conversationId, conversationInitiator, conversationStart, "
        "customerParticipation, divisionId, externalTag, mediaStatsMinConversationMos, originatingDirection, "
        "originatingSocialMediaPublic"
    )


def test_a_match_needs_a_value_or_a_range() -> None:
    status, code, _ = refused(segmentFilters=[{"type": "and", "predicates": [{"dimension": "queueId"}]}])

    assert (status, code) == (400, "bad.request")


@pytest.mark.parametrize(
    "body",
    [
        {"paging": 5},
        {"paging": {"pageSize": "many"}},
        {"paging": {"pageSize": "1e3"}},
        {"paging": {"pageSize": ""}},
        {"paging": {"pageSize": True}},
        {"paging": {"pageSize": 2.5}},
        {"interval": 7},
        {"segmentFilters": {"type": "and"}},
        {"segmentFilters": [1]},
        {"segmentFilters": [{"type": "and", "predicates": [{"metric": "tSegmentDuration", "range": {"gt": "one"}}]}]},
    ],
)
def test_a_value_of_the_wrong_type_is_malformed(body: dict[str, Any]) -> None:
    assert refused(**body) == (
        400,
        "bad.request",
        "The request could not be understood by the server due to malformed syntax.",
    )


@pytest.mark.parametrize("dimension", [[], {}, 5, None, "nonsense"])
def test_an_aggregation_of_no_dimension_is_refused(dimension: Any) -> None:
    assert refused(aggregations=[{"type": "termFrequency", "dimension": dimension}])[:2] == (400, "invalid.value")


def test_a_number_may_come_as_a_text() -> None:
    client = caller(spread(30))
    body = {"interval": MONDAY, "paging": {"pageSize": "20", "pageNumber": "2"}}

    status, _, content = client.post(QUERY, body)

    assert (status, len(content["conversations"])) == (200, 10)


def test_a_number_below_1_is_refused_as_a_text_too() -> None:
    status, _, message = refused(paging={"pageSize": "0"})

    assert (status, message) == (400, "pageSize must be at least 1.")


def test_the_bounds_of_a_range_may_come_as_texts() -> None:
    longer = [{"type": "and", "predicates": [{"metric": "tConversationDuration", "range": {"gte": "90000"}}]}]
    client = caller([conversation(1, seconds=60), conversation(2, seconds=90)])

    assert client.found(conversationFilters=longer) == [2]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"interval=x", b'"text"'])
def test_a_body_that_is_no_json_object_is_malformed(body: bytes) -> None:
    status, _, content = caller([]).post(QUERY, body)

    assert (status, content["code"]) == (400, "bad.request")


def test_null_is_the_same_as_left_out() -> None:
    client = caller(spread(2))

    assert client.found(order=None, orderBy=None, segmentFilters=None, aggregations=None) == [1, 2]


def test_an_interval_in_the_future_finds_nothing() -> None:
    assert caller(spread(2)).query("2036-01-05T00:00:00Z/2036-01-06T00:00:00Z") == {"totalHits": 0}
