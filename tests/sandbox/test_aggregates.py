"""Aggregates are what the conversations' own metrics add up to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made import MONDAY, Caller, Clock, caller, conversation

from everycall.sandbox import Client, Org, Sandbox, Switches
from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.vocabulary import AGGREGATE_METRICS

URL = "/api/v2/analytics/conversations/aggregates/query"
DERIVED = {"tWait", "oServiceLevel", "oServiceTarget", "nConversations", "oCallbackServiceLevel"}
STORED = [name for name in AGGREGATE_METRICS if name not in DERIVED]


def ask(client: Caller, interval: str = MONDAY, metrics: Iterable[str] = ("tTalk",), **body: Any) -> list[Any]:
    """The results of a query that succeeds."""
    status, _, content = client.post(URL, {"interval": interval, "metrics": list(metrics), **body})
    assert status == 200, content
    results: list[Any] = content["results"]
    return results


def refused(**body: Any) -> tuple[int, str, str]:
    """(status, code, message) of a query that is refused."""
    status, _, content = caller([]).post(URL, {"interval": MONDAY, "metrics": ["tTalk"], **body})
    return status, content["code"], content["message"]


def metric(at: str, name: str = "tTalk", value: int = 1000) -> dict[str, Any]:
    return {"emitDate": at, "name": name, "value": value}


def emitting(number: int, *metrics: dict[str, Any], queue: str = "q1", start: str = "2026-01-05T09:00:00.000Z",
             media: str = "voice", **fields: Any) -> dict[str, Any]:  # fmt: skip
    """A conversation of one session in a queue that emits the metrics."""
    segments = [{"queueId": queue, "segmentStart": start, "segmentType": "interact"}] if queue else None
    session = {"mediaType": media, "metrics": list(metrics)}
    return conversation(number, start, 86_400 * 5, segments=segments, session=session, **fields)


def counts(results: list[Any], name: str = "tTalk") -> dict[tuple[tuple[str, str], ...], list[int]]:
    """The counts of a metric in the intervals of each group."""
    return {
        tuple(result["group"].items()): [
            found["stats"]["count"] for part in result["data"] for found in part["metrics"] if found["metric"] == name
        ]
        for result in results
    }


class Month:
    """All that the conversations of a Monday, the 31 days before and the day after have emitted on that Monday."""

    def __init__(self) -> None:
        now = "2026-03-01T00:00:00Z"
        self.world = Org(seed=5, conversations_per_day=120)
        self.client = Caller(Sandbox(self.world, now=Clock(now)))
        self.now_ms, monday = to_ms(now), to_ms("2026-01-05T00:00:00Z") // DAY_MS
        self.days = range(monday - 31, monday + 2)

    def emitted(self) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
        """(day of the conversation's start, session, metric) of each."""
        for day in self.days:
            for sketch in self.world.day(day):
                for participant in self.world.conversation(sketch, self.now_ms)["participants"]:
                    for session in participant["sessions"]:
                        found = (
                            metric
                            for metric in session.get("metrics", ())
                            if metric["emitDate"].startswith("2026-01-05")
                        )
                        yield from ((day, session, emitted) for emitted in found if emitted["name"] in STORED)


def queues_of(session: dict[str, Any]) -> list[str | None]:
    """The queues of a session's segments, each once."""
    return list(dict.fromkeys(segment["queueId"] for segment in session["segments"] if "queueId" in segment)) or [None]


def stats_of(name: str, values: list[int]) -> dict[str, int]:
    if name.startswith("n"):
        return {"count": sum(values)}
    return {"max": max(values), "min": min(values), "count": len(values), "sum": sum(values)}


def statistics(results: list[Any], *names: str) -> dict[tuple[Any, ...], dict[str, int]]:
    """The statistics by the dimensions of the group and the metric."""
    return {
        (*(result["group"].get(name) for name in names), metric["metric"]): metric["stats"]
        for result in results
        for metric in result["data"][0]["metrics"]
    }


def test_a_day_is_the_sum_of_all_metrics_emitted_on_it_whatever_day_their_conversation_began() -> None:
    month, values, began = Month(), defaultdict[tuple[Any, ...], list[int]](list), set[int]()
    for day, session, emitted in month.emitted():
        values[session["mediaType"], emitted["name"]].append(emitted["value"])
        began.add(day)

    found = statistics(ask(month.client, metrics=STORED), "mediaType")

    assert len(began) > 3
    assert found == {key: stats_of(key[-1], numbers) for key, numbers in values.items()}


def test_a_day_by_queue_is_the_sum_over_the_sessions_of_that_queue() -> None:
    """Sessions with several queues are left out on both sides: which one counts has tests of its own."""
    month, values, several = Month(), defaultdict[tuple[Any, ...], list[int]](list), set[str]()
    for _, session, emitted in month.emitted():
        queue_id, *others = queues_of(session)
        several |= {session["sessionId"]} if others else set()
        values[queue_id, session["mediaType"], session["sessionId"], emitted["name"]].append(emitted["value"])

    found = statistics(
        ask(month.client, metrics=STORED, groupBy=["queueId", "sessionId"]), "queueId", "mediaType", "sessionId"
    )

    assert len({key[0] for key in found}) > 5
    assert {key: stats for key, stats in found.items() if key[2] not in several} == {
        key: stats_of(key[-1], numbers) for key, numbers in values.items() if key[2] not in several
    }


def test_the_emit_date_decides_and_not_the_start_of_the_conversation() -> None:
    client = caller([
        emitting(1, metric("2026-01-05T00:00:00.000Z"), start="2026-01-03T09:00:00.000Z"),
        emitting(2, metric("2026-01-05T23:59:59.999Z"), start="2026-01-05T23:00:00.000Z"),
        emitting(3, metric("2026-01-06T00:00:00.000Z"), start="2026-01-05T23:00:00.000Z"),
        emitting(4, metric("2026-01-04T23:59:59.999Z"), start="2026-01-04T23:00:00.000Z"),
    ])  # fmt: skip

    assert counts(ask(client)) == {(("mediaType", "voice"),): [2]}


def test_a_time_has_four_statistics_and_a_number_only_its_count() -> None:
    found = [metric("2026-01-05T10:00:00.000Z", "tTalk", 500), metric("2026-01-05T11:00:00.000Z", "tTalk", 1500),
             metric("2026-01-05T11:00:00.000Z", "nOffered", 1)]  # fmt: skip

    (result,) = ask(caller([emitting(1, *found)]), metrics=["tTalk", "nOffered"], groupBy=["queueId"])

    assert result == {
        "group": {"mediaType": "voice", "queueId": "q1"},
        "data": [
            {
                "interval": MONDAY,
                "metrics": [
                    {"metric": "nOffered", "stats": {"count": 1}},
                    {"metric": "tTalk", "stats": {"max": 1500, "min": 500, "count": 2, "sum": 2000}},
                ],
            }
        ],
    }


def test_nothing_is_an_empty_list() -> None:
    assert ask(caller([])) == []


def test_a_metric_that_nobody_asked_for_makes_no_group() -> None:
    client = caller([emitting(1, metric("2026-01-05T10:00:00.000Z"), metric("2026-01-05T10:00:00.000Z", "tAnswered"))])

    assert ask(client, metrics=["tWait"])[0]["data"][0]["metrics"][0]["stats"]["count"] == 1
    assert ask(client, metrics=["oServiceTarget"]) == []


def test_waits_are_answers_abandons_and_flow_outs_together() -> None:
    names = [("tAnswered", 10), ("tAbandon", 20), ("tFlowOut", 30), ("tAcd", 99)]
    found = [metric("2026-01-05T10:00:00.000Z", name, value) for name, value in names]

    (result,) = ask(caller([emitting(1, *found)]), metrics=["tWait"])

    assert result["data"][0]["metrics"] == [{"metric": "tWait", "stats": {"max": 30, "min": 10, "count": 3, "sum": 60}}]


def test_the_service_level_is_the_share_answered_in_time_of_the_answered_and_abandoned() -> None:
    names = ["tAnswered", "tAnswered", "tAnswered", "tAbandon", "nOverSla", "tFlowOut"]
    client = caller([emitting(1, *(metric("2026-01-05T10:00:00.000Z", name, 1) for name in names))])

    (result,) = ask(client, metrics=["oServiceLevel"])

    assert result["data"][0]["metrics"] == [
        {"metric": "oServiceLevel", "stats": {"ratio": 0.5, "numerator": 2, "denominator": 4}}
    ]


def test_conversations_are_counted_once_in_a_group() -> None:
    at = "2026-01-05T10:00:00.000Z"
    client = caller([emitting(1, metric(at), metric(at, "tAcw")), emitting(2, metric(at))])

    assert counts(ask(client, metrics=["nConversations"]), "nConversations") == {(("mediaType", "voice"),): [2]}


def test_an_interval_is_cut_into_parts_and_those_without_data_are_left_out() -> None:
    found = metric("2026-01-05T00:29:59.999Z"), metric("2026-01-05T01:00:00.000Z")
    client = caller([emitting(1, *found, start="2026-01-05T00:00:00.000Z")])

    (result,) = ask(client, "2026-01-05T00:00:00Z/2026-01-05T01:10:00Z", granularity="PT30M")

    assert [part["interval"] for part in result["data"]] == [
        "2026-01-05T00:00:00.000Z/2026-01-05T00:30:00.000Z",
        "2026-01-05T01:00:00.000Z/2026-01-05T01:10:00.000Z",
    ]


@pytest.mark.parametrize(
    ("granularity", "zone", "begins"),
    [
        ("P1D", None, ["2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T23:00"]),
        ("P1D", "Europe/Berlin", ["2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T22:00"]),
        ("PT24H", "Europe/Berlin", ["2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T23:00"]),
        ("P1M", "UTC", ["2026-03-27T23:00"]),
    ],
)
def test_days_are_those_of_the_time_zone(granularity: str, zone: str | None, begins: list[str]) -> None:
    found = [metric(f"2026-03-{day}T12:00:00.000Z") for day in (28, 29, 30)]
    client = caller([emitting(1, *found, start="2026-03-27T23:00:00.000Z")], Clock("2026-05-01T00:00:00Z"))

    (result,) = ask(client, "2026-03-27T23:00:00Z/2026-03-30T22:30:00Z", granularity=granularity, timeZone=zone)

    assert [part["interval"][:16] for part in result["data"]] == begins


def test_a_month_that_is_too_short_ends_on_its_last_day() -> None:
    of_any_length = Switches(aggregate_interval_days_max=0)
    found = emitting(1, metric("2026-02-28T10:00:00.000Z"), start="2026-02-28T09:00:00.000Z")
    client = caller([found], switches=of_any_length)

    (result,) = ask(client, "2026-01-31T00:00:00Z/2026-04-01T00:00:00Z", granularity="P1M")

    assert result["data"][0]["interval"] == "2026-02-28T00:00:00.000Z/2026-03-31T00:00:00.000Z"


def test_groups_are_by_queue_and_what_has_none_has_no_queue_in_its_group() -> None:
    at = metric("2026-01-05T10:00:00.000Z")
    client = caller([emitting(1, at), emitting(2, at, queue="q2"), emitting(3, at, at, queue="")])

    assert counts(ask(client, groupBy=["queueId"])) == {
        (("mediaType", "voice"), ("queueId", "q1")): [1],
        (("mediaType", "voice"), ("queueId", "q2")): [1],
        (("mediaType", "voice"),): [2],
    }


def test_the_media_type_may_be_left_out_where_nobody_asks_for_it() -> None:
    at = metric("2026-01-05T10:00:00.000Z")
    client = caller(
        [emitting(1, at), emitting(2, at, media="chat")], switches=Switches(aggregate_media_type="if asked")
    )

    assert counts(ask(client)) == {(): [2]}


def test_a_segment_without_a_queue_counts_for_the_one_before_it_or_else_the_first() -> None:
    starts = ["2026-01-05T09:00:00.000Z", "2026-01-05T10:00:00.000Z", "2026-01-05T11:00:00.000Z"]
    segments = [{"segmentStart": at, "segmentType": "interact"} for at in starts]
    segments[1]["queueId"] = "q1"
    emitted = [metric(f"2026-01-05T{hour}:30:00.000Z") for hour in ("09", "10", "11")]
    client = caller([conversation(1, starts[0], 9000, segments=segments, session={"metrics": emitted})])

    assert counts(ask(client, groupBy=["queueId"])) == {(("mediaType", "voice"), ("queueId", "q1")): [3]}


def test_a_wrap_up_code_counts_for_what_its_session_emitted_before_it() -> None:
    segments = [
        {"segmentStart": "2026-01-05T09:00:00.000Z", "segmentType": "interact"},
        {"segmentStart": "2026-01-05T10:00:00.000Z", "segmentType": "wrapup", "wrapUpCode": "sold"},
    ]
    session = {"metrics": [metric("2026-01-05T10:00:00.000Z"), metric("2026-01-05T10:05:00.000Z")]}
    client = caller([conversation(1, "2026-01-05T09:00:00.000Z", 9000, segments=segments, session=session)])

    assert counts(ask(client, groupBy=["wrapUpCode"])) == {(("mediaType", "voice"), ("wrapUpCode", "sold")): [2]}


def test_a_metric_at_a_border_belongs_to_the_segment_that_ends() -> None:
    segments = [
        {"queueId": "q1", "segmentStart": "2026-01-05T09:00:00.000Z", "segmentType": "alert"},
        {"queueId": "q2", "segmentStart": "2026-01-05T10:00:00.000Z", "segmentType": "interact"},
    ]
    session = {"metrics": [metric("2026-01-05T10:00:00.000Z"), metric("2026-01-05T10:00:00.001Z")]}
    client = caller([conversation(1, "2026-01-05T09:00:00.000Z", 9000, segments=segments, session=session)])

    assert [group[1] for group in counts(ask(client, groupBy=["queueId"]))] == [("queueId", "q1"), ("queueId", "q2")]


def test_a_dimension_of_several_values_counts_in_each_group_or_flat_in_one() -> None:
    client = caller([emitting(1, metric("2026-01-05T10:00:00.000Z"), divisionIds=["d1", "d2"])])

    each = counts(ask(client, groupBy=["divisionId"]))
    flat = counts(ask(client, groupBy=["divisionId"], flattenMultivaluedDimensions=True))

    assert each == {(("divisionId", name), ("mediaType", "voice")): [1] for name in ("d1", "d2")}
    assert flat == {(("divisionId", "d1,d2"), ("mediaType", "voice")): [1]}


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ({"dimension": "queueId", "value": "q1"}, 1),
        ({"dimension": "queueId", "operator": "notExists"}, 1),
        ({"dimension": "queueId", "operator": "exists"}, 2),
        ({"type": "dimension", "dimension": "mediaType", "operator": "matches", "value": "voice"}, 3),
        ({"dimension": "mediaType", "value": "chat"}, 0),
    ],
)
def test_a_filter_holds_on_the_metrics_own_dimensions(predicate: dict[str, str], expected: int) -> None:
    at = metric("2026-01-05T10:00:00.000Z")
    client = caller([emitting(1, at), emitting(2, at, queue="q2"), emitting(3, at, queue="")])

    found = counts(ask(client, filter={"type": "and", "predicates": [predicate]}))

    assert sum(sum(numbers) for numbers in found.values()) == expected


def test_a_filter_of_clauses_is_the_vendors_shape() -> None:
    at = metric("2026-01-05T10:00:00.000Z")
    client = caller([emitting(1, at), emitting(2, at, queue="q2"), emitting(3, at, queue="q3")])
    queues = [{"dimension": "queueId", "value": name} for name in ("q1", "q2")]
    clauses = [{"type": "or", "predicates": queues},
               {"type": "or", "predicates": [{"dimension": "mediaType", "value": "voice"}]}]  # fmt: skip

    assert counts(ask(client, filter={"type": "and", "clauses": clauses})) == {(("mediaType", "voice"),): [2]}


def test_a_view_counts_the_values_in_a_range() -> None:
    found = [metric("2026-01-05T10:00:00.000Z", "tTalk", value) for value in (5, 10, 15, 20)]
    view = {"name": "middle", "target": "tTalk", "function": "rangeBound", "range": {"gte": 10, "lt": 20}}

    (result,) = ask(caller([emitting(1, *found)]), views=[view])

    assert result["data"][0]["views"] == [{"name": "middle", "stats": {"count": 2}}]


@pytest.mark.parametrize(("kind", "expected"), [("topN", ["q3", "q2"]), ("bottomN", ["q1", "q2"])])
def test_the_first_groups_by_a_metric(kind: str, expected: list[str]) -> None:
    at = "2026-01-05T10:00:00.000Z"
    client = caller([emitting(number, metric(at, value=number), queue=f"q{number}") for number in (2, 3, 1)])
    sort = {"name": "tTalk", "function": "sum"}

    results = ask(client, groupBy=["queueId"], queryType=kind, sortMetric=sort, limit=2)

    assert [result["group"]["queueId"] for result in results] == expected


def test_a_client_sees_the_metrics_of_its_divisions_only() -> None:
    at = metric("2026-01-05T10:00:00.000Z")
    lesser = Client("lesser", "secret", division_ids=frozenset({"d1"}))
    client = caller([emitting(1, at, divisionIds=["d1"]), emitting(2, at, divisionIds=["d2"])], clients=[lesser])

    assert counts(ask(client)) == {(("mediaType", "voice"),): [1]}


def test_what_has_not_been_emitted_yet_does_not_count() -> None:
    clock = Clock("2026-01-05T14:00:00Z")
    client = Caller(Sandbox(conversations_per_day=300, now=clock))
    (before, *_) = counts(ask(client, metrics=["nOffered"]), "nOffered").values()
    clock.advance(3600)

    (after, *_) = counts(ask(client, metrics=["nOffered"]), "nOffered").values()

    assert 0 < before[0] < after[0]


def test_too_many_intervals_over_all_groups_are_refused() -> None:
    found = [metric(f"2026-01-05T{hour:02}:00:00.000Z") for hour in range(9, 15)]
    client = caller([emitting(1, *found)], switches=Switches(aggregate_results_max=5))

    status, _, content = client.post(URL, {"interval": MONDAY, "metrics": ["tTalk"], "granularity": "PT1H"})

    assert (status, content["message"]) == (400, "Result set is larger than result limit of 5 results")


@pytest.mark.parametrize(("end", "status"), [("2026-02-01T00:00:00Z", 200), ("2026-02-01T00:00:00.001Z", 400)])
def test_an_interval_is_at_most_31_days_long(end: str, status: int) -> None:
    interval = f"2026-01-01T00:00:00Z/{end}"

    assert caller([]).post(URL, {"interval": interval, "metrics": ["tTalk"]})[0] == status


def test_a_switch_allows_an_interval_of_any_length() -> None:
    client = caller([emitting(1, metric("2026-01-05T09:00:00.000Z"))], switches=Switches(aggregate_interval_days_max=0))

    assert counts(ask(client, "2020-01-01T00:00:00Z/2026-12-31T00:00:00Z")) == {(("mediaType", "voice"),): [1]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"metrics": None}, "bad.request"),
        ({"metrics": []}, "bad.request"),
        ({"metrics": ["tNonsense"]}, "invalid.value"),
        ({"metrics": "tTalk"}, "bad.request"),
        ({"groupBy": ["color"]}, "invalid.value"),
        ({"granularity": "daily"}, "bad.request"),
        ({"granularity": "P0D"}, "bad.request"),
        ({"granularity": "P"}, "bad.request"),
        ({"granularity": "PT0.5S"}, "bad.request"),
        ({"granularity": 30}, "bad.request"),
        ({"granularity": "PT1S", "interval": "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z"}, "bad.request"),
        ({"timeZone": "Mars/Olympus", "granularity": "P1D"}, "bad.request"),
        ({"timeZone": "../etc/passwd", "granularity": "P1D"}, "bad.request"),
        ({"filter": []}, "bad.request"),
        ({"filter": {"type": "and", "predicates": [{"dimension": "color", "value": "red"}]}}, "invalid.value"),
        ({"filter": {"type": "and", "predicates": [{"metric": "tTalk", "value": "1"}]}}, "invalid.property"),
        ({"interval": "yesterday"}, "invalid.date"),
        ({"interval": None}, "bad.request"),
        ({"paging": {}}, "invalid.property"),
        ({"queryType": "topN"}, "bad.request"),
        ({"queryType": "topN", "sortMetric": {"name": "tTalk", "function": "median"}}, "invalid.value"),
        ({"views": [{"target": "tTalk", "function": "other"}]}, "invalid.value"),
        ({"flattenMultivaluedDimensions": "yes"}, "bad.request"),
    ],
)
def test_what_the_api_does_not_know_is_refused(body: dict[str, Any], code: str) -> None:
    assert refused(**body)[:2] == (400, code)


def sums(results: list[Any]) -> dict[tuple[tuple[str, str], ...], tuple[int, int]]:
    """(count, sum) of each group over all its intervals."""
    found: defaultdict[tuple[tuple[str, str], ...], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for result in results:
        key = tuple(result["group"].items())
        for part in result["data"]:
            stats = part["metrics"][0]["stats"]
            found[key] = found[key][0] + stats["count"], found[key][1] + stats["sum"]
    return dict(found)


BERLIN_WEEKEND = "2026-03-27T22:30:00.000Z", "2026-03-30T21:00:00.000Z"
"""With the change to summer time."""

instants = st.integers(to_ms(BERLIN_WEEKEND[0]), to_ms(BERLIN_WEEKEND[1]))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(instants, st.sampled_from(["q1", "q2"])), min_size=1, max_size=12),
    st.sampled_from(["PT15M", "PT1H", "PT7H", "P1D", "P1W", "P1DT12H", "P1M"]),
    st.sampled_from([None, "UTC", "Europe/Berlin", "Asia/Kathmandu"]),
)
def test_the_intervals_of_a_granularity_add_up_to_the_whole(
    moments: list[tuple[int, str]], granularity: str, zone: str | None
) -> None:
    made = [
        emitting(n, metric(to_text(at)), queue=queue, start=BERLIN_WEEKEND[0])
        for n, (at, queue) in enumerate(moments, 1)
    ]
    client = caller(made, Clock("2026-05-01T00:00:00Z"))
    interval = "/".join(BERLIN_WEEKEND)

    parts = ask(client, interval, groupBy=["queueId"], granularity=granularity, timeZone=zone)

    assert sums(parts) == sums(ask(client, interval, groupBy=["queueId"]))
    for part in parts:
        edges = [tuple(part["interval"].split("/")) for part in part["data"]]
        assert all(start < end for start, end in edges)
        assert all(before[1] <= after[0] for before, after in pairwise(edges))


@settings(max_examples=60)
@given(st.lists(instants, min_size=1, max_size=12), instants)
def test_two_adjacent_intervals_add_up_to_the_whole(moments: list[int], between: int) -> None:
    start, end = BERLIN_WEEKEND
    assume(to_ms(start) < between < to_ms(end))
    made = [emitting(n, metric(to_text(at)), start=start) for n, at in enumerate(moments, 1)]
    client = caller(made, Clock("2026-05-01T00:00:00Z"))
    middle = to_text(between)

    halves = [sums(ask(client, interval)) for interval in (f"{start}/{middle}", f"{middle}/{end}")]
    whole = sums(ask(client, f"{start}/{end}"))

    for key, total in whole.items():
        both = [half.get(key, (0, 0)) for half in halves]
        assert total == (both[0][0] + both[1][0], both[0][1] + both[1][1])
