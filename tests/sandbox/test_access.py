"""Who may reach a sandbox that listens on a port."""

import socket
from contextlib import closing
from urllib.parse import urlsplit

import httpx2
import pytest

from everycall.sandbox import Request, server
from everycall.sandbox.access import Access
from everycall.sandbox.controls import FAULTS

HERE = {"Host": "127.0.0.1:8080"}
EVERYWHERE = Access("secret", is_loopback=False)
LOOPBACK = Access("secret", is_loopback=True)


def status(access: Access, target: str, **headers: str) -> int | None:
    """The status with which a request is refused; None lets it pass."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    wire = access.refusal(Request.of("GET", target, {**HERE, **named}))
    return None if wire is None else wire.status


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "10.1.2.3:80", "[::1]:8080", "localhost:8080", "LOCALHOST", "app.localhost",
     "sandbox:8080", "my_sandbox", "host.docker.internal:8080", "api.mypurecloud.de", "login.usw2.pure.cloud:443",
     "api.use2.us-gov-pure.cloud", "ci.example.com:8080"],
)  # fmt: skip
def test_names_of_this_machine_and_names_that_were_given_are_answered(host: str) -> None:
    access = Access("secret", is_loopback=True, names={"CI.example.com"})

    assert status(access, "/api/v2/users", Host=host) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "api.mypurecloud.de.evil.example",
     "evilmypurecloud.de", "127.0.0.1:80:80", "a b", "[::1", "ci.example.com.", "127.0.0.1/"],
)  # fmt: skip
def test_any_other_name_is_misdirected(host: str) -> None:
    assert status(LOOPBACK, "/api/v2/users", Host=host) == 421


@pytest.mark.parametrize("target", ["/", FAULTS, f"{FAULTS}/1"])
def test_on_loopback_programs_and_the_page_itself_need_no_token(target: str) -> None:
    assert status(LOOPBACK, target) is None
    assert status(LOOPBACK, target, Sec_Fetch_Site="same-origin", Origin="http://127.0.0.1:8080") is None


@pytest.mark.parametrize("target", ["/", FAULTS])
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9999"},
     {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}],
)  # fmt: skip
def test_on_loopback_another_sites_page_needs_the_token(target: str, headers: dict[str, str]) -> None:
    assert status(LOOPBACK, target, **headers) == 401
    assert status(LOOPBACK, target, **headers, Authorization="Bearer secret") is None


@pytest.mark.parametrize("target", ["/", FAULTS])
def test_where_other_machines_reach_it_controls_need_the_token(target: str) -> None:
    assert status(EVERYWHERE, target) == 401
    assert status(EVERYWHERE, target, Authorization="Bearer wrong") == 401
    assert status(EVERYWHERE, target, Authorization="Bearer secret") is None
    assert status(EVERYWHERE, target, Cookie="a=b; everycall_admin=secret") is None


def test_the_api_needs_no_admin_token() -> None:
    assert status(EVERYWHERE, "/api/v2/users") is None


def test_without_a_token_there_are_no_controls_to_protect() -> None:
    assert status(Access("", is_loopback=False), "/") is None


def test_the_token_in_the_pages_address_becomes_a_cookie() -> None:
    wire = EVERYWHERE.refusal(Request.of("GET", "/?token=secret", HERE))

    assert wire is not None
    assert (wire.status, wire.headers["Location"]) == (303, "/")
    assert wire.headers["Set-Cookie"] == "everycall_admin=secret; Path=/; HttpOnly; SameSite=Strict"
    assert status(EVERYWHERE, "/?token=wrong") == 401


def test_a_foreign_name_is_refused_over_a_socket_and_not_counted() -> None:
    with server(conversations=[]) as sandbox, httpx2.Client(base_url=sandbox.url) as http:
        refused = http.get("/api/v2/users", headers={"Host": "evil.example"})

        assert refused.status_code == 421
        assert "'evil.example'" in refused.json()["message"]
        assert len(sandbox.requests) == 0


def test_a_sandbox_that_all_may_reach_asks_for_the_token_it_was_given() -> None:
    with server(conversations=[], host="0.0.0.0", admin_token="known") as sandbox:
        with httpx2.Client(base_url=sandbox.url) as http:
            without = http.post(FAULTS, json={"kind": "503"})
            token = {"Authorization": "Bearer known"}
            armed = http.post(FAULTS, json={"kind": "503"}, headers=token)
            page = http.get("/", params={"token": "known"}, follow_redirects=True)

        assert (without.status_code, armed.status_code, page.status_code) == (401, 201, 200)
        assert sandbox.client_secret in page.text


def test_two_sandboxes_have_two_tokens() -> None:
    with server(conversations=[]) as one, server(conversations=[]) as other:
        assert one.admin_token != other.admin_token


@pytest.mark.parametrize("size", [512_001, 3_000_000])
def test_a_body_over_the_limit_is_413_over_a_socket(size: int) -> None:
    with server(conversations=[]) as sandbox, httpx2.Client(base_url=sandbox.url) as http:
        answer = http.post("/oauth/token", content=b" " * size)

        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"
        assert len(sandbox.requests) == 0


def test_a_body_that_is_announced_as_huge_is_refused_before_it_is_sent() -> None:
    with server(conversations=[]) as sandbox:
        where = urlsplit(sandbox.url)
        with closing(socket.create_connection((where.hostname, where.port), timeout=10)) as connection:
            head = f"POST /oauth/token HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 99999999999\r\n\r\n"
            connection.sendall(head.encode())

            assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_without_end_is_cut_off() -> None:
    with server(conversations=[]) as sandbox:
        where = urlsplit(sandbox.url)
        with closing(socket.create_connection((where.hostname, where.port), timeout=10)) as connection:
            head = f"POST /oauth/token HTTP/1.1\r\nHost: {where.netloc}\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head.encode())
            piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                connection.sendall(piece * 64)
