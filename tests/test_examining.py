"""`everycall doctor` as people meet it, through a real port."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from everycall.cli.commands import run
from everycall.sandbox import Client as SandboxClient
from everycall.sandbox import Sandbox, Switches, server

VARIABLES = ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV")
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

Doctor = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with server(conversations_per_day=60) as running:
        yield running


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with server(conversations=[], tls=tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Doctor:
    """Runs `doctor --json` with these variables and no others: the exit code, and the findings by check."""
    monkeypatch.chdir(tmp_path)

    def doctor(variables: dict[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
        for name in (*VARIABLES, *PROXIES, *map(str.lower, PROXIES)):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = run(["doctor", "--json"])
        printed: dict[str, Any] = json.loads(capfdbinary.readouterr().out)
        assert printed["exitCode"] == code
        return code, {finding["check"]: finding for finding in printed["findings"]}

    return doctor


def test_a_healthy_org_ends_with_0_and_names_its_address(doctor: Doctor, shared: Sandbox) -> None:
    code, found = doctor(shared.environ)

    assert code == 0
    assert found["region"]["message"] == f"{shared.url}; credentials from the environment."
    assert {finding["state"] for finding in found.values()} == {"ok"}


def test_warnings_end_with_0(doctor: Doctor) -> None:
    with server(conversations=[], switches=Switches(retention_days=90)) as poor:
        code, found = doctor(poor.environ)

    assert code == 0
    assert found["retention"]["state"] == "warning"


def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("variables", "code", "check", "message", "hint"),
    [
        ({}, 3, "credentials", "are not set", "add --sandbox"),
        ({"GENESYS_ENV": "eu-central-1"}, 3, "credentials", "GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET are not set",
         "Set all of"),
        ({"GENESYS_CLIENT_ID": "a", "GENESYS_CLIENT_SECRET": "secret", "GENESYS_ENV": "eu-centrl-1"}, 2, "settings",
         "'eu-centrl-1', which is not a region", "Similar regions: eu-central-1"),
        ({"GENESYS_CLIENT_ID": "a", "GENESYS_CLIENT_SECRET": "secret", "GENESYS_ENV": "http://example.com"}, 2,
         "settings", "others on the network could read the secret", "Use https://"),
        ({"GENESYS_CLIENT_ID": "a", "GENESYS_CLIENT_SECRET": "secret", "GENESYS_ENV": "frankfurt",
          "HTTPS_PROXY": "ftp://proxy"}, 2, "settings", "The proxy settings cannot be used",
         "http://proxy.example.com:3128"),
    ],
)  # fmt: skip
def test_wrong_settings_are_a_finding(
    doctor: Doctor, variables: dict[str, str], code: int, check: str, message: str, hint: str
) -> None:
    ended, found = doctor(variables)

    assert ended == code
    assert found[check]["state"] == "wrong"
    assert message in found[check]["message"]
    assert hint in found[check]["hint"]


def test_a_proxy_that_is_not_there_is_named(doctor: Doctor, secured: Sandbox) -> None:
    proxy = closed_port()
    code, found = doctor({**secured.environ, "GENESYS_ENV": "frankfurt", "HTTPS_PROXY": f"http://me:pass@{proxy[7:]}"})

    assert code == 5
    assert found["proxy"]["message"] == f"Requests go through the proxy {proxy[7:]}."
    assert found["region"]["message"].startswith("eu-central-1: https://api.mypurecloud.de, login at https://login.")
    assert "no connection" in found["connection"]["message"]
    assert "HTTPS_PROXY" in found["connection"]["hint"]
    assert "pass" not in found["proxy"]["message"]


def test_a_proxy_whose_certificate_is_not_trusted_is_named(doctor: Doctor, secured: Sandbox) -> None:
    proxied = {**secured.environ, "GENESYS_ENV": "eu-central-1"}
    del proxied["SSL_CERT_FILE"]
    code, found = doctor(proxied)

    assert code == 2
    assert "The certificate of login.mypurecloud.de is not trusted" in found["connection"]["message"]
    assert "set SSL_CERT_FILE to the file of its authority" in found["connection"]["hint"]


def test_a_sandbox_in_place_of_the_org_is_named(doctor: Doctor, secured: Sandbox) -> None:
    code, found = doctor({**secured.environ, "GENESYS_ENV": "eu-central-1"})

    assert code == 2
    assert "sandbox answered in place of https://api.mypurecloud.de" in found["connection"]["message"]
    assert "Unset HTTPS_PROXY" in found["connection"]["hint"]


def test_a_file_of_certificates_that_is_not_there_is_named(doctor: Doctor, secured: Sandbox) -> None:
    code, found = doctor({**secured.environ, "SSL_CERT_FILE": "missing.pem"})

    assert code == 2
    assert "certificates of this machine cannot be used" in found["connection"]["message"]
    assert "SSL_CERT_FILE" in found["connection"]["hint"]


def test_a_missing_permission_ends_with_3(doctor: Doctor) -> None:
    nobody = SandboxClient("someone", "secret", permissions=frozenset())
    with server(conversations=[], clients=[nobody]) as running:
        code, found = doctor(running.environ)

    assert code == 3
    assert found["conversations"]["state"] == "wrong"
    assert found["conversations"]["correlationId"]


def test_people_get_a_line_for_each_finding(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--sandbox"]) == 0
    lines = capfd.readouterr().out.splitlines()

    assert lines[0].startswith("ok       region: http://127.0.0.1:")
    assert lines[-1] == "Everything is as it should be."


def test_a_hint_stands_under_its_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    assert run(["doctor"]) == 3
    assert capfd.readouterr().out.splitlines()[1].startswith("         hint: Set them to use your org")
