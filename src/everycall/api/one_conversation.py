"""One conversation by its id. Pure.

    GET /api/v2/analytics/conversations/{conversationId}/details  ->  the conversation, without participant attributes

Takes the permission analytics:conversationDetail:view. The answer is 404 for an id that the org does not know, that it
no longer keeps, that has not arrived yet, or that this client may not see. Source: SDK 269, ConversationsApi,
`get_analytics_conversation_details`.
"""

import msgspec

from everycall.api.exchange import Exchange, NotAnAnswer, Request, refusal
from everycall.api.records import Conversation, conversation_of

DETAILS = "/api/v2/analytics/conversations/{}/details"


class Details(msgspec.Struct, frozen=True):
    """A conversation, and its JSON as it came."""

    body: bytes
    conversation: Conversation


def one_conversation(conversation_id: str) -> Exchange[Details | None]:
    """Ask for a conversation; None if the API does not find it.

    Raises:
        PermissionMissing, QueryRefused: the API answered 4xx, other than 404.
        ServiceError: as the client.
    """
    response = yield Request("GET", DETAILS.format(conversation_id), decode=_details, success=(200,))
    if response.status == 404:
        return None
    if response.status >= 300:
        raise refusal(response)
    found: Details = response.decoded
    return found


def _details(content: bytes) -> Details:
    conversation, _ = conversation_of(content)
    if conversation is None:
        raise NotAnAnswer("the answer is not a conversation")
    return Details(bytes(content), conversation)
