from typing import Any

import pytest
from made import Caller, Clock

from everycall.sandbox import Client, Recorded, Sandbox, Switches

NORTH = {"id": "north", "name": "North"}
SOUTH = {"id": "south", "name": "South"}

ENTITIES: dict[str, list[dict[str, Any]]] = {
    "queues": [
        {"id": "q3", "name": "Sales", "division": SOUTH, "memberCount": 4, "selfUri": "/api/v2/routing/queues/q3"},
        {"id": "q1", "name": "Billing", "division": NORTH, "memberCount": 9},
        {"id": "q2", "name": "billing (late)", "division": NORTH, "memberCount": 2},
        {"id": "q4", "name": "Fax", "division": NORTH, "state": "deleted"},
    ],
    "users": [
        {"id": "u1", "name": "Ada", "state": "active"},
        {"id": "u2", "name": "Bram", "state": "inactive"},
        {"id": "u3", "name": "Cecily", "state": "deleted"},
    ],
    "wrapupcodes": [{"id": f"w{n}", "name": f"Code {n:03}"} for n in range(130)],
    "divisions": [NORTH, SOUTH],
    "flows": [{"id": "f1", "name": "Main", "deleted": False}, {"id": "f2", "name": "Old", "deleted": True}],
}


def reader(**settings: Any) -> Caller:
    return Caller(Sandbox(Recorded([], ENTITIES), now=Clock(), **settings))


def listed(client: Caller, target: str) -> list[str]:
    return [entity["id"] for entity in client.get(target)[2]["entities"]]


def test_a_listing_is_an_envelope_with_relative_links() -> None:
    status, _, content = reader().get("/api/v2/routing/queues?pageSize=1&pageNumber=2")

    assert status == 200
    assert content == {
        "entities": [ENTITIES["queues"][2]],
        "pageSize": 1,
        "pageNumber": 2,
        "total": 3,
        "firstUri": "/api/v2/routing/queues?pageSize=1&pageNumber=1",
        "nextUri": "/api/v2/routing/queues?pageSize=1&pageNumber=3",
        "previousUri": "/api/v2/routing/queues?pageSize=1&pageNumber=1",
        "lastUri": "/api/v2/routing/queues?pageSize=1&pageNumber=3",
        "selfUri": "/api/v2/routing/queues?pageSize=1&pageNumber=2",
        "pageCount": 3,
    }


def test_the_last_page_has_no_next_and_the_first_no_previous() -> None:
    client = reader()

    first = client.get("/api/v2/routing/queues?pageSize=2")[2]
    last = client.get("/api/v2/routing/queues?pageSize=2&pageNumber=2")[2]

    assert "previousUri" not in first
    assert "nextUri" in first
    assert "nextUri" not in last


def test_following_next_uri_gives_everything_once() -> None:
    client = reader()
    target, found = "/api/v2/routing/wrapupcodes?pageSize=30&name=Code*", []

    while target:
        page = client.get(target)[2]
        found += [entity["id"] for entity in page["entities"]]
        target = page.get("nextUri", "")

    assert found == [f"w{n}" for n in range(130)]


def test_a_page_past_the_end_is_an_empty_list() -> None:
    content = reader().get("/api/v2/routing/queues?pageNumber=9")[2]

    assert content["entities"] == []
    assert content["total"] == 3


def test_twenty_five_are_given_unless_asked() -> None:
    assert len(listed(reader(), "/api/v2/routing/wrapupcodes")) == 25


def test_a_page_size_above_the_maximum_is_cut_silently() -> None:
    status, _, content = reader().get("/api/v2/routing/wrapupcodes?pageSize=500")

    assert (status, content["pageSize"], len(content["entities"])) == (200, 100, 100)


def test_queues_are_sorted_by_name_and_deleted_ones_left_out() -> None:
    assert listed(reader(), "/api/v2/routing/queues") == ["q1", "q2", "q3"]


@pytest.mark.parametrize(
    ("name", "found"),
    [("billing", ["q1"]), ("bill*", ["q1", "q2"]), ("*late)", ["q2"]), ("*a*", ["q2", "q3"]), ("b.lling", [])],
)
def test_names_are_found_with_asterisks_and_without_case(name: str, found: list[str]) -> None:
    assert listed(reader(), f"/api/v2/routing/queues?name={name}") == found


@pytest.mark.parametrize("ids", ["id=q1&id=q3", "id=q1,q3", "id=q1%2Cq3&id=q4"])
def test_ids_are_repeated_or_separated_by_commas(ids: str) -> None:
    assert listed(reader(), f"/api/v2/routing/queues?{ids}") == ["q1", "q3"]


def test_queues_of_a_division() -> None:
    assert listed(reader(), "/api/v2/routing/queues?divisionId=south") == ["q3"]


def test_the_light_listing_of_queues_has_four_fields_at_most() -> None:
    content = reader().get("/api/v2/routing/queues/divisionviews/all?name=Sales")[2]

    assert content["entities"] == [
        {"id": "q3", "name": "Sales", "division": SOUTH, "selfUri": "/api/v2/routing/queues/q3"}
    ]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("", ["u1"]),
        ("?state=active", ["u1"]),
        ("?state=inactive", ["u2"]),
        ("?state=deleted", ["u3"]),
        ("?state=any", ["u1", "u2", "u3"]),
        ("?id=u1,u3&state=any", ["u1", "u3"]),
        ("?id=u1,u3", ["u1"]),
        ("?state=any&expand=groups,team", ["u1", "u2", "u3"]),
    ],
)
def test_users_are_listed_by_state(state: str, found: list[str]) -> None:
    assert listed(reader(), f"/api/v2/users{state}") == found


def test_an_unknown_state_is_refused_with_the_ones_there_are() -> None:
    status, _, content = reader().get("/api/v2/users?state=retired")

    assert (status, content["code"]) == (400, "invalid.query.param.value")
    assert content["message"] == (
        "Value [retired] is not valid for parameter [state]. Allowable values are: active, inactive, deleted, any"
    )


@pytest.mark.parametrize(
    ("target", "status"),
    [("u1", 200), ("u2", 200), ("u3", 404), ("u3?state=deleted", 200), ("u1?state=deleted", 404), ("u9", 404)],
)
def test_one_user_is_found_and_a_deleted_one_when_asked_for(target: str, status: int) -> None:
    assert reader().get(f"/api/v2/users/{target}")[0] == status


def test_an_unknown_id_is_404_not_found() -> None:
    status, headers, content = reader().get("/api/v2/routing/queues/q9")

    assert status == 404
    assert content == {
        "message": "The requested resource was not found.",
        "code": "not.found",
        "status": 404,
        "contextId": headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }


def test_a_deleted_queue_cannot_be_looked_up() -> None:
    client = reader()

    assert client.get("/api/v2/routing/queues/q1")[2]["name"] == "Billing"
    assert client.get("/api/v2/routing/queues/q4")[0] == 404


@pytest.mark.parametrize(("asked", "found"), [("", ["f1"]), ("?deleted=true", ["f1", "f2"])])
def test_deleted_flows_are_listed_when_asked_for(asked: str, found: list[str]) -> None:
    assert listed(reader(), f"/api/v2/flows{asked}") == found


def test_a_client_sees_the_queues_of_its_divisions() -> None:
    lesser = Client("lesser", "secret", division_ids=frozenset({"south"}))
    client = reader(clients=[lesser])

    assert listed(client, "/api/v2/routing/queues") == ["q3"]
    assert client.get("/api/v2/routing/queues/q1")[0] == 404


def test_divisions_and_the_organization() -> None:
    client = reader()

    assert listed(client, "/api/v2/authorization/divisions") == ["north", "south"]
    assert client.get("/api/v2/organizations/me")[2]["name"] == "Recorded"


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_an_invalid_page_number_is_refused(value: str) -> None:
    status, _, content = reader().get(f"/api/v2/users?pageNumber={value}")

    assert (status, content["code"]) == (400, "bad.request")


TEAMS = [{"id": f"t{n}", "name": f"Team {n:02}", "division": NORTH if n % 5 else SOUTH} for n in range(12)]


def team_reader(**settings: Any) -> Caller:
    return Caller(Sandbox(Recorded([], {"teams": TEAMS}), now=Clock(), **settings))


def test_teams_are_linked_page_by_page_without_numbers() -> None:
    client = team_reader()

    first = client.get("/api/v2/teams?pageSize=5")[2]
    second = client.get(first["nextUri"])[2]
    last = client.get(second["nextUri"])[2]

    assert list(first) == ["entities", "nextUri", "selfUri"]
    assert list(second) == ["entities", "nextUri", "previousUri", "selfUri"]
    assert list(last) == ["entities", "previousUri", "selfUri"]
    assert [entity["id"] for page in (first, second, last) for entity in page["entities"]] == [t["id"] for t in TEAMS]


def test_the_previous_page_of_teams_is_the_one_before() -> None:
    client = team_reader()
    first = client.get("/api/v2/teams?pageSize=5")[2]
    second = client.get(first["nextUri"])[2]

    back = client.get(second["previousUri"])[2]

    assert back["entities"] == first["entities"]
    assert client.get(second["selfUri"])[2] == second


def test_a_cursor_of_no_team_is_a_400() -> None:
    assert team_reader().get("/api/v2/teams?after=x")[0] == 400


def test_teams_of_other_divisions_are_not_listed() -> None:
    south = Client("id", "secret", division_ids=frozenset({"south"}))

    assert listed(team_reader(clients=[south]), "/api/v2/teams") == ["t0", "t5", "t10"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v2/routing/skills", "skills"),
        ("/api/v2/routing/languages", "languages"),
        ("/api/v2/groups", "groups"),
        ("/api/v2/outbound/campaigns", "campaigns"),
    ],
)
def test_the_other_listings_have_the_same_envelope_and_at_most_100(path: str, kind: str) -> None:
    entities = [{"id": f"e{n:03}", "name": f"E {n:03}"} for n in range(130)]
    client = Caller(Sandbox(Recorded([], {kind: entities}), now=Clock()))

    content = client.get(f"{path}?pageSize=500")[2]

    assert (len(content["entities"]), content["pageSize"], content["total"]) == (100, 100, 130)
    assert content["nextUri"] == f"{path}?pageSize=100&pageNumber=2"


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/api/v2/routing/skills", "routing:skill:view"),
        ("/api/v2/teams", "groups:team:view"),
        ("/api/v2/outbound/campaigns", "outbound:campaign:view"),
        ("/api/v2/analytics/dataretention/settings", "analytics:dataRetention:view"),
    ],
)
def test_a_look_up_names_the_permission_that_is_missing(path: str, permission: str) -> None:
    nobody = Client("id", "secret", permissions=frozenset())

    status, _, content = reader(clients=[nobody]).get(path)

    assert (status, content["code"]) == (403, "missing.permissions")
    assert content["message"].endswith(f"You are missing the following permission(s): [{permission}]")


def test_the_retention_is_a_number_of_days() -> None:
    assert reader(switches=Switches(retention_days=558)).get("/api/v2/analytics/dataretention/settings")[2] == {
        "retentionDays": 558
    }


def test_the_seeded_org_has_something_in_every_listing() -> None:
    client = Caller(Sandbox(conversations_per_day=10, now=Clock()))

    for path in ("routing/skills", "routing/languages", "groups", "teams", "outbound/campaigns"):
        assert listed(client, f"/api/v2/{path}"), path


def test_flows_are_listed_by_type() -> None:
    flows = [{"id": f"f{n}", "name": f"F {n}", "type": kind} for n, kind in enumerate(("BOT", "INBOUNDCALL", "BOT"))]
    client = Caller(Sandbox(Recorded([], {"flows": flows}), now=Clock()))

    assert listed(client, "/api/v2/flows?type=bot") == ["f0", "f2"]
    assert listed(client, "/api/v2/flows?type=bot,inboundcall") == ["f0", "f1", "f2"]


PERMITTED = "/api/v2/authorization/divisionspermitted/paged/me"


@pytest.mark.parametrize(
    ("permission", "divisions", "names", "is_all"),
    [
        ("analytics:conversationDetail:view", None, ["North", "South"], True),
        ("analytics:conversationDetail:view", frozenset({"south"}), ["South"], False),
        ("routing:queue:edit", None, [], False),
    ],
)
def test_the_divisions_of_a_client_are_those_of_its_roles(
    permission: str, divisions: frozenset[str] | None, names: list[str], is_all: bool
) -> None:
    client = reader(clients=[Client("someone", "secret", division_ids=divisions)])
    content = client.get(f"{PERMITTED}?permission={permission}")[2]

    assert [division["name"] for division in content["entities"]] == names
    assert (content["total"], content["allDivsPermitted"]) == (len(names), is_all)


def test_a_client_without_a_user_may_have_no_divisions_of_its_own() -> None:
    client = reader(switches=Switches(divisions_permitted="400"))

    assert client.get(f"{PERMITTED}?permission=routing:queue:view")[0] == 400
    assert reader().get(PERMITTED)[0] == 400
