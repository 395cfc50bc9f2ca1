"""How an export ends: which error or verdict, and what is on disk then."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clocks import StillClock
from everycall import (
    Client,
    CredentialsRefused,
    EverycallError,
    Filters,
    Interval,
    PermissionMissing,
    Query,
    QueryError,
    QueryRefused,
    ServiceFailed,
    SettingsError,
    UnknownName,
    Unreachable,
    ids_named,
)
from everycall.executor import SerialExecutor
from everycall.sandbox import QUERY, Switches
from everycall.sandbox.oauth import PERMISSIONS
from everycall.sandbox.oauth import Client as SandboxClient
from inprocess import (
    HEADER,
    MONDAY,
    WEEK,
    Org,
    assert_proven,
    assert_whole,
    client_of,
    exported_rows,
    manifest_of,
    org,
    read_csv,
)
from thin import Thin, thin_id

ALL_KINDS = [
    "429",
    "500",
    "502",
    "503",
    "504",
    "408",
    "hang",
    "reset",
    "cut",
    "cut_json",
    "cut_gzip",
    "bad_gzip",
    "html",
]


def flat(count: int, **settings: Any) -> Org:
    """An org with so many conversations on every UTC day."""
    return org(conversations_per_day=count, flat=True, **settings)


def on_disk(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir())


FINISHED = ["conversations.csv", "conversations.csv.manifest.json"]
UNFINISHED = ["conversations.csv.everycall"]


def refused(where: Org, output: Path, kind: type[EverycallError], message: str, client: Client | None = None) -> None:
    """The export ends with that error, and there is nothing on filesystem."""
    where.client = client or where.client
    with pytest.raises(kind, match=message):
        where.export(output)
    assert on_disk(output) == []


# Who may


def test_a_wrong_secret_ends_with_exit_code_3(output: Path) -> None:
    where = flat(5)
    client = client_of(where.sandbox, where.clock, where.connection, secret="wrong")
    refused(where, output, CredentialsRefused, r"refused \(401\): authentication failed", client)


def test_an_unknown_client(output: Path) -> None:
    where = flat(5)
    client = client_of(where.sandbox, where.clock, where.connection, client_id="nobody")
    refused(where, output, CredentialsRefused, r"refused \(400\): client not found", client)


def test_an_unknown_region() -> None:
    with pytest.raises(SettingsError, match="not a region, domain or base URL") as unknown:
        org(url="mars")
    assert "eu-central-1" in unknown.value.hint


def test_no_permission(output: Path) -> None:
    nobody = SandboxClient("id", "secret", permissions=frozenset())
    where = flat(5, clients=[nobody])
    refused(where, output, PermissionMissing, "analytics:conversationDetail:view")
    assert len(where.queries) == 1


def test_no_permission_for_names_costs_names_and_no_row(output: Path) -> None:
    partly = SandboxClient("id", "secret", permissions=PERMISSIONS - {"routing:queue:view", "routing:wrapupCode:view"})
    where = flat(60, clients=[partly])
    summary = where.export(output, columns=["conversationId", "startTime", "endTime", "queueName", "disposition"])

    assert_proven(where, summary, output)
    assert set(manifest_of(output)["namesUnavailable"]) == {"queues", "wrapupcodes"}
    assert "routing:queue:view" in manifest_of(output)["namesUnavailable"]["queues"]
    assert [served.path for served in where.sandbox.requests].count("/api/v2/routing/queues") == 1


def test_one_division_of_several_is_all_that_there_is_to_see(output: Path) -> None:
    where = flat(60)
    division = where.sandbox.store.world.entities("divisions")[0]["id"]
    where = flat(60, clients=[SandboxClient("id", "secret", division_ids=frozenset({division}))])
    summary = where.export(output)
    seen = {
        one["conversationId"] for one in where.sandbox.store.conversations(MONDAY) if division in one["divisionIds"]
    }

    assert summary.verdict == "proven"
    assert {row["conversationId"] for row in read_csv(output)} == seen
    assert 0 < summary.rows < 60


# What is asked


def test_an_unknown_queue_name_lists_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="no queue called 'Custmer Care'") as unknown:
        flat(5).client.play(ids_named("queues", ["Custmer Care"]))
    assert "Customer Care" in unknown.value.hint


def test_an_interval_reversed() -> None:
    with pytest.raises(QueryError, match="runs backwards"):
        Interval.read("2026-01-06T00:00:00Z/2026-01-05T00:00:00Z")


def test_an_interval_of_no_length() -> None:
    with pytest.raises(QueryError, match="is empty"):
        Interval.read("2026-01-05T00:00:00Z/2026-01-05T00:00:00Z")


def test_an_interval_in_the_future_is_refused_before_anything_is_asked(output: Path) -> None:
    where = flat(5)
    with pytest.raises(QueryError, match="is in the future"):
        where.export(output, "2026-04-01T00:00:00Z/2026-04-02T00:00:00Z")

    assert list(where.sandbox.requests) == []
    assert on_disk(output) == []


def test_an_interval_that_reaches_into_the_future_ends_a_minute_ago(output: Path) -> None:
    where = flat(60)
    summary = where.export(output, "2026-03-02T00:00:00.000Z/2026-03-04T00:00:00.000Z")

    until_now = "2026-03-02T00:00:00.000Z/2026-03-02T11:59:00.000Z"
    assert manifest_of(output)["interval"] == until_now
    assert_proven(where, summary, output, until_now)


def test_forty_days_without_a_filter_are_windows_of_seven(output: Path) -> None:
    where = flat(4)
    interval = "2025-12-03T05:00:00.000Z/2026-01-12T05:00:00.000Z"
    summary = where.export(output, interval)

    assert len(summary.entries) == 6
    assert all(entry.window.length <= timedelta(days=7) for entry in summary.entries)
    assert_proven(where, summary, output, interval)


def test_an_interval_older_than_eighteen_months_is_exported(output: Path) -> None:
    where = flat(20)
    interval = "2024-03-04T00:00:00.000Z/2024-03-05T00:00:00.000Z"
    summary = where.export(output, interval)

    assert summary.rows == 20
    assert_proven(where, summary, output, interval)


def test_a_filter_that_the_api_refuses(output: Path) -> None:
    where = flat(5)
    strange = {"type": "and", "predicates": [{"dimension": "favouriteColour", "operator": "exists"}]}
    query = Query(Interval.read(MONDAY), Filters.read({"segmentFilters": [strange]}))

    with pytest.raises(QueryRefused, match="favouriteColour"):
        where.export(output, query=query)
    assert len(where.queries) == 1
    assert on_disk(output) == []


def test_a_filter_exports_exactly_the_matching_conversations(output: Path) -> None:
    where = flat(200)
    filters = Filters.of(media_types=["voice"], directions=["inbound"])
    summary = where.export(output, query=Query(Interval.read(MONDAY), filters))
    found = where.sandbox.store.matching(MONDAY, **filters.lists)

    assert summary.verdict == "proven"
    assert {row["conversationId"] for row in read_csv(output)} == {one["conversationId"] for one in found}
    assert 0 < summary.rows < 200


# How many


def test_an_interval_without_conversations_is_an_empty_proven_export(output: Path) -> None:
    where = org(conversations=[])
    summary = where.export(output)

    assert (summary.verdict, summary.rows) == ("proven", 0)
    assert output.read_text() == HEADER
    assert on_disk(output) == FINISHED


@pytest.mark.parametrize("count", [1, 99, 100, 101, 200, 250])
def test_an_export_of_n_conversations_has_n_rows(output: Path, count: int) -> None:
    where = flat(count)
    summary = where.export(output)

    assert summary.rows == count
    assert_proven(where, summary, output)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "windows"), [(100_000, 3), (100_001, 6)])
def test_a_day_of_100000_conversations_or_more_is_exported(output: Path, count: int, windows: int) -> None:
    where = org(world=Thin(count))
    summary = where.export(output, columns=["conversationId"], route="query")
    ids = output.read_text().split()[1:]

    assert summary.verdict == "proven"
    assert ids == [thin_id(number) for number in range(count)]
    assert len(summary.entries) == windows
    assert all(served.status == 200 for served in where.queries)
    assert_whole(summary, output)


def test_a_day_is_cut_where_its_hits_are_too_many_and_nothing_comes_twice(output: Path) -> None:
    """A count that is too high by far makes many small windows, which find what is carried in from one to the next."""
    where = flat(300)
    where.sandbox.faults.on(1, "total_hits", path=QUERY, off=99_800)
    summary = where.export(output, route="query")

    assert len(summary.entries) == 6
    assert sum(entry.carried_in for entry in summary.entries) > 0
    assert_proven(where, summary, output)


# Conversations that live, and pages that shift


def test_a_live_conversation_has_no_end_and_no_duration(output: Path) -> None:
    where = flat(200, clock=StillClock(datetime(2026, 1, 5, 15, tzinfo=UTC)))
    summary = where.export(output)
    alive = [row for row in read_csv(output) if not row["endTime"]]

    assert_proven(where, summary, output, "2026-01-05T00:00:00.000Z/2026-01-05T14:59:00.000Z")
    assert alive
    assert all(row["duration"] == "" for row in alive)
    assert sum(entry.open for entry in summary.entries) == len(alive)
    assert manifest_of(output)["provisionalRows"] == summary.rows


def test_conversations_that_start_and_end_while_they_are_exported_are_proven_as_of_the_count(output: Path) -> None:
    """Each answer takes a minute, so that the afternoon goes by while today is exported."""
    where = flat(600, clock=StillClock(datetime(2026, 1, 5, 15, tzinfo=UTC)), latency_s=59.0)
    summary = where.export(output)

    assert summary.verdict == "proven"
    assert [row[:2] for row in exported_rows(output)] == [row[:2] for row in where.truth(summary.entries[0].interval)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_page_that_comes_short_in_the_middle_is_read_again(output: Path, number: int) -> None:
    where = flat(50)
    where.sandbox.faults.on(number, "short_page", path=QUERY, rows=7)
    summary = where.export(output, page_size=20)

    assert sum(entry.re_reads for entry in summary.entries) == 1
    assert_proven(where, summary, output)


@pytest.mark.parametrize("seen_from", [2, 3, 4, 5])
def test_a_row_that_arrives_while_paging_is_there_exactly_once(output: Path, seen_from: int) -> None:
    """It sorts into the first page, so that every later page shifts by one."""
    where = flat(50)
    late = where.truth()[3]
    late_id = min(where.sandbox.store.conversations(MONDAY), key=lambda one: one["conversationStart"])["conversationId"]
    where.sandbox.faults.on(range(1, seen_from), "unseen", path=QUERY, conversation_id=late_id)
    summary = where.export(output, page_size=20)

    assert late in exported_rows(output)
    assert [row["conversationId"] for row in read_csv(output)].count(late_id) == 1
    assert sum(entry.re_reads for entry in summary.entries) == 1
    assert_proven(where, summary, output)


def test_a_row_that_comes_twice_on_a_page_is_there_once(output: Path) -> None:
    where = flat(50)
    where.sandbox.faults.on(None, "duplicates", path=QUERY, rows=5)
    summary = where.export(output, page_size=20)

    assert_proven(where, summary, output)


def test_a_count_that_is_always_off_ends_unproven_with_numbers(output: Path) -> None:
    where = flat(50)
    where.sandbox.faults.on(None, "total_hits", path=QUERY, off=3)
    summary = where.export(output, page_size=20)

    assert summary.verdict == manifest_of(output)["verdict"] == "unproven"
    assert summary.unproven[0].reason == "the API counted 53 before and 53 after, but 50 different ones came"
    assert manifest_of(output)["unproven"] == [MONDAY]
    assert exported_rows(output) == where.truth()
    assert_whole(summary, output)


def test_a_row_that_never_comes_is_never_called_proven(output: Path) -> None:
    where = flat(50)
    where.sandbox.faults.on(lambda request: b'"pageNumber":2' in request.body, "short_page", path=QUERY)
    summary = where.export(output, page_size=20)

    assert summary.verdict == "unproven"
    assert summary.rows == 49


# What goes wrong on the way


@pytest.mark.parametrize("number", range(1, 10))
def test_an_export_survives_a_token_revoked_at_any_request(output: Path, number: int) -> None:
    """One new login is enough, whichever request meets the revoked token."""
    where = flat(50)
    where.sandbox.faults.on(number, "revoked")
    summary = where.export(output, page_size=20)

    assert len(where.sandbox.requests) >= 9
    assert summary.counts.tokens == (1 if number == 1 else 2)
    assert_proven(where, summary, output)


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("at", [range(1, 3), range(4, 7)])
def test_an_export_survives_any_fault_several_times_in_a_row(output: Path, kind: str, at: range) -> None:
    where = flat(50)
    where.sandbox.faults.on(at, kind)
    summary = where.export(output, page_size=20)

    assert_proven(where, summary, output)


@pytest.mark.parametrize(
    "options", [{"retry_after_s": None}, {"retry_after_s": 30, "as_date": True}, {"retry_after_s": 0}], ids=str
)
def test_an_export_survives_repeated_429s(output: Path, options: dict[str, Any]) -> None:
    where = flat(50)
    where.sandbox.faults.on(range(3, 9), "429", **options)
    summary = where.export(output, page_size=20)

    assert summary.counts.rejected == 6
    assert len(where.sandbox.requests) < 20
    assert_proven(where, summary, output)


def test_an_export_survives_a_504_after_a_minute(output: Path) -> None:
    where = flat(50)
    where.sandbox.faults.on(3, "504", delay_s=59)

    assert_proven(where, where.export(output, page_size=20), output)


def test_an_export_survives_an_answer_that_drips_for_ever(output: Path) -> None:
    where = flat(50)
    where.sandbox.faults.on(3, "drip", delay_s=30)

    assert_proven(where, where.export(output, page_size=20), output)


@pytest.mark.parametrize("seed", range(6))
def test_an_export_survives_a_fifth_of_all_requests_failing(output: Path, seed: int) -> None:
    where = flat(140)
    where.sandbox.faults.at_random(0.2, seed=seed)

    assert_proven(where, where.export(output, page_size=20, executor=SerialExecutor(5)), output)


@pytest.mark.parametrize("biggest", [50, 25, 12, 1])
def test_an_answer_that_would_be_too_large_halves_the_page(output: Path, biggest: int) -> None:
    where = flat(60)
    where.sandbox.faults.on(None, "too_large", path=QUERY, page_size=biggest)
    summary = where.export(output)

    assert max(served.body["paging"]["pageSize"] for served in where.queries if served.status == 200) <= biggest
    assert_proven(where, summary, output)


def test_an_answer_too_large_even_for_one_conversation_is_a_refusal(output: Path) -> None:
    where = flat(60)
    where.sandbox.faults.on(None, "too_large", path=QUERY, page_size=0)
    refused(where, output, QueryRefused, r"response\.entity\.too\.large")


@pytest.mark.parametrize("kind", ["new_field", "new_value", "null"])
def test_unknown_fields_and_values_cost_no_row(output: Path, kind: str) -> None:
    """A new field, a new value of an enumeration, or a null where a value was."""
    where = flat(120)
    where.sandbox.faults.on(None, kind, path=QUERY)
    summary = where.export(output)

    assert_proven(where, summary, output)
    assert bool(manifest_of(output)["oddities"]) == (kind == "new_field")


def test_an_export_whose_service_goes_away_keeps_what_was_done(output: Path) -> None:
    """The service answers the first window and then only 503."""
    where = flat(20)
    where.sandbox.faults.on(range(5, 10_000), "503", path=QUERY)
    two_weeks = "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z"

    with pytest.raises(ServiceFailed, match="Gave up"):
        where.export(output, two_weeks)
    assert on_disk(output) == UNFINISHED
    assert len((output.parent / UNFINISHED[0] / "ledger.jsonl").read_text().splitlines()) == 3  # header, read, loaded


def test_an_export_without_a_network_gives_up(output: Path) -> None:
    where = flat(5)
    where.sandbox.faults.on(None, "reset")
    refused(where, output, Unreachable, "Gave up on http://127.0.0.1")


# What nobody knows of the API


SWITCHES = [
    {},
    {"empty_answer": "{}"},
    {"empty_answer": "empty list"},
    {"page_size_over_limit": "clamp"},
    {"match": "day"},
    {"end_at_midnight_touches_next_day": True},
    {"match": "day", "end_at_midnight_touches_next_day": True},
    {"count_rejected": True},
    {"conversation_metric": "any"},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
@pytest.mark.parametrize(
    "interval",
    [
        MONDAY,
        WEEK,
        "2026-01-05T10:00:00.000Z/2026-01-06T13:30:00.000Z",
        "2026-01-05T10:00:00.000Z/2026-01-05T11:00:00.000Z",
    ],
)
def test_whatever_the_switches_the_rows_are_right_and_proven(output: Path, switches: Any, interval: str) -> None:
    where = flat(45, switches=Switches(**switches), rate_limit=20)
    summary = where.export(output, interval, page_size=20, executor=SerialExecutor(3))

    assert_proven(where, summary, output, interval)


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_whatever_the_switches_nothing_is_proven_where_there_is_nothing(output: Path, switches: Any) -> None:
    where = org(conversations=[], switches=Switches(**switches))
    summary = where.export(output, WEEK)

    assert (summary.verdict, output.read_text()) == ("proven", HEADER)


def at_once(count: int) -> list[dict[str, Any]]:
    """So many conversations that start in the same millisecond."""
    start, end = "2026-01-05T09:00:00.000Z", "2026-01-05T09:01:00.000Z"
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]
    return [{"conversationEnd": end, "conversationId": each, "conversationStart": start} for each in ids]


@pytest.mark.parametrize("count", [101, 150])
def test_equal_starts_that_shift_between_pages_are_never_wrongly_proven(output: Path, count: int) -> None:
    """All start in the same millisecond, and each answer has them in another order."""
    where = org(conversations=at_once(count), switches=Switches(tie_order="shifting"))
    summary = where.export(output)

    if summary.verdict == "proven":
        assert_proven(where, summary, output)
    assert summary.rows == len(set(exported_rows(output)))
    assert len(where.queries) <= 20


def test_equal_starts_that_shift_within_a_page_do_no_harm(output: Path) -> None:
    where = org(conversations=at_once(100), switches=Switches(tie_order="shifting"))

    assert_proven(where, where.export(output), output)
