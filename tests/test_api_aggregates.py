"""Aggregates: what is asked, how an answer is read, and what happens where it is too long."""

import json
import re
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall import Interval, PermissionMissing, QueryRefused
from everycall.api.aggregates import (
    AGGREGATES,
    HALF_HOUR,
    METRICS,
    Cell,
    Figures,
    aggregates,
    decoded,
    half_hour_of,
    halfway,
)
from everycall.api.exchange import NotAnAnswer
from everycall.sandbox import Switches
from inprocess import MONDAY, org
from playing import answer, played

DAY = Interval.read(MONDAY)
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
TOO_MANY = answer({"message": "Result set is larger than result limit", "code": "bad.request"}, 400)


def results(queue_id: str | None = "q1", at: str = "2026-01-05T09:00:00.000Z", **stats: dict[str, Any]) -> Any:
    """An answer with one interval of one group; the statistics by metric."""
    group = {"mediaType": "voice", **({"queueId": queue_id} if queue_id else {})}
    metrics = [{"metric": name, "stats": found} for name, found in stats.items()]
    return {"results": [{"group": group, "data": [{"interval": f"{at}/2026-01-05T09:30:00.000Z", "metrics": metrics}]}]}


def read(value: Any) -> dict[Cell, Figures]:
    return decoded(json.dumps(value).encode())


def test_a_day_takes_one_request_by_queue_media_type_and_half_hour() -> None:
    (request,), found = played(aggregates(DAY, ["nOffered"]), answer(results(nOffered={"count": 7})))

    assert (request.method, request.path) == ("POST", AGGREGATES)
    assert request.json == {
        "interval": MONDAY,
        "granularity": "PT30M",
        "groupBy": ["queueId", "mediaType"],
        "metrics": ["nOffered"],
    }
    assert found == {Cell(NINE, "q1", "voice", "nOffered"): Figures(7, None)}


def test_a_time_has_a_sum_and_a_count_has_none() -> None:
    found = read(results(tHandle={"count": 2, "sum": 3000, "max": 2000, "min": 1000}, nOffered={"count": 2, "sum": 5}))

    assert list(found.values()) == [Figures(2, 3000), Figures(2, None)]


def test_a_time_without_a_sum_has_its_number_only() -> None:
    assert list(read(results(tHandle={"count": 2})).values()) == [Figures(2, None)]


def test_a_metric_without_a_queue_has_an_empty_queue_id() -> None:
    assert [cell.queue_id for cell in read(results(None, tIvr={"count": 1, "sum": 1}))] == [""]


@pytest.mark.parametrize("empty", [{}, {"results": []}, {"results": None}, {"results": [{"group": {}}]}])
def test_an_answer_without_data_has_no_cells(empty: Any) -> None:
    assert read(empty) == {}


def test_numbers_may_be_texts_or_real_numbers() -> None:
    assert list(read(results(tHandle={"count": "2", "sum": 3000.0})).values()) == [Figures(2, 3000)]


def test_a_cell_that_comes_twice_is_added_up() -> None:
    once = results(tHandle={"count": 2, "sum": 3000})["results"]

    assert list(read({"results": once + once}).values()) == [Figures(4, 6000)]


def test_instants_may_have_any_offset() -> None:
    (cell,) = read(results(at="2026-01-05T10:00:00.000+01:00", nOffered={"count": 1}))

    assert cell.start == NINE


@pytest.mark.parametrize(
    "odd",
    [
        [],
        "text",
        {"conversations": []},
        {"results": [{"data": [{"interval": "yesterday"}]}]},
        {"results": [{"data": [{"interval": "2026-01-05T09:00:00"}]}]},
        {"results": {"group": 1}},
        results(tHandle={"count": "many"}),
    ],
)
def test_another_json_is_not_an_answer(odd: Any) -> None:
    with pytest.raises(NotAnAnswer):
        read(odd)


@pytest.mark.parametrize(
    "message", ["Result set is larger than result limit", "The query exceeds the limit of 30000 results"]
)
def test_a_day_with_too_many_results_is_asked_for_in_halves(message: str) -> None:
    refused = answer({"message": message, "code": "bad.request"}, 400)
    morning = answer(results(nOffered={"count": 1}))
    evening = answer(results(at="2026-01-05T18:00:00.000Z", nOffered={"count": 2}))

    requests, found = played(aggregates(DAY, ["nOffered"]), refused, morning, evening)

    noon = "2026-01-05T12:00:00.000Z"
    start, _, end = MONDAY.partition("/")
    assert [request.json and request.json["interval"] for request in requests] == [
        MONDAY, f"{start}/{noon}", f"{noon}/{end}",
    ]  # fmt: skip
    assert [figures.count for figures in found.values()] == [1, 2]


def test_a_half_hour_with_too_many_results_is_refused() -> None:
    with pytest.raises(QueryRefused, match="larger than result limit"):
        played(aggregates(Interval(NINE, NINE + HALF_HOUR)), TOO_MANY)


def test_another_refusal_is_not_asked_again() -> None:
    with pytest.raises(QueryRefused, match="no such metric"):
        played(aggregates(DAY), answer({"message": "no such metric", "code": "invalid.value"}, 400))


def test_a_missing_permission_is_named() -> None:
    message = "You are missing the following permission(s): [analytics:conversationAggregate:view]"

    with pytest.raises(PermissionMissing, match="analytics:conversationAggregate:view"):
        played(aggregates(DAY), answer({"message": message, "code": "missing.permissions"}, 403))


@given(st.integers(2, 48 * 31))
def test_both_halves_are_shorter_and_begin_at_half_hours(half_hours: int) -> None:
    middle = halfway(Interval(NINE, NINE + half_hours * HALF_HOUR))

    assert middle is not None
    assert NINE < middle < NINE + half_hours * HALF_HOUR
    assert half_hour_of(middle) == middle


@given(st.integers(0, 10**9))
def test_an_instant_lies_in_its_half_hour(ms: int) -> None:
    instant = NINE + timedelta(milliseconds=ms)
    start = half_hour_of(instant)

    assert start <= instant < start + HALF_HOUR
    assert start.minute in (0, 30)
    assert start.second == start.microsecond == 0


def test_the_sandbox_knows_every_metric() -> None:
    found = org(conversations_per_day=40).client.play(aggregates(DAY))

    assert len({cell.metric for cell in found}) > 10
    assert {cell.metric for cell in found} <= set(METRICS)


def test_halves_together_are_what_one_answer_has() -> None:
    whole = org(conversations_per_day=40).client.play(aggregates(DAY))
    where = org(conversations_per_day=40, switches=Switches(aggregate_results_max=60))

    assert where.client.play(aggregates(DAY)) == whole
    assert sum(served.path == AGGREGATES for served in where.sandbox.requests) > 3


def test_the_metrics_are_those_of_details_and_of_aggregates() -> None:
    """As the official SDK has them: counts and times, without nConversations."""
    details = allowed("conversation_detail_query_predicate", "metric")
    both = details & allowed("conversation_aggregation_view", "target")

    assert set(METRICS) == {name for name in both if name[0] in "nt"} - {"nConversations"}


def allowed(model: str, name: str) -> set[str]:
    """The values that a property of a model of the SDK may have; the SDK takes seconds to import, so it is read."""
    spec = find_spec("PureCloudPlatformClientV2")
    assert spec
    assert spec.origin
    source = Path(spec.origin).with_name("models").joinpath(f"{model}.py").read_text(encoding="utf-8")
    setter = source[source.index(f"@{name}.setter") :]
    found = re.search(r"allowed_values = \[(.*?)\]", setter, re.DOTALL)
    assert found
    return set(re.findall(r'"(\w+)"', found.group(1)))
