import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from made import MONDAY, Clock, conversation, spread

from everycall.sandbox import QUERY, Sandbox, server
from everycall.sandbox.names import DOMAINS, NAMES
from everycall.sandbox.recording import recorder
from everycall.sandbox.server import certificates_folder

ME = "/api/v2/organizations/me"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are kept; made by the first sandbox."""
    return tmp_path_factory.mktemp("user") / "sandbox-tls"


def secured(folder: Path, conversations: list[dict[str, Any]] | None = None) -> Any:
    return server(conversations=conversations or [], now=Clock(), tls=folder)


def trusting(sandbox: Sandbox) -> ssl.SSLContext:
    """What a client makes of SSL_CERT_FILE: it trusts the sandbox's authority, and no other."""
    return ssl.create_default_context(cafile=sandbox.environ["SSL_CERT_FILE"])


@contextmanager
def client(sandbox: Sandbox, base_url: str = "", *, proxy: bool = False) -> Iterator[httpx2.Client]:
    """An HTTP client as the environment of the sandbox makes it."""
    url = sandbox.environ["HTTPS_PROXY"] if proxy else None
    with httpx2.Client(base_url=base_url, proxy=url, verify=trusting(sandbox), trust_env=False, timeout=10) as http:
        yield http


def logged_in(sandbox: Sandbox, http: httpx2.Client, url: str) -> dict[str, str]:
    """The Authorization header of a new token."""
    login = (sandbox.client_id, sandbox.client_secret)
    answer = http.post(url, auth=login, data={"grant_type": "client_credentials"})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def port_of(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


def test_a_query_over_tls_is_the_one_in_process(folder: Path) -> None:
    with secured(folder, spread(150)) as sandbox, client(sandbox, sandbox.url) as http:
        token = logged_in(sandbox, http, "/oauth/token")
        page = {"interval": MONDAY, "paging": {"pageSize": 100}}
        answer = http.post(QUERY, json=page, headers=token)

        assert sandbox.url.startswith("https://127.0.0.1:")
        assert answer.json() == {"conversations": sandbox.store.conversations(MONDAY)[:100], "totalHits": 150}


@pytest.mark.parametrize("domain", DOMAINS)
def test_https_proxy_alone_leads_the_hosts_of_every_region_to_the_sandbox(folder: Path, domain: str) -> None:
    with secured(folder) as sandbox, client(sandbox, proxy=True) as http:
        token = logged_in(sandbox, http, f"https://login.{domain}/oauth/token")
        answer = http.get(f"https://api.{domain}{ME}", headers=token)

        assert answer.json()["name"] == "Recorded"
        assert [served.path for served in sandbox.requests] == ["/oauth/token", ME]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_own_port_can_be_asked_for_through_the_proxy_too(folder: Path, host: str) -> None:
    with secured(folder) as sandbox, client(sandbox, proxy=True) as http:
        assert http.get(f"https://{host}:{port_of(sandbox)}{ME}").status_code == 401


@pytest.mark.parametrize(
    "url", ["https://example.com/", "https://api.mypurecloud.de:8443/", "https://apps.mypurecloud.de/"]
)
def test_a_name_that_is_not_the_vendors_is_refused_by_the_proxy(folder: Path, url: str) -> None:
    with secured(folder) as sandbox, client(sandbox, proxy=True) as http:
        with pytest.raises(httpx2.ProxyError, match="403"):
            http.get(url)
        assert list(sandbox.requests) == []


def spoken(port: int, sent: bytes) -> bytes:
    """All that a port answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_refused_connect_says_why(folder: Path) -> None:
    with secured(folder) as sandbox:
        answer = spoken(port_of(sandbox), b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"\r\nX-Everycall-Sandbox: 1\r\n" in answer
    assert b"The sandbox of everycall passes nothing on." in answer
    assert b"example.com:443 is none of them. Unset HTTPS_PROXY" in answer


@pytest.mark.parametrize("sent", [b"", b"C", b"CONNECT api.mypurecloud.de:443 HTTP/1.1\r\n\r\n", b"\x16nonsense"])
def test_a_client_that_goes_away_in_the_middle_leaves_the_port_sound(folder: Path, sent: bytes) -> None:
    with secured(folder) as sandbox, client(sandbox, sandbox.url) as http:
        spoken(port_of(sandbox), sent)

        assert http.get(ME).status_code == 401


def test_a_connect_may_come_in_pieces_and_tls_begins_right_after_its_answer(folder: Path) -> None:
    with (
        secured(folder) as sandbox,
        socket.create_connection(("127.0.0.1", port_of(sandbox)), timeout=10) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"CONNECT api.mypurecloud.de:443 HTTP/1.1\r\nHost: api.mypurecloud.de:443\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert connection.recv(1000) == b"HTTP/1.1 200 Connection established\r\n\r\n"

        with trusting(sandbox).wrap_socket(connection, server_hostname="api.mypurecloud.de") as tls:
            tls.sendall(f"GET {ME} HTTP/1.1\r\nHost: api.mypurecloud.de\r\n\r\n".encode())
            assert tls.recv(1000).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("head", [b"CONNECT", b"COPY /x HTTP/1.1", b"CONNECT \xff:443 HTTP/1.1", b"C\x00 "])
def test_a_head_that_asks_for_nothing_sensible_is_refused(folder: Path, head: bytes) -> None:
    with secured(folder) as sandbox, client(sandbox, sandbox.url) as http:
        assert spoken(port_of(sandbox), head + b"\r\n\r\n").startswith(b"HTTP/1.1 403 ")
        assert http.get(ME).status_code == 401


def test_a_head_without_an_end_is_not_read_for_ever(folder: Path) -> None:
    with secured(folder) as sandbox, client(sandbox, sandbox.url) as http:
        with pytest.raises(OSError, match=r"reset|Broken pipe|not connected"):
            spoken(port_of(sandbox), b"CONNECT " + b"x" * 1_000_000)
        assert http.get(ME).status_code == 401


@pytest.mark.parametrize(("place", "status"), [("https://api.mypurecloud.de", 401), ("http://example.com", 421)])
def test_a_proxied_request_in_plain_http_is_answered_or_refused(folder: Path, place: str, status: int) -> None:
    host = place.partition("://")[2]
    with secured(folder) as sandbox:
        answer = spoken(
            port_of(sandbox), f"GET {place}{ME} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_plain_http_is_served_on_the_same_port(folder: Path) -> None:
    with secured(folder) as sandbox:
        assert httpx2.get(f"http://127.0.0.1:{port_of(sandbox)}{ME}", trust_env=False).status_code == 401


def test_the_environment_names_the_proxy_and_the_authority(folder: Path) -> None:
    with secured(folder) as sandbox:
        environ = sandbox.environ

    assert environ["GENESYS_ENV"] == sandbox.url
    assert environ["HTTPS_PROXY"] == sandbox.url.replace("https", "http")
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    assert {environ[name] for name in names} == {str(folder / "authority.pem")}


def test_a_client_that_does_not_know_the_authority_does_not_trust_it(folder: Path) -> None:
    with secured(folder) as sandbox:
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx2.get(sandbox.url + ME, verify=ssl.create_default_context(), trust_env=False)

        with client(sandbox, sandbox.url) as http:
            assert http.get(ME).status_code == 401


def test_every_name_is_in_the_certificate(folder: Path) -> None:
    with secured(folder) as sandbox:
        context = trusting(sandbox)
        for name in NAMES:
            with (
                socket.create_connection(("127.0.0.1", port_of(sandbox)), timeout=10) as connection,
                context.wrap_socket(connection, server_hostname=name) as tls,
            ):
                assert tls.version() in {"TLSv1.2", "TLSv1.3"}


def test_faults_of_the_connection_strike_through_tls(folder: Path) -> None:
    with secured(folder, [conversation(1)]) as sandbox, client(sandbox, sandbox.url) as http:
        token = logged_in(sandbox, http, "/oauth/token")
        sandbox.faults.on(1, "reset")
        sandbox.faults.on(2, "cut")

        # Python's ssl turns the reset into an end without a farewell.
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError), match=r"reset|without sending a response"):
            http.get(ME, headers=token)
        with pytest.raises(httpx2.RemoteProtocolError):
            http.get(ME, headers=token)
        assert http.get(ME, headers=token).status_code == 200


def test_nothing_is_left_when_the_block_ends(folder: Path) -> None:
    before = threading.active_count()

    with secured(folder) as sandbox, client(sandbox, sandbox.url) as http:
        silent = socket.create_connection(("127.0.0.1", port_of(sandbox)))
        http.get(ME)
    silent.close()

    assert threading.active_count() == before
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port_of(sandbox)))


def test_every_answer_says_that_it_is_the_sandboxs(folder: Path) -> None:
    with secured(folder) as sandbox, client(sandbox, sandbox.url) as http:
        answers = [http.get(path) for path in ("/", ME, "/nothing", "/__admin/faults")]

        assert [answer.headers["X-Everycall-Sandbox"] for answer in answers] == ["1"] * 4


def test_what_a_recorder_passes_on_does_not_say_so(folder: Path, tmp_path: Path) -> None:
    with (
        server(conversations=[]) as org,
        recorder(tmp_path / "recording.jsonl", org.url, org.url, tls=folder) as between,
        httpx2.Client(verify=ssl.create_default_context(cafile=between.environ["SSL_CERT_FILE"])) as http,
    ):
        answer = http.get(between.url + ME)

    assert answer.status_code == 401
    assert "X-Everycall-Sandbox" not in answer.headers


def test_a_folder_that_is_named_from_here_is_shown_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with secured(Path("here")) as sandbox:
        assert sandbox.environ["SSL_CERT_FILE"] == str(tmp_path / "here" / "authority.pem")


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/everycall/sandbox-tls")),
        ("linux", {}, Path.home() / ".local" / "share" / "everycall" / "sandbox-tls"),
        ("darwin", {}, Path.home() / "Library" / "Application Support" / "everycall" / "sandbox-tls"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/everycall/sandbox-tls")),
    ],
)
def test_certificates_are_kept_where_a_users_programs_keep_things(
    platform: str, environ: dict[str, str], expected: Path
) -> None:
    assert certificates_folder(environ, platform) == expected
