"""Airbyte against the sandbox: a low-code manifest of ours in the published framework, and the published source."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from holding import listed, with_attributes

from everycall.sandbox import JOBS, QUERY, Sandbox, server
from needing import needs

HERE = Path(__file__).parent / "airbyte"
NOW_S = 1_775_000_000.0
"""2026-03-31; the day that is read is months ago, and settled."""
DAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"
LIMIT_S = 100

Records = Mapping[str, list[dict[str, Any]]]
"""By stream, in the order in which they were read."""


def environment(name: str, *, fits: bool) -> Path:
    """The programs of an environment that `make test` sets up where a Python fits."""
    folder = Path(sys.prefix) / f"airbyte-{name}" / ("Scripts" if sys.platform == "win32" else "bin")
    if not fits and not folder.is_dir():
        pytest.skip(f"not tried: Airbyte's {name} does not run on Python {sys.version_info[0]}.{sys.version_info[1]}")
    needs(folder.is_dir(), f"the environment of Airbyte's {name} (make .venv/.airbyte-{name})")
    return folder


def read(
    home: Path, command: Sequence[Path], config: Mapping[str, str], streams: Sequence[str], **environ: str
) -> Records:
    """What a source reads of some streams, from their beginning to their end.

    Args:
        home: the folder for its files.
        command: the source; `--manifest-path` is given to it where the folder has a manifest.
        config: its settings.
        streams: their names.
        **environ: of the process, beside what this one has.
    """
    catalog = {"streams": [whole(stream) for stream in streams]}
    options = {"--config": home / "config.json", "--catalog": home / "catalog.json"}
    options["--config"].write_text(json.dumps(config))
    options["--catalog"].write_text(json.dumps(catalog))
    if (home / "manifest.yaml").exists():
        options["--manifest-path"] = home / "manifest.yaml"
    inherited = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    done = subprocess.run(
        [*command, "read", *(argument for option in options.items() for argument in option)],
        cwd=home,
        env=inherited | {"HOME": str(home)} | environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    records = defaultdict(list)
    for message in map(json.loads, done.stdout.splitlines()):
        if message["type"] == "RECORD":
            records[message["record"]["stream"]].append(message["record"]["data"])
    return records


def whole(stream: str) -> dict[str, Any]:
    """A stream of a catalog, to be read from its beginning."""
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "append"}
    return {"stream": {"name": stream, "json_schema": {}, "supported_sync_modes": ["full_refresh"]}, **modes}


def clock(seconds: float) -> float:
    """A clock on which a minute passes in a second, so that a job takes no time."""
    return NOW_S + 60 * seconds


STREAMS = ["queues", "users", "conversations", "conversations_by_job"]


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Records]]:
    """A sandbox, and what our manifest read of it."""
    home = tmp_path_factory.mktemp("framework")
    program = environment("framework", fits=sys.version_info < (3, 15)) / "source-declarative-manifest"
    shutil.copy(HERE / "manifest.yaml", home)
    began_s = time.monotonic()
    with server(conversations_per_day=230, flat=True, now=lambda: clock(time.monotonic() - began_s)) as sandbox:
        config = {
            "api_url": sandbox.url,
            "login_url": sandbox.url,
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            "interval": DAY,
        }
        yield sandbox, read(home, [program], config, STREAMS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["queues", "users"])
def test_the_framework_reads_a_listing_page_by_page(framework: tuple[Sandbox, Records], kind: str) -> None:
    sandbox, records = framework

    assert records[kind] == listed(sandbox, kind)


def asked(sandbox: Sandbox, method: str, path: str) -> list[int]:
    """The statuses of the requests whose path begins so."""
    return [served.status for served in sandbox.requests if served.method == method and served.path.startswith(path)]


@pytest.mark.slow
def test_the_framework_reads_a_query_whose_page_number_is_in_the_body(framework: tuple[Sandbox, Records]) -> None:
    sandbox, records = framework

    assert records["conversations"] == sandbox.store.conversations(DAY)
    assert asked(sandbox, "POST", QUERY) == [200] * 3


@pytest.mark.slow
def test_the_framework_submits_a_job_polls_it_and_reads_its_results(framework: tuple[Sandbox, Records]) -> None:
    sandbox, records = framework

    assert records["conversations_by_job"] == with_attributes(sandbox, DAY)
    assert asked(sandbox, "POST", JOBS) == [202]
    assert len(asked(sandbox, "GET", JOBS)) >= 1 + 3  # a poll, and three pages of results


@pytest.mark.slow
def test_the_frameworks_own_authenticator_logs_in(framework: tuple[Sandbox, Records]) -> None:
    sandbox, _ = framework
    logins = asked(sandbox, "POST", "/oauth/token")

    assert logins
    assert set(logins) == {200}


SOURCE_STREAMS = {"routing_routing_queues": "queues", "user_users": "users", "user_groups": "groups"}


@pytest.mark.slow
def test_the_published_source_reads_its_own_hosts(tmp_path: Path) -> None:
    python = environment("source", fits=sys.version_info < (3, 12)) / "python"
    with server(conversations_per_day=50, tls=tmp_path / "tls") as sandbox:
        config = {
            "tenant_endpoint": "EMEA (Frankfurt)",  # api.mypurecloud.de and login.mypurecloud.de, in its code
            "start_date": "2026-01-05",
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
        }
        records = read(
            tmp_path, [python, HERE / "published_source.py"], config, list(SOURCE_STREAMS), **sandbox.environ
        )

    assert {stream: listed(sandbox, kind) for stream, kind in SOURCE_STREAMS.items()} == records
