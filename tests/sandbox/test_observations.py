from typing import Any

import pytest
from made import Caller, Clock, caller

from everycall.sandbox import Sandbox

URL = "/api/v2/analytics/queues/observations/query"
NOW = "2026-01-05T16:00:00Z"
EVERY = {"type": "and", "predicates": [{"dimension": "queueId", "operator": "exists"}]}


@pytest.fixture(scope="module")
def client() -> Caller:
    """A client of a very busy afternoon."""
    return Caller(Sandbox(conversations_per_day=3000, now=Clock(NOW)))


def ask(client: Caller, metrics: list[str], **body: Any) -> list[Any]:
    status, _, content = client.post(URL, {"filter": EVERY, "metrics": metrics, **body})
    assert status == 200, content
    results: list[Any] = content["results"]
    return results


def total(results: list[Any], name: str) -> int:
    return sum(entry["stats"]["count"] for result in results for entry in result["data"] if entry["metric"] == name)


def open_sessions(client: Caller, purpose: str, *kinds: str) -> int:
    """How many sessions of the conversations that live now have an open last segment of a kind, in a queue."""
    store, found = client.sandbox.store, 0
    queue_ids = {entity["id"] for entity in client.get("/api/v2/routing/queues?pageSize=100")[2]["entities"]}
    for day in range(store.now_ms // 86_400_000 - 31, store.now_ms // 86_400_000 + 1):
        for sketch in store.world.day(day):  # type: ignore[attr-defined]
            if not sketch.start_ms <= store.now_ms < sketch.end_ms:
                continue
            for participant in store.world.conversation(sketch, store.now_ms)["participants"]:
                for session in participant["sessions"]:
                    last = max(session["segments"], key=lambda segment: str(segment["segmentStart"]))
                    has_queue = any(segment.get("queueId") in queue_ids for segment in session["segments"])
                    is_open = "segmentEnd" not in last and last["segmentType"] in kinds and has_queue
                    found += is_open and participant["purpose"] == purpose
    return found


def test_those_who_wait_and_talk_are_those_of_the_conversations_that_live_now(client: Caller) -> None:
    results = ask(client, ["oWaiting", "oInteracting"])

    assert total(results, "oWaiting") == open_sessions(client, "acd", "delay", "interact") > 0
    assert total(results, "oInteracting") == open_sessions(client, "agent", "interact", "hold") > 0


def test_a_queue_has_a_group_for_its_users_and_one_for_each_medium(client: Caller) -> None:
    queue_id = client.get("/api/v2/routing/queues?name=Billing")[2]["entities"][0]["id"]
    one_queue = {"type": "or", "predicates": [{"dimension": "queueId", "value": queue_id}]}

    results = ask(client, ["oWaiting", "oMemberUsers"], filter=one_queue)

    assert [result["group"] for result in results] == [
        {"queueId": queue_id},
        *({"mediaType": name, "queueId": queue_id} for name in ("callback", "chat", "email", "message", "voice")),
    ]
    assert all(len(result["data"]) == 1 for result in results)


def test_a_filter_by_medium_leaves_the_users_out(client: Caller) -> None:
    voice = {"type": "and", "predicates": [{"dimension": "mediaType", "value": "voice"}]}

    results = ask(client, [], filter=voice)

    assert {result["group"]["mediaType"] for result in results} == {"voice"}


def test_details_name_the_conversations_oldest_first(client: Caller) -> None:
    results = ask(client, ["oInteracting"], detailMetrics=["oInteracting"])
    (busiest, *_) = sorted(
        (entry for result in results for entry in result["data"]), key=lambda entry: -int(entry["stats"]["count"])
    )
    dates = [observation["observationDate"] for observation in busiest["observations"]]

    assert len(dates) == busiest["stats"]["count"] > 1
    assert dates == sorted(dates)
    assert client.get(f"/api/v2/conversations/{busiest['observations'][0]['conversationId']}")[0] == 200


def test_idle_and_interacting_users_are_those_who_joined(client: Caller) -> None:
    for result in ask(client, ["oActiveUsers", "oOnQueueUsers"]):
        counts = [entry["stats"]["count"] for entry in result["data"]]

        assert counts[0] == counts[1] + counts[2]


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"filter": EVERY, "metrics": ["oNonsense"]}, 400), ({"filter": [], "metrics": []}, 400),
     ({"filter": {"type": "and", "predicates": [{"dimension": "userId", "value": "u"}]}}, 400)],
)  # fmt: skip
def test_what_the_api_does_not_know_is_refused(body: dict[str, Any], status: int) -> None:
    assert caller([]).post(URL, body)[0] == status
