"""The table of endpoints, and the shapes of what they answer."""

from typing import Any

import pytest
from made import Caller, Clock

from everycall.sandbox import Sandbox, Switches
from everycall.sandbox.oauth import PERMISSIONS
from everycall.sandbox.routes import NOT_SERVED, ROUTES
from shapes import complaints

NOW = "2026-01-05T16:00:00Z"
MONDAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"
QUEUES = "/api/v2/routing/queues"
AGGREGATES = "/api/v2/analytics/conversations/aggregates/query"
OBSERVATIONS = "/api/v2/analytics/queues/observations/query"
USER_DETAILS = "/api/v2/analytics/users/details/query"
LIMITS = "/api/v2/organizations/limits"
ANY_QUEUE = {"type": "and", "predicates": [{"dimension": "queueId", "operator": "exists"}]}


@pytest.fixture(scope="module")
def client() -> Caller:
    """A client of a busy afternoon."""
    return Caller(
        Sandbox(conversations_per_day=400, now=Clock(NOW), switches=Switches(users_me="user", jobs_at_a_time_max=5))
    )


def queue_id(client: Caller) -> str:
    found: str = client.get(f"{QUEUES}?name=Billing")[2]["entities"][0]["id"]
    return found


@pytest.mark.parametrize(
    ("model", "method", "path", "body"),
    [
        ("ConversationAggregateQueryResponse", "POST", AGGREGATES,
         {"interval": MONDAY, "metrics": ["nOffered", "tTalk", "oServiceLevel"], "groupBy": ["queueId"]}),
        ("QueueObservationQueryResponse", "POST", OBSERVATIONS,
         {"filter": ANY_QUEUE, "metrics": [], "detailMetrics": ["oWaiting", "oInteracting"]}),
        ("AnalyticsUserDetailsQueryResponse", "POST", USER_DETAILS, {"interval": MONDAY}),
        ("AnalyticsReportingSettings", "GET", "/api/v2/analytics/reporting/settings", None),
        ("DivsPermittedEntityListing", "GET", "/api/v2/authorization/divisionspermitted/paged/me?permission=a:b:c",
         None),
        ("QueueMemberEntityListing", "GET", QUEUES + "/{queue}/members", None),
        ("QueueMemberEntityListing", "GET", QUEUES + "/{queue}/users?pageSize=3&pageNumber=2", None),
        ("WrapupCodeEntityListing", "GET", QUEUES + "/{queue}/wrapupcodes", None),
        ("UsersSearchResponse", "POST", "/api/v2/users/search", {"query": [], "pageSize": 5}),
        ("TeamsSearchResponse", "POST", "/api/v2/teams/search", {}),
        ("UserMe", "GET", "/api/v2/users/me", None),
        ("OrganizationPresenceEntityListing", "GET", "/api/v2/presencedefinitions", None),
        ("CommonCampaignEntityListing", "GET", "/api/v2/outbound/campaigns/all", None),
        ("MessagingCampaignEntityListing", "GET", "/api/v2/outbound/messagingcampaigns", None),
        ("LimitDocumentation", "GET", f"{LIMITS}/docs", None),
        ("LimitsEntityListing", "GET", f"{LIMITS}/namespaces/platform.api", None),
        ("LimitsEntityListing", "GET", f"{LIMITS}/namespaces/analytics/defaults", None),
    ],
)  # fmt: skip
def test_an_answer_has_the_shape_of_the_sdks_model(
    client: Caller, model: str, method: str, path: str, body: Any
) -> None:
    target = path.replace("{queue}", queue_id(client))
    status, _, content = client.get(target) if method == "GET" else client.post(target, body)

    assert status == 200, content
    assert content
    assert complaints(model, content) == []


def test_a_live_conversation_has_the_shape_of_the_sdks_model(client: Caller) -> None:
    for conversation in client.query()["conversations"][::3]:
        content = client.get(f"/api/v2/conversations/{conversation['conversationId']}")[2]

        # The service has other names for how a leg ended, and no source maps all of analytics' names to them.
        assert [each for each in complaints("Conversation", content) if "disconnectType" not in each] == []


def test_a_literal_path_stands_before_one_with_an_id_that_would_take_it() -> None:
    for at, literal in enumerate(ROUTES):
        taken_by = [
            route for route in ROUTES[:at] if route.method == literal.method and route.pattern.fullmatch(literal.path)
        ]

        assert taken_by == [], literal.path


def test_no_endpoint_stands_twice_in_the_table() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_the_default_client_has_every_permission_that_a_route_asks_for() -> None:
    for route in ROUTES:
        assert not route.permissions or PERMISSIONS & set(route.permissions), route.path


def test_every_endpoint_names_its_source_and_how_surely_it_is_known() -> None:
    for route in ROUTES:
        assert route.confidence in {"A", "B", "C", "D"}
        assert len(route.source) > 5


@pytest.mark.parametrize(
    "target",
    ["/api/v2/presence/definitions", "/api/v2/flows/divisionviews", "/api/v2/users/1/routingstatus",
     "/api/v2/analytics/dataextraction/downloads/metadata", "/api/v2/routing/skills/1"],
)  # fmt: skip
def test_what_is_not_served_is_an_honest_404(client: Caller, target: str) -> None:
    assert client.get(target)[0] == 404
    assert len(NOT_SERVED) > 10
