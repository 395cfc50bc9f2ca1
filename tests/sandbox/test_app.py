import json
from typing import Any

import msgspec
import pytest
from isal import igzip
from made import MONDAY, Caller, Clock, caller, conversation, spread

from everycall.sandbox import QUERY, Client, Faults, Org, Sandbox
from everycall.sandbox.answers import Request

ME = "/api/v2/organizations/me"


@pytest.mark.parametrize("path", ["/api/v2/nope", "/", "/api/v2/users/", "/api/v2/routing/queues/a/b", "/oauth"])
def test_a_wrong_path_is_the_captured_404(path: str) -> None:
    status, headers, content = caller([]).get(path)

    assert status == 404
    assert content == {
        "message": "HTTP 404 Not Found",
        "code": "not found",
        "status": 404,
        "contextId": headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }


def test_a_method_that_the_path_does_not_have_is_405() -> None:
    client = caller([])

    assert client.get(QUERY)[0] == 405
    assert client.post("/api/v2/users", {})[0] == 405


def test_a_body_that_is_not_called_json_is_415() -> None:
    status, _, content = caller([]).post(QUERY, {}, **{"Content-Type": "text/plain"})

    assert (status, content["code"]) == (415, "unsupported.media.type")


def test_a_charset_does_not_matter() -> None:
    status, _, _ = caller([]).post(QUERY, {"interval": MONDAY}, **{"Content-Type": "application/json; charset=UTF-8"})

    assert status == 200


def test_a_body_over_the_limit_is_413_with_the_limit() -> None:
    status, _, content = caller([]).post(QUERY, b" " * 512_001)

    assert status == 413
    assert content["message"] == "The request is over the size limit. Maximum bytes: 512000"


def test_every_answer_has_a_correlation_id_of_its_own() -> None:
    client = caller([])

    seen = [client.get(target)[1]["ININ-Correlation-Id"] for target in (ME, "/nope", "/api/v2/users", ME)]

    assert len(set(seen)) == 4
    assert all(len(context_id) == 36 for context_id in seen)


def test_answers_are_not_to_be_cached_and_carry_the_sandboxs_date() -> None:
    headers = caller([]).get(ME)[1]

    assert headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert headers["Date"] == "Mon, 02 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize("accept", ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8", "*", "GZIP"])
def test_a_large_body_is_gzip_where_the_client_takes_it(accept: str) -> None:
    client = caller(spread(100))
    sent = json.dumps({"interval": MONDAY, "paging": {"pageSize": 100}}).encode()
    headers = {"authorization": f"Bearer {client.token}", "content-type": "application/json"}

    _, plain, text = client.sandbox.handle("POST", QUERY, headers, sent)
    _, packed, body = client.sandbox.handle("POST", QUERY, {**headers, "accept-encoding": accept}, sent)

    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert packed["Content-Length"] == str(len(body))
    assert igzip.decompress(body) == text  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("accept", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0"])
def test_no_gzip_where_the_client_does_not_take_it(accept: str) -> None:
    client = caller(spread(100))

    headers = client.post(QUERY, {"interval": MONDAY}, **{"Accept-Encoding": accept})[1]

    assert "Content-Encoding" not in headers


def test_a_small_body_is_not_worth_gzip() -> None:
    headers = caller([]).get(ME, **{"Accept-Encoding": "gzip"})[1]

    assert "Content-Encoding" not in headers


def test_the_log_holds_what_was_asked_and_what_became_of_it() -> None:
    clock = Clock("2026-03-01T00:00:00Z")
    client = caller([], clock)
    clock.advance(1.5)
    client.get("/api/v2/users?pageSize=7")
    client.post(QUERY, {"interval": "nonsense"})

    login, users, query = client.sandbox.requests

    assert (login.number, login.method, login.path, login.body) == (1, "POST", "/oauth/token", None)
    assert (users.path, users.parameters, users.status) == ("/api/v2/users", (("pageSize", "7"),), 200)
    assert (query.body, query.status, query.delivery) == ({"interval": "nonsense"}, 400, "whole")
    assert query.arrived_s == login.arrived_s + 1.5


def test_no_secret_and_no_token_is_in_the_log() -> None:
    client = caller([])
    client.get(ME)

    logged = repr(list(client.sandbox.requests))

    assert client.sandbox.client_secret not in logged
    assert client.token not in logged


def test_the_environment_is_what_a_client_needs() -> None:
    sandbox = Sandbox(conversations=[], clients=[Client("id", "secret")], url="http://127.0.0.1:8080")

    assert sandbox.environ == {
        "GENESYS_CLIENT_ID": "id",
        "GENESYS_CLIENT_SECRET": "secret",
        "GENESYS_ENV": "http://127.0.0.1:8080",
    }


@pytest.mark.parametrize("latency", [0.4, lambda request: 0.4 if request.path == ME else 9.0])
def test_the_server_gets_the_latency_with_the_answer(latency: Any) -> None:
    client = caller([], latency_s=latency)

    wire = client.sandbox.respond(Request.of("GET", ME, {"Authorization": f"Bearer {client.token}"}))

    assert (wire.status, wire.delay_s) == (200, 0.4)


def test_faults_may_be_given_from_the_start() -> None:
    faults = Faults()
    faults.on(1, "500", path=ME)

    assert caller([], faults=faults).get(ME)[0] == 500


def answers(seed: int) -> list[tuple[int, dict[str, str], bytes]]:
    """What a seeded org answers to the same questions."""
    clock = Clock("2026-01-07T15:00:00Z")
    sandbox = Sandbox(seed=seed, conversations_per_day=200, now=clock)
    client = Caller(sandbox)
    headers = {
        "authorization": f"Bearer {client.token}",
        "content-type": "application/json",
        "accept-encoding": "gzip",
    }
    body = msgspec.json.encode({"interval": MONDAY, "paging": {"pageSize": 20}})
    asked = [("POST", QUERY, body), ("GET", "/api/v2/users?pageSize=100", b""), ("POST", QUERY, b"{}")]
    return [sandbox.handle(method, target, headers, sent) for method, target, sent in asked]


def test_the_same_seed_and_clock_give_the_same_bytes() -> None:
    assert answers(7) == answers(7)
    assert answers(7) != answers(8)


def test_a_seeded_org_is_served_by_default() -> None:
    clock = Clock("2026-01-07T15:00:00Z")
    client = Caller(Sandbox(seed=3, conversations_per_day=200, flat=True, now=clock))

    content = client.query()

    assert isinstance(client.sandbox.store.world, Org)
    assert content["totalHits"] == 200
    assert content["conversations"] == client.sandbox.store.conversations(MONDAY)[:100]


def test_a_world_of_the_callers_is_served() -> None:
    world = caller([conversation(1)]).sandbox.store.world

    assert Caller(Sandbox(world, now=Clock())).found() == [1]
