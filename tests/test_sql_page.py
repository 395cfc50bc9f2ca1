"""The questions and answers in SQL: each query runs in DuckDB and PostgreSQL, and answers the same in both."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from databases import Place
from documents import ROOT
from everycall import Interval, Query, export
from everycall.executor import SerialExecutor
from everycall.setup import Environment
from inprocess import WEEK, Org, org
from postgres_server import PostgresServer

PAGE = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
QUERIES = dict(re.findall(r"<!-- ([^\n]+) -->\n```sql\n(.*?);\n```", PAGE, re.DOTALL))

EMPTY = ("windows that are not proven",)
"""Questions whose answer is that there is nothing."""


@pytest.fixture(scope="module")
def week() -> Org:
    return org(conversations_per_day=150)


@pytest.fixture(scope="module")
def places(
    week: Org, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[tuple[Place, Place]]:
    """The same week in both databases."""
    postgres_server.clear()
    file = tmp_path_factory.mktemp("week") / "calls.duckdb"
    both = Place("duckdb", str(file)), Place("postgresql", postgres_server.url())
    environment = Environment(executor=SerialExecutor())
    export(week.client, Query(Interval.read(WEEK)), [one.output for one in both], environment=environment)
    yield both
    postgres_server.clear()


def test_every_query_of_the_page_has_a_name() -> None:
    assert len(QUERIES) == PAGE.count("```sql")


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_answers_the_same_in_both_databases(name: str, places: tuple[Place, Place]) -> None:
    in_duckdb, in_postgresql = (place.query(QUERIES[name]) for place in places)

    assert in_duckdb == in_postgresql
    assert bool(in_duckdb) == (name not in EMPTY)


def test_the_page_names_kinds_of_names_that_there_are(places: tuple[Place, Place]) -> None:
    kinds = {row[0] for row in places[0].query('SELECT "kind" FROM names')}

    assert set(re.findall(r"\"kind\" = '(\w+)'", PAGE)) <= kinds


def answer(places: tuple[Place, Place], name: str) -> list[tuple[Any, ...]]:
    return places[0].query(QUERIES[name])


def conversations(week: Org) -> list[dict[str, Any]]:
    return week.sandbox.store.conversations(WEEK)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_busiest_half_hours_are_those_of_the_org(places: tuple[Place, Place], week: Org) -> None:
    counts: Counter[datetime] = Counter()
    for one in conversations(week):
        if one["originatingDirection"] == "inbound":
            seconds = instant(one["conversationStart"]).timestamp() // 1800 * 1800
            counts[datetime.fromtimestamp(seconds, UTC)] += 1
    wanted = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:10]

    assert answer(places, "busiest half hours") == wanted


def test_every_transfer_of_the_org_is_counted_once(places: tuple[Place, Place], week: Org) -> None:
    wanted = sum(metric["value"] for metric in metrics(week, "nTransferred"))

    assert sum(row[1] for row in answer(places, "transfers by queue")) == wanted


def metrics(week: Org, name: str) -> Iterator[dict[str, Any]]:
    for one in conversations(week):
        for participant in one["participants"]:
            for session in participant.get("sessions", []):
                yield from (metric for metric in session.get("metrics", []) if metric["name"] == name)


def test_the_longest_hold_is_that_of_the_org(places: tuple[Place, Place], week: Org) -> None:
    held = [
        instant(segment["segmentEnd"]) - instant(segment["segmentStart"])
        for one in conversations(week)
        for participant in one["participants"]
        for session in participant.get("sessions", [])
        for segment in session.get("segments", [])
        if segment["segmentType"] == "hold" and "segmentEnd" in segment and "userId" in participant
    ]

    longest = [round(one.total_seconds()) for one in sorted(held, reverse=True)[:10]]
    assert [row[2] for row in answer(places, "longest holds")] == longest


def test_the_most_handled_are_those_of_the_org(places: tuple[Place, Place], week: Org) -> None:
    counts: Counter[str] = Counter(
        participant["userId"]
        for one in conversations(week)
        for participant in one["participants"]
        for session in participant.get("sessions", [])
        for metric in session.get("metrics", [])
        if metric["name"] == "tHandle" and "userId" in participant
    )

    assert [row[1] for row in answer(places, "handle times of agents")] == sorted(counts.values(), reverse=True)[:20]


def test_the_repeat_callers_are_those_of_the_org(places: tuple[Place, Place], week: Org) -> None:
    calls: dict[str, set[tuple[datetime, str]]] = {}
    for one in conversations(week):
        for participant in one["participants"]:
            for session in participant.get("sessions", []):
                is_call = (session.get("mediaType"), session.get("direction")) == ("voice", "inbound")
                if participant["purpose"] == "customer" and is_call and session.get("ani"):
                    call = instant(one["conversationStart"]), one["conversationId"]
                    calls.setdefault(session["ani"], set()).add(call)
    counts = Counter(
        {
            caller: sum(start < min(begun)[0] + timedelta(days=7) for start, _ in begun) - 1
            for caller, begun in calls.items()
        }
    )
    wanted = sorted(((caller, count) for caller, count in counts.items() if count), key=lambda one: (-one[1], one[0]))

    found = answer(places, "repeat callers within seven days")
    assert [(row[0], row[2]) for row in found] == wanted[:20]


def test_the_story_of_a_conversation_has_all_of_its_segments(places: tuple[Place, Place], week: Org) -> None:
    first = min(conversations(week), key=lambda one: str(one["conversationId"]))
    sessions = [session for participant in first["participants"] for session in participant.get("sessions", [])]

    found = answer(places, "what happened to one conversation")
    assert len(found) == sum(len(session.get("segments", [])) for session in sessions)
    assert [row[0] for row in found] == sorted(row[0] for row in found)
