"""What an organization says of itself: its limits, and settings of its reports.

    GET /api/v2/organizations/limits/docs                        -> {"url", "namespaces": [{"name", "limits": [...]}]}
    GET /api/v2/organizations/limits/namespaces                  -> {"entities": ["analytics", ...], ...}
    GET /api/v2/organizations/limits/namespaces/{name}           -> {"entities": [{"key", "namespace", "value"}]}
    GET /api/v2/organizations/limits/namespaces/{name}/defaults  -> the same, before anybody changed one
    GET /api/v2/analytics/reporting/settings                     -> {"piiMaskingEnabled": false, ...}

The values of a namespace are those that this sandbox keeps, and no others: where a switch sets no limit of jobs, none
is listed. Source: SDK 269 (`LimitDocumentation`, `LimitsEntityListing`, `AnalyticsReportingSettings`); names and
defaults of the platform's limits are those of public copies of the vendor's page. The defaults of the limits of jobs
are in no public copy, so that they are documented without one. The shape of the list of namespaces is a guess.
"""

from dataclasses import dataclass
from typing import Any, Final

from everycall.sandbox.answers import Answer, Request, not_found
from everycall.sandbox.lookups import envelope, paged
from everycall.sandbox.switches import Switches

URL: Final = "https://developer.genesys.cloud/organization/organization/limits"

NAMESPACES: Final = {
    "analytics": "Analytics",
    "analytics.data.extraction": "Analytics data extraction",
    "analytics.realtime": "Analytics, real time",
    "auth.api": "Authentication",
    "platform.api": "Platform API",
    "usage": "Usage",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit."""

    namespace: str
    key: str
    default: int | None
    """None where no source knows it."""
    value: int
    """What this sandbox keeps; 0 is no limit."""
    about: str


Limits = tuple[Limit, ...]


def limits_in_force(requests_a_minute: int, switches: Switches) -> Limits:
    """Every limit that is known, with what a sandbox keeps of it."""
    jobs, rate = switches.jobs_at_a_time_max, switches.jobs_per_second_max
    return (
        Limit("analytics", "details.jobs.concurrent.access.max", None, jobs, "Details jobs that may run at a time"),
        Limit("analytics", "details.jobs.rate.per.second", None, rate, "Details jobs that may come in a second"),
        Limit(
            "platform.api", "client.credentials.token.rate.per.minute", 300, requests_a_minute,
            "Requests in a minute with one token of a client-credentials grant",
        ),
        Limit("platform.api", "token.rate.per.minute", 300, 300, "Requests in a minute with one token"),
        Limit(
            "platform.api", "org.app.user.rate.per.minute", 3000, 3000,
            "Requests in a minute of one user with one client in one organization",
        ),
        Limit("platform.api", "request.bytes.max", 512_000, 512_000, "Bytes of a request's body"),
    )  # fmt: skip


def limits_docs(limits: Limits) -> Answer:
    """The documentation of all limits."""
    namespaces = [
        {
            "name": name,
            "friendlyName": friendly,
            "limits": [documented(limit) for limit in limits if limit.namespace == name],
        }
        for name, friendly in NAMESPACES.items()
    ]
    return Answer(200, {"url": URL, "namespaces": namespaces})


def documented(limit: Limit) -> dict[str, Any]:
    """One limit of the documentation."""
    default = {} if limit.default is None else {"defaultValue": limit.default}
    return {"key": limit.key, **default, "description": limit.about, "configurable": True, "trackable": False}


def namespaces(limits: Limits, request: Request) -> Answer:  # noqa: ARG001 - the namespaces are always the same
    """One page of the names of the namespaces."""
    names: list[Any] = list(NAMESPACES)
    page, size, number = paged(request, names, 100)
    return Answer(200, envelope(request, page, size, number, len(names)))


def limits(known: Limits, namespace: str) -> Answer:
    """The values in force of a namespace."""
    return listed(
        namespace, [(limit.key, limit.value) for limit in known if limit.namespace == namespace and limit.value]
    )


def default_limits(known: Limits, namespace: str) -> Answer:
    """The values that a new organization has."""
    return listed(
        namespace, [(limit.key, limit.default) for limit in known if limit.namespace == namespace and limit.default]
    )


def listed(namespace: str, values: list[tuple[str, int]]) -> Answer:
    """A listing of limits; 404 for an unknown namespace."""
    if namespace not in NAMESPACES:
        raise not_found()
    return Answer(200, {"entities": [{"key": key, "namespace": namespace, "value": value} for key, value in values]})


def reporting_settings(switches: Switches) -> Answer:
    """The reporting settings; no more than one of them can be on."""
    others = dict.fromkeys(("queueAgentAccessObfuscation", "myInteractionsPiiMaskingEnabled"), False)
    return Answer(200, {"piiMaskingEnabled": switches.pii_masking, **others})
