"""The script that the tutorials have: requests, json and csv, page after page, in one thread.

python bench/clients/with_requests.py INTERVAL OUTPUT
"""

import csv
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

URL = os.environ["GENESYS_ENV"]
COLUMNS = ["conversationId", "channel", "startTime", "endTime", "duration", "queueName", "agentName", "disposition"]

session = requests.Session()


def log_in() -> None:
    credentials = (os.environ["GENESYS_CLIENT_ID"], os.environ["GENESYS_CLIENT_SECRET"])
    answer = session.post(f"{URL}/oauth/token", data={"grant_type": "client_credentials"}, auth=credentials, timeout=60)
    answer.raise_for_status()
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def names(path: str) -> dict[str, str]:
    """The name of each entity of a listing, by id."""
    found: dict[str, str] = {}
    number, pages = 1, 1
    while number <= pages:
        answer = session.get(f"{URL}{path}", params={"pageSize": 100, "pageNumber": number}, timeout=60)
        answer.raise_for_status()
        page = answer.json()
        found.update((entity["id"], entity["name"]) for entity in page["entities"])
        number, pages = number + 1, page["pageCount"]
    return found


def query(interval: str, page_number: int) -> list[dict[str, Any]]:
    body: dict[str, Any] = {"interval": interval, "paging": {"pageSize": 100, "pageNumber": page_number}}
    answer = session.post(f"{URL}/api/v2/analytics/conversations/details/query", json=body, timeout=60)
    answer.raise_for_status()
    conversations: list[dict[str, Any]] = answer.json().get("conversations", [])
    return conversations


def row(
    conversation: dict[str, Any], queues: dict[str, str], users: dict[str, str], codes: dict[str, str]
) -> list[object]:
    channel = None
    queue_id = user_id = code = ""
    for participant in conversation["participants"]:
        for session in participant["sessions"]:
            if participant["purpose"] == "customer" and channel is None:
                channel = session.get("mediaType")
            for segment in session.get("segments", []):
                queue_id = segment.get("queueId", queue_id)
                if participant["purpose"] == "agent":
                    user_id = participant.get("userId", user_id)
                    code = segment.get("wrapUpCode", code)
    start, end = conversation["conversationStart"], conversation.get("conversationEnd")
    duration = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() if end else None
    queue, agent, disposition = queues.get(queue_id, queue_id), users.get(user_id, user_id), codes.get(code, code)
    return [conversation["conversationId"], channel, start, end, duration, queue, agent, disposition]


def main() -> None:
    interval, output = sys.argv[1:]
    log_in()
    queues = names("/api/v2/routing/queues")
    users = names("/api/v2/users")
    codes = names("/api/v2/routing/wrapupcodes")
    with Path(output).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        page_number = 1
        while conversations := query(interval, page_number):
            writer.writerows(row(conversation, queues, users, codes) for conversation in conversations)
            page_number += 1


if __name__ == "__main__":
    main()
