import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import Clock

from everycall import Client, Credentials, Interval, Query, errors, export
from everycall.sandbox import QUERY, Request, Sandbox, server
from everycall.sandbox.recording import recorder
from everycall.sandbox.replaying import LookUp, Replay, replay

USERS = "/api/v2/users"
PEOPLE = [f"u{number}" for number in range(9)]


def user(user_id: str) -> dict[str, str]:
    return {"id": user_id, "name": user_id.upper()}


def exchange(target: str, body: Any, *, method: str = "GET", status: int = 200, sent: str = "") -> dict[str, Any]:
    """A line of a recording."""
    return {
        "at": "2026-01-05T09:00:00.000Z",
        "method": method,
        "target": target,
        "status": status,
        "sent": sent,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body),
    }


def batch(ids: Sequence[str], absent: Sequence[str] = (), *, path: str = f"{USERS}?state=any") -> dict[str, Any]:
    """A recorded look-up that found these ids, and not those that are absent."""
    entities = [user(entity_id) for entity_id in ids]
    page = {"pageSize": 100, "pageNumber": 1, "total": len(ids), "pageCount": 1, "selfUri": "/other"}
    target = f"{path}&pageSize=100&pageNumber=1&id={','.join([*ids, *absent])}"
    return exchange(target.replace(",", "%2C"), {"entities": entities, **page})


def player(folder: Path, *exchanges: dict[str, Any]) -> Replay:
    path = folder / "recording.jsonl"
    path.write_text("".join(json.dumps(exchange) + "\n" for exchange in exchanges))
    return Replay(path)


def asked(replay: Replay, target: str, *, method: str = "GET", sent: Any = None) -> tuple[int, dict[str, Any]]:
    """(status, body) of an answer."""
    body = b"" if sent is None else json.dumps(sent).encode()
    wire = replay.respond(Request.of(method, target, {}, body))
    return wire.status, json.loads(wire.body)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Nine users in three batches, and an id that nobody has."""
    batches = batch(PEOPLE[:4]), batch(PEOPLE[4:8], ["nobody"]), batch(PEOPLE[8:])
    return player(tmp_path_factory.mktemp("recorded"), *batches)


@given(st.permutations([*PEOPLE, "nobody"]), st.integers(1, 9))
def test_ids_are_found_whatever_the_batches(recorded: Replay, ids: list[str], size: int) -> None:
    found = []
    for at in range(0, len(ids), size):
        status, body = asked(recorded, f"{USERS}?id={','.join(ids[at : at + size])}&pageSize=100&state=any")
        assert status == 200
        assert (body["total"], body["pageCount"]) == (len(body["entities"]), min(1, len(body["entities"])))
        found += body["entities"]

    assert found == [user(entity_id) for entity_id in ids if entity_id != "nobody"]


@given(st.integers(1, 10))
def test_a_look_up_has_pages_where_it_asks_for_smaller_ones(recorded: Replay, page_size: int) -> None:
    found, target = [], f"{USERS}?id={','.join(PEOPLE)}&pageSize={page_size}&pageNumber=1&state=any"
    while target:
        _, body = asked(recorded, target)
        assert len(body["entities"]) <= page_size
        found += body["entities"]
        target = body.get("nextUri", "")

    assert found == [user(user_id) for user_id in PEOPLE]


def test_ids_may_be_repeated_parameters(recorded: Replay) -> None:
    assert asked(recorded, f"{USERS}?id=u1&id=u8&state=any")[1]["entities"] == [user("u1"), user("u8")]


def test_a_batch_that_was_asked_just_so_is_answered_byte_by_byte(tmp_path: Path) -> None:
    line = batch(["u1", "u2"])

    assert asked(player(tmp_path, line), line["target"])[1] == json.loads(line["body"])


def test_conversations_are_looked_up_by_their_ids_too(tmp_path: Path) -> None:
    path = "/api/v2/analytics/conversations/details"
    found = [{"conversationId": conversation_id} for conversation_id in ("a", "b", "c")]
    replay = player(tmp_path, exchange(f"{path}?id=a,b,c", {"conversations": found}))

    assert asked(replay, f"{path}?id=c&id=a") == (200, {"conversations": [found[2], found[0]]})


def test_a_look_up_with_another_parameter_is_another_one(recorded: Replay) -> None:
    assert asked(recorded, f"{USERS}?id=u1,u8&state=deleted")[0] == 501


def test_a_look_up_that_was_forbidden_is_forbidden_in_other_batches(tmp_path: Path) -> None:
    replay = player(tmp_path, exchange(f"{USERS}?id=u1", {"code": "not.authorized"}, status=403))

    assert asked(replay, f"{USERS}?id=u2,u1") == (403, {"code": "not.authorized"})


def test_an_id_that_may_stand_on_a_page_that_was_not_recorded_is_not_taken_for_absent(tmp_path: Path) -> None:
    page = {"entities": [user("u1")], "pageSize": 1, "pageNumber": 1, "total": 2, "pageCount": 2}
    replay = player(tmp_path, exchange(f"{USERS}?id=u1,u2&pageSize=1", page))

    assert asked(replay, f"{USERS}?id=u1")[0] == 200
    assert asked(replay, f"{USERS}?id=u2")[0] == 501


@pytest.mark.parametrize("target", [f"{USERS}?id=", f"{USERS}?id=a&pageSize=x", f"{USERS}?id=a&pageNumber=0", USERS])
def test_other_requests_are_no_look_ups_by_ids(target: str) -> None:
    assert LookUp.of("GET", target) is None
    assert LookUp.of("POST", f"{USERS}?id=a") is None


def test_a_miss_names_the_ids_that_were_not_recorded(recorded: Replay) -> None:
    status, body = asked(recorded, f"{USERS}?id=u1,v1,v2,v3,v4,v5&state=any")

    assert status == 501
    assert body["message"] == (
        "The recording holds no look-up of v1, v2, v3 and 2 more by GET /api/v2/users?state=any. "
        "It holds 10 other ids of it."
    )


def test_a_miss_names_the_nearest_request_of_the_same_path(tmp_path: Path) -> None:
    lines = [exchange(QUERY, {}, method="POST", sent=json.dumps({"interval": day})) for day in ("2026-01", "1999-12")]

    _, body = asked(player(tmp_path, *lines), QUERY, method="POST", sent={"interval": "2026-02"})

    assert body["message"] == (
        f'The recording holds no POST {QUERY} with the body {{"interval":"2026-02"}}. '
        f'Of POST {QUERY} it holds 2; the nearest is POST {QUERY} with the body {{"interval":"2026-01"}}.'
    )


def test_a_miss_lists_what_there_is_where_the_path_was_never_asked(recorded: Replay) -> None:
    _, body = asked(recorded, "/api/v2/teams?pageSize=5")

    assert body["message"] == "The recording holds no GET /api/v2/teams?pageSize=5. It holds 3 GET /api/v2/users."


def test_a_body_that_is_long_is_cut_in_a_miss(recorded: Replay) -> None:
    _, body = asked(recorded, QUERY, method="POST", sent={"ids": ["x" * 1000]})

    assert len(body["message"]) < 500
    assert "xxx... It" not in body["message"]
    assert "xxx.... It holds" in body["message"]


@pytest.fixture(scope="module")
def own_export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sandbox, str]:
    """The recording of an export of our own with two windows, its org, and the rows."""
    folder = tmp_path_factory.mktemp("own")
    with (
        server(conversations_per_day=2000, now=Clock()) as sandbox,
        recorder(folder / "recording.jsonl", sandbox.url, sandbox.url) as between,
    ):
        rows = exported(sandbox, between.url, folder / "recorded.csv", "2026-01-02/P3D")
    return folder / "recording.jsonl", sandbox, rows


def exported(sandbox: Sandbox, url: str, path: Path, interval: str) -> str:
    """The rows of an export."""
    credentials = Credentials(sandbox.client_id, sandbox.client_secret, url)
    with Client(credentials) as client:
        export(client, Query(Interval.parse(interval, now=client.clock.utc())), str(path))
    return path.read_text()


@pytest.mark.parametrize("turn", range(3))
def test_an_export_of_our_own_is_replayed(own_export: tuple[Path, Sandbox, str], tmp_path: Path, turn: int) -> None:
    recording, sandbox, rows = own_export

    with replay(recording) as player:
        assert exported(sandbox, player.url, tmp_path / "again.csv", "2026-01-02/P3D") == rows


def test_a_miss_reaches_the_reader_through_the_client(own_export: tuple[Path, Sandbox, str], tmp_path: Path) -> None:
    recording, sandbox, _ = own_export

    with replay(recording) as player, pytest.raises(errors.ServiceFailed) as failed:
        exported(sandbox, player.url, tmp_path / "other.csv", "2025-12-24/P1D")

    assert f"501, and a retry would not help: The recording holds no POST {QUERY} with the body" in str(failed.value)
    assert "2025-12-24" in str(failed.value)
    assert "; the nearest is POST" in str(failed.value)
