import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import MONDAY, Caller, Clock, caller, conversation, ids, spread

from everycall.sandbox import JOBS, Client, Org, Sandbox, Switches
from everycall.sandbox.instants import DAY_MS, to_ms

CLOCK_AT = "2026-03-02T12:00:00Z"
WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"


def asking(conversations: list[dict[str, Any]], at: str = CLOCK_AT, **switches: Any) -> tuple[Caller, Clock]:
    """A client and the clock of its sandbox."""
    clock = Clock(at)
    return caller(conversations, clock, switches=Switches(**switches)), clock


def state(client: Caller, job_id: str) -> str:
    client.token = client.login()  # a job outlives a token
    found: str = client.get(f"{JOBS}/{job_id}")[2]["state"]
    return found


def found(client: Caller, clock: Clock, interval: str = MONDAY, **fields: Any) -> list[int]:
    """The numbers of the conversations that a job finds."""
    job_id = client.submit(interval, **fields)
    clock.advance(60)
    return [number for page in client.pages(job_id) for number in ids(page.get("conversations", []))]


# The life of a job


def test_a_job_is_queued_then_pending_then_fulfilled_then_expired() -> None:
    client, clock = asking(spread(3))
    job_id = client.submit()

    states = []
    for seconds in (0, 0.999, 0.001, 1.999, 0.001, 86_399, 1):
        clock.advance(seconds)
        states.append(state(client, job_id))

    assert states == ["QUEUED", "QUEUED", "PENDING", "PENDING", "FULFILLED", "FULFILLED", "EXPIRED"]


def test_a_job_says_when_it_was_submitted_completed_and_will_expire() -> None:
    client, clock = asking(spread(3))
    job_id = client.submit()

    unfinished = client.get(f"{JOBS}/{job_id}")[2]
    clock.advance(10)
    finished = client.get(f"{JOBS}/{job_id}")[2]

    dates = {"expirationDate": "2026-03-03T12:00:03.000Z", "submissionDate": "2026-03-02T12:00:00.000Z"}
    assert unfinished == {**dates, "state": "QUEUED"}
    assert finished == {**dates, "completionDate": "2026-03-02T12:00:03.000Z", "state": "FULFILLED"}


def test_results_are_a_404_until_the_job_is_fulfilled_and_once_it_is_expired() -> None:
    client, clock = asking(spread(3))
    results = f"{JOBS}/{client.submit()}/results"

    early = client.get(results)
    clock.advance(3)
    in_time = client.get(results)
    clock.advance(86_400)
    client.token = client.login()
    late = client.get(results)

    assert [answer[0] for answer in (early, in_time, late)] == [404, 200, 404]
    assert (early[2]["code"], early[2]["message"]) == ("not.found", "The requested resource was not found.")


@pytest.mark.parametrize(("early", "expected"), [("400", 400), ("empty", 200), ("404", 404)])
def test_results_before_their_time_are_a_switch(early: str, expected: int) -> None:
    client, _ = asking(spread(3), job_results_early=early)

    status, _, content = client.get(f"{JOBS}/{client.submit()}/results")

    assert status == expected
    assert status != 200 or content == {"dataAvailabilityDate": "2026-03-02T02:00:00Z"}


@pytest.mark.parametrize("path", ["", "/results"])
def test_an_unknown_job_is_a_404(path: str) -> None:
    client, _ = asking([])

    assert client.get(f"{JOBS}/6dd5fdf7-5a1c-4a17-9ea4-4a3b5a6e6c6f{path}")[0] == 404


def test_a_cancelled_job_has_no_results() -> None:
    client, clock = asking(spread(3))
    job_id = client.submit()

    assert client.delete(f"{JOBS}/{job_id}") == (204, b"")
    clock.advance(60)

    assert state(client, job_id) == "CANCELLED"
    assert client.get(f"{JOBS}/{job_id}/results")[0] == 404


def test_what_is_done_cannot_be_cancelled() -> None:
    client, clock = asking(spread(3), job_cancelled_status=200)
    job_id = client.submit()
    clock.advance(60)

    assert client.delete(f"{JOBS}/{job_id}") == (200, b"")
    assert state(client, job_id) == "FULFILLED"


def test_an_expired_job_may_be_a_404() -> None:
    client, clock = asking([], job_expired="404", job_expires_s=60)
    job_id = client.submit()

    clock.advance(63)

    assert client.get(f"{JOBS}/{job_id}")[0] == 404


def test_the_status_of_an_unfinished_job_may_be_202() -> None:
    client, clock = asking([], job_status_unfinished=202)
    job_id = client.submit()
    unfinished = client.get(f"{JOBS}/{job_id}")[0]
    clock.advance(3)

    assert (unfinished, client.get(f"{JOBS}/{job_id}")[0]) == (202, 200)


def test_one_job_too_many_at_a_time_is_a_429() -> None:
    client, clock = asking([], jobs_at_a_time_max=2)
    client.submit()
    client.submit()

    status, headers, content = client.post(JOBS, {"interval": MONDAY})
    clock.advance(3)

    assert (status, content["code"], headers["Retry-After"]) == (429, "too.many.requests.retry.after", "1")
    assert content["limit"] == {"key": "details.jobs.concurrent.access.max", "namespace": "analytics", "value": 2}
    assert client.submit()


def test_one_job_too_many_in_a_second_is_a_429() -> None:
    client, clock = asking([], jobs_per_second_max=2)
    client.submit()
    clock.advance(0.6)
    client.submit()

    status, _, content = client.post(JOBS, {"interval": MONDAY})
    clock.advance(0.4)

    assert status == 429
    assert content["limit"] == {"key": "details.jobs.rate.per.second", "namespace": "analytics", "value": 2}
    assert client.submit()


def test_a_new_job_may_be_unknown_for_some_seconds() -> None:
    client, clock = asking(spread(3), job_unknown_s=2.0)
    job_id = client.submit()
    targets = (f"{JOBS}/{job_id}", f"{JOBS}/{job_id}/results")

    assert [client.get(target)[0] for target in targets] == [404, 404]
    clock.advance(2)
    assert state(client, job_id) == "PENDING"


def test_results_may_be_late_though_the_job_is_fulfilled() -> None:
    client, clock = asking(spread(3), job_results_late_s=5.0)
    job_id = client.submit()
    clock.advance(3)

    assert state(client, job_id) == "FULFILLED"
    assert client.get(f"{JOBS}/{job_id}/results")[0] == 404
    clock.advance(5)
    assert ids(client.page(job_id)["conversations"]) == [1, 2, 3]


@pytest.mark.parametrize("results_limit", ["last row", "first row"])
def test_a_page_of_results_beyond_the_limit_is_refused(results_limit: str) -> None:
    client, clock = asking(spread(20), job_results_max=10, results_limit=results_limit)
    job_id = client.submit()
    clock.advance(3)
    second = client.page(job_id, client.page(job_id, size=5)["cursor"], size=5)

    status, _, content = client.get(f"{JOBS}/{job_id}/results?pageSize=5&cursor={quote(second['cursor'])}")

    assert ids(second["conversations"]) == [6, 7, 8, 9, 10]
    assert (status, content["message"]) == (400, "Pagination may not exceed 10 results.")


def test_a_cursor_may_be_good_for_once_until_the_results_are_begun_anew() -> None:
    client, clock = asking(spread(4), job_cursor="once")
    job_id = client.submit()
    clock.advance(3)
    cursor = client.page(job_id, size=2)["cursor"]
    target = f"{JOBS}/{job_id}/results?pageSize=2&cursor={quote(cursor)}"

    assert [client.get(target)[0] for _ in range(2)] == [200, 400]
    assert ids(client.page(job_id, size=2)["conversations"]) == [1, 2]
    assert client.get(target)[0] == 200


def test_a_cursor_is_good_again_by_default() -> None:
    client, clock = asking(spread(4))
    job_id = client.submit()
    clock.advance(3)
    cursor = client.page(job_id, size=2)["cursor"]

    assert client.page(job_id, cursor, size=2) == client.page(job_id, cursor, size=2)


@pytest.mark.parametrize("form", ["missing", "{}", "empty list"])
def test_empty_pages_may_stand_between_the_others(form: str) -> None:
    client, clock = asking(spread(5), job_empty_pages=True, job_empty_results=form)
    job_id = client.submit()
    clock.advance(3)

    pages = client.pages(job_id, 2)

    assert [ids(page.get("conversations", [])) for page in pages] == [[1, 2], [], [3, 4], [], [5]]


@pytest.mark.parametrize(
    ("deleted", "statuses"), [("stays", (200, 200)), ("results gone", (200, 404)), ("gone", (404, 404))]
)
def test_what_a_delete_does_to_a_finished_job_is_a_switch(deleted: str, statuses: tuple[int, int]) -> None:
    client, clock = asking(spread(3), job_finished_deleted=deleted)
    job_id = client.submit()
    clock.advance(3)

    assert client.delete(f"{JOBS}/{job_id}")[0] == 204
    assert (client.get(f"{JOBS}/{job_id}")[0], client.get(f"{JOBS}/{job_id}/results")[0]) == statuses


def test_the_date_of_expiry_may_come_only_once_the_job_is_expired() -> None:
    client, clock = asking([], job_expiration_date="once expired", job_expires_s=60)
    job_id = client.submit()
    clock.advance(3)

    fulfilled = client.get(f"{JOBS}/{job_id}")[2]
    clock.advance(60)
    expired = client.get(f"{JOBS}/{job_id}")[2]

    assert "expirationDate" not in fulfilled
    assert (expired["state"], expired["expirationDate"]) == ("EXPIRED", "2026-03-02T12:01:03.000Z")


def test_the_lake_may_lag_by_the_vendors_own_bound_of_48_hours() -> None:
    client, _ = asking([], data_lake_lag_s=172_800.0)

    assert client.get(f"{JOBS}/availability")[2] == {"dataAvailabilityDate": "2026-02-28T12:00:00Z"}


def test_an_unfiltered_job_may_be_held_to_7_days() -> None:
    eight_days = "2026-01-05T00:00:00Z/2026-01-13T00:00:00Z"
    a_filter = [{"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "exists"}]}]
    client, _ = asking([], job_unfiltered_days_max=7)

    status, _, content = client.post(JOBS, {"interval": eight_days})

    assert (status, content["message"]) == (
        400,
        "You must specify a search interval as part of your query that does not exceed 7 days.",
    )
    assert client.submit(WEEK)
    assert client.submit(eight_days, conversationFilters=a_filter)


def test_the_oldest_of_very_many_jobs_is_forgotten() -> None:
    client, _ = asking([], job_takes_s=0.0)
    client.sandbox.rate_limit.allowed = 2000
    first, second, *_ = [client.submit() for _ in range(1001)]

    assert [client.get(f"{JOBS}/{job}")[0] for job in (first, second)] == [404, 200]


# What a page says


def test_a_page_has_its_conversations_a_cursor_and_a_date_without_milliseconds() -> None:
    client, clock = asking(spread(3), at="2026-03-02T12:00:00.123Z")
    job_id = client.submit()
    clock.advance(5)

    first, last = client.pages(job_id, 2)

    assert list(first) == ["conversations", "cursor", "dataAvailabilityDate"]
    assert list(last) == ["conversations", "dataAvailabilityDate"]
    assert first["dataAvailabilityDate"] == last["dataAvailabilityDate"] == "2026-03-02T02:00:00Z"


@pytest.mark.parametrize(
    ("form", "keys"),
    [("missing", ["dataAvailabilityDate"]), ("{}", []), ("empty list", ["conversations", "dataAvailabilityDate"])],
)
def test_an_empty_result_is_a_switch(form: str, keys: list[str]) -> None:
    client, clock = asking([], job_empty_results=form)
    job_id = client.submit()
    clock.advance(5)

    assert list(client.page(job_id)) == keys


def test_a_cursor_is_base64_that_has_to_be_percent_encoded() -> None:
    client, clock = asking(spread(3))
    job_id = client.submit()
    clock.advance(5)
    cursor = client.page(job_id, size=1)["cursor"]

    careless = client.get(f"{JOBS}/{job_id}/results?cursor={cursor}")
    careful = client.get(f"{JOBS}/{job_id}/results?pageSize=2&cursor={quote(cursor, safe='')}")

    assert {"+", "/", "="} <= set(cursor)
    assert base64.b64decode(cursor).startswith(b"cursor_v2")
    assert (careless[0], careless[2]["message"]) == (400, "The cursor is not valid.")
    assert ids(careful[2]["conversations"]) == [2, 3]


@pytest.mark.parametrize("text", ["x", "Y3Vyc29yX3Yy", "Y3Vyc29yX3Yy%2B%2F%2B%2FAAAAAAAAAAA%3D", "ü"])
def test_any_other_cursor_is_refused(text: str) -> None:
    client, clock = asking(spread(3))
    job_id = client.submit()
    clock.advance(5)

    assert client.get(f"{JOBS}/{job_id}/results?cursor={text}")[0] == 400


def test_an_empty_cursor_is_the_beginning() -> None:
    client, clock = asking(spread(2))
    job_id = client.submit()
    clock.advance(5)

    assert client.get(f"{JOBS}/{job_id}/results?cursor=")[2] == client.page(job_id)


def test_a_page_holds_1000_by_default_and_10000_at_most() -> None:
    client, clock = asking(spread(12_000, every_s=7))
    job_id = client.submit()
    clock.advance(5)

    lengths = [[len(page["conversations"]) for page in client.pages(job_id, *sizes)] for sizes in ((), (20_000,))]

    assert lengths == [[1000] * 12, [10_000, 2000]]


def test_a_page_size_above_the_maximum_may_be_refused() -> None:
    client, clock = asking(spread(2), job_page_size_over_limit="refuse")
    job_id = client.submit()
    clock.advance(5)

    assert client.get(f"{JOBS}/{job_id}/results?pageSize=10001")[0] == 400
    assert client.get(f"{JOBS}/{job_id}/results?pageSize=0")[0] == 400


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.lists(st.integers(1, 15), min_size=1, max_size=6), st.sampled_from(["asc", "desc"]))
def test_pages_of_any_sizes_tile_the_results(count: int, sizes: list[int], order: str) -> None:
    client, clock = asking(spread(count))
    job_id = client.submit(order=order)
    clock.advance(5)
    everything = list(range(1, count + 1))[:: 1 if order == "asc" else -1]

    pages = client.pages(job_id, *sizes)

    assert [number for page in pages for number in ids(page.get("conversations", []))] == everything
    cursors = [page["cursor"] for page in pages[:-1]]
    assert len(set(cursors)) == len(cursors)


def test_the_same_job_twice_has_the_same_results() -> None:
    clock = Clock("2026-01-06T10:00:00Z")
    client = Caller(Sandbox(Org(5, 200), now=clock))
    jobs = [client.submit(), client.submit()]
    clock.advance(5)
    first = client.pages(jobs[0], 50)
    clock.advance(40_000)

    again = [client.pages(job, 50) for job in jobs]

    for pages in (first, *again):
        for page in pages:
            page.pop("cursor", None)
    assert first == again[0] == again[1]


# What a job finds


def test_a_job_finds_what_was_alive_in_its_interval_whenever_it_started() -> None:
    made = [
        conversation(1, "2025-12-01T09:00:00.000Z", None),
        conversation(2, "2026-01-04T23:00:00.000Z", 7200),
        conversation(3, "2026-01-04T23:00:00.000Z", 3599),
        conversation(4, "2026-01-05T09:00:00.000Z", 60),
        conversation(5, "2026-01-06T00:00:00.000Z", 60),
    ]
    client, clock = asking(made)

    assert found(client, clock) == [1, 2, 4]
    assert client.found() == [4]


def test_start_of_day_interval_matching_finds_what_a_query_finds() -> None:
    clock = Clock(CLOCK_AT)
    client = Caller(Sandbox(Org(5, 300), now=clock))
    interval = "2026-01-07T13:00:00.000Z/2026-01-09T09:30:00.000Z"
    jobs = [client.submit(interval, startOfDayIntervalMatching=only) for only in (True, False)]
    clock.advance(5)

    by_day, by_life = (
        [conversation["conversationId"] for page in client.pages(job) for conversation in page["conversations"]]
        for job in jobs
    )

    queried = client.sandbox.store.matching(interval)
    assert by_day == [conversation["conversationId"] for conversation in queried]
    assert set(by_day) < set(by_life)


def test_the_literal_rule_of_the_day_is_for_jobs_that_ask_for_it() -> None:
    client, clock = asking(spread(24, every_s=3600), match="day")
    noon = "2026-01-05T12:00:00Z/2026-01-05T13:00:00Z"

    assert found(client, clock, noon) == [13]
    assert found(client, clock, noon, startOfDayIntervalMatching=True) == client.found(noon) == list(range(1, 25))


def test_a_seeded_job_finds_the_long_mails_of_earlier_weeks() -> None:
    org, clock = Org(5, 300), Clock(CLOCK_AT)
    client = Caller(Sandbox(org, now=clock))
    job_id = client.submit()
    clock.advance(5)
    start, end = (to_ms(instant) for instant in MONDAY.split("/"))

    read = {conversation["conversationId"] for page in client.pages(job_id) for conversation in page["conversations"]}

    days = range(start // DAY_MS - 31, end // DAY_MS)
    assert read == {s.conversation_id for day in days for s in org.day(day) if s.start_ms < end and s.end_ms >= start}


def test_a_job_knows_nothing_after_the_watermark_of_its_submission() -> None:
    made = [conversation(n, f"2026-01-05T{hour:02}:00:00.000Z") for n, hour in ((1, 1), (2, 2), (3, 3), (4, 15))]
    client, clock = asking(made, at="2026-01-05T12:30:00Z")
    job_id = client.submit()
    clock.advance(3600)

    assert ids(client.page(job_id)["conversations"]) == [1, 2]
    assert found(client, clock) == [1, 2, 3]


def test_what_lived_at_the_watermark_has_no_end() -> None:
    clock = Clock("2026-01-06T02:00:00Z")
    client = Caller(Sandbox(Org(5, 500), now=clock))
    job_id = client.submit()
    clock.advance(5)

    for found in client.page(job_id)["conversations"]:
        assert found["conversationStart"] <= "2026-01-05T16:00:00.000Z"
        assert found.get("conversationEnd", "") <= "2026-01-05T16:00:00.000Z"


def test_the_lake_may_be_as_fresh_as_the_org() -> None:
    client, clock = asking(spread(5), at="2026-01-05T00:03:00Z", data_lake_lag_s=0)

    assert client.get(f"{JOBS}/availability")[2] == {"dataAvailabilityDate": "2026-01-05T00:03:00Z"}
    assert found(client, clock) == [1, 2, 3, 4]


def test_the_lake_is_ten_hours_behind() -> None:
    client, _ = asking([])

    assert client.get(f"{JOBS}/availability")[2] == {"dataAvailabilityDate": "2026-03-02T02:00:00Z"}


def test_filters_order_and_limit_are_those_of_the_job() -> None:
    made = [conversation(n, f"2026-01-05T0{n}:00:00.000Z", session={"mediaType": "email" if n % 2 else "voice"})
            for n in range(1, 8)]  # fmt: skip
    client, clock = asking(made)
    mail = [{"type": "and", "predicates": [{"dimension": "mediaType", "value": "email"}]}]

    assert found(client, clock, segmentFilters=mail) == [1, 3, 5, 7]
    assert found(client, clock, segmentFilters=mail, order="desc", limit=3) == [7, 5, 3]


def test_a_part_of_an_address_matches_in_a_job_and_not_in_a_query() -> None:
    client, clock = asking([conversation(1, session={"addressFrom": "ada.vale@example.org"})])
    part = [{"type": "and", "predicates": [{"dimension": "addressFrom", "value": "VALE@ex"}]}]

    assert found(client, clock, segmentFilters=part) == [1]
    assert client.found(segmentFilters=part) == []


def test_results_have_the_attributes_of_participants_and_queries_have_not() -> None:
    noted = {"Customer Number": "1", "note ": ""}
    client, clock = asking([conversation(1, participant={"attributes": noted}), conversation(2)])
    job_id = client.submit()
    clock.advance(5)

    with_some, without = (conversation["participants"][0] for conversation in client.page(job_id)["conversations"])

    assert with_some["attributes"] == noted
    assert list(with_some)[-2:] == ["sessions", "attributes"]
    assert "attributes" not in without
    assert not any("attributes" in conversation["participants"][0] for conversation in client.query()["conversations"])


def test_a_seeded_conversation_is_the_same_by_both_routes_but_for_attributes() -> None:
    clock = Clock(CLOCK_AT)
    client = Caller(Sandbox(Org(5, 60), now=clock, switches=Switches(data_lake_lag_s=0)))
    job_id = client.submit(startOfDayIntervalMatching=True)
    queried = client.query()["conversations"]
    clock.advance(5)

    results = client.page(job_id)["conversations"]

    noted = [p.pop("attributes", None) for result in results for p in result["participants"]]
    assert results == queried
    assert any(noted)


# Who may what


def test_a_job_holds_the_divisions_of_its_client_only() -> None:
    made = [conversation(n, divisionIds=[division]) for n, division in ((1, "north"), (2, "south"), (3, "north"))]
    clock = Clock(CLOCK_AT)
    everything = Client("a", "s")
    north = Client("b", "s", division_ids=frozenset({"north"}))
    sandbox = Sandbox(conversations=made, now=clock, clients=[everything, north])

    assert found(Caller(sandbox, "a", "s"), clock) == [1, 2, 3]
    assert found(Caller(sandbox, "b", "s"), clock) == [1, 3]


def test_the_job_of_another_client_is_a_404() -> None:
    sandbox = Sandbox(conversations=[], now=Clock(), clients=[Client("a", "s"), Client("b", "s")])
    job_id = Caller(sandbox, "a", "s").submit()

    assert Caller(sandbox, "b", "s").get(f"{JOBS}/{job_id}")[0] == 404


def test_a_client_without_the_permission_is_refused() -> None:
    nobody = Client("a", "s", permissions=frozenset({"routing:queue:view"}))
    client = Caller(Sandbox(conversations=[], now=Clock(), clients=[nobody]))

    status, _, submitted = client.post(JOBS, {"interval": MONDAY})
    _, _, asked = client.get(f"{JOBS}/availability")

    assert status == 403
    assert submitted["message"] == (
        "Unable to perform the requested action. You must have at least one of the following permissions assigned: "
        "[analytics:agentConversationDetail:view, analytics:conversationDetail:view]"
    )
    assert asked["message"] == (
        "Unable to perform the requested action. You are missing the following permission(s): "
        "[analytics:conversationDetail:view]"
    )


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"interval": "2026-01-01T00:00:00Z/2026-02-02T00:00:00Z"},
            "bad.request",
            "You must specify a search interval as part of your query that does not exceed 31 days.",
        ),
        (
            {"interval": "yesterday"},
            "invalid.date",
            "Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ",
        ),
        (
            {"interval": MONDAY, "startOfDayIntervalMatching": "yes"},
            "bad.request",
            "The request could not be understood by the server due to malformed syntax.",
        ),
    ],
)
def test_a_wrong_body_is_refused_with_the_apis_message(body: dict[str, Any], code: str, message: str) -> None:
    client, _ = asking([])

    status, _, content = client.post(JOBS, body)

    assert (status, content["code"], content["message"]) == (400, code, message)


def test_a_field_that_jobs_do_not_have_is_ignored_or_refused_by_a_switch() -> None:
    body = {"interval": MONDAY, "paging": {"pageSize": 100}, "nonsense": 1}
    lenient, strict = asking([])[0], asking([], job_unknown_fields="refuse")[0]

    status, _, content = strict.post(JOBS, body)

    assert lenient.post(JOBS, body)[0] == 202
    assert (status, content["code"]) == (400, "invalid.property")
    assert content["message"] == "Value [paging] is not a valid property for object [AsyncConversationQuery]"


def test_an_unfiltered_job_may_ask_for_31_days_or_more_by_a_switch() -> None:
    month, year = ("2026-01-01T00:00:00Z/2026-02-01T00:00:00Z", "2025-01-01T00:00:00Z/2026-01-01T00:00:00Z")

    assert asking([])[0].submit(month)
    assert asking([], job_interval_days_max=0)[0].submit(year)


# What goes wrong


@pytest.mark.parametrize(
    ("kind", "state_after"),
    [
        ("job_stuck", "PENDING"),
        ("job_slow", "QUEUED"),
        ("job_failed", "FAILED"),
        ("job_expired", "EXPIRED"),
        ("job_cancelled", "CANCELLED"),
        ("job_gone", "FULFILLED"),
    ],
)
def test_a_fault_of_a_job_strikes_the_submission_of_its_number(kind: str, state_after: str) -> None:
    client, clock = asking(spread(3))
    client.sandbox.faults.on(2, kind)
    jobs = [client.submit() for _ in range(3)]

    clock.advance(60)

    assert [state(client, job) for job in jobs] == ["FULFILLED", state_after, "FULFILLED"]
    assert [client.get(f"{JOBS}/{job}/results")[0] for job in jobs] == [200, 404, 200]


def test_a_failed_job_says_why() -> None:
    client, clock = asking(spread(3))
    client.sandbox.faults.on(1, "job_failed", error_message="Out of luck")
    job_id = client.submit()
    clock.advance(3)

    assert client.get(f"{JOBS}/{job_id}")[2]["errorMessage"] == "Out of luck"


def test_a_repeated_cursor_leads_to_the_same_page() -> None:
    client, clock = asking(spread(3))
    client.sandbox.faults.on(2, "repeated_cursor")
    job_id = client.submit()
    clock.advance(5)
    first = client.page(job_id, size=1)

    second = client.page(job_id, first["cursor"], size=1)
    again = client.page(job_id, second["cursor"], size=1)

    assert second["cursor"] == first["cursor"]
    assert ids(second["conversations"]) == ids(again["conversations"]) == [2]
    assert again["cursor"] != second["cursor"]


def test_faults_of_content_strike_results_too() -> None:
    client, clock = asking(spread(3))
    for kind in ("duplicates", "total_hits", "new_field"):
        client.sandbox.faults.on(None, kind)
    job_id = client.submit()
    clock.advance(5)

    page = client.page(job_id)

    assert ids(page["conversations"]) == [1, 2, 3, 1]
    assert page["conversations"][0]["fieldOfTomorrow"] == "tomorrow"
    assert "totalHits" not in page


def test_a_job_that_a_fault_hides_a_conversation_from_never_sees_it() -> None:
    made = spread(3)
    client, clock = asking(made)
    client.sandbox.faults.on(1, "unseen", path=JOBS, conversation_id=made[1]["conversationId"])

    assert found(client, clock) == [1, 3]
    assert found(client, clock) == [1, 2, 3]


def test_bytes_of_a_page_are_the_same_in_any_order_of_asking() -> None:
    def bodies(*sizes: int) -> dict[int, bytes]:
        clock = Clock(CLOCK_AT)
        client = Caller(Sandbox(Org(5, 100), now=clock))
        job_id = client.submit()
        clock.advance(5)
        return {size: json.dumps(client.page(job_id, size=size)).encode() for size in sizes}

    assert bodies(5, 40) == bodies(40, 5)
