"""The key figures of the views, against the sandbox's aggregates: cell by cell."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
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


def by_sandbox(store: Store, grain: Grain, *, interval: str = MONTH, timezone: str = "UTC") -> Cells:
    """What the sandbox's aggregates say of the groups of a view."""
    dimensions = [dimension.name for dimension in grain.dimensions]
    body = {
        "interval": interval, "granularity": "PT30M" if grain.slice == "half_hour" else "P1D", "timeZone": timezone,
        "groupBy": dimensions, "metrics": sorted({name for one in grain.measures for name in one.metrics}),
    }  # fmt: skip
    request = Request.of("POST", "/", {}, json.dumps(body).encode())
    found: Cells = {}
    for result in answer_aggregates(store, request, default_client(1)).content["results"]:
        dims = [result["group"].get(name) for name in dimensions]
        if grain.subject in REQUIRED and dims[0] is None:
            continue
        for data in result["data"]:
            at = time_of(grain, data["interval"].partition("/")[0], timezone)
            stats = {one["metric"]: one["stats"] for one in data["metrics"]}
            found[at, *dims] = {one.name: value for one in counted(grain) if (value := value_of(one, stats))}
    return found


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
