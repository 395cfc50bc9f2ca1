import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from made import MONDAY, Clock, conversation, ids, spread

from everycall.sandbox import JOBS, QUERY, Faults, Request, Sandbox, serve, server

ME = "/api/v2/organizations/me"
BODY = {"interval": MONDAY, "paging": {"pageSize": 100}}


@contextmanager
def logged_in(sandbox: Sandbox, timeout: float = 10) -> Iterator[httpx2.Client]:
    """An HTTP client with a token."""
    login = {"grant_type": "client_credentials"}
    with httpx2.Client(base_url=sandbox.url, timeout=timeout) as http:
        answer = http.post("/oauth/token", auth=(sandbox.client_id, sandbox.client_secret), data=login)
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield http


def recorded(conversations: list[dict[str, Any]] | None = None, **settings: Any) -> Any:
    return server(conversations=conversations or [], now=Clock(), **settings)


def test_a_query_over_a_socket_is_the_one_in_process() -> None:
    with recorded(spread(150)) as sandbox, logged_in(sandbox) as http:
        answer = http.post(QUERY, json=BODY)

        assert answer.status_code == 200
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.json() == {
            "conversations": sandbox.store.conversations(MONDAY)[:100],
            "totalHits": 150,
        }


def test_a_get_carries_its_parameters() -> None:
    with recorded() as sandbox, logged_in(sandbox) as http:
        http.get("/api/v2/users", params={"id": ["a b", "c,d"], "pageSize": 7})

        assert sandbox.requests[-1].parameters == (("id", "a b"), ("id", "c,d"), ("pageSize", "7"))


def test_errors_and_headers_come_through() -> None:
    with recorded(rate_limit=0) as sandbox, logged_in(sandbox) as http:
        answer = http.get(ME)

        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "60"
        assert answer.json()["contextId"] == answer.headers["inin-correlation-id"]


def test_a_delete_is_answered_without_a_body_and_the_connection_goes_on() -> None:
    with recorded(spread(3)) as sandbox, logged_in(sandbox) as http:
        job_id = http.post(JOBS, json={"interval": MONDAY}).json()["jobId"]

        answer = http.delete(f"{JOBS}/{job_id}")

        assert (answer.status_code, answer.content) == (204, b"")
        assert not answer.headers.keys() & {"content-length", "transfer-encoding", "content-type"}
        assert http.get(f"{JOBS}/{job_id}").json()["state"] == "CANCELLED"


def test_one_connection_serves_many_requests() -> None:
    with recorded() as sandbox, logged_in(sandbox) as http:
        addresses = {http.get(ME).extensions["network_stream"].get_extra_info("client_addr") for _ in range(3)}

        assert len(addresses) == 1


def test_the_url_holds_the_port_and_the_environment_the_url() -> None:
    with recorded() as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert sandbox.environ["GENESYS_ENV"] == sandbox.url


def test_a_port_in_use_is_an_error_that_says_what_to_do() -> None:
    with recorded() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])

        with (
            pytest.raises(OSError, match=f"port {port} of 127.0.0.1 cannot be used .* choose another"),
            server(conversations=[], port=port),
        ):
            pytest.fail("two servers on one port")


def test_nothing_is_left_when_the_block_ends() -> None:
    before = threading.active_count()

    with recorded() as sandbox, logged_in(sandbox) as http:
        http.get(ME)

    assert threading.active_count() == before
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(sandbox.url + ME)


def test_a_port_is_free_again_at_once() -> None:
    with recorded() as sandbox, logged_in(sandbox) as http:
        http.get(ME)
        port = int(sandbox.url.rpartition(":")[2])

    with recorded(port=port) as again, logged_in(again) as http:
        assert http.get(ME).status_code == 200


def test_the_server_stops_where_the_block_fails() -> None:
    before = threading.active_count()

    with pytest.raises(RuntimeError, match="on purpose"), recorded():
        raise RuntimeError("on purpose")

    assert threading.active_count() == before


def test_a_reset_is_a_read_error_and_the_next_connection_is_sound() -> None:
    with recorded() as sandbox, logged_in(sandbox) as http:
        sandbox.faults.on(1, "reset")

        with pytest.raises(httpx2.ReadError):
            http.get(ME)
        assert http.get(ME).status_code == 200


def test_a_cut_body_is_a_protocol_error() -> None:
    with recorded(spread(100)) as sandbox, logged_in(sandbox) as http:
        sandbox.faults.on(1, "cut")

        with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete message body"):
            http.post(QUERY, json=BODY)
        assert http.post(QUERY, json=BODY).status_code == 200


def test_a_hang_lasts_until_the_client_goes_away() -> None:
    with recorded() as sandbox, logged_in(sandbox, timeout=0.2) as http:
        sandbox.faults.on(1, "hang")

        with pytest.raises(httpx2.ReadTimeout):
            http.get(ME)
        assert http.get(ME).status_code == 200


class Asking(threading.Thread):
    """Asks once, with a connection of its own, and keeps what came of it."""

    def __init__(self, sandbox: Sandbox, path: str) -> None:
        super().__init__()
        self._sandbox = sandbox
        self._path = path
        self._arrived = threading.Event()
        self.outcome = ""

    def run(self) -> None:
        url = self._sandbox.url + self._path
        try:
            self.outcome = str(httpx2.get(url, timeout=60).status_code)
        except httpx2.TransportError as error:
            self.outcome = type(error).__name__

    def strikes(self, request: Request) -> bool:
        """For a fault: whether the request is this one; it has arrived, then."""
        if request.path != self._path:
            return False
        self._arrived.set()
        return True

    def start_and_arrive(self) -> None:
        """Returns when the request has reached the sandbox."""
        self.start()
        assert self._arrived.wait(30)


def test_a_hang_and_a_long_delay_end_when_the_server_stops() -> None:
    with recorded() as sandbox:
        hanging, slow = Asking(sandbox, "/api/v2/users"), Asking(sandbox, "/api/v2/routing/queues")
        sandbox.faults.on(hanging.strikes, "hang")
        sandbox.faults.on(slow.strikes, "slow", delay_s=60)
        hanging.start_and_arrive()
        slow.start_and_arrive()
    hanging.join()
    slow.join()

    assert hanging.outcome in {"ReadError", "RemoteProtocolError"}
    assert slow.outcome == "401"


def test_a_slow_drip_arrives_whole() -> None:
    with recorded(spread(100)) as sandbox, logged_in(sandbox) as http:
        sandbox.faults.on(1, "drip", delay_s=0.002)

        assert len(http.post(QUERY, json=BODY).json()["conversations"]) == 100


def test_a_slow_answer_does_not_hold_up_another() -> None:
    with recorded() as sandbox, logged_in(sandbox) as http:
        slow = Asking(sandbox, "/api/v2/users")
        sandbox.faults.on(slow.strikes, "slow", delay_s=60)
        slow.start_and_arrive()

        assert http.get(ME).status_code == 200
        assert slow.is_alive()
    slow.join()


def test_without_tls_it_is_no_proxy_and_says_so() -> None:
    with recorded() as sandbox, httpx2.Client(proxy=sandbox.url) as http:
        with pytest.raises(httpx2.ProxyError, match="501"):
            http.get("https://api.mypurecloud.de" + ME)
        with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as connection:
            connection.sendall(b"CONNECT api.mypurecloud.de:443 HTTP/1.1\r\n\r\n")
            assert b"It is one if it is started with --tls." in connection.recv(1000)


def test_latency_comes_before_the_answer() -> None:
    with recorded(latency_s=0.05) as sandbox, logged_in(sandbox) as http:
        assert http.get(ME).elapsed.total_seconds() >= 0.05


def test_a_cut_without_gzip_is_noticed_too() -> None:
    faults = Faults()
    faults.on(1, "cut", path=QUERY)
    with recorded([conversation(1)], faults=faults) as sandbox, logged_in(sandbox) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            http.post(QUERY, json=BODY, headers={"Accept-Encoding": "identity"})
        assert ids(http.post(QUERY, json=BODY).json()["conversations"]) == [1]


def test_serving_in_the_foreground_tells_when_it_is_ready_and_ends_when_told() -> None:
    over = threading.Event()
    urls = []

    def ready(sandbox: Sandbox) -> None:
        urls.append(sandbox.url)
        assert httpx2.get(sandbox.url + ME).status_code == 401
        over.set()

    serve(0, ready=ready, until=over, conversations=[])

    assert len(urls) == 1


PROGRAM = """
from everycall.sandbox import serve
serve(0, ready=lambda sandbox: print(sandbox.url, flush=True), conversations=[])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_ctrl_c_ends_the_foreground_server_quietly() -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline().startswith("http://127.0.0.1:")

        child.send_signal(signal.SIGINT)

        assert child.wait(timeout=10) == 0
        assert child.stderr.read() == ""
