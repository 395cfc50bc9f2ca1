"""What users did never contradicts the conversations that they had."""

from typing import Any

import pytest
from made import MONDAY, Caller, Clock, caller, conversation

from everycall.sandbox import Sandbox

URL = "/api/v2/analytics/users/details/query"


def ask(client: Caller, interval: str = MONDAY, **body: Any) -> Any:
    status, _, content = client.post(URL, {"interval": interval, **body})
    assert status == 200, content
    return content


def handling(number: int, start: str, end: str, user: str = "u", kind: str = "interact") -> dict[str, Any]:
    """A conversation of one user with one segment."""
    segments = [{"segmentStart": start, "segmentEnd": end, "segmentType": kind}]
    return conversation(number, start, 3600, segments=segments, participant={"userId": user})


def records(content: Any, name: str, key: str) -> list[tuple[str, str, str]]:
    """(value, start, end) of the first user's records; times of day only."""
    found = content["userDetails"][0][name]
    return [(entry[key], entry["startTime"][11:16], entry.get("endTime", "")[11:16]) for entry in found]


def test_a_user_is_on_queue_around_the_conversations_and_interacting_in_them() -> None:
    content = ask(caller([handling(1, "2026-01-05T09:00:00.000Z", "2026-01-05T09:10:00.000Z")]))

    assert content["totalHits"] == 1
    assert records(content, "primaryPresence", "systemPresence") == [
        ("OFFLINE", "00:00", "08:45"),
        ("ON_QUEUE", "08:45", "09:25"),
        ("OFFLINE", "09:25", "00:00"),
    ]
    assert records(content, "routingStatus", "routingStatus") == [
        ("OFF_QUEUE", "00:00", "08:45"),
        ("IDLE", "08:45", "09:00"),
        ("INTERACTING", "09:00", "09:10"),
        ("IDLE", "09:10", "09:25"),
        ("OFF_QUEUE", "09:25", "00:00"),
    ]


def test_after_an_alert_that_nobody_answered_a_user_is_not_responding() -> None:
    content = ask(caller([handling(1, "2026-01-05T09:00:00.000Z", "2026-01-05T09:01:00.000Z", kind="alert")]))

    assert ("NOT_RESPONDING", "09:01", "09:02") in records(content, "routingStatus", "routingStatus")


def test_what_goes_on_has_no_end() -> None:
    client = caller(
        [handling(1, "2026-01-05T09:00:00.000Z", "2026-01-05T09:10:00.000Z")], Clock("2026-01-05T09:05:00Z")
    )

    assert records(ask(client), "routingStatus", "routingStatus")[-1] == ("INTERACTING", "09:00", "")


def test_records_follow_each_other_without_a_gap_and_cover_every_conversation() -> None:
    client = Caller(Sandbox(conversations_per_day=200, now=Clock()))
    details = {detail["userId"]: detail for detail in ask(client, paging={"pageSize": 100})["userDetails"]}
    busy = 0
    for held in client.sandbox.store.conversations(MONDAY):
        for participant in held["participants"]:
            for segment in (part for each in participant["sessions"] for part in each["segments"]):
                if "userId" not in participant or segment["segmentType"] not in {"interact", "hold"}:
                    continue
                busy += 1
                for found in details[participant["userId"]]["routingStatus"]:
                    if found["startTime"] <= segment["segmentStart"] < found["endTime"] < "2026-01-06":
                        assert (
                            found["routingStatus"] == "INTERACTING" or segment["segmentStart"] == segment["segmentEnd"]
                        )

    assert busy > 50
    for entry in details.values():
        for name in ("primaryPresence", "routingStatus"):
            assert [each["endTime"] for each in entry[name]][:-1] == [each["startTime"] for each in entry[name]][1:]


def test_users_come_in_pages_and_by_id() -> None:
    handled = [handling(n, "2026-01-05T09:00:00.000Z", "2026-01-05T09:10:00.000Z", user=f"u{n}") for n in (2, 3, 1)]
    client = caller(handled)

    first, second, third = (ask(client, paging={"pageSize": 2, "pageNumber": number}) for number in (1, 2, 3))

    assert [detail["userId"] for page in (first, second) for detail in page["userDetails"]] == ["u1", "u2", "u3"]
    assert third == {"totalHits": 3}


def test_filters_choose_users_and_records() -> None:
    handled = [handling(n, "2026-01-05T09:00:00.000Z", "2026-01-05T09:10:00.000Z", user=f"u{n}") for n in (1, 2)]
    user = [{"type": "or", "predicates": [{"type": "dimension", "dimension": "userId", "value": "u2"}]}]
    status = [
        {"type": "or", "predicates": [{"type": "dimension", "dimension": "routingStatus", "value": "INTERACTING"}]}
    ]

    content = ask(caller(handled), userFilters=user, routingStatusFilters=status)

    assert [detail["userId"] for detail in content["userDetails"]] == ["u2"]
    assert records(content, "routingStatus", "routingStatus") == [("INTERACTING", "09:00", "09:10")]


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "bad.request"), ({"interval": "2026-01-01T00:00:00Z/2026-01-20T00:00:00Z"}, "bad.request"),
     ({"interval": MONDAY, "nonsense": 1}, "invalid.property"),
     ({"interval": MONDAY, "presenceAggregations": [{"type": "termFrequency"}]}, "bad.request")],
)  # fmt: skip
def test_what_the_api_does_not_know_is_refused(body: dict[str, Any], code: str) -> None:
    status, _, content = caller([]).post(URL, body)

    assert (status, content["code"]) == (400, code)
