import json
from typing import Any

import pytest
from isal import igzip
from made import MONDAY, Caller, caller, conversation, ids, spread

from everycall.sandbox import KINDS, QUERY, Faults
from everycall.sandbox.answers import Request
from everycall.sandbox.faults import AT_RANDOM

ME = "/api/v2/organizations/me"


def statuses(client: Caller, count: int, target: str = ME) -> list[int]:
    return [client.get(target)[0] for _ in range(count)]


def wire_of(client: Caller, accept: str = "gzip", **body: Any) -> Any:
    """What goes over the connection for a query of Monday."""
    headers = {
        "Authorization": f"Bearer {client.token}",
        "Content-Type": "application/json",
        "Accept-Encoding": accept,
    }
    sent = json.dumps({"interval": MONDAY, **body}).encode()
    return client.sandbox.respond(Request.of("POST", QUERY, headers, sent))


@pytest.mark.parametrize(
    ("at", "times", "expected"),
    [
        (2, None, [200, 503, 200, 200]),
        (range(2, 4), None, [200, 503, 503, 200]),
        ([1, 4], None, [503, 200, 200, 503]),
        (None, None, [503, 503, 503, 503]),
        (None, 2, [503, 503, 200, 200]),
        (range(2, 99), 1, [200, 503, 200, 200]),
    ],
)
def test_a_rule_strikes_the_requests_of_its_numbers(at: Any, times: int | None, expected: list[int]) -> None:
    client = caller([])

    client.sandbox.faults.on(at, "503", times=times)

    assert statuses(client, 4) == expected


def test_a_rule_counts_the_requests_of_its_path_only() -> None:
    client = caller([])
    client.sandbox.faults.on(2, "500", path="/users")

    assert statuses(client, 3) == [200, 200, 200]
    assert statuses(client, 3, "/api/v2/users") == [200, 500, 200]


def test_a_rule_may_ask_about_the_request() -> None:
    client = caller([])
    client.sandbox.faults.on(lambda request: request.parameter("pageSize") == "7", "404")

    assert client.get("/api/v2/users?pageSize=7")[0] == 404
    assert client.get("/api/v2/users?pageSize=8")[0] == 200


def test_cleared_rules_strike_no_more() -> None:
    client = caller([])
    client.sandbox.faults.on(None, "500")

    client.sandbox.faults.clear()

    assert statuses(client, 1) == [200]


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="'earthquake' is no kind of fault; the kinds are revoked, 400, 401"):
        Faults().on(1, "earthquake")


def test_an_option_that_the_kind_does_not_have_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="minutes"):
        Faults().on(1, "429", minutes=3)


def test_random_faults_are_the_same_for_the_same_seed() -> None:
    def struck(seed: int) -> list[int]:
        client = caller([])
        client.sandbox.faults.at_random(0.3, kinds=("500", "503"), seed=seed)
        return statuses(client, 60)

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 8 <= sum(status != 200 for status in struck(1)) <= 28


def test_every_random_kind_is_a_kind() -> None:
    assert set(AT_RANDOM) <= set(KINDS)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("400", 400, "bad.request"),
        ("401", 401, "bad.credentials"),
        ("403", 403, "not.authorized"),
        ("404", 404, "not.found"),
        ("408", 408, "client.request.timeout"),
        ("429", 429, "too.many.requests.retry.after"),
        ("500", 500, "internal.server.error"),
        ("503", 503, "service.unavailable"),
        ("504", 504, "request.timeout"),
    ],
)
def test_an_error_status_has_the_apis_body(kind: str, status: int, code: str) -> None:
    client = caller([])
    client.sandbox.faults.on(1, kind)

    answered, headers, content = client.get(ME)

    assert answered == status
    assert (content["status"], content["code"]) == (status, code)
    assert content["contextId"] == headers["ININ-Correlation-Id"]


def test_a_429_says_when_in_seconds_as_a_date_or_not_at_all() -> None:
    client = caller([])
    client.sandbox.faults.on(1, "429", retry_after_s=42)
    client.sandbox.faults.on(2, "429", retry_after_s=42, as_date=True)
    client.sandbox.faults.on(3, "429", retry_after_s=None)

    answers = [client.get(ME)[1].get("Retry-After") for _ in range(3)]

    assert answers == ["42", "Mon, 02 Mar 2026 12:00:42 GMT", None]


def test_a_503_may_say_when_to_come_again() -> None:
    client = caller([])
    client.sandbox.faults.on(1, "503", retry_after_s=7)

    assert client.get(ME)[1]["Retry-After"] == "7"


def test_a_login_can_fail_too() -> None:
    client = caller([])
    client.sandbox.faults.on(1, "503", path="/oauth/token")

    status, _, _ = client.sandbox.handle("POST", "/oauth/token")

    assert status == 503


def test_revoked_tokens_stay_dead_and_new_ones_live() -> None:
    client = caller([])
    client.sandbox.faults.on(2, "revoked")

    before = statuses(client, 4)
    client.token = client.login()

    assert before == [200, 401, 401, 401]
    assert statuses(client, 2) == [200, 200]


def test_a_page_above_a_size_is_too_large() -> None:
    client = caller(spread(100))
    client.sandbox.faults.on(None, "too_large", page_size=50)

    status, _, content = client.post(QUERY, {"interval": MONDAY, "paging": {"pageSize": 51}})

    assert (status, content["code"]) == (400, "response.entity.too.large")
    assert len(client.query(size=50)["conversations"]) == 50


def test_a_late_arrival_sorts_into_a_page_that_was_already_read() -> None:
    made = spread(6)
    client = caller(made)
    late = made[1]["conversationId"]
    client.sandbox.faults.on(1, "unseen", path=QUERY, conversation_id=late)

    pages = [client.query(size=3, number=number) for number in (1, 2)]

    assert [page["totalHits"] for page in pages] == [5, 6]
    assert [ids(page["conversations"]) for page in pages] == [[1, 3, 4], [4, 5, 6]]


def test_a_late_arrival_is_not_found_by_a_filter_either() -> None:
    made = spread(3)
    client = caller(made)
    client.sandbox.faults.on(1, "unseen", path=QUERY, conversation_id=made[0]["conversationId"])
    voice = [{"type": "and", "predicates": [{"dimension": "mediaType", "value": "voice"}]}]

    assert client.found(segmentFilters=voice) == [2, 3]
    assert client.found(segmentFilters=voice) == [1, 2, 3]


def test_a_short_page_lacks_a_row_that_is_still_counted() -> None:
    client = caller(spread(10))
    client.sandbox.faults.on(1, "short_page", path=QUERY)

    short, whole = client.query(size=4), client.query(size=4)

    assert (ids(short["conversations"]), short["totalHits"]) == ([1, 2, 4], 10)
    assert ids(whole["conversations"]) == [1, 2, 3, 4]


def test_duplicates_come_twice_in_a_page() -> None:
    client = caller(spread(3))
    client.sandbox.faults.on(1, "duplicates", rows=2)

    assert client.found() == [1, 2, 3, 1, 2]


def test_the_count_may_be_off() -> None:
    client = caller(spread(3))
    client.sandbox.faults.on(1, "total_hits", off=-2)

    assert client.query()["totalHits"] == 1


def test_a_new_field_a_new_value_and_a_null() -> None:
    client = caller([conversation(1)])
    for number, kind in enumerate(("new_field", "new_value", "null"), 1):
        client.sandbox.faults.on(number, kind, path=QUERY)

    new_field, new_value, null = (client.query()["conversations"][0] for _ in range(3))

    assert new_field["fieldOfTomorrow"] == "tomorrow"
    assert new_field["participants"][0]["sessions"][0]["fieldOfTomorrow"] == {"of": ["tomorrow"]}
    assert new_value["participants"][0]["sessions"][0]["mediaType"] == "hologram"
    assert null["originatingDirection"] is None


def test_a_changed_answer_leaves_the_world_as_it_is() -> None:
    made = conversation(1)
    client = caller([made])
    for kind in ("new_field", "new_value", "null", "short_page"):
        client.sandbox.faults.on(1, kind)
    client.query()

    assert client.query()["conversations"] == [conversation(1)]


def test_an_answer_without_conversations_is_not_changed() -> None:
    client = caller([])
    for kind in ("short_page", "duplicates", "total_hits", "new_field"):
        client.sandbox.faults.on(None, kind)

    assert client.query() == {"totalHits": 0}
    assert client.get(ME)[2]["name"] == "Recorded"


def test_a_reset_and_a_hang_are_errors_of_the_connection() -> None:
    client = caller([])
    client.sandbox.faults.on(1, "reset")
    client.sandbox.faults.on(2, "hang")

    with pytest.raises(ConnectionResetError):
        client.get(ME)
    with pytest.raises(TimeoutError):
        client.get(ME)
    assert client.get(ME)[0] == 200


def test_a_cut_body_is_shorter_than_it_promised() -> None:
    client = caller(spread(50))
    client.sandbox.faults.on(1, "cut", share=0.25)

    wire = wire_of(client)

    assert wire.delivery == "cut"
    assert len(wire.body) == int(int(wire.headers["Content-Length"]) * 0.25)


@pytest.mark.parametrize("accept", ["gzip", "identity"])
def test_cut_json_is_sound_but_for_the_json(accept: str) -> None:
    client = caller(spread(50))
    client.sandbox.faults.on(1, "cut_json")

    wire = wire_of(client, accept)

    text = igzip.decompress(wire.body) if accept == "gzip" else wire.body  # type: ignore[no-untyped-call]
    assert wire.headers["Content-Length"] == str(len(wire.body))
    assert text.startswith(b'{"conversations":[{')
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_cut_gzip_ends_before_its_trailer() -> None:
    client = caller(spread(50))
    client.sandbox.faults.on(1, "cut_gzip")

    wire = wire_of(client)

    assert wire.headers["Content-Length"] == str(len(wire.body))
    with pytest.raises(EOFError):
        igzip.decompress(wire.body)  # type: ignore[no-untyped-call]


def test_bad_gzip_cannot_be_unzipped() -> None:
    client = caller(spread(50))
    client.sandbox.faults.on(1, "bad_gzip")

    wire = wire_of(client, "identity")

    assert wire.headers["Content-Encoding"] == "gzip"
    with pytest.raises(igzip.BadGzipFile):
        igzip.decompress(wire.body)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("kind", "status"), [("html", 200), ("502", 502)])
def test_a_page_for_people_is_no_json(kind: str, status: int) -> None:
    client = caller(spread(50))
    client.sandbox.faults.on(1, kind)

    wire = wire_of(client)

    assert (wire.status, wire.headers["Content-Type"]) == (status, "text/html")
    assert wire.body.startswith(b"<html>")
    assert "Content-Encoding" not in wire.headers
    assert wire.headers["Content-Length"] == str(len(wire.body))


@pytest.mark.parametrize("kind", ["slow", "504", "hang", "drip"])
def test_every_kind_may_come_after_a_delay(kind: str) -> None:
    client = caller([])
    client.sandbox.faults.on(1, kind, delay_s=5.0)

    assert wire_of(client).delay_s == 5.0


def test_two_faults_strike_in_the_order_in_which_they_were_armed() -> None:
    client = caller(spread(4))
    client.sandbox.faults.on(1, "short_page", path=QUERY)
    client.sandbox.faults.on(1, "duplicates", path=QUERY)

    assert client.found() == [1, 2, 4, 1]


def test_the_log_says_which_faults_struck() -> None:
    client = caller(spread(4))
    client.sandbox.faults.on(1, "short_page", path=QUERY)
    client.query()
    client.query()

    assert [served.faults for served in client.sandbox.requests][-2:] == [("short_page",), ()]


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.moment != "job"])
def test_every_kind_but_those_of_jobs_strikes_a_query(kind: str) -> None:
    made = spread(60)
    needed: dict[str, Any] = {
        "unseen": {"conversation_id": made[0]["conversationId"]},
        "slow": {"delay_s": 1.0},
    }
    client, untouched = caller(made), caller(made)
    client.sandbox.faults.on(None, kind, **needed.get(kind, {}))

    wire = wire_of(client, paging={"pageSize": 60})

    assert wire != wire_of(untouched, paging={"pageSize": 60})
    assert client.sandbox.requests[-1].faults == (kind,)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_it_is(kind: str) -> None:
    assert len(KINDS[kind].about) > 2
