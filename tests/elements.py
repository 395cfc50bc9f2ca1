"""Conversations for the tests of tables, and what their JSON holds, counted without the code under test."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import sampled
from everycall.sandbox import Org
from everycall.sandbox.traffic import DAY_MS

CASES = Path(__file__).parent / "cases"
MONDAY = 20_458
"""5 January 2026, in days since 1970."""

Tree = dict[str, Any]


@cache
def of_every_kind(each: int = 4) -> tuple[Tree, ...]:
    """Conversations of the sandbox with attributes, some of each kind, live ones too; the samples and the cases."""
    org, seen, found = Org(conversations_per_day=4000), Counter[str](), []
    for day in range(MONDAY, MONDAY + 7):
        for sketch in org.day(day):
            seen[sketch.kind] += 1
            if seen[sketch.kind] <= each:
                now_ms = day * DAY_MS + (DAY_MS * 2 // 3 if seen[sketch.kind] % 2 else 60 * DAY_MS)
                found.append(org.with_attributes(sketch, max(now_ms, sketch.start_ms + 1)))
    assert len(seen) > 25
    found += sampled.conversations()
    found += [one for path in sorted(CASES.glob("S*.json")) for one in json.loads(path.read_bytes())["conversations"]]
    return tuple(found)


def participants(one: Tree) -> list[Tree]:
    return one.get("participants") or []


def sessions(one: Tree) -> list[Tree]:
    return [session for participant in participants(one) for session in participant.get("sessions") or []]


def in_sessions(name: str) -> Callable[[Tree], list[Tree]]:
    return lambda one: [element for session in sessions(one) for element in session.get(name) or []]


def outcomes(one: Tree) -> Iterator[Tree]:
    for session in sessions(one):
        yield from (session.get("flow") or {}).get("outcomes") or []


ELEMENTS: dict[str, Callable[[Tree], Any]] = {
    "conversations": lambda one: [one],
    "participants": participants,
    "participant_attributes": lambda one: [item for side in participants(one) for item in side.get("attributes") or ()],
    "sessions": sessions,
    "segments": in_sessions("segments"),
    "metrics": in_sessions("metrics"),
    "media_endpoint_stats": in_sessions("mediaEndpointStats"),
    "flow_outcomes": lambda one: list(outcomes(one)),
    "evaluations": lambda one: one.get("evaluations") or [],
    "surveys": lambda one: one.get("surveys") or [],
    "resolutions": lambda one: one.get("resolutions") or [],
    "conversation_divisions": lambda one: one.get("divisionIds") or [],
}
"""What is one row of each table."""
