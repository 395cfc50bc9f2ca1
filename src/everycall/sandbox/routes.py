"""Every endpoint as data: method, path, permissions, what answers it, and how surely it is known to be so.

Source of the permissions: platform-client-sdk-cli, but for those that are marked as guesses. A literal path stands
before one with an `{id}` that would take it, too.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everycall.sandbox import aggregates, details, live, lookups, observations, organization, people, work
from everycall.sandbox.answers import Answer, ApiError, Request
from everycall.sandbox.faults import JOBS, QUERY, Fault, fate, repeats_cursor, unseen
from everycall.sandbox.oauth import Client
from everycall.sandbox.switches import Confidence

if TYPE_CHECKING:
    from everycall.sandbox.app import Sandbox


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request with its client, as a route's handler gets it."""

    request: Request
    client: Client
    number: int
    faults: Sequence[Fault]

    @property
    def unseen(self) -> frozenset[str]:
        """Conversations that a fault hides from it."""
        return unseen(self.faults)


Handle = Callable[["Sandbox", Arrival, str], Answer]
"""Gets the id of the path, where the route has one."""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    method: str
    path: str
    """With `{id}` where an id stands."""
    permissions: tuple[str, ...]
    """Of which a client needs one; none asked for is open to every client."""
    handle: Handle
    confidence: Confidence
    source: str
    """Where its shape and behaviour come from, and what of it is a guess."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """The paths that it takes."""
        return re.compile(re.escape(self.path).replace(r"\{id\}", "(?P<id>[^/]+)"))


def find_route(request: Request) -> tuple[Route, str]:
    """The endpoint, and the id in its path.

    Raises:
        ApiError: 404 for a path that is none, verbatim; 405 for a method that the path does not have, a
        guess.
    """
    matches = [(route, matched) for route, pattern in PATTERNS if (matched := pattern.fullmatch(request.path))]
    for route, matched in matches:
        if route.method == request.method:
            return route, matched.group("id") if "id" in matched.groupdict() else ""
    if matches:
        raise ApiError(405, "method not allowed", "HTTP 405 Method Not Allowed")
    raise ApiError(404, "not found", "HTTP 404 Not Found")


def _login(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return sandbox.tokens.grant(arrival.request)


def _query(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return details.answer_query(sandbox.store, arrival.request, arrival.client, arrival.unseen, arrival.number)


def _aggregates(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return aggregates.answer_aggregates(sandbox.store, arrival.request, arrival.client, arrival.unseen)


def _several(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return details.several(sandbox.store, arrival.request, arrival.client, arrival.unseen)


def _one(sandbox: "Sandbox", arrival: Arrival, conversation_id: str) -> Answer:
    return details.one(sandbox.store, conversation_id, arrival.client, arrival.unseen)


def _submit(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return sandbox.jobs.submit(arrival.request, arrival.client, arrival.unseen, fate(arrival.faults))


def _availability(sandbox: "Sandbox", _: Arrival, __: str) -> Answer:
    return sandbox.jobs.availability()


def _status(sandbox: "Sandbox", arrival: Arrival, job_id: str) -> Answer:
    return sandbox.jobs.status(arrival.client, job_id)


def _results(sandbox: "Sandbox", arrival: Arrival, job_id: str) -> Answer:
    again = repeats_cursor(arrival.faults)
    return sandbox.jobs.results(arrival.request, arrival.client, job_id, repeats_cursor=again)


def _cancel(sandbox: "Sandbox", arrival: Arrival, job_id: str) -> Answer:
    return sandbox.jobs.cancel(arrival.client, job_id)


def _listing(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return lookups.listing(sandbox.store.world, arrival.request, arrival.client)


def _user(sandbox: "Sandbox", arrival: Arrival, user_id: str) -> Answer:
    return lookups.user(sandbox.store.world, arrival.request, user_id)


def _queue(sandbox: "Sandbox", arrival: Arrival, queue_id: str) -> Answer:
    return lookups.queue(sandbox.store.world, arrival.client, queue_id)


def _teams(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return lookups.teams(sandbox.store.world, arrival.request, arrival.client)


def _retention(sandbox: "Sandbox", _: Arrival, __: str) -> Answer:
    return Answer(200, {"retentionDays": sandbox.switches.retention_days or 3650})


def _organization(sandbox: "Sandbox", _: Arrival, __: str) -> Answer:
    return lookups.organization(sandbox.store.world)


def _members(sandbox: "Sandbox", arrival: Arrival, queue_id: str) -> Answer:
    return people.members(sandbox.store.world, arrival.request, arrival.client, queue_id)


def _queue_codes(sandbox: "Sandbox", arrival: Arrival, queue_id: str) -> Answer:
    return people.queue_wrap_up_codes(sandbox.store.world, arrival.request, arrival.client, queue_id)


def _me(sandbox: "Sandbox", _: Arrival, __: str) -> Answer:
    return people.me(sandbox.store.world, sandbox.switches)


def _search_users(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return people.search(sandbox.store.world, arrival.request, arrival.client, people.USERS)


def _search_teams(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return people.search(sandbox.store.world, arrival.request, arrival.client, people.TEAMS)


def _presences(_: "Sandbox", arrival: Arrival, __: str) -> Answer:
    return people.presence_definitions(arrival.request)


def _all_campaigns(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return lookups.all_campaigns(sandbox.store.world, arrival.request, arrival.client)


def _observations(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return observations.answer_observations(sandbox.store, arrival.request, arrival.client, arrival.unseen)


def _user_details(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return work.answer_user_details(sandbox.store, arrival.request, arrival.client)


def _live(sandbox: "Sandbox", arrival: Arrival, conversation_id: str) -> Answer:
    return live.answer_live(sandbox.store, conversation_id, arrival.client, arrival.unseen)


def _limits_docs(sandbox: "Sandbox", _: Arrival, __: str) -> Answer:
    return organization.limits_docs(limits_of(sandbox))


def _namespaces(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return organization.namespaces(limits_of(sandbox), arrival.request)


def _limits(sandbox: "Sandbox", _: Arrival, namespace: str) -> Answer:
    return organization.limits(limits_of(sandbox), namespace)


def _default_limits(sandbox: "Sandbox", _: Arrival, namespace: str) -> Answer:
    return organization.default_limits(limits_of(sandbox), namespace)


def limits_of(sandbox: "Sandbox") -> organization.Limits:
    """The limits that this sandbox keeps."""
    return organization.limits_in_force(sandbox.rate_limit.allowed, sandbox.switches)


def _reporting(sandbox: "Sandbox", _: Arrival, __: str) -> Answer:
    return organization.reporting_settings(sandbox.switches)


def _divisions_permitted(sandbox: "Sandbox", arrival: Arrival, _: str) -> Answer:
    return lookups.divisions_permitted(sandbox.store.world, arrival.request, arrival.client, sandbox.switches)


CONVERSATIONS = "/api/v2/analytics/conversations"
QUEUES = "/api/v2/routing/queues"
LIMITS = "/api/v2/organizations/limits"
SEES_DETAILS = ("analytics:conversationDetail:view", "analytics:agentConversationDetail:view")
SEES_MEMBERS = ("routing:queue:view", "routing:queue:edit", "routing:queue:readonly", "routing:queueMember:manage")
SEES_RETENTION = ("analytics:dataRetention:view",)
SEES_TEAMS = ("groups:team:view",)
SEES_CAMPAIGNS = ("outbound:campaign:view", "outbound:messagingCampaign:view", "outbound:emailCampaign:view")

SDK = "SDK 269"
LISTED = "SDK 269 (the listing's envelope); platform-client-sdk-cli"

LOGIN = Route(
    "POST", "/oauth/token", (), _login, "B", "SDK 269, api_client.py; errors: gildas/go-gcloudcx; expires_in: captures"
)

ROUTES = (
    LOGIN,
    Route("POST", QUERY, SEES_DETAILS, _query, "A", "SDK 269; the vendor's page about it; logs"),
    Route(
        "POST", f"{CONVERSATIONS}/aggregates/query", ("analytics:conversationAggregate:view",), _aggregates, "B",
        "SDK 269; answers of a real org in public code; forum thread 18235 for emitDate. Its guesses: aggregates.py",
    ),
    Route("GET", f"{CONVERSATIONS}/details", SEES_DETAILS, _several, "A", "SDK 269; the number of ids is a switch"),
    Route("POST", JOBS, SEES_DETAILS, _submit, "A", "SDK 269; developer.genesys.cloud, conversation details job"),
    Route("GET", f"{JOBS}/availability", SEES_DETAILS[:1], _availability, "A", "SDK 269; a captured date"),
    Route("GET", f"{JOBS}/{{id}}/results", SEES_DETAILS, _results, "A", "SDK 269; a captured page; sizes are guesses"),
    Route("GET", f"{JOBS}/{{id}}", SEES_DETAILS, _status, "A", "SDK 269, AsyncQueryStatus; its times are guesses"),
    Route("DELETE", f"{JOBS}/{{id}}", SEES_DETAILS, _cancel, "B", "SDK 269; of a finished job: a switch"),
    Route("GET", f"{CONVERSATIONS}/{{id}}/details", SEES_DETAILS, _one, "A", SDK),
    Route(
        "POST", "/api/v2/analytics/queues/observations/query", ("analytics:queueObservation:view",), _observations, "C",
        "SDK 269; an answer in public code. Who is active or on queue is a guess",
    ),
    Route(
        "POST", "/api/v2/analytics/users/details/query", ("analytics:userDetail:view",), _user_details, "D",
        "SDK 269 for the shape; shifts are invented around the conversations",
    ),
    Route("GET", "/api/v2/analytics/dataretention/settings", SEES_RETENTION, _retention, "A", SDK),
    Route("GET", "/api/v2/analytics/reporting/settings", (), _reporting, "A", "SDK 269; that it is open is a guess"),
    Route(
        "GET", "/api/v2/conversations/{id}", ("conversation:communication:view",), _live, "D",
        "SDK 269 for the shape, made out of the analytics conversation; the permission is a guess",
    ),
    Route("GET", QUEUES, ("routing:queue:view",), _listing, "A", LISTED),
    Route("GET", f"{QUEUES}/divisionviews/all", ("routing:queue:search",), _listing, "A", LISTED),
    Route("GET", f"{QUEUES}/{{id}}/members", SEES_MEMBERS, _members, "A", "SDK 269; platform-client-sdk-cli"),
    Route("GET", f"{QUEUES}/{{id}}/users", SEES_MEMBERS, _members, "A", "as members, which it was before"),
    Route("GET", f"{QUEUES}/{{id}}/wrapupcodes", ("routing:queue:view",), _queue_codes, "A", LISTED),
    Route("GET", f"{QUEUES}/{{id}}", ("routing:queue:view",), _queue, "A", SDK),
    Route("GET", "/api/v2/users", (), _listing, "A", LISTED),
    Route(
        "GET", "/api/v2/users/me", (), _me, "C",
        "a client without a user gets the 400 that a public program noted; a switch gives a user",
    ),
    Route("POST", "/api/v2/users/search", (), _search_users, "A", "SDK 269; only active ones unasked: a guess"),
    Route("GET", "/api/v2/users/search", (), _search_users, "A", "SDK 269: the search of a page's link"),
    Route("GET", "/api/v2/users/{id}", (), _user, "A", SDK),
    Route("GET", "/api/v2/routing/wrapupcodes", ("routing:wrapupCode:view",), _listing, "A", LISTED),
    Route("GET", "/api/v2/authorization/divisions", (), _listing, "A", LISTED),
    Route(
        "GET", "/api/v2/authorization/divisionspermitted/paged/me", (), _divisions_permitted, "A",
        "SDK 269, DivsPermittedEntityListing; that a client without a user may ask is a switch",
    ),
    Route("GET", "/api/v2/flows", ("architect:flow:view",), _listing, "A", LISTED),
    Route("GET", "/api/v2/routing/skills", ("routing:skill:view",), _listing, "A", LISTED),
    Route("GET", "/api/v2/routing/languages", (), _listing, "A", LISTED),
    Route("GET", "/api/v2/groups", (), _listing, "A", LISTED),
    Route("GET", "/api/v2/teams", SEES_TEAMS, _teams, "A", "SDK 269; a link's cursor is a guess"),
    Route("POST", "/api/v2/teams/search", SEES_TEAMS, _search_teams, "A", "SDK 269; permission: a guess"),
    Route("GET", "/api/v2/presencedefinitions", (), _presences, "A", "SDK 269; its ids are invented"),
    Route("GET", "/api/v2/outbound/campaigns", ("outbound:campaign:view",), _listing, "A", LISTED),
    Route("GET", "/api/v2/outbound/campaigns/all", SEES_CAMPAIGNS, _all_campaigns, "A", "SDK 269; permission: a guess"),
    Route("GET", "/api/v2/outbound/messagingcampaigns", SEES_CAMPAIGNS[1:], _listing, "A", LISTED),
    Route("GET", "/api/v2/organizations/me", (), _organization, "A", SDK),
    Route("GET", f"{LIMITS}/docs", (), _limits_docs, "A", "SDK 269; names of limits: public copies"),
    Route("GET", f"{LIMITS}/namespaces", (), _namespaces, "D", "the SDK leaves its shape open"),
    Route("GET", f"{LIMITS}/namespaces/{{id}}", (), _limits, "A", "SDK 269; those that the sandbox keeps"),
    Route("GET", f"{LIMITS}/namespaces/{{id}}/defaults", (), _default_limits, "A", "SDK 269; known defaults only"),
)  # fmt: skip
"""Every endpoint."""

PATTERNS = tuple((route, route.pattern) for route in ROUTES)

NOT_SERVED = (
    "GET /api/v2/analytics/users/details/jobs and what belongs to it",
    "POST /api/v2/analytics/users/aggregates/query",
    "POST /api/v2/analytics/conversations/aggregates/jobs and what belongs to it",
    "POST /api/v2/analytics/flows/aggregates/query and the other aggregates",
    "POST /api/v2/analytics/ratelimits/aggregates/query",
    "GET /api/v2/analytics/dataextraction/downloads/metadata and the other downloads",
    "POST /api/v2/analytics/conversations/{id}/details/properties",
    "GET /api/v2/users/{id}/routingstatus, /presences, /queues and what else belongs to a user",
    "GET /api/v2/presence/definitions",
    "GET /api/v2/teams/{id} and /members",
    "GET /api/v2/outbound/campaigns/{id}, contact lists, attempts",
    "GET /api/v2/routing/wrapupcodes/{id}, skills/{id}, languages/{id}",
    "GET /api/v2/flows/divisionviews, /flows/{id}",
    "POST /api/v2/usage/aggregates/query/jobs",
    "notifications, recordings, quality, speech and text analytics, external contacts, workforce management",
    "everything that writes",
)
"""What clients are known to ask for and do not get: an honest 404, or a 405 where the path has another method."""
