"""Clients that we did not write, against the sandbox: what they read is what it holds."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from holding import listed, with_attributes

from clocks import StillClock
from everycall import Interval, Query
from everycall.acquire.details_job import DetailsJobs, JobReading
from everycall.acquire.loop import Loop
from everycall.acquire.route import FoundPage
from everycall.api.jobs import availability
from everycall.executor import SerialExecutor
from everycall.sandbox import QUERY, Sandbox, Switches, server
from inprocess import InProcess, client_of
from needing import needs

HERE = Path(__file__).parent
NOW_S = 1_775_000_000.0
"""2026-03-31; the day that is read is months ago, and settled."""
DAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"

CLIENTS = {
    "python_sdk": [sys.executable, "python_sdk.py"],
    "javascript_sdk": ["node", "javascript_sdk.cjs"],
    "dlt": [sys.executable, "dlt_source.py"],
}


class ClientProcess:
    """Somebody else's client in its own process; see commands.py."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def command(self, command: str, **arguments: Any) -> dict[str, Any]:
        """What came of a command: `{"answer": ...}` or `{"refused": ...}`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the client ended with {self._process.wait(10)}; its standard error stands above"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def log_in(self, sandbox: Sandbox, secret: str | None = None, domain: str = "") -> dict[str, Any]:
        """A token of the sandbox; asked of the vendor's own hosts, where their domain is given."""
        arguments = {
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret if secret is None else secret,
        }
        return self.command("log_in", url=sandbox.url, domain=domain, **arguments)

    def read(self, command: str, **arguments: Any) -> Any:
        """The answer to a command that is not refused."""
        outcome = self.command(command, **arguments)
        assert "refused" not in outcome, outcome
        return outcome["answer"]

    def refused(self, command: str, **arguments: Any) -> tuple[int, str | None, str | None]:
        """(status, code, Retry-After) of the API's error, as the client shows it."""
        refused = self.command(command, **arguments)["refused"]
        return refused["status"], json.loads(refused["body"]).get("code"), refused["retryAfter"]


@contextmanager
def started(name: str, home: Path, **variables: str) -> Iterator[ClientProcess]:
    """The client, without this machine's proxy settings."""
    if name == "javascript_sdk":
        is_there = shutil.which("node") and (HERE / "node_modules").is_dir()
        needs(is_there, "Node with npm (Debian: nodejs npm; then make)")
    environ = {key: value for key, value in os.environ.items() if not key.upper().endswith("_PROXY")}
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__REQUEST_BACKOFF_FACTOR": "0.01"}
    with subprocess.Popen(
        CLIENTS[name],
        cwd=HERE,
        env=environ | quiet | {"HOME": str(home)} | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield ClientProcess(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module", params=list(CLIENTS))
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientProcess]:
    with started(request.param, tmp_path_factory.mktemp("home")) as client:
        yield client


def clock(seconds: float) -> float:
    """A clock on which a minute passes in a second, so that a job takes no time."""
    return NOW_S + 60 * seconds


@pytest.fixture
def sandbox(client: ClientProcess) -> Iterator[Sandbox]:
    """A small contact centre, in which the client is logged in."""
    began_s = time.monotonic()
    with server(conversations_per_day=230, flat=True, now=lambda: clock(time.monotonic() - began_s)) as sandbox:
        client.log_in(sandbox)
        yield sandbox


def test_a_query_is_read_to_its_end_field_by_field(client: ClientProcess, sandbox: Sandbox) -> None:
    read = client.read("query", interval=DAY, page_size=100)

    assert len(read) == 230
    assert read == sandbox.store.conversations(DAY)
    assert [served.status for served in sandbox.requests if served.path == QUERY] == [200] * 4


def test_a_job_is_read_to_its_last_cursor_field_by_field(client: ClientProcess, sandbox: Sandbox) -> None:
    read = client.read("job", interval=DAY, page_size=100)

    assert len(read) == 230
    assert read == with_attributes(sandbox, DAY)
    assert any("attributes" in participant for conversation in read for participant in conversation["participants"])


def read_by_our_job(sandbox: Sandbox, interval: str, page_size: int) -> list[Any]:
    """Every conversation that our own route of jobs reads, in its order."""
    still = StillClock()
    client = client_of(sandbox, still, InProcess(sandbox, still))
    query, read = Query(Interval.read(interval)), list[Any]()
    route = DetailsJobs(query, complete_until=client.play(availability()), page_size=page_size)

    def keep(_reading: JobReading, page: FoundPage) -> None:
        body = gzip.decompress(page.content) if page.is_zipped else page.content
        read.extend(json.loads(body)["conversations"])

    def end(reading: JobReading) -> None:
        assert reading.verdict is not None
        assert reading.verdict.proven, reading.verdict.reason

    loop = Loop(client, route, SerialExecutor(), [query.interval], on_page=keep, on_end=end)
    while loop.step():
        pass
    return read


def test_our_own_job_loop_reads_what_the_client_reads_field_by_field(client: ClientProcess) -> None:
    with server(conversations_per_day=230, flat=True, now=lambda: NOW_S, switches=Switches(job_takes_s=0.0)) as sandbox:
        client.log_in(sandbox)
        theirs = client.read("job", interval=DAY, page_size=100)
        ours = read_by_our_job(sandbox, DAY, 100)

    assert len(ours) == 230
    assert ours == theirs


KINDS = ["queues", "users", "wrapupcodes", "divisions", "flows", "skills", "languages", "groups", "campaigns"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_listing_is_read_to_its_end_field_by_field(client: ClientProcess, sandbox: Sandbox, kind: str) -> None:
    assert client.read("look_up", kind=kind, page_size=25) == listed(sandbox, kind)


def test_teams_are_read_to_the_last_cursor(client: ClientProcess, sandbox: Sandbox) -> None:
    assert client.read("teams", page_size=2) == listed(sandbox, "teams")


def test_a_wrong_secret_is_a_401(client: ClientProcess, sandbox: Sandbox) -> None:
    outcome = client.log_in(sandbox, secret="wrong")
    if "refused" not in outcome:
        outcome = client.command("query", interval=DAY, page_size=100)

    assert outcome["refused"]["status"] == 401
    assert json.loads(outcome["refused"]["body"])["error"] == "invalid_client"


def test_a_dead_token_is_a_401(client: ClientProcess, sandbox: Sandbox) -> None:
    client.read("query", interval=DAY, page_size=100)
    sandbox.revoke_tokens()

    assert client.refused("query", interval=DAY, page_size=100) == (401, "bad.credentials", None)


def test_a_429_without_retry_after_is_shown(client: ClientProcess, sandbox: Sandbox) -> None:
    sandbox.faults.on(None, "429", path=QUERY, retry_after_s=None)

    refused = client.refused("query", interval=DAY, page_size=100)

    assert refused == (429, "too.many.requests.retry.after", None)


def test_an_interval_that_is_too_long_is_a_400(client: ClientProcess, sandbox: Sandbox) -> None:
    refused = client.refused("query", interval="2026-01-05T00:00:00Z/2026-02-05T00:00:00Z", page_size=100)

    assert refused == (400, "bad.request", None)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CLIENTS))
def test_the_vendors_own_hosts_lead_to_the_sandbox(name: str, tmp_path: Path) -> None:
    with (
        server(conversations_per_day=50, tls=tmp_path / "tls") as sandbox,
        started(name, tmp_path, **sandbox.environ) as client,
    ):
        client.log_in(sandbox, domain="mypurecloud.de")

        assert client.read("look_up", kind="queues", page_size=25) == listed(sandbox, "queues")
