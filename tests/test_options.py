import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from everycall import Filters, Interval, QueryError, SettingsError, UnknownName
from everycall.cli import options
from everycall.cli.options import When, Which
from inprocess import org

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUEUE_FILTER = {"type": "or", "predicates": [{"dimension": "queueId", "value": "7"}]}


def meant(**said: Any) -> Interval:
    return When(**said).meant(NOW, {})


def interval(start: str, end: str) -> Interval:
    return Interval(*(datetime.fromisoformat(instant).replace(tzinfo=UTC) for instant in (start, end)))


def written(folder: Path, content: object) -> str:
    path = folder / "filter.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


def test_without_words_the_last_seven_days_are_meant() -> None:
    assert meant().length == timedelta(days=7)
    assert meant().end == NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("said", "expected"),
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
def test_an_interval_is_said_in_several_ways(said: dict[str, str], expected: Interval) -> None:
    assert meant(**said) == expected


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"last": "1d", "interval": "2026-01-05"}, "--last and --interval exclude each other."),
        ({"interval": "2026-01-05", "since": "2026-01-05"}, "--interval and --since exclude each other."),
        ({"until": "2026-01-05"}, "--until needs --since."),
        ({"last": "1d", "until": "2026-01-05"}, "--until needs --since."),
    ],
)
def test_words_that_contradict_each_other_are_refused(said: dict[str, str], complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        meant(**said)


@pytest.mark.parametrize("option", ["last", "interval", "since", "until", "timezone"])
@pytest.mark.parametrize("words", ["", " \t"])
def test_an_empty_word_about_time_is_refused_not_taken_for_the_default(option: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"--{option} is empty"):
        meant(**{option: words})


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "Near: Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("../../etc/passwd", "Write one such as Europe/Berlin."),
        ("Qqqqq", "Write one such as Europe/Berlin."),
    ],
)
def test_an_unknown_time_zone_brings_near_ones(name: str, near: str) -> None:
    with pytest.raises(QueryError) as refused:
        meant(timezone=name)

    assert near in refused.value.hint


def test_the_interval_of_the_filter_file_counts_where_none_is_said() -> None:
    file = {"interval": "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"}

    assert When().meant(NOW, file) == interval("2026-01-05", "2026-01-06")
    assert When(last="1d").meant(NOW, file).end == NOW - timedelta(minutes=1)


def test_the_interval_of_the_filter_file_belongs_to_the_words() -> None:
    """Two runs with the same words are the same export: a file that changed its interval is another one."""
    assert When().words({"interval": "2026-01-05/2026-01-06"}) == {"interval": "2026-01-05/2026-01-06"}
    assert When().words({}) == {"last": "7d"}
    assert When(since="2026-01-05", timezone="Europe/Berlin").words({"interval": "2026"}) == {
        "since": "2026-01-05",
        "timezone": "Europe/Berlin",
    }


@pytest.mark.parametrize("bad", [5, None, "", ["2026-01-05"], {"start": 1}])
def test_an_interval_of_the_filter_file_that_is_no_text_is_refused(bad: object) -> None:
    with pytest.raises(QueryError, match="The interval in the filter file is"):
        When().meant(NOW, {"interval": bad})


def test_a_filter_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + json.dumps({"segmentFilters": [QUEUE_FILTER]}).encode())

    assert Which(filter=path).file() == {"segmentFilters": [QUEUE_FILTER]}


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
        Which(filter=written(tmp_path, content)).file()

    assert refused.value.hint


def test_a_filter_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"missing\.json cannot be read: No such file or directory"):
        Which(filter=str(tmp_path / "missing.json")).file()
    with pytest.raises(QueryError, match="cannot be read: Is a directory"):
        Which(filter=str(tmp_path)).file()
    with pytest.raises(SettingsError, match="--filter is empty"):
        Which(filter="").file()


def test_a_body_of_the_query_builder_is_taken_with_its_paging_and_order() -> None:
    body = {
        "interval": "2026-01-05/2026-01-06",
        "order": "desc",
        "orderBy": "segmentStart",
        "paging": {"pageSize": 25, "pageNumber": 3},
        "segmentFilters": [QUEUE_FILTER],
        "surveyFilters": [],
    }

    found = Which().meant(org().client, body)

    assert found == Filters({"segmentFilters": [QUEUE_FILTER]})


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"groupBy": ["queueId"]}, "'groupBy' belongs to other calls"),
        ({"metrics": ["tHandle"]}, "'metrics' belongs to other calls"),
        ({"view": "x"}, "'view' belongs to other calls"),
        ({"pageSize": 100}, "'pageSize' belongs to other calls"),
        ({"segmentfilters": []}, "'segmentfilters' is not known to the API"),
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
        Which().meant(org().client, body)

    assert refused.value.hint


def test_filters_of_options_and_of_the_file_hold_together() -> None:
    client = org().client
    body = {"segmentFilters": [QUEUE_FILTER]}

    found = Which(media=("VOICE", "chat"), direction=("Inbound",)).meant(client, body)

    assert [entry["predicates"][0]["value"] for entry in found.lists["segmentFilters"]] == ["voice", "7"]
    assert [one["value"] for one in found.lists["segmentFilters"][0]["predicates"]] == ["voice", "chat"]
    assert found.lists["conversationFilters"][0]["predicates"][0]["value"] == "inbound"
    assert client.counts().requests == 0


def test_names_become_the_ids_of_the_org() -> None:
    where = org()
    queue = next(one for one in where.sandbox.store.world.entities("queues") if one.get("state") != "deleted")

    found = Which(queue=(queue["name"].upper(),)).meant(where.client, {})

    assert found.lists["segmentFilters"][0]["predicates"][0]["value"] == queue["id"]


def test_a_name_that_the_org_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownName, match="The org has no queue called 'Zürich 🎧'"):
        Which(queue=("Zürich 🎧",)).meant(org().client, {})


@pytest.mark.parametrize("option", ["queue", "user", "wrapup", "division", "media", "direction"])
@pytest.mark.parametrize("words", ["", " ", "a\nb", "\x1b[31m", "\udcff"])
def test_a_filter_that_is_empty_or_no_text_is_refused_before_anything_is_asked(option: str, words: str) -> None:
    client = org().client

    with pytest.raises(SettingsError, match=f"--{option} is"):
        Which(**{option: (words,)}).meant(client, {})  # type: ignore[arg-type]

    assert client.counts().requests == 0


def test_the_words_of_a_query_are_what_was_said() -> None:
    when, which = When(last="3d"), Which(media=("voice",))

    query, words = options.query(when, which, org().client, NOW)

    assert words == {"last": "3d", "media": ["voice"]}
    assert query.interval.length == timedelta(days=3)


def test_a_list_is_separated_by_commas() -> None:
    assert options.listed("columns", "a, b,c") == ["a", "b", "c"]
    assert options.listed("columns", None) == []


@pytest.mark.parametrize("words", ["", ",", "a,,b", "a,A"])
def test_a_list_with_an_empty_or_a_repeated_word_is_refused(words: str) -> None:
    with pytest.raises(SettingsError, match="--columns"):
        options.listed("columns", words)


def test_settled_takes_only_what_the_vendor_no_longer_rebuilds() -> None:
    assert meant(last="7d", settled=True).end == datetime(2026, 2, 26, tzinfo=UTC)
    assert meant(interval="2026-01-05", settled=True) == meant(interval="2026-01-05")


def test_where_nothing_is_settled_yet_that_is_said() -> None:
    with pytest.raises(QueryError, match=r"^Nothing of .* is settled"):
        meant(last="2d", settled=True)


def test_settled_is_part_of_the_words() -> None:
    assert When(last="7d", settled=True).words({}) != When(last="7d").words({})
