"""The official SDK's loop, as its tutorials have it, into the same eight columns.

python bench/clients/with_sdk.py INTERVAL OUTPUT
"""

import csv
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PureCloudPlatformClientV2 as genesys  # noqa: N813 - its own name is not Python's style

COLUMNS = ["conversationId", "channel", "startTime", "endTime", "duration", "queueName", "agentName", "disposition"]


def names(listing: Callable[..., Any]) -> dict[str, str]:
    """The name of each entity of a listing, by id."""
    found: dict[str, str] = {}
    number, pages = 1, 1
    while number <= pages:
        page = listing(page_size=100, page_number=number)
        found.update((entity.id, entity.name) for entity in page.entities)
        number, pages = number + 1, page.page_count
    return found


def row(conversation: Any, queues: dict[str, str], users: dict[str, str], codes: dict[str, str]) -> list[object]:
    channel = None
    queue_id = user_id = code = ""
    for participant in conversation.participants:
        for session in participant.sessions:
            if participant.purpose == "customer" and channel is None:
                channel = session.media_type
            for segment in session.segments or []:
                queue_id = segment.queue_id or queue_id
                if participant.purpose == "agent":
                    user_id = participant.user_id or user_id
                    code = segment.wrap_up_code or code
    start, end = conversation.conversation_start, conversation.conversation_end
    duration = (end - start).total_seconds() if end else None
    queue, agent, disposition = queues.get(queue_id, queue_id), users.get(user_id, user_id), codes.get(code, code)
    return [conversation.conversation_id, channel, start, end, duration, queue, agent, disposition]


def main() -> None:
    interval, output = sys.argv[1:]
    genesys.configuration.host = os.environ["GENESYS_ENV"]
    credentials = (os.environ["GENESYS_CLIENT_ID"], os.environ["GENESYS_CLIENT_SECRET"])
    api = genesys.api_client.ApiClient().get_client_credentials_token(*credentials)
    routing = genesys.RoutingApi(api)
    queues = names(routing.get_routing_queues)
    users = names(genesys.UsersApi(api).get_users)
    codes = names(routing.get_routing_wrapupcodes)
    analytics = genesys.AnalyticsApi(api)
    body = genesys.ConversationQuery()
    body.interval = interval
    body.paging = genesys.PagingSpec()
    body.paging.page_size, body.paging.page_number = 100, 1
    with Path(output).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        while conversations := analytics.post_analytics_conversations_details_query(body).conversations:
            writer.writerows(row(conversation, queues, users, codes) for conversation in conversations)
            body.paging.page_number += 1


if __name__ == "__main__":
    main()
