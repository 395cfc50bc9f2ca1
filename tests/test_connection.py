import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from httpcore2 import ConnectError

from everycall import http_connection
from everycall.api.exchange import Broken, Request, Response, TooSlow, received
from everycall.connection import Timeouts
from everycall.errors import SettingsError
from everycall.http_connection import HttpConnection
from everycall.sandbox import Sandbox, server

PAGE = b'{"conversations":[{"conversationId":"a"}],"totalHits":1}'


Connecting = Callable[..., HttpConnection]


@pytest.fixture
def connection() -> Iterator[Connecting]:
    """Makes connections, and closes them after the test."""
    with ExitStack() as stack:

        def connect(monotonic: Callable[[], float] = time.monotonic, **timeouts: float) -> HttpConnection:
            return stack.enter_context(closing(HttpConnection(Timeouts(**timeouts), monotonic=monotonic)))

        yield connect


def login(sandbox: Sandbox, through: HttpConnection) -> Response:
    basic = b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
    headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
    answer = through.send("POST", f"{sandbox.url}/oauth/token", headers, b"grant_type=client_credentials")
    return received(Request("POST", "/oauth/token"), answer)


def queues(sandbox: Sandbox, through: HttpConnection) -> Response:
    """A body that is long enough to come zipped."""
    headers = {"authorization": f"Bearer {login(sandbox, through).decoded['access_token']}"}
    return got(through, f"{sandbox.url}/api/v2/routing/queues?pageSize=100", headers)


def got(through: HttpConnection, url: str, headers: Mapping[str, str] | None = None) -> Response:
    """What the client makes of an answer."""
    return received(Request("GET", url), through.send("GET", url, headers or {}, None))


def test_the_timeout_for_a_whole_answer_is_three_times_that_for_a_piece() -> None:
    assert Timeouts.of(60.0) == Timeouts()
    assert Timeouts.of(7).total_s == 21


# Through a port


@pytest.fixture(scope="module")
def port() -> Iterator[Sandbox]:
    with server(conversations_per_day=20) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(port: Sandbox) -> Sandbox:
    port.faults.clear()
    return port


def test_an_answer_comes_with_its_headers_in_lower_case(sandbox: Sandbox, connection: Connecting) -> None:
    answer = queues(sandbox, connection())

    assert answer.status == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.correlation_id
    assert answer.decoded["entities"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("hang", "no answer in time"),
        ("reset", "connection broke"),
        ("cut", "broke off"),
        ("cut_gzip", "gzip is cut short"),
        ("bad_gzip", "gzip is damaged"),
        ("cut_json", "not JSON, or it is cut short"),
        ("html", "not JSON"),
    ],
)
def test_half_an_answer_is_broken(sandbox: Sandbox, kind: str, reason: str, connection: Connecting) -> None:
    sandbox.faults.on(1, kind, path="/queues")
    through = connection(read_s=0.3)

    with pytest.raises(Broken, match=reason):
        queues(sandbox, through)
    assert queues(sandbox, through).status == 200


def test_a_slowly_dripping_answer_is_given_up_after_the_total_timeout(sandbox: Sandbox, connection: Connecting) -> None:
    sandbox.faults.on(1, "drip", path="/queues", delay_s=0.05)
    ticks = count()
    through = connection(lambda: float(next(ticks)), total_s=4)

    with pytest.raises(Broken, match="not complete after 4 s"):
        queues(sandbox, through)


def test_a_refused_connection_is_broken_and_not_fatal(connection: Connecting) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Broken, match="no connection"):
            connection().send("GET", f"http://127.0.0.1:{taken.getsockname()[1]}/", {}, None)


def test_no_reason_of_a_broken_answer_holds_the_secret(sandbox: Sandbox, connection: Connecting) -> None:
    sandbox.faults.on(1, "reset", path="/oauth")
    with pytest.raises(Broken) as broken:
        login(sandbox, connection())

    assert sandbox.client_secret not in repr(broken.value)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "http://", "http://127.0.0.1:port/", "http://[x", "http://ä.de", "http://a..b"]
)
def test_an_impossible_address_is_a_settings_error(url: str, connection: Connecting) -> None:
    with pytest.raises(SettingsError, match="address"):
        connection().send("GET", url, {}, None)


def test_a_redirect_is_not_followed(connection: Connecting) -> None:
    with answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as (url, _):
        assert connection().send("GET", url, {}, None).status == 302


def test_a_body_without_a_length_that_ends_early_is_broken(connection: Connecting) -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PAGE[:-9]) as (url, _),
        pytest.raises(Broken, match="cut short"),
    ):
        got(connection(), url)


def test_a_closed_connection_sends_nothing(sandbox: Sandbox, connection: Connecting) -> None:
    through = connection()
    through.close()
    with pytest.raises(Broken, match="closed"):
        login(sandbox, through)


def test_the_http_library_is_imported_only_when_a_connection_is_made() -> None:
    script = "import sys, everycall.client; sys.exit('httpcore2' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


# Proxies


def test_the_proxy_of_the_environment_is_used() -> None:
    """The environment belongs to a process, so this needs one of its own."""
    script = (
        "import time\n"
        "from everycall.api.exchange import Broken\n"
        "from everycall.connection import Timeouts\n"
        "from everycall.http_connection import HttpConnection\n"
        "try:\n"
        "    HttpConnection(Timeouts(), monotonic=time.monotonic).send(\n"
        "        'GET', 'https://api.mypurecloud.invalid/x', {}, None)\n"
        "except Broken as broken:\n"
        "    print(broken)\n"
    )
    with answering(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as (url, heard):
        plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**plain, "HTTPS_PROXY": url},
            capture_output=True,
            text=True,
            check=True,
        )

    assert heard[0].startswith(b"CONNECT api.mypurecloud.invalid:443 HTTP/1.1\r\n")
    assert done.stdout.startswith("the proxy refused (407)")


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:1", "http://u:s3cret/@h", "http://u:s3cret@", "http://h:s3cret"])
def test_an_impossible_proxy_is_a_settings_error_that_does_not_show_it(proxy: str) -> None:
    script = (
        "import time\n"
        "from everycall.connection import Timeouts\n"
        "from everycall.http_connection import HttpConnection\n"
        "from everycall.errors import SettingsError\n"
        "try:\n"
        "    HttpConnection(Timeouts(), monotonic=time.monotonic)\n"
        "except SettingsError as error:\n"
        "    print(error, error.hint)\n"
    )
    environ = {**os.environ, "HTTPS_PROXY": proxy}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("The proxy settings cannot be used")
    assert "s3cret" not in done.stdout + done.stderr


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A port that says the same to whoever comes, and closes; with its address and what it heard."""
    heard: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                heard.append(caller.recv(65536))
                if heard[-1]:
                    caller.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_body_shorter_than_its_content_length_is_broken(connection: Connecting) -> None:
    promised = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PAGE) + 100}\r\n\r\n".encode()
    with answering(promised + json.dumps({"a": 1}).encode()) as (url, _), pytest.raises(Broken, match="broke off"):
        connection().send("GET", url, {}, None)


# How long it may take


@contextmanager
def dripping(start: bytes, drop: bytes) -> Iterator[str]:
    """A port that begins an answer, and goes on with a drop every few milliseconds until the other side has gone."""
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            caller, _ = listener.accept()
            with caller:
                caller.recv(65536)
                caller.sendall(start)
                while not over.wait(0.005):
                    caller.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"H", b""),
        (HEAD, b"x"),
        (HEAD + b"X: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
        (HEAD + b"\r\n", b"x"),
    ],
    ids=["nothing", "name", "value", "100", "103", "extension", "chunks", "trailers", "length", "no length"],
)
def test_an_answer_that_drips_in_any_part_is_given_up_at_its_timeout(
    start: bytes, drop: bytes, connection: Connecting
) -> None:
    began = time.monotonic()
    with dripping(start, drop) as url, pytest.raises(TooSlow, match=r"not complete after 0\.2 s"):
        connection(total_s=0.2, read_s=5).send("GET", url, {}, None)

    assert time.monotonic() - began < 5


def test_the_next_answer_on_the_same_thread_has_its_own_time(sandbox: Sandbox, connection: Connecting) -> None:
    through = connection(total_s=0.3, read_s=5)
    with dripping(HEAD, b"x") as url, pytest.raises(TooSlow):
        through.send("GET", url, {}, None)

    assert queues(sandbox, through).status == 200


# What reaches a reader


def test_no_text_of_the_library_or_the_other_side_is_in_a_message(connection: Connecting) -> None:
    with answering(b"s3cret \x1b[2J\r\n\r\n") as (url, _), pytest.raises(Broken, match="not HTTP") as broken:
        connection().send("GET", url, {}, None)
    assert "s3cret" not in str(broken.value)

    with answering(b"") as (url, _), pytest.raises(Broken, match="cannot be sent") as broken:
        connection().send("GET", url, {"authorization": "Bearer s3cret\n"}, None)
    assert "s3cret" not in str(broken.value)


def test_an_untrusted_certificate_fails_at_once_with_the_reason() -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_code, cause.verify_message = 18, "self-signed certificate"
    error = ConnectError(cause)
    error.__cause__ = cause

    with pytest.raises(
        SettingsError, match=r"certificate of api\.example is not trusted: it is self-signed"
    ) as refused:
        http_connection._check_certificate(error, "api.example")
    assert "SSL_CERT_FILE" in refused.value.hint


def test_an_unknown_certificate_authority_fails_at_once(tmp_path: Path, connection: Connecting) -> None:
    with (
        server(conversations=[], tls=tmp_path) as sandbox,
        pytest.raises(SettingsError, match=r"certificate of .* is not trusted: .* unknown to this machine"),
    ):
        connection().send("GET", f"{sandbox.url}/", {}, None)


def test_a_certificate_authority_named_by_the_environment_is_trusted(
    tmp_path: Path, connection: Connecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(conversations=[], tls=tmp_path) as sandbox:
        monkeypatch.setenv("SSL_CERT_FILE", sandbox.environ["SSL_CERT_FILE"])
        assert queues(sandbox, connection()).status == 200


def test_a_port_that_speaks_no_tls_is_broken(connection: Connecting) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _), pytest.raises(Broken, match="no connection"):
        connection().send("GET", url.replace("http", "https"), {}, None)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of descriptors")
def test_running_out_of_file_handles_breaks_an_answer_without_a_crash() -> None:
    script = (
        "import os, resource, sys, time\n"
        "from everycall.api.exchange import Broken\n"
        "from everycall.connection import Timeouts\n"
        "from everycall.http_connection import HttpConnection\n"
        "through = HttpConnection(Timeouts(), monotonic=time.monotonic)\n"
        "through.send('GET', sys.argv[1], {}, None)\n"
        "anew = HttpConnection(Timeouts(), monotonic=time.monotonic)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "taken = []\n"
        "try:\n"
        "    while True: taken.append(os.dup(0))\n"
        "except OSError: pass\n"
        "for each in (through, anew):\n"
        "    try: each.send('GET', sys.argv[1], {}, None)\n"
        "    except Broken as broken: print(broken)\n"
    )
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (url, _):
        plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        command = [sys.executable, "-c", script, url]
        done = subprocess.run(command, env=plain, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["no connection (Too many open files)", "Too many open files"]
