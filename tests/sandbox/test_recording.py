import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zstandard
from made import MONDAY, Clock, conversation, ids, spread

from everycall.sandbox import QUERY, Faults, Sandbox, server
from everycall.sandbox.recording import load, recorder
from everycall.sandbox.replaying import Replay, replay

LOGIN = "/oauth/token"
USERS = "/api/v2/users?pageSize=25&pageNumber=1"


def page(number: int) -> dict[str, Any]:
    return {"interval": MONDAY, "paging": {"pageSize": 100, "pageNumber": number}}


Heard = list[tuple[int, bytes, dict[str, str]]]


def asked(url: str, sandbox: Sandbox, spaced: bool = False) -> Heard:
    """(status, body, headers) of the same requests, whoever answers them."""
    heard = []
    with httpx2.Client(base_url=url) as http:

        def keep(answer: httpx2.Response) -> httpx2.Response:
            headers = {k: v for k, v in answer.headers.items() if k.startswith("inin-") or k == "content-type"}
            heard.append((answer.status_code, answer.content, headers))
            return answer

        login = http.post(
            LOGIN, auth=(sandbox.client_id, sandbox.client_secret), data={"grant_type": "client_credentials"}
        )
        http.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        for number in (1, 2, 3, 1):
            text = json.dumps(page(number), indent=1 if spaced else None)
            keep(http.post(QUERY, content=text, headers={"Content-Type": "application/json"}))
        keep(http.get(USERS))
        keep(http.get("/api/v2/users", params={"id": "a b,c"}))
        keep(http.post(QUERY, json={"interval": "nonsense"}))
        keep(http.get("/api/v2/nothing"))
    return heard


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    faults = Faults()
    faults.on(2, "429", path=QUERY, retry_after_s=7)
    with server(conversations=spread(150), now=Clock(), faults=faults) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def recording(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard]:
    """A recording of some requests, and the answers that the client got."""
    path = tmp_path_factory.mktemp("recorded") / "recording.jsonl"
    with recorder(path, sandbox.url, sandbox.url, now=Clock()) as between:
        return path, asked(between.url, sandbox)


def test_a_recorded_session_replays_exactly(sandbox: Sandbox, recording: tuple[Path, Heard]) -> None:
    path, heard = recording

    with replay(path) as player:
        again = asked(player.url, sandbox)

    assert [status for status, _, _ in heard] == [200, 429, 200, 200, 200, 200, 400, 404]
    assert again == heard


def test_what_passes_a_recorder_is_what_the_org_says(sandbox: Sandbox, recording: tuple[Path, Heard]) -> None:
    _, heard = recording

    assert json.loads(heard[0][1])["conversations"] == sandbox.store.conversations(MONDAY)[:100]
    assert heard[1][2]["content-type"] == "application/json"
    assert (("id", "a b,c"),) in [served.parameters for served in sandbox.requests]


def test_a_recording_holds_no_secret_and_no_token(sandbox: Sandbox, recording: tuple[Path, Heard]) -> None:
    text = recording[0].read_text()

    assert sandbox.client_secret not in text
    assert all(token not in text for token in sandbox.tokens._in_force)
    assert "uthorization" not in text


def test_a_secret_in_a_form_or_a_token_in_an_address_is_not_written(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    with recorder(path, sandbox.url, sandbox.url) as between:
        form = {"client_secret": "whisper", "grant_type": "client_credentials"}
        httpx2.post(between.url + LOGIN, data=form)
        httpx2.get(between.url + "/api/v2/users?access_token=whisper")

    assert "whisper" not in path.read_text()
    assert "grant_type=client_credentials" in path.read_text()


def test_only_the_owner_may_read_a_recording(recording: tuple[Path, Heard]) -> None:
    assert recording[0].stat().st_mode & 0o077 == 0


def test_json_may_be_spaced_otherwise_when_it_is_replayed(sandbox: Sandbox, recording: tuple[Path, Heard]) -> None:
    path, heard = recording

    with replay(path) as player:
        assert asked(player.url, sandbox, spaced=True) == heard


def test_a_request_that_was_not_recorded_is_refused(recording: tuple[Path, Heard]) -> None:
    with replay(recording[0]) as player:
        answer = httpx2.get(player.url + "/api/v2/users?pageSize=26")

    assert answer.status_code == 501
    assert answer.json()["message"].startswith("The recording holds no GET /api/v2/users?pageSize=26. ")


def test_a_broken_connection_is_recorded_and_breaks_again(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    sandbox.faults.on(1, "reset")
    with recorder(path, sandbox.url, sandbox.url) as between, pytest.raises(httpx2.ReadError):
        httpx2.get(between.url + USERS)

    with replay(path) as player, pytest.raises(httpx2.ReadError):
        httpx2.get(player.url + USERS)


def test_a_recording_goes_on_where_it_ended(sandbox: Sandbox, recording: tuple[Path, Heard], tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(recording[0].read_bytes())

    with recorder(path, sandbox.url, sandbox.url) as between:
        httpx2.get(between.url + USERS)

    assert path.read_bytes().startswith(recording[0].read_bytes())
    assert path.read_bytes().count(b"\n") == recording[0].read_bytes().count(b"\n") + 1


def test_a_recording_is_a_world_of_its_own(sandbox: Sandbox, recording: tuple[Path, Heard]) -> None:
    world = load(recording[0])

    with server(world, now=Clock()) as served:
        assert served.store.conversations(MONDAY) == sandbox.store.conversations(MONDAY)[:100]


def test_the_listings_of_a_recording_are_served(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    with (
        server(conversations_per_day=50) as sandbox,
        recorder(path, sandbox.url, sandbox.url) as between,
        httpx2.Client(base_url=between.url) as http,
    ):
        login = {"grant_type": "client_credentials"}
        answer = http.post(LOGIN, auth=(sandbox.client_id, sandbox.client_secret), data=login)
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        users = http.get(USERS).json()["entities"]

    assert users
    assert load(path).entities("users") == users


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def served_ids(path: Path) -> list[int]:
    return ids(Sandbox(load(path), now=Clock()).store.conversations(MONDAY))


def test_a_line_is_a_conversation_or_a_page(tmp_path: Path) -> None:
    one, two, three = spread(3)
    path = written(tmp_path / "raw.jsonl", one, {"conversations": [two, three], "totalHits": 3}, {})

    assert served_ids(path) == [1, 2, 3]


def test_a_gzip_file_is_unzipped_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_bytes(gzip.compress(json.dumps(conversation(7)).encode()))

    assert served_ids(path) == [7]


def test_a_conversation_counts_as_it_came_last(tmp_path: Path) -> None:
    path = written(tmp_path / "raw.jsonl", conversation(1, seconds=None), conversation(1, seconds=60))

    assert "conversationEnd" in load(path).conversation(load(path).day(20458)[0], 0)


def test_queues_have_the_name_that_stands_on_their_legs(tmp_path: Path) -> None:
    leg = {"purpose": "acd", "participantName": "Billing"}
    segment = {"segmentStart": "2026-01-05T09:00:00.000Z", "queueId": "q1"}
    path = written(tmp_path / "raw.jsonl", conversation(1, participant=leg, segments=[segment]))

    assert load(path).entities("queues") == [{"id": "q1", "name": "Billing"}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"hello": 1}', "line 2 of .*raw.jsonl is no conversation, no page of them"),
        ("[1]", "line 2 of .* is no conversation"),
        ('{"conversations"', "line 2 of .* is not JSON"),
        ('{"conversations": [{"conversationStart": "x"}]}', "line 2 of .* without an id"),
        ('{"conversationId": "c", "conversationStart": "yesterday"}', "'yesterday' is not an ISO 8601 instant"),
    ],
)
def test_a_line_that_cannot_be_served_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text(json.dumps(conversation(1)) + "\n" + line + "\n")

    with pytest.raises(ValueError, match=message):
        load(path)


def test_a_gzip_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(spread(50)).encode())[:-20])

    with pytest.raises(ValueError, match=r"is not JSON .*end-of-stream"):
        load(path)


def test_a_raw_export_is_no_recording(tmp_path: Path) -> None:
    path = written(tmp_path / "raw.jsonl", conversation(1))

    with pytest.raises(ValueError, match=r"line 1 of .* is no exchange of a recording; --load reads other lines"):
        Replay(path)
    with pytest.raises(ValueError, match="holds no exchange"):
        Replay(written(tmp_path / "empty.jsonl"))


def test_a_zstd_file_with_several_frames_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl.zst"
    frames = [zstandard.compress(json.dumps(conversation(number)).encode() + b"\n") for number in (7, 8)]
    path.write_bytes(b"".join(frames))

    assert served_ids(path) == [7, 8]


def test_a_zstd_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl.zst"
    path.write_bytes(zstandard.compress(json.dumps(spread(50)).encode())[:-20])

    with pytest.raises(ValueError, match="cut short"):
        load(path)


def test_names_beside_an_archive_are_served(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text(json.dumps(conversation(7)))
    path.with_name("raw.jsonl.names.jsonl").write_text('{"kind": "user", "id": "u", "name": "Ann"}\n')

    assert load(path).entities("users") == [{"id": "u", "name": "Ann"}]
