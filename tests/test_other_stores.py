"""Outputs in Google Cloud Storage and in Azure, each by an emulator of its own."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from deltalake import DeltaTable

from documents import ROOT
from everycall import OutputRefused, SettingsError
from everycall.executor import SerialExecutor
from everycall.sandbox import QUERY
from everycall.setup import Environment
from everycall.sinks.stores import opened
from everycall.verification import repair, verify
from inprocess import MONDAY, Org, org
from needing import needs

ONE_BY_ONE = Environment(executor=SerialExecutor(8))

AZURITE = ROOT / "tests" / "clients" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every Azurite: https://learn.microsoft.com/azure/storage/common/storage-use-azurite."""


@dataclass
class Store:
    """A bucket or a container."""

    url: str
    environment: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture(params=["gs", "abfss"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty place in each of them; the ledger is in the working directory."""
    monkeypatch.chdir(tmp_path)
    with (google if request.param == "gs" else azure)(tmp_path) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        if request.param == "abfss":
            opened(found.url)[0].create_dir("calls")
        yield found
        for path in tmp_path.iterdir():
            path.unlink()  # nothing of the export stays there


@contextmanager
def google(folder: Path) -> Iterator[Store]:
    port = free_port()
    program = "import sys; from gcp_storage_emulator.__main__ import main; sys.exit(main())"
    arguments = ["start", "--host=127.0.0.1", f"--port={port}", "--in-memory", "--default-bucket=calls"]
    with running([sys.executable, "-u", "-c", program, *arguments], "All services started"):
        key = folder / "key.json"
        key.write_text(json.dumps(service_account()))
        settings = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(key),
            "CLOUD_STORAGE_EMULATOR_ENDPOINT": f"http://127.0.0.1:{port}",
        }
        yield Store("gs://calls", settings)


def service_account() -> dict[str, str]:
    """A service account with a key of its own: it signs requests, and the emulator does not look at that."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "type": "service_account", "project_id": "p", "private_key_id": "1", "client_id": "1",
        "private_key": key.private_bytes(*formats).decode(), "client_email": "a@p.iam.gserviceaccount.com",
        "token_uri": "http://127.0.0.1:9/token",
    }  # fmt: skip


@contextmanager
def azure(_: Path) -> Iterator[Store]:
    node = needs(shutil.which("node") if AZURITE.exists() else None, "Node with npm; then make")
    port = free_port()
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    command = [node, str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    with running(command, "successfully listen"):
        settings = {
            "AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}",
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY, "AZURE_ALLOW_HTTP": "true",
        }  # fmt: skip
        yield Store(f"abfss://calls@{ACCOUNT}.dfs.core.windows.net", settings)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


@contextmanager
def running(command: list[str], ready: str) -> Iterator[None]:
    """Until the block ends; it begins when the server prints that it is ready."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        try:
            printed = list(takewhile(lambda line: ready not in line, server.stdout))
            assert server.poll() is None, "".join(printed)
            reading = threading.Thread(target=deque, args=(server.stdout, 0))  # or its pipe fills up
            reading.start()
            yield
        finally:
            server.kill()
        reading.join()


@pytest.fixture
def where() -> Org:
    return org(conversations_per_day=8)


def late(where: Org, url: str) -> None:
    """Export while the API does not know one conversation yet."""
    unseen = where.sandbox.store.conversations(MONDAY)[0]["conversationId"]
    where.sandbox.faults.on(None, "unseen", path=QUERY, conversation_id=unseen)
    where.export(url, MONDAY)
    where.sandbox.faults.clear()


@pytest.mark.slow
def test_tables_and_json_lines_are_exported_verified_and_repaired(where: Org, store: Store) -> None:
    for ending in ("parquet", "jsonl.zst"):
        url = f"{store.url}/exports/calls.{ending}"
        late(where, url)
        found = verify(where.client, url, environment=ONE_BY_ONE)
        assert [finding.state for finding in found.findings] == ["changed"]
        repair(where.client, found, environment=ONE_BY_ONE)
        assert verify(where.client, url, environment=ONE_BY_ONE).holds

    filesystem, path = opened(f"{store.url}/exports/calls.parquet/conversations/2026-01-05.parquet")
    with filesystem.open_input_file(path) as file:
        assert len(pl.read_parquet(file)) == len(where.truth(MONDAY))
    with pytest.raises(OutputRefused, match="cannot be reached"):
        where.export(store.url.replace("calls", "none", 1) + "/calls.parquet", MONDAY)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["abfss"], indirect=True)
def test_delta_tables_are_exported(where: Org, store: Store) -> None:
    """To Azure only: the emulator of Google Cloud Storage lacks the listing that delta-rs asks for."""
    url = f"{store.url}/calls.delta"
    late(where, url)
    repair(where.client, verify(where.client, url, environment=ONE_BY_ONE), environment=ONE_BY_ONE)

    assert DeltaTable(f"{url}/conversations").to_pyarrow_table().num_rows == len(where.truth(MONDAY))


def test_the_url_of_azure_names_container_and_account() -> None:
    with pytest.raises(SettingsError, match="names no container and account") as refused:
        opened("abfss://calls/a.parquet")

    assert "abfss://CONTAINER@ACCOUNT" in refused.value.hint


def test_a_key_that_is_none_is_refused_and_not_shown() -> None:
    """Azure's SDK would abort the process."""
    with pytest.raises(SettingsError, match="AZURE_STORAGE_ACCOUNT_KEY is not the key") as refused:
        opened("abfss://calls@account.dfs.core.windows.net/a.parquet", {"AZURE_STORAGE_ACCOUNT_KEY": "not a key!"})

    assert "not a key" not in str(refused.value)


def test_credentials_that_cannot_be_read_are_an_error_with_the_next_step(
    where: Org, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "missing.json")
    with pytest.raises(OutputRefused, match=r"Cannot open credentials file missing\.json") as refused:
        where.export("gs://calls/a.parquet", MONDAY)

    assert "GOOGLE_APPLICATION_CREDENTIALS" in refused.value.hint


def test_no_message_has_the_signature_of_a_token(where: Org, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The token is often written without its question mark."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{free_port()}")  # nobody answers there
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=signature")
    with pytest.raises(OutputRefused, match=r"cannot be reached: .*/calls\?\.\.\.") as refused:
        where.export(f"abfss://calls@{ACCOUNT}.dfs.core.windows.net/a.parquet", MONDAY)

    assert "signature" not in f"{refused.value} {refused.value.hint}"
