import json
from typing import Any

import pytest
from made import Caller, caller

from everycall.sandbox import KINDS, Sandbox
from everycall.sandbox.controls import FAULTS

ME = "/api/v2/organizations/me"
JSON = {"Content-Type": "application/json"}


def asked(sandbox: Sandbox, method: str, body: Any = None, path: str = FAULTS) -> tuple[int, Any]:
    """(status, JSON) of a request without a token."""
    sent = b"" if body is None else json.dumps(body).encode()
    status, _, answer = sandbox.handle(method, path, JSON, sent)
    return status, json.loads(answer) if answer else None


def statuses(client: Caller, count: int) -> list[int]:
    return [client.get(ME)[0] for _ in range(count)]


def test_a_fault_is_armed_as_text_listed_and_cleared() -> None:
    client = caller([])

    armed = asked(client.sandbox, "POST", {"fault": "on request 2: 503"})
    before = statuses(client, 2)
    listed = asked(client.sandbox, "GET")[1]["armed"]
    cleared = asked(client.sandbox, "DELETE")

    assert armed == (201, {"number": 1, "text": "503 on request 2"})
    assert before == [200, 503]
    assert listed == [{"number": 1, "text": "503 on request 2", "seen": 2, "struck": 1}]
    assert cleared == (204, None)
    assert asked(client.sandbox, "GET")[1]["armed"] == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [(2, [200, 429, 200]), ([1, 3], [429, 200, 429]), ("2-", [200, 429, 429]), (None, [429, 429, 429])],
)
def test_a_fault_is_armed_in_fields(at: Any, expected: list[int]) -> None:
    client = caller([])
    body = {"kind": "429", "at": at, "path": "organizations", "options": {"retry_after_s": 9}}

    assert asked(client.sandbox, "POST", body)[0] == 201
    assert statuses(client, 3) == expected


def test_one_of_several_is_disarmed_by_its_number() -> None:
    client = caller([])
    for kind in ("500", "503"):
        asked(client.sandbox, "POST", {"kind": kind})

    assert asked(client.sandbox, "DELETE", path=f"{FAULTS}/1") == (204, None)
    assert statuses(client, 1) == [503]


def test_the_list_says_what_there_is_to_arm() -> None:
    kinds = asked(caller([]).sandbox, "GET")[1]["kinds"]

    assert list(kinds) == list(KINDS)
    assert kinds["hang"] == "no answer until the client goes away"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"fault": "whatever"}, "'whatever' is no fault; write something like"),
        ({"kind": "earthquake"}, "'earthquake' is no kind of fault"),
        ({"kind": "hang", "options": {"share": 1}}, "share"),
        ({"kind": "hang", "when": 3}, 'write {"fault": "on request 7: 429"} or'),
        ({"kind": "hang", "at": 1.5}, "at is 1.5, and no number, list, text or null"),
        ([], "malformed syntax"),
    ],
)
def test_what_cannot_be_armed_is_a_400_that_says_why(body: Any, complaint: str) -> None:
    sandbox = caller([]).sandbox

    status, content = asked(sandbox, "POST", body)

    assert status == 400
    assert complaint in content["message"]
    assert sandbox.faults.armed() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/__admin/else", 404), ("PUT", FAULTS, 404), ("DELETE", f"{FAULTS}/9", 400), ("GET", f"{FAULTS}/9", 404)],
)
def test_there_is_nothing_else_to_control(method: str, path: str, status: int) -> None:
    assert asked(caller([]).sandbox, method, {}, path)[0] == status


def test_a_form_of_another_page_arms_nothing() -> None:
    sandbox = caller([]).sandbox

    status, _, _ = sandbox.handle("POST", FAULTS, {"Content-Type": "text/plain"}, b'{"fault": "on request 1: 503"}')

    assert (status, sandbox.faults.armed()) == (415, [])


def test_controls_are_no_requests_and_no_fault_strikes_them() -> None:
    sandbox = caller([]).sandbox
    sandbox.faults.on(None, "hang")
    before = len(sandbox.requests)

    assert asked(sandbox, "GET")[0] == 200
    assert len(sandbox.requests) == before
    assert sandbox.faults.armed()[0].seen == 0
