"""What an org says about itself and about this client: name, limits, divisions, reporting settings. Pure.

    GET /api/v2/organizations/me                                 -> {"id", "name", ...}
    GET /api/v2/organizations/limits/namespaces/{namespace}      -> {"entities": [{"key", "namespace", "value"}]}
    GET /api/v2/authorization/divisionspermitted/paged/me        -> {"entities", "total", "allDivsPermitted"}
    GET /api/v2/authorization/divisions                          -> {"entities", "total", ...}
    GET /api/v2/analytics/reporting/settings                     -> {"piiMaskingEnabled", ...}

None of them takes a permission. Sources: SDK 269 (OrganizationApi, AuthorizationApi, AnalyticsApi) for paths and
fields; platform-client-sdk-cli for the permissions. Whether a client without a user may ask for its divisions is not
documented.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from everycall.api.exchange import Exchange, NotAnAnswer, Request, Response, refusal

ORGANIZATION = "/api/v2/organizations/me"
PLATFORM_LIMITS = "/api/v2/organizations/limits/namespaces/platform.api"
DIVISIONS = "/api/v2/authorization/divisions"
DIVISIONS_PERMITTED = "/api/v2/authorization/divisionspermitted/paged/me"
REPORTING = "/api/v2/analytics/reporting/settings"

DIVISIONS_PAGE_SIZE = 100
"""Divisions on a page. Most orgs have fewer; of more, the first hundred are named."""

TOKEN_RATE = "client.credentials.token.rate.per.minute"  # noqa: S105 - the name of a limit
"""The limit of requests a minute with one token. Source: the vendor's page of limits; 300 by default."""

MASKING = {
    "piiMaskingEnabled": "personal data in reports",
    "queueAgentAccessObfuscation": "agents of other queues",
    "myInteractionsPiiMaskingEnabled": "personal data of an agent's own interactions",
}
"""The reporting settings that hide something. Source: SDK 269, AnalyticsReportingSettings."""


class _Limit(msgspec.Struct):
    key: str = ""
    value: float | None = None


class _Limits(msgspec.Struct):
    entities: list[_Limit] = []


class _Division(msgspec.Struct):
    id: str = ""
    name: str | None = None


class Divisions(msgspec.Struct, rename="camel"):
    """A page of divisions."""

    entities: list[_Division] = []
    total: int | None = None
    all_divs_permitted: bool | None = None
    """Whether the client has the permission in every division; only in the listing of permitted ones."""

    @property
    def names(self) -> list[str]:
        """The names, or the ids of those without one."""
        return [one.name or one.id for one in self.entities]

    @property
    def count(self) -> int:
        """How many there are on all pages."""
        return self.total if self.total is not None else len(self.entities)


class _Organization(msgspec.Struct):
    name: str | None = None


class _Identified(msgspec.Struct):
    id: str


def organization_id() -> Exchange[str]:
    """Ask for the org's id, which every row of the tables has.

    Raises:
        PermissionMissing, QueryRefused: the API answered 4xx.
        ServiceError: as the client.
    """
    response = yield Request("GET", ORGANIZATION, decode=_identified, success=(200,))
    if response.status >= 300:
        raise refusal(response)
    found: _Identified = response.decoded
    return found.id


def _identified(content: bytes) -> _Identified:
    try:
        return msgspec.json.decode(content, type=_Identified)
    except msgspec.ValidationError as error:
        raise NotAnAnswer("the answer is not about an org") from error


def organization_name(response: Response) -> str:
    """The name of the org; empty if the answer has none."""
    return _converted(response, _Organization).name or ""


def limits(response: Response) -> Mapping[str, float]:
    """The limits of a namespace, by key."""
    return {one.key: one.value for one in _converted(response, _Limits).entities if one.key and one.value is not None}


def divisions(response: Response) -> Divisions:
    """A page of divisions."""
    found: Divisions = _converted(response, Divisions)
    return found


def masked(response: Response) -> list[str]:
    """What the org's reporting settings hide, in words."""
    settings = response.decoded if isinstance(response.decoded, dict) else {}
    return [words for name, words in MASKING.items() if settings.get(name) is True]


def _converted(response: Response, kind: type[Any]) -> Any:
    """The answer as that shape; an empty one if it has another."""
    try:
        return msgspec.convert(response.decoded, kind, strict=False)
    except msgspec.ValidationError:
        return kind()
