import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from everycall.cli.options import Serving
from everycall.cli.serving import lines_to_paste, responder, serve
from everycall.errors import SettingsError
from everycall.sandbox import QUERY, Sandbox, server

DAY = "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"
ONE: dict[str, Any] = {
    "conversationId": "00000000-0000-4000-8000-000000000001",
    "conversationStart": "2026-01-05T09:00:00.000Z",
    "conversationEnd": "2026-01-05T09:05:00.000Z",
}


def served(**words: Any) -> Any:
    """What answers while the block runs."""
    return responder(Serving(port=0, **words), None)


def refused(env: str | None = None, **words: Any) -> str:
    """The message where it cannot be served."""
    with pytest.raises(SettingsError) as refusal:
        serve(Serving(**{"port": 0, **words}), env)
    return f"{refusal.value} {refusal.value.hint}"


def asked(sandbox: Sandbox, body: dict[str, Any]) -> httpx2.Response:
    """The answer to a details query."""
    with httpx2.Client(base_url=sandbox.url) as http:
        login = {"grant_type": "client_credentials"}
        token = http.post("/oauth/token", auth=(sandbox.client_id, sandbox.client_secret), data=login).json()
        return http.post(QUERY, json=body, headers={"Authorization": f"Bearer {token['access_token']}"})


def test_a_clock_begins_at_an_instant_and_stands_still() -> None:
    with served(now="2026-03-03T16:20:11Z", speed=0.0) as sandbox:
        assert sandbox.now_s == 1772554811


def test_switches_are_set() -> None:
    with served(switch=("empty_answer=empty list",)) as sandbox:
        answer = asked(sandbox, {"interval": DAY, "paging": {"pageNumber": 1000}})

        assert answer.json()["conversations"] == []


def test_faults_are_armed() -> None:
    with served(fault=("on query 1: 429 retry_after=7",)) as sandbox:
        answer = asked(sandbox, {"interval": DAY})

        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
        assert asked(sandbox, {"interval": DAY}).status_code == 200


def test_a_raw_export_is_served(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text(json.dumps(ONE))

    with served(load=path) as sandbox:
        assert asked(sandbox, {"interval": DAY}).json() == {"conversations": [ONE], "totalHits": 1}


def test_an_org_is_recorded_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    with server(conversations=[ONE]) as org, responder(Serving(port=0, record=str(path)), org.url) as recorder:
        org.url, there = recorder.url, org.url
        heard = asked(org, {"interval": DAY})
        org.url = there

    with served(replay=path) as player:
        org.url = player.url
        assert asked(org, {"interval": DAY}).content == heard.content


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"switch": ("nonsense=1",)}, "'nonsense=1' sets no switch; write NAME=VALUE"),
        ({"fault": ("on request 7: hiccup",)}, "'hiccup' is no kind of fault"),
        ({"now": "tomorrow"}, "'tomorrow' is not an ISO 8601 instant"),
        ({"speed": -1.0}, "a clock cannot run at the speed -1.0"),
        ({"host": "no.such.host.invalid"}, "'no.such.host.invalid' is no address of this machine"),
        ({"load": "/nowhere.jsonl"}, "/nowhere.jsonl"),
        ({"replay": "/nowhere.jsonl"}, "/nowhere.jsonl"),
        ({"record": "/nowhere.jsonl"}, "GENESYS_ENV is not set"),
        ({"record": "a", "load": "b"}, "--load and --record exclude each other."),
        ({"port": 65_536}, "port 65536 does not exist: a port is a number from 0 to 65535"),
        ({"port": 99_999}, "port 99999 does not exist"),
        ({"port": -1}, "port -1 does not exist"),
        ({"certificates": "/dev/null/folder"}, "/dev/null: File exists"),
    ],
)
def test_options_that_cannot_be_served_are_refused_with_the_reason(words: dict[str, Any], message: str) -> None:
    assert message in refused(**words)


def test_a_port_in_use_is_named_once_and_without_the_systems_number() -> None:
    with server(conversations=[]) as other:
        port = int(other.url.rpartition(":")[2])
        message = refused(port=port)

    assert message.startswith(f"port {port} of 127.0.0.1 cannot be used (")
    assert message.strip().endswith("; choose another one, or 0 for a free one")
    assert message.count("choose") == 1


def test_without_its_library_tls_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.delitem(sys.modules, "everycall.sandbox.certificates", raising=False)

    assert "Install it: pip install 'everycall[tls]'" in refused(tls=True)


def test_tls_keeps_its_certificates_in_the_folder_that_is_named(tmp_path: Path) -> None:
    with served(tls=True, certificates=str(tmp_path / "here")) as sandbox:
        assert sandbox.environ["SSL_CERT_FILE"] == str(tmp_path / "here" / "authority.pem")
        assert sandbox.url.startswith("https://")


HARD = {"PLAIN": "http://127.0.0.1:8080", "HARD": "/home/o'neil and $HOME/`x`/50% \\"}


def test_what_is_printed_for_posix_shells_sets_the_variables() -> None:
    script = "\n".join((*lines_to_paste(HARD)["sh, bash, zsh"], 'printf "%s\n" "$PLAIN" "$HARD"'))

    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == list(HARD.values())


def test_what_is_printed_for_powershell_and_cmd_is_quoted_as_they_want_it() -> None:
    lines = lines_to_paste({"NAME": "C:\\Users\\O'Neil & co\\authority.pem"})

    assert lines["PowerShell"] == ["$env:NAME = 'C:\\Users\\O''Neil & co\\authority.pem'"]
    assert lines["cmd"] == ['set "NAME=C:\\Users\\O\'Neil & co\\authority.pem"']


def started(*arguments: str, **environ: str) -> "subprocess.Popen[str]":
    """The command, serving a small contact centre."""
    command = [sys.executable, "-c", "from everycall.cli import main; main()", "sandbox", "--port", "0", *arguments]
    return subprocess.Popen(
        [*command, "--conversations-per-day", "50"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
    )


def printed(process: "subprocess.Popen[str]", lines: int) -> dict[str, str]:
    """The variables on standard output."""
    assert process.stdout is not None
    return dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(lines))


def test_the_sandbox_command_prints_its_variables_and_serves() -> None:
    with started() as process:
        variables = printed(process, 3)
        page = httpx2.get(variables["GENESYS_ENV"])
        process.terminate()
        assert process.stderr is not None
        others = process.stderr.read()

    assert list(variables) == ["GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV"]
    assert page.status_code == 200
    assert f"$env:GENESYS_ENV = '{variables['GENESYS_ENV']}'\n" in others
    assert f'set "GENESYS_ENV={variables["GENESYS_ENV"]}"\n' in others


def test_an_export_that_names_a_region_refuses_invented_data(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from everycall.cli import main; main()"]
    export = [*program, "export", "--interval", "2026-01-05T14:00Z/PT1H", "-o", str(tmp_path / "out.csv")]
    with started("--tls", XDG_DATA_HOME=str(tmp_path)) as process:
        environ = os.environ | printed(process, 8)
        refused = subprocess.run(
            export, env=environ | {"GENESYS_ENV": "eu-central-1"}, capture_output=True, text=True, check=False
        )
        taken = subprocess.run(export, env=environ, capture_output=True, text=True, check=False)
        process.terminate()

    assert refused.returncode == 2
    assert "everycall's sandbox answered in place of https://api.mypurecloud.de, with invented data." in refused.stderr
    assert "Unset HTTPS_PROXY" in refused.stderr
    assert taken.returncode == 0
