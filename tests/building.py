"""Conversations of a few lines, for tests of what is made of them."""

from random import Random
from typing import Any

import msgspec

from everycall.api.records import Conversation

DAY = "2026-01-05T"

Tree = dict[str, Any]


def conversation(
    *participants: Tree, start: str = "08:00:00", end: str | None = "08:10:00", **fields: Any
) -> Conversation:
    """A conversation of Monday, 5 January 2026; it lives where `end` is None. `fields` by the API's names."""
    return msgspec.convert(tree(*participants, start=start, end=end, **fields), Conversation)


def tree(*participants: Tree, start: str = "08:00:00", end: str | None = "08:10:00", **fields: Any) -> Tree:
    """The same as the API sends it."""
    whole = {"conversationId": "c", "conversationStart": f"{DAY}{start}Z", **fields, "participants": list(participants)}
    if end:
        whole["conversationEnd"] = f"{DAY}{end}Z"
    return whole


def participant(purpose: str, *segments: Tree, session: Tree | None = None, **fields: Any) -> Tree:
    """One side, with one session of voice unless `session` says otherwise."""
    return {"purpose": purpose, **fields, "sessions": [{"mediaType": "voice", **(session or {}), "segments": segments}]}


def segment(kind: str, start: str, **fields: Any) -> Tree:
    """A stretch that starts at that time."""
    return {"segmentType": kind, "segmentStart": f"{DAY}{start}Z", **fields}


def stretch(kind: str, start: str, end: str, **fields: Any) -> Tree:
    """A segment from one time to another."""
    return segment(kind, start, segmentEnd=f"{DAY}{end}Z", **fields)


def side(purpose: str, *sessions: Tree, **fields: Any) -> Tree:
    """One side with several sessions."""
    return {"purpose": purpose, **fields, "sessions": list(sessions)}


def session(*segments: Tree, **fields: Any) -> Tree:
    """A session, of voice unless `fields` say otherwise."""
    return {"mediaType": "voice", **fields, "segments": list(segments)}


def shuffled(value: Any, rng: Random) -> Any:
    """The same conversation with its lists of objects in another order; lists of plain values stay as they are."""
    if isinstance(value, dict):
        return {name: shuffled(one, rng) for name, one in value.items()}
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return [shuffled(one, rng) for one in rng.sample(value, len(value))]
    return value


def customer(**session: Any) -> Tree:
    """The outside, interacting from the first second."""
    return participant("customer", segment("interact", "08:00:00"), session=session)


def queue(queue_id: str, start: str, name: str | None = None) -> Tree:
    """A queue's own leg."""
    named: Tree = {"participantName": name} if name else {}
    return participant("acd", segment("interact", start, queueId=queue_id), **named)


def agent(user_id: str, start: str, *, wrap_up: str | None = None, **fields: Any) -> Tree:
    """An agent who answers at that time and, some minutes later, closes with a code."""
    minute = int(start[3:5]) + 5
    closing = [segment("wrapup", f"{start[:3]}{minute:02}{start[5:]}", wrapUpCode=wrap_up)] if wrap_up else []
    return participant("agent", segment("interact", start, **fields), *closing, userId=user_id)


def metrics(*named: tuple[str, float]) -> list[Tree]:
    """Metrics of a session, by name and value."""
    return [{"name": name, "value": value} for name, value in named]
