"""The official Python SDK calls endpoints by its own methods: what it reads is what the sandbox sends."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from test_other_clients import DAY, ClientProcess, clock, started

from everycall.sandbox import Sandbox, Switches, server

QUEUE = "{queue}"
EVERY_QUEUE = {"type": "and", "predicates": [{"dimension": "queueId", "operator": "exists"}]}
CONVERSATION = "{conversation}"


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientProcess]:
    with started("python_sdk", tmp_path_factory.mktemp("home")) as client:
        yield client


@pytest.fixture(scope="module")
def sandbox(sdk: ClientProcess) -> Iterator[Sandbox]:
    began_s = time.monotonic()
    switches = Switches(users_me="user", jobs_at_a_time_max=5)
    now_s = clock(began_s)
    with server(
        conversations_per_day=230, flat=True, now=lambda: now_s, monotonic=time.monotonic, switches=switches
    ) as found:
        sdk.log_in(found)
        yield found


CALLS: list[tuple[str, str, list[Any], str, str, Any]] = [
    (
        "ConversationsApi",
        "post_analytics_conversations_aggregates_query",
        [{"interval": DAY, "groupBy": ["queueId"], "granularity": "PT6H", "metrics": ["nOffered", "tHandle", "tWait"]}],
        "POST",
        "/api/v2/analytics/conversations/aggregates/query",
        0,
    ),
    (
        "AnalyticsApi",
        "post_analytics_queues_observations_query",
        [{"filter": EVERY_QUEUE, "metrics": ["oWaiting", "oOnQueueUsers"]}],
        "POST",
        "/api/v2/analytics/queues/observations/query",
        0,
    ),
    ("UsersApi", "post_users_search", [{"pageSize": 7}], "POST", "/api/v2/users/search", 0),
    ("UsersApi", "get_users_me", [], "GET", "/api/v2/users/me", None),
    ("RoutingApi", "get_routing_queue_members", [QUEUE], "GET", f"/api/v2/routing/queues/{QUEUE}/members", None),
    (
        "RoutingApi",
        "get_routing_queue_wrapupcodes",
        [QUEUE],
        "GET",
        f"/api/v2/routing/queues/{QUEUE}/wrapupcodes",
        None,
    ),
    ("PresenceApi", "get_presencedefinitions", [], "GET", "/api/v2/presencedefinitions", None),
    ("OutboundApi", "get_outbound_campaigns_all", [], "GET", "/api/v2/outbound/campaigns/all", None),
    ("OrganizationApi", "get_organizations_limits_docs", [], "GET", "/api/v2/organizations/limits/docs", None),
    (
        "OrganizationApi",
        "get_organizations_limits_namespace",
        ["analytics"],
        "GET",
        "/api/v2/organizations/limits/namespaces/analytics",
        None,
    ),
    ("ConversationsApi", "get_conversation", [CONVERSATION], "GET", f"/api/v2/conversations/{CONVERSATION}", None),
]


@pytest.mark.parametrize(
    ("api", "method", "arguments", "verb", "path", "body"), CALLS, ids=[method for _, method, *_ in CALLS]
)
def test_what_the_sdk_reads_is_what_was_sent(
    sdk: ClientProcess,
    sandbox: Sandbox,
    api: str,
    method: str,
    arguments: list[Any],
    verb: str,
    path: str,
    body: int | None,
) -> None:
    queues = sandbox.store.world.entities("queues")
    names = {QUEUE: queues[0]["id"], CONVERSATION: sandbox.store.conversations(DAY)[0]["conversationId"]}
    for name, value in names.items():
        path = path.replace(name, value)
    arguments = [names.get(argument, argument) if isinstance(argument, str) else argument for argument in arguments]
    token = sandbox.tokens.issue(next(iter(sandbox.tokens.clients.values()))).text
    headers = {"Authorization": f"Bearer {token}"}
    sent = httpx2.request(
        verb, sandbox.url + path, headers=headers, json=None if body is None else arguments[body]
    ).json()

    read = sdk.read("call", api=api, method=method, arguments=arguments)

    assert sent
    assert read == sent
