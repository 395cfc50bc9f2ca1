import base64
import json
from urllib.parse import urlencode

import pytest
from made import Caller, Clock, caller

from everycall.sandbox import QUERY, Client, Sandbox, Switches


def log_in(sandbox: Sandbox, basic: str, form: bytes = b"grant_type=client_credentials") -> tuple[int, object]:
    headers = {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"}
    status, _, body = sandbox.handle("POST", "/oauth/token", headers, form)
    return status, json.loads(body)


def test_a_login_gives_a_bearer_token_for_a_day_less_a_second() -> None:
    sandbox = Sandbox(conversations=[], now=Clock())

    status, answer = log_in(sandbox, f"{sandbox.client_id}:{sandbox.client_secret}")

    assert status == 200
    assert isinstance(answer, dict)
    assert len(answer.pop("access_token")) > 60
    assert answer == {"token_type": "bearer", "expires_in": 86399}


def ask(sandbox: Sandbox, form: dict[str, str], query: str = "", basic: str = "") -> int:
    """The status of a login; `basic` is `id:secret` of the header."""
    headers = {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"} if basic else {}
    target = f"/oauth/token{'?' if query else ''}{query}"
    return sandbox.handle("POST", target, headers, urlencode(form).encode())[0]


def test_the_credentials_may_stand_in_the_form_unless_a_switch_says_no() -> None:
    lenient = Sandbox(conversations=[], now=Clock())
    strict = Sandbox(conversations=[], now=Clock(), switches=Switches(login_credentials="header"))
    form = {"grant_type": "client_credentials", "client_id": lenient.client_id, "client_secret": lenient.client_secret}

    assert ask(lenient, form) == 200
    assert ask(strict, form) == 400


def test_a_wrong_secret_in_the_form_is_401_and_an_unknown_client_400() -> None:
    sandbox = Sandbox(conversations=[], now=Clock())
    form = {"grant_type": "client_credentials", "client_id": sandbox.client_id, "client_secret": "wrong"}

    assert ask(sandbox, form) == 401
    assert ask(sandbox, {**form, "client_id": "nobody"}) == 400


def test_the_header_outranks_the_form() -> None:
    sandbox = Sandbox(conversations=[], now=Clock())
    form = {"grant_type": "client_credentials", "client_id": sandbox.client_id, "client_secret": sandbox.client_secret}

    assert ask(sandbox, form, basic=f"{sandbox.client_id}:wrong") == 401


def test_the_grant_type_may_stand_in_the_query_string_unless_a_switch_says_no() -> None:
    lenient = Sandbox(conversations=[], now=Clock())
    strict = Sandbox(conversations=[], now=Clock(), switches=Switches(login_grant_type="form"))
    basic = f"{lenient.client_id}:{lenient.client_secret}"

    assert ask(lenient, {}, "grant_type=client_credentials", basic) == 200
    assert ask(lenient, {}, "grant_type=password", basic) == 400
    assert ask(strict, {}, "grant_type=client_credentials", basic) == 400


def test_a_wrong_secret_is_401_with_the_bodys_text_twice() -> None:
    sandbox = Sandbox(conversations=[], now=Clock())

    answer = log_in(sandbox, f"{sandbox.client_id}:wrong")

    assert answer == (
        401,
        {
            "error": "invalid_client",
            "description": "authentication failed",
            "error_description": "authentication failed",
        },
    )


def test_an_unknown_client_is_400_client_not_found() -> None:
    status, answer = log_in(Sandbox(conversations=[], now=Clock()), "nobody:secret")

    assert status == 400
    assert isinstance(answer, dict)
    assert (answer["error"], answer["description"]) == ("invalid_client", "client not found: nobody")


@pytest.mark.parametrize("form", [b"grant_type=password", b"grant_type=authorization_code&code=x", b""])
def test_no_grant_but_client_credentials_is_given(form: bytes) -> None:
    sandbox = Sandbox(conversations=[], now=Clock())

    status, answer = log_in(sandbox, f"{sandbox.client_id}:{sandbox.client_secret}", form)

    assert status == 400
    assert isinstance(answer, dict)
    assert answer["error"] == "unsupported_grant_type"


def test_each_login_gives_another_token_and_the_first_one_stays_good() -> None:
    client = caller([])
    first = client.token

    second = client.login()

    assert first != second
    assert client.get("/api/v2/organizations/me")[0] == 200


def test_a_request_without_a_token_is_401_authentication_required() -> None:
    sandbox = Sandbox(conversations=[], now=Clock())

    status, headers, body = sandbox.handle("GET", "/api/v2/users")

    assert status == 401
    assert json.loads(body) == {
        "message": "No authentication bearer token specified in authorization header.",
        "code": "authentication.required",
        "status": 401,
        "contextId": headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }


def test_a_revoked_token_is_401_bad_credentials_and_a_new_one_works() -> None:
    client = caller([])
    client.sandbox.revoke_tokens()

    status, headers, answer = client.get("/api/v2/users")
    client.token = client.login()

    assert status == 401
    assert answer == {
        "message": "Invalid login credentials.",
        "code": "bad.credentials",
        "status": 401,
        "contextId": headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }
    assert client.get("/api/v2/users")[0] == 200


def test_a_token_dies_of_age() -> None:
    clock = Clock()
    client = caller([], clock)

    clock.advance(86398)
    before = client.get("/api/v2/users")[0]
    clock.advance(1)
    after = client.get("/api/v2/users")[0]

    assert (before, after) == (200, 401)


def test_a_client_without_the_permissions_of_a_query_is_told_which_ones() -> None:
    lesser = Client("lesser", "secret", permissions=frozenset({"routing:queue:view"}))
    client = Caller(Sandbox(conversations=[], clients=[lesser], now=Clock()))

    status, headers, answer = client.post(QUERY, {})

    assert status == 403
    assert answer == {
        "message": "Unable to perform the requested action. You must have at least one of the following permissions "
        "assigned: [analytics:agentConversationDetail:view, analytics:conversationDetail:view]",
        "code": "missing.any.permissions",
        "status": 403,
        "contextId": headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }


def test_a_client_without_the_single_permission_of_a_listing_is_told_which_one() -> None:
    lesser = Client("lesser", "secret", permissions=frozenset())
    client = Caller(Sandbox(conversations=[], clients=[lesser], now=Clock()))

    status, _, answer = client.get("/api/v2/routing/wrapupcodes")

    assert (status, answer["code"]) == (403, "missing.permissions")
    assert answer["message"] == (
        "Unable to perform the requested action. You are missing the following permission(s): [routing:wrapupCode:view]"
    )


def test_users_and_divisions_are_open_to_a_client_without_permissions() -> None:
    lesser = Client("lesser", "secret", permissions=frozenset())
    client = Caller(Sandbox(conversations=[], clients=[lesser], now=Clock()))

    assert client.get("/api/v2/users")[0] == 200
    assert client.get("/api/v2/authorization/divisions")[0] == 200
