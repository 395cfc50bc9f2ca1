"""Plans an export without exporting: one count for each window."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from everycall.acquire.details_query import Counting, CountReading
from everycall.acquire.loop import Loop
from everycall.acquire.route import FoundPage
from everycall.acquire.windows import is_provisional, windows
from everycall.api.interval import Interval
from everycall.api.limits import RATE_PER_MINUTE, RATE_WINDOW_S
from everycall.api.query import Query
from everycall.client import Client
from everycall.executor import SerialExecutor

PROOF_REQUESTS = 2
"""The requests of a window beside its pages: the empty page after the last one, and the second count."""


@dataclass(frozen=True, slots=True)
class Step:
    """One window of the plan."""

    window: Interval
    hits: int
    requests: int
    provisional: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows and requests of an export."""

    query: Query
    steps: tuple[Step, ...]
    allowed: float
    """Requests a minute that the API allows."""

    @property
    def hits(self) -> int:
        """Matching conversations, including those carried in from an earlier window."""
        return sum(step.hits for step in self.steps)

    @property
    def requests(self) -> int:
        """Requests for pages and proofs, without those for names, which are a few dozen at most."""
        return sum(step.requests for step in self.steps)

    @property
    def length(self) -> timedelta:
        """Duration at the rate limit: full minutes of waiting, and a few seconds for the last requests."""
        minutes_to_wait = max(0, -(-self.requests // max(1, int(self.allowed))) - 1)
        return timedelta(seconds=minutes_to_wait * RATE_WINDOW_S + 5)

    def as_json(self) -> Mapping[str, Any]:
        """The plan for programs."""
        return {
            "interval": str(self.query.interval),
            "hits": self.hits,
            "requests": self.requests,
            "seconds": self.length.total_seconds(),
            "allowedPerMinute": self.allowed,
            "route": "query",
            "windows": [
                {
                    "interval": str(step.window),
                    "hits": step.hits,
                    "requests": step.requests,
                    "provisional": step.provisional,
                }
                for step in self.steps
            ],
        }


def plan(client: Client, query: Query, *, page_size: int) -> Plan:
    """Count every window, and split windows as an export would.

    Raises:
        EverycallError: whatever the client and the query raise.
    """
    now = client.clock.utc()
    steps: list[Step] = []

    def counted(reading: CountReading) -> None:
        if reading.instead is None:
            window, hits = reading.window, reading.hits or 0
            steps.append(Step(window, hits, -(-hits // page_size) + PROOF_REQUESTS, is_provisional(window, now)))

    loop = Loop(
        client, Counting(query), SerialExecutor(), windows(query, now), on_page=_no_page, on_end=counted, open_max=1
    )
    while loop.step():
        pass
    return Plan(query, tuple(steps), client.counts().allowed or RATE_PER_MINUTE)


def _no_page(_reading: CountReading, _page: FoundPage) -> None:
    """Do nothing: a count has no pages."""
