"""The org that the client belongs to. Pure.

Source: SDK 269 (OrganizationApi.get_organizations_me); it takes no permission.
"""

from typing import Any

import msgspec

from everycall.api.exchange import Exchange, NotAnAnswer, Request, refusal

PATH = "/api/v2/organizations/me"


class _Organization(msgspec.Struct, frozen=True):
    id: str


def organization_id() -> Exchange[str]:
    """Ask for the org's id, which every row of the tables has.

    Raises:
        PermissionMissing, QueryRefused: the API answered 4xx.
        ServiceError: as the client.
    """
    response = yield Request("GET", PATH, decode=_decoded, success=(200,))
    if response.status >= 300:
        raise refusal(response)
    found: _Organization = response.decoded
    return found.id


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content, type=_Organization)
    except msgspec.ValidationError as error:
        raise NotAnAnswer("the answer is none about an org") from error
