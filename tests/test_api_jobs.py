import json
from datetime import UTC, datetime
from typing import Any

import pytest

from everycall.api import jobs
from everycall.api.exchange import BrokenAnswer, Request, Response
from everycall.api.jobs import JOBS, LimitMet, NotFound, Refused, ResultsHead, State, Status, Submitted
from everycall.api.query import Filters, Interval, Query
from everycall.errors import PermissionMissing, QueryRefused, Unreachable
from playing import answer, played

DAY = Interval.read("2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z")
QUERY = Query(DAY, Filters.of(media_types=["voice"]))
JOB = "11111111-2222-4333-8444-555555555555"
CURSOR = "Y3Vyc29y+/8="
ONE = {"conversationId": "a", "conversationStart": "2026-01-05T08:00:00.000Z"}
UNTIL = "2026-03-02T02:00:00Z"


def too_many(key: str) -> Response:
    return answer({"message": "Rate limit exceeded", "limit": {"key": key, "namespace": "analytics", "value": 2}}, 429)


def refusal(message: str) -> dict[str, Any]:
    return {"message": message, "code": "bad.request", "status": 400}


# Submitting


def test_a_job_asks_what_the_query_asks_by_its_rule_of_the_day_and_without_paging() -> None:
    (asked,), found = played(jobs.submit(QUERY, DAY), answer({"jobId": JOB}, 202))

    assert found == Submitted(JOB)
    assert (asked.method, asked.path) == ("POST", JOBS)
    assert asked.json == {
        "interval": str(DAY), "order": "asc", "orderBy": "conversationStart", **QUERY.filters.lists,
        "startOfDayIntervalMatching": True,
    }  # fmt: skip


@pytest.mark.parametrize("key", ["details.jobs.concurrent.access.max", "details.jobs.rate.per.second"])
def test_a_limit_of_jobs_is_a_value_that_the_client_does_not_wait_for(key: str) -> None:
    (asked,), found = played(jobs.submit(QUERY, DAY), too_many(key))

    assert found == LimitMet(key)
    assert asked.is_own_limit is not None
    assert asked.is_own_limit(too_many(key))


@pytest.mark.parametrize(
    "response", [too_many("token.rate.per.minute"), answer({"limit": None}, 429), Response(429, {}, b"<html>")]
)
def test_a_429_about_anything_else_is_the_clients(response: Response) -> None:
    request = next(jobs.submit(QUERY, DAY))

    assert request.is_own_limit is not None
    assert not request.is_own_limit(response)


def test_a_job_that_is_refused_is_a_value_with_the_apis_reason() -> None:
    _, found = played(jobs.submit(QUERY, DAY), answer(refusal("does not exceed 7 days."), 400))

    assert found == Refused("400 bad.request: does not exceed 7 days.")


def test_a_missing_permission_is_raised() -> None:
    with pytest.raises(PermissionMissing):
        played(jobs.submit(QUERY, DAY), answer({"message": "no", "code": "missing.any.permissions"}, 403))


def test_an_answer_without_an_id_is_none() -> None:
    with pytest.raises(BrokenAnswer, match="none about jobs"):
        played(jobs.submit(QUERY, DAY), answer({"id": 7}, 202))


@pytest.mark.parametrize("exchange", [jobs.submit(QUERY, DAY), jobs.status(JOB)])
def test_an_answer_202_without_a_body_got_lost(exchange: Any) -> None:
    with pytest.raises(BrokenAnswer, match="empty"):
        played(exchange, Response(202))


# Status


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("state", ["QUEUED", "PENDING", "FULFILLED", "FAILED", "CANCELLED", "EXPIRED"])
def test_every_state_is_known_by_its_name(state: str, status: int) -> None:
    (asked,), found = played(jobs.status(JOB), answer({"state": state}, status))

    assert (asked.method, asked.path) == ("GET", f"{JOBS}/{JOB}")
    assert found == Status(State[state], state)


def test_a_state_of_tomorrow_is_unknown_and_not_the_end() -> None:
    _, found = played(jobs.status(JOB), answer({"state": "REHEATING"}))

    assert found == Status(State.UNKNOWN, "REHEATING")
    assert not State.UNKNOWN.is_over


def test_a_failed_job_says_why() -> None:
    _, found = played(jobs.status(JOB), answer({"state": "FAILED", "errorMessage": "Out of luck"}))

    assert found == Status(State.FAILED, "FAILED", "Out of luck")


def test_a_job_that_is_not_found_is_a_value() -> None:
    assert played(jobs.status(JOB), answer({}, 404))[1] == NotFound()
    assert played(jobs.results(JOB, "", 1000), answer({}, 404))[1] == NotFound()


def test_an_id_cannot_lead_to_another_path() -> None:
    assert next(jobs.status("../x?y")).path == f"{JOBS}/..%2Fx%3Fy"


# Results


def test_the_first_page_has_no_cursor_and_the_next_one_the_cursor_as_it_came() -> None:
    (first,), _ = played(jobs.results(JOB, "", 1000), answer({"conversations": [ONE]}))
    (later,), _ = played(jobs.results(JOB, CURSOR, None), answer({"conversations": [ONE]}))

    assert (first.path, first.params) == (f"{JOBS}/{JOB}/results", {"pageSize": "1000"})
    assert later.params == {"cursor": CURSOR}


def head(body: object) -> ResultsHead:
    return ResultsHead.decode(json.dumps(body).encode())


def test_a_page_has_its_conversations_its_cursor_and_the_date_of_the_lake() -> None:
    found = head({"conversations": [ONE], "cursor": CURSOR, "dataAvailabilityDate": UNTIL})

    assert [one.conversation_id for one in found.page.conversations] == ["a"]
    assert (found.cursor, found.available_until) == (CURSOR, datetime(2026, 3, 2, 2, tzinfo=UTC))


@pytest.mark.parametrize("body", [{}, {"dataAvailabilityDate": UNTIL}, {"conversations": []}, {"conversations": None}])
def test_a_page_may_be_empty_in_many_forms(body: object) -> None:
    found = head(body)

    assert (found.page.conversations, found.cursor) == ([], "")


def test_an_empty_page_may_lead_on() -> None:
    assert head({"cursor": CURSOR}).cursor == CURSOR
    assert head({"cursor": CURSOR, "conversations": []}).cursor == CURSOR


@pytest.mark.parametrize("cursor", [7, ["x"], {}, True])
def test_a_cursor_that_is_no_text_is_not_taken_for_the_end(cursor: object) -> None:
    with pytest.raises(BrokenAnswer, match="cursor is no text"):
        played(jobs.results(JOB, "", 1000), answer({"conversations": [ONE], "cursor": cursor}))


@pytest.mark.parametrize("body", [{"results": []}, [], 7, {"message": "Busy", "conversations": None}])
def test_what_is_not_recognised_is_no_page_of_results(body: object) -> None:
    with pytest.raises(BrokenAnswer, match="not a page of conversations"):
        played(jobs.results(JOB, "", 1000), answer(body))


def test_a_conversation_without_an_id_is_dropped_and_the_cursor_is_kept() -> None:
    found = head({"conversations": [ONE, {"conversationId": None}], "cursor": CURSOR})

    assert (len(found.page.conversations), found.page.dropped, found.cursor) == (1, (1,), CURSOR)


def test_a_date_that_nobody_can_read_is_none() -> None:
    assert head({"conversations": [ONE], "dataAvailabilityDate": "soon"}).available_until is None
    assert head({"dataAvailabilityDate": 7}).available_until is None


@pytest.mark.parametrize("limit", [100_000, 400_000])
def test_a_cap_of_results_is_a_value_with_its_number(limit: int) -> None:
    refused = answer(refusal(f"Pagination may not exceed {limit} results."), 400)
    _, found = played(jobs.results(JOB, CURSOR, 1000), refused)

    assert isinstance(found, Refused)
    assert found.results_max == limit


def test_any_other_refusal_of_a_page_has_no_number() -> None:
    _, found = played(jobs.results(JOB, CURSOR, 1000), answer(refusal("The cursor is not valid."), 400))

    assert found == Refused("400 bad.request: The cursor is not valid.")


# Cancelling, availability, limits


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_whatever_answers_a_cancellation_is_fine(status: int) -> None:
    (asked,), found = played(jobs.cancel(JOB), Response(status))

    assert (asked.method, asked.path, asked.tries, found) == ("DELETE", f"{JOBS}/{JOB}", 1, None)


def test_a_cancellation_that_does_not_get_through_is_fine() -> None:
    assert played(jobs.cancel(JOB), Unreachable("no"))[1] is None


def test_availability_is_an_instant() -> None:
    (asked,), found = played(jobs.availability(), answer({"dataAvailabilityDate": UNTIL}))

    assert asked == Request("GET", f"{JOBS}/availability")
    assert found == datetime(2026, 3, 2, 2, tzinfo=UTC)


def test_an_org_without_jobs_refuses() -> None:
    with pytest.raises(QueryRefused):
        played(jobs.availability(), answer({}, 404))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer({"entities": [{"key": "details.jobs.concurrent.access.max", "value": 5}]}), 5),
        (answer({"entities": [{"key": "details.jobs.concurrent.access.max", "value": 0}]}), None),
        (answer({"entities": [{"key": "other", "value": 5}]}), None),
        (answer({}, 403), None),
        (Unreachable("no"), None),
    ],
)
def test_how_many_jobs_may_run_is_asked_of_the_org(response: Any, expected: int | None) -> None:
    assert played(jobs.jobs_at_a_time(), response)[1] == expected
