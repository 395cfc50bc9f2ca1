import httpx2
import pytest

from everycall.sandbox import server
from everycall.sandbox.answers import Request
from everycall.sandbox.cors import allowed, preflight

PAGE = {"Origin": "https://example.com"}
ASKING = PAGE | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-mine"}
QUERY = "/api/v2/analytics/conversations/details/query"


def test_a_preflight_is_answered_without_a_token() -> None:
    wire = preflight(Request.of("OPTIONS", QUERY, ASKING))

    assert wire is not None
    assert wire.status == 204
    assert "POST" in wire.headers["Access-Control-Allow-Methods"]
    assert wire.headers["Access-Control-Allow-Headers"] == "authorization,x-mine"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("OPTIONS", QUERY, PAGE),
        ("POST", QUERY, ASKING),
        ("OPTIONS", "/", ASKING),
        ("OPTIONS", "/__admin/faults", ASKING),
    ],
)
def test_nothing_else_is_a_preflight(method: str, path: str, headers: dict[str, str]) -> None:
    assert preflight(Request.of(method, path, headers)) is None


def test_a_page_of_any_origin_may_read_answers_and_what_they_say_of_the_rate_limit() -> None:
    headers = allowed(Request.of("GET", "/api/v2/users", PAGE))

    assert headers["Access-Control-Allow-Origin"] == "https://example.com"
    exposed = headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"inin-ratelimit-count", "inin-ratelimit-allowed", "inin-ratelimit-reset", "retry-after"} <= {*exposed}


@pytest.mark.parametrize("path", ["/", "/__admin/faults"])
def test_a_page_of_somebody_elses_may_not_read_the_page_and_its_controls(path: str) -> None:
    assert allowed(Request.of("GET", path, PAGE)) == {}


def test_preflights_over_a_socket_count_as_no_request() -> None:
    with server(conversations=[]) as sandbox:
        answer = httpx2.options(sandbox.url + QUERY, headers=ASKING)
        refused = httpx2.post(sandbox.url + QUERY, headers=PAGE)

        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, "https://example.com")
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://example.com")
        assert [served.method for served in sandbox.requests] == ["POST"]
