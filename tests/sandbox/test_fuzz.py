"""An endpoint answers any request: with what it was asked for, or with a refusal in the API's envelope."""

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import MONDAY, Caller, Clock

from everycall.sandbox import JOBS, QUERY, Sandbox
from everycall.sandbox.routes import ROUTES

NAMES = """interval order orderBy paging pageSize pageNumber aggregations conversationFilters segmentFilters
    surveyFilters type predicates clauses dimension metric operator value range gt gte lt limit
    startOfDayIntervalMatching
    granularity
    timeZone groupBy metrics filter flattenMultivaluedDimensions views target name function queryType sortMetric query
    fields values group sort sortBy sortOrder detailMetrics userFilters presenceFilters routingStatusFilters size ranges
    property propertyType""".split()
TEXTS = """and or dimension metric property matches exists notExists queueId conversationId mediaType userId tTalk
    nOffered oWaiting conversationStart asc desc P1D PT1H UTC Europe/Berlin EXACT CONTAINS MATCH_ALL AND OR NOT topN
    groupBy rangeBound sum termFrequency numericRange 100 -1 voice""".split()

texts = st.sampled_from([*TEXTS, MONDAY, "", "x" * 50, "\u0000", "日"])
simple = st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.just(10**400), st.floats(allow_nan=False), texts)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)


anything = st.recursive(simple, nested, max_leaves=20)
bodies = st.dictionaries(st.sampled_from(NAMES), anything, max_size=6)
POSTS = [route.path for route in ROUTES if route.method == "POST" and route.path.startswith("/api")]
GETS = [route.path for route in ROUTES if route.method == "GET"]
PARAMETERS = """pageSize pageNumber name id divisionId state type deleted joined memberBy sortOrder mediaType after
    before
    q64 cursor""".split()


FILTER = {
    "type": "and",
    "clauses": [{"type": "or", "predicates": [{"type": "dimension", "dimension": "queueId", "operator": "exists"}]}],
    "predicates": [{"dimension": "mediaType", "operator": "matches", "value": "voice", "range": {"gt": 1}}],
}
VALID: dict[str, dict[str, Any]] = {
    QUERY: {"interval": MONDAY, "paging": {"pageSize": 5, "pageNumber": 1}, "segmentFilters": [FILTER], "order": "desc",
            "aggregations": [{"type": "termFrequency", "dimension": "mediaType", "size": 3}]},
    JOBS: {"interval": MONDAY, "limit": 5, "startOfDayIntervalMatching": True, "segmentFilters": [FILTER]},
    "/api/v2/analytics/conversations/aggregates/query": {
        "interval": MONDAY, "granularity": "PT1H", "timeZone": "UTC", "groupBy": ["queueId"], "metrics": ["tTalk"],
        "filter": FILTER, "flattenMultivaluedDimensions": True, "queryType": "topN", "limit": 3,
        "views": [{"target": "tTalk", "name": "v", "function": "rangeBound", "range": {"gte": 1, "lt": 2}}],
        "sortMetric": {"name": "tTalk", "function": "sum"}},
    "/api/v2/analytics/queues/observations/query": {
        "filter": FILTER, "metrics": ["oWaiting"], "detailMetrics": ["oInteracting"]},
    "/api/v2/analytics/users/details/query": {
        "interval": MONDAY, "paging": {"pageSize": 5, "pageNumber": 1}, "order": "asc",
        "userFilters": [{"type": "or", "predicates": [{"dimension": "userId", "operator": "exists"}]}]},
    "/api/v2/users/search": {
        "pageSize": 5, "pageNumber": 1, "sort": [{"sortBy": "name", "sortOrder": "ASC"}],
        "query": [{"type": "CONTAINS", "fields": ["name"], "value": "a", "operator": "OR"},
                  {"group": [{"type": "TERMS", "fields": ["id"], "values": ["x"]}]}]},
    "/api/v2/teams/search": {"query": [{"type": "EXACT", "fields": ["name"], "value": "a"}], "sortBy": "name"},
}  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in a JSON value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@pytest.fixture(scope="module")
def client() -> Caller:
    return Caller(Sandbox(conversations_per_day=60, now=Clock("2026-01-05T16:00:00Z"), rate_limit=10**9))


def assert_answered(status: int, content: Any) -> None:
    assert status in {200, 202, 400, 404}, content
    if status >= 400:
        assert {"message", "code", "status", "contextId"} <= content.keys()


@pytest.mark.parametrize("path", POSTS)
@settings(max_examples=60)
@given(body=bodies, has_interval=st.booleans())
def test_a_post_of_anything_is_answered(client: Caller, path: str, body: dict[str, Any], has_interval: bool) -> None:
    whole = {**body, "interval": MONDAY, "metrics": ["tTalk"]} if has_interval else body

    status, _, content = client.post(path, json.dumps(whole).encode())

    assert_answered(status, content)


@pytest.mark.parametrize("path", GETS)
@settings(max_examples=20)
@given(
    asked=st.dictionaries(st.sampled_from(PARAMETERS), texts | st.integers(-1, 600).map(str), max_size=3),
    entity_id=texts,
)
def test_a_get_with_any_parameters_is_answered(
    client: Caller, path: str, asked: dict[str, str], entity_id: str
) -> None:
    target = path.replace("{id}", quote(entity_id, safe="") or "x")

    status, _, content = client.get(f"{target}?{urlencode(asked)}")

    assert_answered(status, content)


@pytest.mark.parametrize("path", POSTS)
@settings(max_examples=60)
@given(at=st.integers(0, 60), value=anything)
def test_a_valid_post_with_one_value_replaced_is_answered(client: Caller, path: str, at: int, value: Any) -> None:
    body = copy.deepcopy(VALID[path])
    found = list(places(body))
    container, key = found[at % len(found)]
    container[key] = value

    status, _, content = client.post(path, json.dumps(body).encode())

    assert_answered(status, content)


@pytest.mark.parametrize("path", POSTS)
def test_what_the_values_are_replaced_in_is_valid(client: Caller, path: str) -> None:
    status, _, content = client.post(path, VALID[path])

    assert status in {200, 202}, content
