"""Syncs of an org in the same process, night after night, and what interrupts them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clocks import StillClock
from everycall import Interval, Query
from everycall.executor import SerialExecutor
from everycall.filesystem import SystemFilesystem
from everycall.setup import Environment, Options
from everycall.syncing import Policy, Synced, sync
from inprocess import Org, org

SINCE = datetime(2026, 1, 5, tzinfo=UTC)
ASKED = {"since": "2026-01-05"}
FIRST_NIGHT = SINCE + timedelta(days=2, hours=3)


def contact_centre(per_day: int = 25, start: datetime = FIRST_NIGHT, **settings: Any) -> Org:
    return org(StillClock(start), conversations_per_day=per_day, **settings)


def night(
    where: Org,
    output: Path | str,
    *,
    policy: Policy = Policy(),  # noqa: B008
    filesystem: Any = None,
    **options: Any,
) -> Synced:
    """One sync, one request at a time."""
    progress, columns = options.pop("progress", None), options.pop("columns", ())
    query = Query(Interval(SINCE, where.clock.utc()))
    environment = Environment(executor=SerialExecutor(), filesystem=filesystem)
    return sync(
        where.client, query, output, policy=policy, columns=columns,
        options=Options(asked=ASKED, route="query", **options),
        progress=progress, environment=environment,
    )  # fmt: skip


def wait(where: Org, length: timedelta) -> None:
    where.clock.advance(length.total_seconds())


class StopsAt(SystemFilesystem):
    """Interrupts at the replacement of that number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def replace(self, source: Path, target: Path) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        super().replace(source, target)
