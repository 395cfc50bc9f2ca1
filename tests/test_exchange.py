import dataclasses
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.api.exchange import (
    BrokenAnswer,
    Exchange,
    Problem,
    Request,
    Response,
    problem,
    received,
    refusal,
)
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
    name: str = response.decoded["name"]
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


# What is a whole answer

ASKED = Request("POST", "/x")
GZIP = {"content-encoding": "gzip"}
PAGE = b'{"conversations":[{"conversationId":"a"}],"totalHits":1}'


def test_a_zipped_answer_is_held_as_it_came_and_read_unzipped() -> None:
    zipped = gzip.compress(PAGE)
    got = received(ASKED, Response(200, GZIP, zipped))

    assert (got.content, got.body, got.is_zipped) == (zipped, PAGE, True)
    assert got.decoded == json.loads(PAGE)


def test_an_answer_without_an_encoding_is_not_zipped() -> None:
    got = received(ASKED, Response(200, {}, PAGE))

    assert (got.content, got.body, got.is_zipped) == (PAGE, PAGE, False)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_the_case_of_the_content_encoding_does_not_matter(encoding: str) -> None:
    assert Response(200, {"content-encoding": encoding}, gzip.compress(PAGE)).body == PAGE


def test_a_body_is_decoded_once_with_the_request_s_decoder() -> None:
    bodies: list[bytes] = []
    asked = Request("GET", "/x", decode=lambda body: bodies.append(body) or len(body))  # type: ignore[func-returns-value]

    assert received(asked, Response(200, GZIP, gzip.compress(PAGE))).decoded == len(PAGE)
    assert bodies == [PAGE]


@given(st.integers(0, len(gzip.compress(PAGE, mtime=0)) - 1))
@settings(max_examples=80, deadline=None)
def test_a_zipped_answer_cut_anywhere_is_no_answer(at: int) -> None:
    with pytest.raises(BrokenAnswer):
        received(ASKED, Response(200, GZIP, gzip.compress(PAGE, mtime=0)[:at]))


@given(st.integers(0, len(PAGE) - 1))
@settings(max_examples=80, deadline=None)
def test_json_cut_anywhere_is_no_answer(at: int) -> None:
    with pytest.raises(BrokenAnswer):
        received(ASKED, Response(200, {}, PAGE[:at]))


DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "body", [b"<html></html>", b"OK", b'{"a":1}{"b":2}', b'{"a": NaN}', b'{"a":"\xff"}', b"\xef\xbb\xbf{}", DEEP]
)
def test_what_is_not_json_is_no_answer(body: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="not JSON"):
        received(ASKED, Response(200, {}, body))


def test_zipped_bytes_that_are_damaged_are_no_answer() -> None:
    zipped = bytearray(gzip.compress(PAGE))
    zipped[-6] ^= 1
    with pytest.raises(BrokenAnswer, match="gzip is damaged"):
        received(ASKED, Response(200, GZIP, bytes(zipped)))


def test_an_empty_body_is_not_an_answer_where_json_is_expected() -> None:
    with pytest.raises(BrokenAnswer, match="empty"):
        received(ASKED, Response(200))
    assert received(Request("DELETE", "/x"), Response(200)).decoded is None


def test_an_answer_may_be_empty_where_its_status_says_so() -> None:
    assert received(ASKED, Response(204)).decoded is None


@pytest.mark.parametrize("status", [201, 202])
def test_an_answer_that_something_was_made_or_taken_is_not_empty_unless_it_is_of_a_delete(status: int) -> None:
    with pytest.raises(BrokenAnswer, match="empty"):
        received(ASKED, Response(status))
    assert received(Request("DELETE", "/x"), Response(status)).decoded is None


def test_an_unexpected_success_status_is_not_an_answer() -> None:
    asked = Request("POST", "/x", success=(200,))

    assert received(asked, Response(200, {}, b"[1]")).decoded == [1]
    with pytest.raises(BrokenAnswer, match="202"):
        received(asked, Response(202, {}, b"[1]"))


def test_an_error_may_have_any_body_and_is_not_decoded() -> None:
    got = received(ASKED, Response(502, {}, b"<html>Bad Gateway</html>"))

    assert (got.body, got.decoded) == (b"<html>Bad Gateway</html>", None)


def test_an_error_in_json_that_is_cut_short_is_no_answer() -> None:
    """Its end may hold the code that says what to do."""
    with pytest.raises(BrokenAnswer, match="cut short"):
        received(ASKED, Response(400, {"content-type": "application/json"}, b'{"message":"The response is over the si'))


def test_half_a_surrogate_pair_is_decoded_as_a_replacement_character() -> None:
    body = rb'{"note":"cut \ud83d","whole":"\ud83d\ude00","slash":"\\ud83d"}'
    got = received(ASKED, Response(200, {}, body))

    assert got.decoded == {"note": "cut \ufffd", "whole": "\U0001f600", "slash": "\\ud83d"}
    assert got.content == body


def test_the_correlation_id_is_a_header() -> None:
    assert answer(inin_correlation_id="42").correlation_id == "42"
    assert answer().correlation_id == ""


def test_a_problem_is_what_the_error_body_says() -> None:
    assert problem(answer(FORBIDDEN, 403)) == Problem(REASON, "missing.any.permissions", "39e6254f")


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b"null", b'{"message":7}', b'{"message":"cut'])
def test_a_body_that_is_no_error_envelope_is_an_empty_problem(body: bytes) -> None:
    assert problem(Response(502, {}, body)) == Problem()


def test_a_403_is_a_permission_that_is_missing_and_names_it() -> None:
    error = refusal(answer(FORBIDDEN, 403))

    assert isinstance(error, PermissionMissing)
    assert "analytics:conversationDetail:view" in str(error)
    assert "role of the OAuth client" in error.hint
    assert error.correlation_id == "39e6254f"


def test_a_400_is_a_query_that_is_refused_with_the_apis_reason() -> None:
    body = {"message": "Pagination may not exceed 100000 results.", "code": "bad.request"}

    error = refusal(answer(body, 400, inin_correlation_id="7"))

    assert isinstance(error, QueryRefused)
    assert str(error) == "The API refused the request (400 bad.request): Pagination may not exceed 100000 results."
    assert "Change the query" in error.hint
    assert error.correlation_id == "7"


@pytest.mark.parametrize("status", [404, 405])
def test_a_404_points_at_the_address(status: int) -> None:
    assert "GENESYS_ENV" in refusal(answer({"message": "HTTP 404 Not Found", "code": "not found"}, status)).hint


def test_a_refusal_without_a_reason_says_so() -> None:
    assert str(refusal(Response(400, {}, b"<html>"))) == "The API refused the request (400 error): no reason given"
