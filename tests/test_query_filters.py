import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.api.filters import FILTER_LISTS, MEDIA_TYPES, Filters
from everycall.errors import QueryError


def predicate(dimension: str, value: str) -> dict[str, str]:
    return {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value}


def test_values_of_one_kind_are_alternatives_and_kinds_must_all_hold() -> None:
    filters = Filters.of(queue_ids=["q1", "q2"], user_ids=["u"], division_ids=["d"])

    assert filters.lists == {
        "conversationFilters": [{"type": "or", "predicates": [predicate("divisionId", "d")]}],
        "segmentFilters": [
            {"type": "or", "predicates": [predicate("queueId", "q1"), predicate("queueId", "q2")]},
            {"type": "or", "predicates": [predicate("userId", "u")]},
        ],
    }


def test_conversations_can_be_asked_for_by_their_ids() -> None:
    filters = Filters.of(conversation_ids=["c1", "c2"])

    assert filters.lists == {
        "conversationFilters": [
            {"type": "or", "predicates": [predicate("conversationId", "c1"), predicate("conversationId", "c2")]}
        ]
    }


def test_media_types_and_directions_are_known_without_regard_to_case() -> None:
    filters = Filters.of(media_types=["Voice", "EMAIL"], directions=["Inbound"])

    predicates = [one for entries in filters.lists.values() for entry in entries for one in entry["predicates"]]
    assert [one["value"] for one in predicates] == ["inbound", "voice", "email"]


@pytest.mark.parametrize("arguments", [{"media_types": ["phone"]}, {"directions": ["in"]}])
def test_a_media_type_or_direction_that_the_api_does_not_know_is_refused_with_those_it_knows(
    arguments: dict[str, list[str]],
) -> None:
    with pytest.raises(QueryError) as refused:
        Filters.of(**arguments)

    assert any(known in refused.value.hint for known in (*MEDIA_TYPES, "inbound"))


def test_filters_without_lists_are_false() -> None:
    assert not Filters.of()
    assert not Filters.read({})
    assert not Filters.read({"segmentFilters": [], "interval": "x", "paging": {"pageSize": 9}})


BODY = {
    "segmentFilters": [
        {
            "type": "and",
            "clauses": [{"type": "or", "predicates": [{"dimension": "queueId", "value": "q"}]}],
            "predicates": [
                {"dimension": "wrapUpCode", "operator": "exists"},
                {"metric": "tSegmentDuration", "range": {"gt": 1000}},
                {"type": "property", "property": "p", "propertyType": "bool", "value": "true"},
            ],
        }
    ],
    "evaluationFilters": [{"type": "or", "predicates": [{"dimension": "anythingNew", "value": "x"}]}],
}


def test_the_filters_of_a_body_are_sent_as_they_are() -> None:
    assert Filters.read({**BODY, "interval": "ignored", "order": "desc"}).lists == BODY


def test_filters_add_up() -> None:
    both = Filters.of(queue_ids=["q"]) + Filters.read(BODY)

    assert list(both.lists) == ["segmentFilters", "evaluationFilters"]
    assert len(both.lists["segmentFilters"]) == 2


@pytest.mark.parametrize("key", ["groupBy", "metrics", "view", "pageSize", "page_size", "filters", "segmentfilters"])
def test_keys_that_tutorials_invent_are_refused_with_those_that_there_are(key: str) -> None:
    with pytest.raises(QueryError, match=key) as refused:
        Filters.read({key: []})

    assert all(name in refused.value.hint for name in FILTER_LISTS)


@pytest.mark.parametrize(
    ("entries", "where"),
    [
        ("x", "segmentFilters is not a list"),
        ({"type": "and"}, "segmentFilters is not a list"),
        (["x"], r"segmentFilters\[0\] is not an object"),
        ([{"predicates": [{"dimension": "queueId", "value": "q"}]}], r"\[0\].type is None"),
        ([{"type": "not", "predicates": [{"dimension": "queueId", "value": "q"}]}], r"\[0\].type is 'not'"),
        ([{"type": "and"}], r"\[0\] is empty"),
        ([{"type": "and", "predicates": [], "clauses": []}], r"\[0\] is empty"),
        ([{"type": "and", "predicates": 5}], r"\[0\].predicates is not a list"),
        ([{"type": "and", "clauses": {"type": "and"}}], r"\[0\].clauses is not a list"),
        ([{"type": "and", "operator": "x", "predicates": []}], "operator"),
        ([{"type": "and", "predicates": ["x"]}], r"predicates\[0\] is not an object"),
        ([{"type": "and", "predicates": [{"value": "q"}]}], "has no dimension"),
        ([{"type": "and", "predicates": [{"dimension": "queueId"}]}], "neither a value nor a range"),
        ([{"type": "and", "predicates": [{"dimension": "q", "operator": "is", "value": "x"}]}], "operator is 'is'"),
        ([{"type": "and", "clauses": [{"type": "and", "clauses": []}]}], r"clauses\[0\] has \['clauses'\]"),
    ],
)
def test_a_filter_that_the_api_would_refuse_is_refused_with_its_place(entries: Any, where: str) -> None:
    with pytest.raises(QueryError, match=where) as refused:
        Filters.read({"segmentFilters": entries})

    assert refused.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "predicates", "clauses", "dimension", "value", "operator"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(FILTER_LISTS), JSON, max_size=2) | JSON)
def test_any_filter_is_accepted_or_refused(body: object) -> None:
    try:
        filters = Filters.read(body)
    except QueryError:
        return
    assert json.dumps(dict(filters.lists))
