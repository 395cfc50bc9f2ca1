import json

import pytest
from made import Clock, caller

from everycall.sandbox import Switches
from everycall.sandbox.answers import ApiError
from everycall.sandbox.limits import RateLimit


def test_every_answer_says_where_the_token_stands() -> None:
    clock = Clock()
    client = caller([], clock, rate_limit=300)

    client.get("/api/v2/users")
    clock.advance(17.5)
    headers = client.get("/api/v2/users")[1]

    assert headers["inin-ratelimit-count"] == "2"
    assert headers["inin-ratelimit-allowed"] == "300"
    assert headers["inin-ratelimit-reset"] == "43"


def test_what_comes_on_top_is_a_429_that_says_when_to_come_again() -> None:
    clock = Clock()
    client = caller([], clock, rate_limit=2)
    client.get("/api/v2/users")
    client.get("/api/v2/users")
    clock.advance(18)

    status, headers, answer = client.get("/api/v2/users")

    assert status == 429
    assert headers["Retry-After"] == "42"
    assert answer == {
        "message": "Rate limit exceeded the maximum. Retry the request in [42] seconds",
        "code": "too.many.requests.retry.after",
        "status": 429,
        "contextId": headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }


def test_the_429_carries_the_headers_of_the_capture() -> None:
    client = caller([], rate_limit=0)

    headers = client.get("/api/v2/users")[1]

    assert {"ININ-Correlation-Id", "Retry-After", "Cache-Control", "Content-Type"} <= set(headers)
    assert headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert headers["Content-Type"] == "application/json"


def test_who_waits_for_the_retry_after_is_let_in() -> None:
    clock = Clock()
    client = caller([], clock, rate_limit=1)
    client.get("/api/v2/users")
    clock.advance(59.3)

    wait_s = int(client.get("/api/v2/users")[1]["Retry-After"])
    clock.advance(wait_s)

    assert wait_s == 1
    assert client.get("/api/v2/users")[0] == 200


def test_each_token_has_its_own_window() -> None:
    client = caller([], rate_limit=1)
    client.get("/api/v2/users")

    client.token = client.login()

    assert client.get("/api/v2/users")[0] == 200


def test_a_login_is_not_counted() -> None:
    client = caller([], rate_limit=1)

    client.login()
    client.login()

    assert client.get("/api/v2/users")[1]["inin-ratelimit-count"] == "1"


def test_a_refusal_of_the_query_is_counted_and_says_so() -> None:
    client = caller([])

    status, headers, _ = client.post("/api/v2/analytics/conversations/details/query", {})

    assert status == 400
    assert headers["inin-ratelimit-count"] == "1"


@pytest.mark.parametrize(("count_rejected", "count"), [(False, "1"), (True, "2")])
def test_whether_rejected_requests_count_is_a_switch(count_rejected: bool, count: str) -> None:
    now = 0.0
    limit = RateLimit(1, lambda: now, count_rejected=count_rejected)
    limit.take("token")
    with pytest.raises(ApiError):
        limit.take("token")

    limit.allowed = 3

    assert int(limit.take("token")["inin-ratelimit-count"]) == int(count) + 1


def test_the_switch_reaches_the_limit() -> None:
    client = caller([], rate_limit=1, switches=Switches(count_rejected=True))

    assert client.sandbox.rate_limit._count_rejected


def test_the_rate_limit_may_have_a_clock_of_its_own() -> None:
    ticks = Clock()
    client = caller([], Clock(), monotonic=ticks, rate_limit=1)
    client.get("/api/v2/users")

    ticks.advance(60)

    assert client.get("/api/v2/users")[0] == 200


def test_the_body_of_a_429_is_json_in_the_captures_order() -> None:
    client = caller([], rate_limit=0)

    _, _, body = client.sandbox.handle("GET", "/api/v2/users", {"authorization": f"Bearer {client.token}"})

    assert list(json.loads(body)) == ["message", "code", "status", "contextId", "details", "errors"]
