from typing import Any

from made import Caller, Clock, caller, conversation

from everycall.sandbox import Recorded, Sandbox

LIVE = "/api/v2/conversations"
START, LATER, END = (f"2026-01-05T09:{minute}:00.000Z" for minute in ("00", "01", "05"))


def live(segments: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """The live object of a conversation of one participant."""
    participant = {"userId": "u", "attributes": {"a": "1"}}
    made = conversation(
        1, START, segments=segments, participant=participant, session={"direction": "inbound"}, **fields
    )
    entities = {"queues": [{"id": "q", "name": "Queue"}], "wrapupcodes": [{"id": "c", "name": "Code"}]}
    content: dict[str, Any] = Caller(Sandbox(Recorded([made], entities), now=Clock())).get(
        f"{LIVE}/{made['conversationId']}"
    )[2]
    return content


def test_a_conversation_has_its_times_its_participants_and_their_attributes() -> None:
    segments = [
        {"queueId": "q", "segmentStart": START, "segmentEnd": LATER, "segmentType": "alert"},
        {"queueId": "q", "segmentStart": LATER, "segmentEnd": END, "segmentType": "interact", "disconnectType": "peer"},
    ]

    content = live(segments, divisionIds=["d"])

    assert (content["startTime"], content["endTime"]) == (START, END)
    assert content["divisions"] == [{"division": {"id": "d"}}]
    (participant,) = content["participants"]
    assert participant["attributes"] == {"a": "1"}
    assert (participant["queueId"], participant["queueName"], participant["userId"]) == ("q", "Queue", "u")
    assert participant["calls"] == [
        {"state": "disconnected", "id": "s1", "direction": "inbound", "held": False, "startAlertingTime": START,
         "connectedTime": LATER, "disconnectedTime": END, "disconnectType": "peer"}
    ]  # fmt: skip


def test_a_leg_that_is_on_hold_is_connected_and_held() -> None:
    content = live([{"segmentStart": START, "segmentType": "hold"}])

    call = content["participants"][0]["calls"][0]
    assert (call["state"], call["held"]) == ("connected", True)
    assert "endTime" not in content["participants"][0]


def test_a_wrap_up_has_its_code_its_name_and_its_length() -> None:
    segments = [
        {"segmentStart": START, "segmentEnd": LATER, "segmentType": "wrapup", "wrapUpCode": "c", "wrapUpNote": "n"}
    ]

    assert live(segments)["participants"][0]["wrapup"] == {
        "code": "c", "name": "Code", "notes": "n", "durationSeconds": 60, "endTime": LATER,
    }  # fmt: skip


def test_an_unknown_conversation_is_a_404() -> None:
    assert caller([]).get(f"{LIVE}/00000000-0000-4000-8000-000000000001")[0] == 404
