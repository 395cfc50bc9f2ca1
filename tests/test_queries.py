import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from everycall import Filters, Interval, Query, QueryError, SettingsError, UnknownName
from everycall.api.asked import unknown_zone
from everycall.api.retention import RETENTION_PATH
from everycall.cli.display import Display
from everycall.cli.lists import separated
from everycall.cli.options import When, Which
from everycall.cli.queries import (
    filter_file,
    filters_of,
    interval_of,
    kept_from,
    query_of,
    time_options,
)
from everycall.sandbox import Switches
from inprocess import org

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUEUE_FILTER = {"type": "or", "predicates": [{"dimension": "queueId", "value": "7"}]}


def interval_for(**given: Any) -> Interval:
    return interval_of(When(**given), NOW, {})


def interval(start: str, end: str) -> Interval:
    return Interval(*(datetime.fromisoformat(instant).replace(tzinfo=UTC) for instant in (start, end)))


def written(folder: Path, content: object) -> str:
    path = folder / "filter.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


def test_without_options_the_last_seven_days_are_asked_for() -> None:
    assert interval_for().length == timedelta(days=7)
    assert interval_for().end == NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"last": "36h"}, interval("2026-02-28T23:59", "2026-03-02T11:59")),
        ({"interval": "2026-01-05/2026-01-07"}, interval("2026-01-05", "2026-01-07")),
        ({"interval": "2026-01-05"}, interval("2026-01-05", "2026-01-06")),
        ({"since": "2026-03-01"}, interval("2026-03-01", "2026-03-02T11:59")),
        ({"since": "2026-01-05", "until": "2026-01-06T08:00"}, interval("2026-01-05", "2026-01-06T08:00")),
        ({"interval": "2026-01-05", "timezone": "Europe/Berlin"}, interval("2026-01-04T23:00", "2026-01-05T23:00")),
        ({"interval": "2026-03-02/2026-03-09"}, interval("2026-03-02", "2026-03-02T11:59")),
    ],
)
def test_an_interval_can_be_written_in_several_ways(given: dict[str, str], expected: Interval) -> None:
    assert interval_for(**given) == expected


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"last": "1d", "interval": "2026-01-05"}, "--last and --interval exclude each other."),
        ({"interval": "2026-01-05", "since": "2026-01-05"}, "--interval and --since exclude each other."),
        ({"until": "2026-01-05"}, "--until needs --since."),
        ({"last": "1d", "until": "2026-01-05"}, "--until needs --since."),
    ],
)
def test_options_that_contradict_each_other_are_refused(given: dict[str, str], complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        interval_for(**given)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "Did you mean Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("../../etc/passwd", "Give a name such as Europe/Berlin."),
        ("Qqqqq", "Give a name such as Europe/Berlin."),
    ],
)
def test_an_unknown_time_zone_brings_similar_ones(name: str, near: str) -> None:
    with pytest.raises(QueryError) as refused:
        interval_for(timezone=name)

    assert near in refused.value.hint


def test_the_interval_of_the_filter_file_is_used_where_no_option_names_one() -> None:
    file = {"interval": "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"}

    assert interval_of(When(), NOW, file) == interval("2026-01-05", "2026-01-06")
    assert interval_of(When(last="1d"), NOW, file).end == NOW - timedelta(minutes=1)


def test_an_export_is_known_by_its_options_and_by_the_interval_of_the_filter_file() -> None:
    """Two runs with the same asked are the same export: a file that changed its interval is another one."""
    assert time_options(When(), {"interval": "2026-01-05/2026-01-06"}) == {"interval": "2026-01-05/2026-01-06"}
    assert time_options(When(), {}) == {"last": "7d"}
    assert time_options(When(since="2026-01-05", timezone="Europe/Berlin"), {"interval": "2026"}) == {
        "since": "2026-01-05",
        "timezone": "Europe/Berlin",
    }


@pytest.mark.parametrize("bad", [5, None, "", ["2026-01-05"], {"start": 1}])
def test_an_interval_of_the_filter_file_that_is_no_text_is_refused(bad: object) -> None:
    with pytest.raises(QueryError, match="The interval in the filter file is"):
        interval_of(When(), NOW, {"interval": bad})


def test_a_filter_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + json.dumps({"segmentFilters": [QUEUE_FILTER]}).encode())

    assert filter_file(Which(filter=path)) == {"segmentFilters": [QUEUE_FILTER]}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not JSON"),
        (b"{'segmentFilters': []}", "is not JSON"),
        (b"\xff\xfe{\x00}\x00", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
    ],
)
def test_a_filter_file_that_is_no_object_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint) as refused:
        filter_file(Which(filter=written(tmp_path, content)))

    assert refused.value.hint


def test_a_filter_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"missing\.json cannot be read: No such file or directory"):
        filter_file(Which(filter=str(tmp_path / "missing.json")))
    with pytest.raises(QueryError, match="cannot be read: Is a directory"):
        filter_file(Which(filter=str(tmp_path)))


def test_a_body_of_the_query_builder_is_accepted_with_its_paging_and_order() -> None:
    body = {
        "interval": "2026-01-05/2026-01-06",
        "order": "desc",
        "orderBy": "segmentStart",
        "paging": {"pageSize": 25, "pageNumber": 3},
        "segmentFilters": [QUEUE_FILTER],
        "surveyFilters": [],
    }

    found = filters_of(Which(), org().client, body)

    assert found == Filters({"segmentFilters": [QUEUE_FILTER]})


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"groupBy": ["queueId"]}, "'groupBy' belongs to another API call"),
        ({"metrics": ["tHandle"]}, "'metrics' belongs to another API call"),
        ({"view": "x"}, "'view' belongs to another API call"),
        ({"pageSize": 100}, "'pageSize' belongs to another API call"),
        ({"segmentfilters": []}, "'segmentfilters' is unknown"),
        ({"segmentFilters": [{}]}, r"segmentFilters\[0\]\.type is None"),
        ({"segmentFilters": [{"type": "and"}]}, r"segmentFilters\[0\] is empty"),
        ({"segmentFilters": [{"type": "and", "predicates": []}]}, r"segmentFilters\[0\] is empty"),
        ({"segmentFilters": {"type": "and"}}, "segmentFilters is not a list"),
        ({"segmentFilters": [{"type": "and", "predicates": 5}]}, r"segmentFilters\[0\]"),
        ({"segmentFilters": [{"type": "and", "clauses": "abc"}]}, r"segmentFilters\[0\]"),
        ({"segmentFilters": [{"type": ["and"], "predicates": [{}]}]}, r"segmentFilters\[0\]"),
        ({"segmentFilters": [{"type": "and", "predicates": [{"dimension": "queueId", "operator": []}]}]}, "operator"),
    ],
)
def test_a_filter_that_the_api_would_refuse_is_refused_with_the_reason(body: Any, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint) as refused:
        filters_of(Which(), org().client, body)

    assert refused.value.hint


def test_filters_of_options_and_of_the_file_both_have_to_match() -> None:
    client = org().client
    body = {"segmentFilters": [QUEUE_FILTER]}

    found = filters_of(Which(media=("VOICE", "chat"), direction=("Inbound",)), client, body)

    assert [entry["predicates"][0]["value"] for entry in found.lists["segmentFilters"]] == ["voice", "7"]
    assert [one["value"] for one in found.lists["segmentFilters"][0]["predicates"]] == ["voice", "chat"]
    assert found.lists["conversationFilters"][0]["predicates"][0]["value"] == "inbound"
    assert client.counts().requests == 0


def test_names_become_the_ids_of_the_org() -> None:
    where = org()
    queue = next(one for one in where.sandbox.store.world.entities("queues") if one.get("state") != "deleted")

    found = filters_of(Which(queue=(queue["name"].upper(),)), where.client, {})

    assert found.lists["segmentFilters"][0]["predicates"][0]["value"] == queue["id"]


def test_a_name_that_the_org_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownName, match="The org has no queue called 'Zürich 🎧'"):
        filters_of(Which(queue=("Zürich 🎧",)), org().client, {})


def test_an_export_is_known_by_the_options_that_were_given() -> None:
    when, which = When(last="3d"), Which(media=("voice",))

    query, asked = query_of(when, which, org().client, NOW)

    assert asked == {"last": "3d", "media": ["voice"]}
    assert query.interval.length == timedelta(days=3)


def test_a_list_is_separated_by_commas() -> None:
    assert separated("--columns", "a, b,c") == ["a", "b", "c"]
    assert separated("--columns", None) == []


@pytest.mark.parametrize("asked", ["", ",", "a,,b", "a,A"])
def test_a_list_with_an_empty_or_a_repeated_name_is_refused(asked: str) -> None:
    with pytest.raises(SettingsError, match="--columns"):
        separated("--columns", asked)


def test_settled_takes_only_what_the_vendor_no_longer_rebuilds() -> None:
    assert interval_for(last="7d", settled=True).end == datetime(2026, 2, 26, tzinfo=UTC)
    assert interval_for(interval="2026-01-05", settled=True) == interval_for(interval="2026-01-05")


def test_where_nothing_is_settled_yet_the_query_is_refused() -> None:
    with pytest.raises(QueryError, match=r"^No data of .* is settled"):
        interval_for(last="2d", settled=True)


ASKED = [
    {"last": "7d"}, {"last": "P1M", "timezone": "Europe/Berlin"}, {"last": "2w", "settled": "only"},
    {"interval": "2026-01-05/P3D"}, {"since": "2026-01-05"}, {"since": "2026-01-05", "until": "2026-01-09"},
]  # fmt: skip


def test_settled_makes_a_different_export() -> None:
    assert time_options(When(last="7d", settled=True), {}) != time_options(When(last="7d"), {})


def test_a_missing_time_zone_database_is_the_reason_that_is_shown() -> None:
    error = unknown_zone("Europe/Berlin", set())

    assert str(error) == "This system has no time zone database, so --timezone Europe/Berlin cannot be used."
    assert "pip install tzdata" in error.hint


@pytest.mark.parametrize("fault", ["503", "429", "hang", "html"])
def test_a_retention_that_cannot_be_read_costs_seconds(fault: str) -> None:
    where = org(conversations=[], switches=Switches(retention_days=100))
    where.sandbox.faults.on(None, fault, path=RETENTION_PATH)
    now, began = where.clock.utc(), where.clock.monotonic()
    query = Query(Interval(now - timedelta(days=101), now))

    assert kept_from(query, where.client, now, Display(Console(file=io.StringIO()))) is None
    assert where.clock.monotonic() - began < 400


@pytest.mark.parametrize(("age_days", "is_cut"), [(101, True), (99, False), (89, False)])
def test_an_interval_that_begins_before_the_retention_of_the_org_is_noted(age_days: int, is_cut: bool) -> None:
    where = org(conversations=[], switches=Switches(retention_days=100))
    now = where.clock.utc()
    query = Query(Interval(now - timedelta(days=age_days), now))
    shown = io.StringIO()

    begins = kept_from(query, where.client, now, Display(Console(file=shown)))

    assert begins == (now - timedelta(days=100) if is_cut else None)
    assert ("This org keeps conversations for 100 days" in shown.getvalue()) is is_cut
    assert where.client.counts().requests == (1 if age_days > 90 else 0)
