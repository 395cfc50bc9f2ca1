import dataclasses

import pytest

from everycall.api.exchange import Exchange, Problem, Request, Response, problem, refusal
from everycall.errors import PermissionMissing, QueryRefused
from playing import answer, played

REASON = "You must have at least one of the following permissions assigned: [analytics:conversationDetail:view]"
FORBIDDEN = {
    "message": REASON,
    "code": "missing.any.permissions",
    "status": 403,
    "contextId": "39e6254f",
    "details": [],
    "errors": [],
}


def organization() -> Exchange[str]:
    response = yield Request("GET", "/api/v2/organizations/me")
    name: str = response.json()["name"]
    return name


def test_an_exchange_says_what_to_ask_and_returns_what_it_found() -> None:
    asked, found = played(organization(), answer({"name": "Acme"}))

    assert asked == [Request("GET", "/api/v2/organizations/me")]
    assert found == "Acme"


def test_requests_and_responses_are_values() -> None:
    assert Request("GET", "/x", {"a": "1"}) == Request("GET", "/x", {"a": "1"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        Response(200).status = 500  # type: ignore[misc]


def test_a_request_never_shows_the_secret_of_a_login() -> None:
    assert "s3cret" not in repr(Request("POST", "/oauth/token", login=("id", "s3cret")))


def test_an_empty_body_reads_as_an_empty_object() -> None:
    assert Response(202).json() == {}
    assert answer([1]).json() == [1]


def test_the_correlation_id_is_a_header() -> None:
    assert answer(inin_correlation_id="42").correlation_id == "42"
    assert answer().correlation_id == ""


def test_a_problem_is_what_the_error_body_says() -> None:
    assert problem(answer(FORBIDDEN, 403)) == Problem(REASON, "missing.any.permissions", "39e6254f")


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b"null", b'{"message":7}', b'{"message":"cut'])
def test_a_body_that_is_no_error_envelope_is_an_empty_problem(body: bytes) -> None:
    assert problem(Response(502, body=body)) == Problem()


def test_a_403_is_a_permission_that_is_missing_and_names_it() -> None:
    error = refusal(answer(FORBIDDEN, 403))

    assert isinstance(error, PermissionMissing)
    assert "analytics:conversationDetail:view" in str(error)
    assert "roles" in error.hint
    assert error.correlation_id == "39e6254f"


def test_a_400_is_a_query_that_is_refused_with_the_apis_reason() -> None:
    said = {"message": "Pagination may not exceed 100000 results.", "code": "bad.request"}

    error = refusal(answer(said, 400, inin_correlation_id="7"))

    assert isinstance(error, QueryRefused)
    assert str(error) == "The API refused the request (400 bad.request): Pagination may not exceed 100000 results."
    assert "Change the query" in error.hint
    assert error.correlation_id == "7"


@pytest.mark.parametrize("status", [404, 405])
def test_a_place_that_is_not_there_points_at_the_address(status: int) -> None:
    assert "GENESYS_ENV" in refusal(answer({"message": "HTTP 404 Not Found", "code": "not found"}, status)).hint


def test_a_refusal_without_a_reason_says_so() -> None:
    assert str(refusal(Response(400, body=b"<html>"))) == "The API refused the request (400 error): no reason given"
