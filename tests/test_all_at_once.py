"""Many things go wrong at once, drawn from a seed: what is called proven has to be whole all the same."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from everycall import Interval, Summary
from everycall.executor import SerialExecutor
from everycall.sandbox import QUERY, Switches
from everycall.sandbox.answers import Request
from inprocess import Org, assert_whole, org, read_csv

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def drawn_org(rng: random.Random) -> Org:
    """An org of some size, which settles what nobody knows of the API somehow."""
    switches = Switches(
        empty_answer=rng.choice(["{}", "totalHits", "empty list"]),
        match=rng.choice(["overlap", "day"]),
        end_at_midnight_touches_next_day=rng.random() < 0.3,
        count_rejected=rng.random() < 0.5,
    )
    count = rng.choice([1, 40, 99, 100, 101, 230])
    limit, latency_s = rng.choice([5, 20, 300]), rng.choice([0, 0.3, 2.0])
    return org(conversations_per_day=count, flat=True, switches=switches, rate_limit=limit, latency_s=latency_s)


def drawn_interval(rng: random.Random) -> Interval:
    start = MONDAY + timedelta(hours=rng.choice([0, 0, 7, 23.5]))
    return Interval(start, start + timedelta(hours=rng.choice([0.25, 3, 24, 30, 72])))


def arm(rng: random.Random, where: Org, ids: list[str]) -> dict[str, int]:
    """Faults of every kind; and the queries from which on some conversations are to be seen, by their ids."""
    faults, late = where.sandbox.faults, {}
    for late_id in rng.sample(ids, min(len(ids), rng.choice([0, 0, 1, 2]))):
        late[late_id] = rng.randint(2, 12)
        faults.on(range(rng.randint(1, 3), late[late_id]), "unseen", path=QUERY, conversation_id=late_id)
    for kind in ("short_page", "duplicates"):
        faults.on(rng.randint(1, 20), kind, path=QUERY, rows=rng.randint(1, 5))
    faults.on(rng.randint(1, 30), "total_hits", path=QUERY, off=rng.choice([-3, -1, 1, 2, 50, 30_000, 99_900]))
    if rng.random() < 0.2:
        faults.on(None, "too_large", path=QUERY, page_size=rng.choice([3, 20, 60]))
    calm = ["429", "500", "502", "503", "504", "reset", "cut", "cut_json", "html"]
    faults.at_random(rng.choice([0.0, 0.1, 0.3]), kinds=calm, seed=rng.randrange(1000))
    faults.on(rng.randint(1, 40), "revoked")
    return late


def exported(rng: random.Random, where: Org, output: Path, interval: Interval) -> Summary:
    """The export, after a few Ctrl-Cs."""
    for _ in range(rng.choice([0, 0, 1, 3])):
        left = iter(range(rng.randint(1, 25), -1, -1))

        def interrupt(_: Request, left: Any = left) -> None:
            if next(left, 1) == 0:
                raise KeyboardInterrupt

        where.connection.before = interrupt
        try:
            return where.export(output, str(interval), executor=SerialExecutor(rng.choice([1, 2, 5, 12])))
        except KeyboardInterrupt:
            assert not output.exists()
    where.connection.before = lambda _: None
    return where.export(output, str(interval), executor=SerialExecutor(rng.choice([1, 2, 5, 12])))


@pytest.mark.parametrize("seed", range(16))
def test_a_proven_export_is_complete_under_many_faults_at_once(output: Path, seed: int) -> None:
    """Only a conversation that the API learned of after a window's last count may be missing from it."""
    rng = random.Random(seed)
    where, interval = drawn_org(rng), drawn_interval(rng)
    starts = {
        one["conversationId"]: datetime.fromisoformat(one["conversationStart"])
        for one in where.sandbox.store.conversations(str(interval))
    }
    late = arm(rng, where, list(starts))
    summary = exported(rng, where, output, interval)
    ids = [row["conversationId"] for row in read_csv(output)]
    counted = {
        served.body["interval"]: number
        for number, served in enumerate(where.queries, 1)
        if served.body["paging"]["pageSize"] == 1
    }

    assert_whole(summary, output)
    assert len(set(ids)) == len(ids)
    assert set(ids) <= set(starts)
    for entry in summary.entries:
        if entry.verdict == "proven":
            mine = {each for each, start in starts.items() if entry.window.start <= start < entry.window.end}
            assert {each for each in mine - set(ids) if late.get(each, 0) <= counted[entry.interval]} == set()
