"""Outputs in an object store, which runs on this machine."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl
import pytest
import requests
from deltalake import DeltaTable
from pyarrow import fs

from everycall import OutputRefused, SettingsError
from everycall.executor import SerialExecutor
from everycall.sandbox import QUERY
from everycall.setup import Environment
from everycall.sinks.targets import Target, target_of
from everycall.verification import repair, verify
from inprocess import Org, org

THREE_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-26T00:00:00.000Z"
SECOND_WEEK = "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"

ONE_BY_ONE = Environment(executor=SerialExecutor(8))


SERVER = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
"""
"""It runs until its standard input is closed; in a process of its own, since delta-rs waits for it."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    command = [sys.executable, "-c", SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        host, port = server.stdout.readline().split()
        yield f"http://{host}:{port}"
        server.stdin.close()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a new bucket. The ledger is in the working directory, where no output is on this machine."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = "bucket-" + "".join(sign for sign in request.node.name.lower() if sign.isalnum())[-40:]
    requests.put(f"{endpoint}/{name}", timeout=10).raise_for_status()
    return f"s3://{name}"


@pytest.fixture
def where() -> Org:
    return org(conversations_per_day=8)


def conversations(url: str) -> int:
    return int(DeltaTable(f"{url}/conversations").to_pyarrow_table().num_rows)


def late(where: Org, url: str) -> None:
    """Export while the API does not know one conversation yet."""
    unseen = where.sandbox.store.conversations(SECOND_WEEK)[0]
    where.sandbox.faults.on(None, "unseen", path=QUERY, conversation_id=unseen["conversationId"])
    where.export(url, THREE_WEEKS)
    where.sandbox.faults.clear()


@pytest.mark.slow
def test_delta_tables_are_exported_replaced_verified_and_repaired(where: Org, bucket: str, tmp_path: Path) -> None:
    """`test_other_stores.py` does it with Parquet."""
    url, everything = f"{bucket}/exports/calls.delta", len(where.truth(THREE_WEEKS))

    late(where, url)
    assert conversations(url) == everything - 1
    found = verify(where.client, url, environment=ONE_BY_ONE)
    assert [finding.state for finding in found.findings] == ["holds", "changed", "holds"]
    repair(where.client, found, environment=Environment(executor=SerialExecutor()))

    assert conversations(url) == everything
    assert verify(where.client, url, environment=ONE_BY_ONE).holds
    where.export(url, THREE_WEEKS)
    assert conversations(url) == everything
    assert list(tmp_path.iterdir()) == []


def test_polars_reads_parquet_in_the_store(where: Org, bucket: str) -> None:
    where.export(f"{bucket}/calls.parquet", THREE_WEEKS)

    assert len(pl.read_parquet(f"{bucket}/calls.parquet/conversations/*.parquet")) == len(where.truth(THREE_WEEKS))


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.zst"])
def test_json_lines_are_those_of_a_file_and_can_be_repaired(
    where: Org, bucket: str, tmp_path: Path, ending: str
) -> None:
    url, local = f"{bucket}/calls.{ending}", tmp_path / f"calls.{ending}"
    where.export(local, THREE_WEEKS)
    late(where, url)
    assert fs_read(url) != local.read_bytes()

    repair(where.client, verify(where.client, url, environment=ONE_BY_ONE), environment=ONE_BY_ONE)

    assert fs_read(url) == local.read_bytes()
    names = fs_read(f"{url}.names.jsonl").splitlines()
    assert len(names) == len((tmp_path / f"calls.{ending}.names.jsonl").read_bytes().splitlines()) > 0
    assert msgspec.json.decode(fs_read(f"{url}.manifest.json"))["verdict"] == "proven"


def fs_read(url: str) -> bytes:
    store, path = fs.FileSystem.from_uri(url)
    with store.open_input_file(path) as file:
        return bytes(file.read())


def test_another_query_in_the_store_is_refused(where: Org, bucket: str) -> None:
    url = f"{bucket}/calls.jsonl"
    where.export(url, THREE_WEEKS)

    with pytest.raises(OutputRefused, match="contains another export"):
        where.export(url, THREE_WEEKS, asked={"interval": THREE_WEEKS, "queue": ["x"]})


def test_objects_of_others_are_refused(where: Org, bucket: str) -> None:
    store, path = fs.FileSystem.from_uri(f"{bucket}/calls.parquet/photos/a.jpg")
    with store.open_output_stream(path) as file:
        file.write(b"")

    with pytest.raises(OutputRefused, match=r"did not export, such as photos/a\.jpg"):
        where.export(f"{bucket}/calls.parquet", THREE_WEEKS)


def test_a_bucket_that_does_not_exist_is_an_error_with_the_next_step(where: Org, bucket: str) -> None:
    with pytest.raises(OutputRefused, match="cannot be reached") as refused:
        where.export(f"{bucket}-of-nobody/calls.parquet", THREE_WEEKS)

    assert refused.value.hint.startswith("Check the bucket, and the credentials in the environment: AWS_ACCESS_KEY_ID")
    assert where.queries == []


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/a.parquet", "s3://bucket/a.parquet?secret_key=b"])
def test_secrets_in_a_url_are_refused_and_not_shown(where: Org, url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        where.export(url, THREE_WEEKS)

    assert "secret" not in str(refused.value)
    assert "come from the environment" in refused.value.hint


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("s3://b/a.parquet", Target("parquet", "s3://b/a.parquet")),
        ("delta:gs://b/a", Target("delta", "gs://b/a")),
        ("abfss://c@account.dfs.core.windows.net/a.jsonl", Target("jsonl", "abfss://c@account.dfs.core.windows.net/a.jsonl")),
    ],
)  # fmt: skip
def test_a_url_names_a_store_and_a_format(output: str, target: Target) -> None:
    assert target_of(output) == target
    assert target.path is None
