from typing import Any
from urllib.parse import urlsplit

import pytest
from made import Caller, Clock, caller, conversation

from everycall.sandbox import Client, Recorded, Sandbox, Switches

QUEUES = "/api/v2/routing/queues"
SEARCH = "/api/v2/users/search"


@pytest.fixture(scope="module")
def client() -> Caller:
    return Caller(Sandbox(conversations_per_day=300, now=Clock()))


def queue_of(client: Caller) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{QUEUES}?name=Billing")[2]["entities"][0]
    return found


def members(client: Caller, queue_id: str, **asked: str) -> list[dict[str, Any]]:
    """All members of a queue, page by page."""
    query = "".join(f"&{name}={value}" for name, value in asked.items())
    target, found = f"{QUEUES}/{queue_id}/members?pageSize=7{query}", list[dict[str, Any]]()
    while target:
        content = client.get(target)[2]
        found += content["entities"]
        target = content.get("nextUri", "")
    return found


def search(client: Caller, *criteria: dict[str, Any], **fields: Any) -> list[str]:
    """The names that a search of users finds."""
    status, _, content = client.post(SEARCH, {"query": list(criteria), "pageSize": 100, **fields})
    assert status == 200, content
    return [result["name"] for result in content["results"]]


def queues_of(conversation: dict[str, Any]) -> set[str]:
    """The queues that a conversation saw."""
    sessions = (session for participant in conversation["participants"] for session in participant["sessions"])
    return {segment["queueId"] for session in sessions for segment in session["segments"] if "queueId" in segment}


def people() -> Caller:
    users: list[dict[str, Any]] = [
        {"id": "1", "name": "Ada Alba", "email": "ada@example.com", "state": "active", "division": {"id": "d1"}},
        {"id": "2", "name": "Bram Alder", "email": "bram@example.org", "state": "active", "division": {"id": "d2"}},
        {"id": "3", "name": "Cecily Alba", "email": "cecily@example.com", "state": "inactive"},
        {"id": "4", "name": "Dario Zed", "email": "dario@example.com", "state": "deleted"},
    ]
    return Caller(Sandbox(Recorded([], {"users": users}), now=Clock()))


def test_the_members_of_a_queue_are_those_who_answer_its_conversations(client: Caller) -> None:
    queue = queue_of(client)
    everything = client.sandbox.store.conversations("2026-01-06T00:00:00Z/2026-01-09T00:00:00Z")
    answered = {
        participant["userId"]
        for conversation in everything
        for participant in conversation["participants"]
        for session in participant["sessions"]
        for segment in session["segments"]
        if participant["purpose"] == "agent" and queues_of(conversation) == {queue["id"]} and "queueId" in segment
    }

    ids = {member["id"] for member in members(client, queue["id"])}

    assert answered
    assert answered <= ids
    assert len(ids) == queue["memberCount"]


def test_as_many_members_joined_as_the_queue_says(client: Caller) -> None:
    queue = queue_of(client)

    assert len(members(client, queue["id"], joined="true")) == queue["joinedMemberCount"]
    assert len(members(client, queue["id"], joined="false")) == queue["memberCount"] - queue["joinedMemberCount"]


def test_members_come_by_name_and_without_a_total(client: Caller) -> None:
    content = client.get(f"{QUEUES}/{queue_of(client)['id']}/members?pageSize=500")[2]
    names = [entity["name"].casefold() for entity in content["entities"]]

    assert names == sorted(names)
    assert content["pageSize"] == 100
    assert not content.keys() & {"total", "pageCount", "lastUri"}


def test_members_are_found_by_a_part_of_their_name(client: Caller) -> None:
    queue_id = queue_of(client)["id"]
    name = members(client, queue_id)[0]["name"]

    assert [member["name"] for member in members(client, queue_id, name=name[1:-1].replace(" ", "%20"))] == [name]


def test_the_codes_of_a_queue_are_those_that_its_conversations_end_with(client: Caller) -> None:
    queue = queue_of(client)
    codes = client.get(f"{QUEUES}/{queue['id']}/wrapupcodes?pageSize=100")[2]
    everything = client.get("/api/v2/routing/wrapupcodes?pageSize=100")[2]["entities"]

    assert 0 < codes["total"] < len(everything)
    assert all(entity in everything for entity in codes["entities"])


@pytest.mark.parametrize("what", ["members", "users", "wrapupcodes"])
def test_a_queue_that_is_not_there_or_not_seen_is_a_404(what: str) -> None:
    whole = Sandbox(conversations_per_day=100, now=Clock())
    gone = next(entity["id"] for entity in whole.store.world.entities("queues") if entity.get("state") == "deleted")
    other = Client("lesser", "secret", division_ids=frozenset())
    lesser = Caller(Sandbox(conversations_per_day=100, now=Clock(), clients=[other]))

    assert Caller(whole).get(f"{QUEUES}/{gone}/{what}")[0] == 404
    assert lesser.get(f"{QUEUES}/{queue_of(Caller(whole))['id']}/{what}")[0] == 404


def test_of_a_recording_the_members_are_the_users_of_its_conversations() -> None:
    segments = [{"queueId": "q", "segmentStart": "2026-01-05T09:00:00Z", "segmentType": "interact", "wrapUpCode": "c"}]
    made = conversation(1, segments=segments, participant={"userId": "u"})
    entities = {"queues": [{"id": "q", "name": "Q"}], "users": [{"id": "u", "name": "U"}, {"id": "v", "name": "V"}],
                "wrapupcodes": [{"id": "c", "name": "C"}, {"id": "d", "name": "D"}]}  # fmt: skip
    client = Caller(Sandbox(Recorded([made], entities), now=Clock()))

    assert [member["id"] for member in members(client, "q")] == ["u"]
    assert [entity["id"] for entity in client.get(f"{QUEUES}/q/wrapupcodes")[2]["entities"]] == ["c"]


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ({"type": "EXACT", "fields": ["email"], "value": "ADA@example.com"}, ["Ada Alba"]),
        ({"type": "EXACT", "fields": ["name"], "value": "Ada"}, []),
        ({"type": "STARTS_WITH", "fields": ["name"], "value": "br"}, ["Bram Alder"]),
        ({"type": "CONTAINS", "fields": ["name", "email"], "value": "example.org"}, ["Bram Alder"]),
        ({"type": "TERM", "fields": ["name"], "value": "alba"}, ["Ada Alba"]),
        ({"type": "TERMS", "fields": ["id"], "values": ["2", "9"]}, ["Bram Alder"]),
        ({"type": "EXACT", "fields": ["divisionId"], "value": "d2"}, ["Bram Alder"]),
        ({"type": "EXACT", "fields": ["division.id"], "value": "d2"}, ["Bram Alder"]),
        ({"type": "QUERY_STRING", "value": "al* da"}, ["Ada Alba"]),
        ({"type": "MATCH_ALL"}, ["Ada Alba", "Bram Alder"]),
        ({"type": "REQUIRED_FIELDS", "fields": ["title"]}, []),
        ({"type": "EXACT", "fields": ["state"], "values": ["inactive", "deleted"]}, ["Cecily Alba", "Dario Zed"]),
    ],
)
def test_users_are_found_by_a_criterion(criterion: dict[str, Any], expected: list[str]) -> None:
    assert search(people(), criterion) == expected


def test_criteria_go_together_by_and_or_and_not() -> None:
    ada, bram = ({"type": "CONTAINS", "fields": ["name"], "value": name} for name in ("Ada", "Bram"))
    either = [{**criterion, "operator": "OR"} for criterion in (ada, bram)]

    assert search(people(), ada, bram) == []
    assert search(people(), *either) == ["Ada Alba", "Bram Alder"]
    assert search(people(), {**ada, "operator": "NOT"}) == ["Bram Alder"]
    assert search(people(), {"group": either}, {"type": "EXACT", "fields": ["id"], "value": "2"}) == ["Bram Alder"]


def test_a_search_is_sorted_as_it_is_asked_for() -> None:
    assert search(people(), sortBy="name", sortOrder="DESC") == ["Bram Alder", "Ada Alba"]
    assert search(people(), sort=[{"sortBy": "email", "sortOrder": "DESC"}]) == ["Bram Alder", "Ada Alba"]


def test_the_links_of_a_search_lead_through_its_pages(client: Caller) -> None:
    content = client.post(SEARCH, {"pageSize": 20})[2]
    names = [result["name"] for result in content["results"]]
    while "nextPage" in content:
        content = client.get(content["nextPage"])[2]
        names += [result["name"] for result in content["results"]]

    assert len(names) == len(set(names)) == content["total"] > 20
    assert urlsplit(content["previousPage"]).path == SEARCH


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": [{"type": "REGEX", "value": "(a+)+$"}]}, 400),
        ({"query": [{"type": "EXACT", "value": "x", "nonsense": 1}]}, 400),
        ({"query": "all"}, 400),
        ({"query": [{"group": []}]}, 400),
        ({"query": [{"group": {"type": "MATCH_ALL"}}]}, 400),
        ({"pageSize": 0}, 400),
        ({"nonsense": 1}, 400),
        ({"query": [{"type": "EXACT", "fields": "name", "value": "x"}]}, 400),
    ],
)
def test_an_invalid_search_is_refused(body: dict[str, Any], status: int) -> None:
    assert people().post(SEARCH, body)[0] == status


def test_an_invalid_link_of_a_search_is_refused() -> None:
    assert people().get(f"{SEARCH}?q64=nonsense")[0] == 400
    assert people().get(SEARCH)[0] == 400


def test_teams_are_searched_by_the_beginning_of_their_name(client: Caller) -> None:
    teams = client.get("/api/v2/teams")[2]["entities"]
    first = {"type": "STARTS_WITH", "fields": ["name"], "value": teams[0]["name"][:4]}

    found = client.post("/api/v2/teams/search", {"query": [first]})[2]

    assert teams[0] in found["results"]
    assert found["types"] == ["teams"]
    assert client.post("/api/v2/teams/search", {"query": [{"type": "CONTAINS", "value": "x"}]})[0] == 400


def test_a_client_has_no_user_unless_a_switch_gives_it_one() -> None:
    status, _, content = caller([]).get("/api/v2/users/me")
    user = Caller(Sandbox(conversations_per_day=100, now=Clock(), switches=Switches(users_me="user"))).get(
        "/api/v2/users/me"
    )

    assert (status, content["message"]) == (
        400,
        "This request requires a user context. Client credentials cannot be used for requests to this resource.",
    )
    assert (user[0], user[2]["state"]) == (200, "active")


def test_every_presence_of_the_system_has_a_definition() -> None:
    content = caller([]).get("/api/v2/presencedefinitions?pageSize=4")[2]

    assert [entity["systemPresence"] for entity in content["entities"]] == ["Available", "Away", "Busy", "Offline"]
    assert (content["total"], content["pageCount"]) == (10, 3)


def test_messaging_campaigns_are_listed_and_have_not_run(client: Caller) -> None:
    """No conversation of the sandbox comes out of a messaging campaign."""
    found = client.get("/api/v2/outbound/messagingcampaigns")[2]["entities"]

    assert {"smsConfig" in campaign or "emailConfig" in campaign for campaign in found} == {True}
    assert {campaign["campaignStatus"] for campaign in found} == {"off"}


def test_campaigns_of_all_media_come_in_one_listing(client: Caller) -> None:
    calls = client.get("/api/v2/outbound/campaigns")[2]["entities"]

    everything = client.get("/api/v2/outbound/campaigns/all")[2]["entities"]

    assert {campaign["mediaType"] for campaign in everything} == {"voice", "sms", "email"}
    assert {campaign["id"] for campaign in everything} > {campaign["id"] for campaign in calls}
    assert {campaign["mediaType"] for campaign in everything if campaign["id"] in {call["id"] for call in calls}} == {
        "voice"
    }
    assert client.get("/api/v2/outbound/campaigns/all?mediaType=sms")[2]["entities"] == [
        campaign for campaign in everything if campaign["mediaType"] == "sms"
    ]
