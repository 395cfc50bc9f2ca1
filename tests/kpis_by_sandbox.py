"""The key figures of the views, against the sandbox's aggregates: cell by cell."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from random import Random
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from everycall.sandbox import Org
from everycall.sandbox.aggregates import answer_aggregates
from everycall.sandbox.answers import Request
from everycall.sandbox.app import default_client
from everycall.sandbox.recorded import RecordedDay
from everycall.sandbox.store import Day, Store
from everycall.tables.kpis import REQUIRED, SLICES, Grain, Measure

MONDAY = 20_458
"""5 January 2026, in days since 1970."""

MONTH = "2026-01-05T00:00:00.000Z/2026-02-05T00:00:00.000Z"
"""The longest that aggregates can be asked for."""

END = datetime(2026, 2, 5, tzinfo=UTC)

Key: TypeAlias = tuple[Any, ...]
"""The time of a group and its dimensions."""

Cells: TypeAlias = dict[Key, dict[str, int]]
"""The measures of each group that are counted, without zeros."""

Difference: TypeAlias = tuple[Key, str, int | None, int | None]
"""Group, measure, by the sandbox, by the view."""


Tree: TypeAlias = dict[str, Any]

TIMES = [f"2026-01-05T{at}Z" for at in ("09:29:59.999", "09:30:00.000", "09:30:00.001", "09:59:59.999", "10:00:00.000")]
"""Around the borders of half hours."""


class OneDay(Org):
    """An org whose conversations all start on one Monday; as many as asked for, of every kind."""

    def __init__(self, count: int, seed: int = 1) -> None:
        super().__init__(seed, conversations_per_day=max(count, 8000), flat=True)
        of_kind = Counter[str]()
        ranked = []
        whole = super().day(MONDAY)
        for number in range(len(whole)):
            sketch = whole[number]
            of_kind[sketch.kind] += 1
            ranked.append((of_kind[sketch.kind], number))
        self._monday = RecordedDay(whole[number] for _, number in sorted(ranked)[:count])
        self._nothing = RecordedDay([])
        self.kinds = frozenset(of_kind)

    def day(self, day: int) -> Day:  # type: ignore[override]
        """Those of the Monday, and nothing else."""
        return self._monday if day == MONDAY else self._nothing


class Odd:
    """Makes conversations with few distinct times, queues, codes and names of metrics, so that all of them meet."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)

    def conversations(self, count: int) -> list[Tree]:
        """So many; each of one session."""
        return [self._conversation(number) for number in range(count)]

    def _conversation(self, number: int) -> Tree:
        participant = {"participantId": f"p{number}", "purpose": "agent", "sessions": [self._session(number)]}
        return {
            "conversationId": f"00000000-0000-4000-8000-{number:012}",
            "conversationStart": TIMES[0], "conversationEnd": TIMES[-1],
            "participants": [participant | self._some("userId", ("u1", "u2"))],
        }  # fmt: skip

    def _session(self, number: int) -> Tree:
        rng = self._rng
        return {
            "sessionId": f"s{number}",
            "segments": [self._segment() for _ in range(rng.randrange(5))],
            "metrics": [self._metric() for _ in range(rng.randrange(6))],
            **self._some("mediaType", ("voice", "chat")),
            **self._some("flowOutType", ("acd", "voicemail")),
        }

    def _segment(self) -> Tree:
        queue, code = self._some("queueId", ("q1", "q2")), self._some("wrapUpCode", ("w1", "w2"))
        return {"segmentType": "interact", "segmentStart": self._rng.choice(TIMES), **queue, **code}

    def _metric(self) -> Tree:
        rng = self._rng
        name = rng.choice(("nOffered", "tAnswered", "tAbandon", "tFlowOut", "tHandle", "nConsult", "tIvr"))
        return {"name": name, "value": rng.randrange(4), "emitDate": rng.choice(TIMES)}

    def _some(self, name: str, values: Sequence[str]) -> dict[str, str]:
        """One of the values, or nothing."""
        return {name: self._rng.choice(values)} if self._rng.random() < 0.7 else {}


def by_sandbox(store: Store, grain: Grain, *, interval: str = MONTH, timezone: str = "UTC") -> Cells:
    """What the sandbox's aggregates say of the groups of a view."""
    metrics = sorted({name for one in grain.measures for name in one.metrics})
    found: Cells = {}
    for key, stats in answers(store, grain, metrics, interval, timezone):
        if grain.subject not in REQUIRED or key[1] is not None:
            found[key] = {one.name: value for one in counted(grain) if (value := value_of(one, stats))}
    return found


def service_levels(store: Store) -> dict[Key, tuple[float, float | None]]:
    """(service level, target) of each group that has one, by queue, medium and half hour."""
    grain, name = Grain("queue", "half_hour"), "oServiceLevel"
    return {
        key: (stats[name]["ratio"], stats[name].get("target"))
        for key, stats in answers(store, grain, [name], MONTH, "UTC")
        if name in stats
    }


def answers(
    store: Store, grain: Grain, metrics: Sequence[str], interval: str, timezone: str
) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The statistics of each metric, by group."""
    dimensions = [dimension.name for dimension in grain.dimensions]
    body = {
        "interval": interval, "granularity": "PT30M" if grain.slice == "half_hour" else "P1D", "timeZone": timezone,
        "groupBy": dimensions, "metrics": metrics,
    }  # fmt: skip
    request = Request.of("POST", "/", {}, json.dumps(body).encode())
    for result in answer_aggregates(store, request, default_client(1)).content["results"]:
        dims = [result["group"].get(name) for name in dimensions]
        for data in result["data"]:
            at = time_of(grain, data["interval"].partition("/")[0], timezone)
            yield (at, *dims), {one["metric"]: one["stats"] for one in data["metrics"]}


def time_of(grain: Grain, start: str, timezone: str) -> datetime | date:
    """The time of a group by the start of its interval: an instant, or a day of the time zone."""
    at = datetime.fromisoformat(start)
    return at if grain.slice == "half_hour" else at.astimezone(ZoneInfo(timezone)).date()


def counted(grain: Grain) -> list[Measure]:
    """The measures that are counted."""
    return [measure for measure in grain.measures if measure.metrics]


def value_of(measure: Measure, stats: Mapping[str, Mapping[str, int]]) -> int:
    """A measure by the statistics of an answer; 0 where it has none."""
    found = [stats[name] for name in measure.metrics if name in stats]
    if measure.statistic == "max":
        return max((one["max"] for one in found), default=0)
    # The answer has `count` alone for a metric whose name begins with n: it is the sum of its values.
    name = "count" if measure.statistic == "count" or measure.metrics[0].startswith("n") else "sum"
    return sum(one[name] for one in found)


def by_view(grain: Grain, rows: Iterable[Mapping[str, Any]]) -> Cells:
    """The same from the rows of a view."""
    names = [SLICES[grain.slice][0], *(dimension.name for dimension in grain.dimensions)]
    return {
        tuple(row[name] for name in names): {one.name: row[one.name] for one in counted(grain) if row[one.name]}
        for row in rows
    }


def differences(sandbox: Cells, view: Cells) -> list[Difference]:
    """The cells that differ; a group that one of them lacks has no cells there."""
    return [
        (key, name, expected.get(name), found.get(name))
        for key in {**sandbox, **view}
        for expected, found in ((sandbox.get(key, {}), view.get(key, {})),)
        for name in {**expected, **found}
        if expected.get(name) != found.get(name)
    ]
