"""Which participant attributes an org has: those of one day's conversations, read by a job. A sample, and no proof."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from everycall.acquire.details_job import DetailsJobs, JobReading
from everycall.acquire.loop import Loop
from everycall.acquire.route import FoundPage
from everycall.api import jobs
from everycall.api.interval import Interval
from everycall.api.query import Query
from everycall.api.records import Page
from everycall.client import Client
from everycall.executor import SerialExecutor
from everycall.instants import DAY, start_of_day
from everycall.zipped import unzipped

PAGES_MAX = 5
"""Ours: so many pages of results are read, 1,000 conversations each."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One name that was seen."""

    name: str
    conversations: int
    """In how many of those that were read."""
    purposes: Mapping[str, int]
    """How many participants have it, by their purpose, the most frequent first; "" where a purpose is missing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What attributes were seen, and where."""

    window: Interval
    conversations: int
    """How many were read."""
    attributes: tuple[Attribute, ...]
    """The most frequent first."""

    def as_json(self) -> Mapping[str, Any]:
        """For programs."""
        attributes = [
            {"name": one.name, "conversations": one.conversations, "purposes": dict(one.purposes)}
            for one in self.attributes
        ]
        return {"interval": str(self.window), "conversations": self.conversations, "attributes": attributes}


class _Counting:
    """Counts the attributes of pages."""

    def __init__(self) -> None:
        self.conversations = 0
        self.by_name: Counter[str] = Counter()
        self.by_purpose: dict[str, Counter[str]] = {}

    def add(self, _reading: JobReading, page: FoundPage) -> None:
        body = unzipped(page.content) if page.is_zipped else page.content
        for conversation in Page.read(body).conversations:
            self.conversations += 1
            pairs = [(name, one.purpose or "") for one in conversation.participants for name in one.attributes]
            self.by_name.update({name for name, _ in pairs})
            for name, purpose in pairs:
                self.by_purpose.setdefault(name, Counter())[purpose] += 1

    def found(self) -> tuple[Attribute, ...]:
        names = sorted(self.by_name, key=lambda name: (-self.by_name[name], name))
        return tuple(Attribute(name, self.by_name[name], dict(self.by_purpose[name].most_common())) for name in names)


def seen_attributes(client: Client, query: Query) -> Seen:
    """The attributes of the last whole day of the query's interval that jobs have; of its end, where there is none.

    Raises:
        AccessError, QueryError: the org has no jobs, or not for this client.
        EverycallError: what the client raises.
    """
    complete_until = client.play(jobs.availability())
    window = _last_day(query.interval, complete_until)
    route = DetailsJobs(query, complete_until=complete_until)
    counting = _Counting()
    loop = Loop(
        client,
        route,
        SerialExecutor(),
        [window],
        on_page=counting.add,
        on_end=_nothing,
        max_pages=PAGES_MAX,
        open_max=1,
    )
    try:
        while loop.step():
            pass
    finally:
        for exchange in route.leftovers():
            client.play(exchange)
    return Seen(window, counting.conversations, counting.found())


def _last_day(interval: Interval, complete_until: datetime | None) -> Interval:
    end = interval.end if complete_until is None else min(interval.end, max(complete_until, interval.start + DAY))
    end = start_of_day(end) if start_of_day(end) > interval.start else end
    return Interval(max(interval.start, end - DAY), end)


def _nothing(_reading: JobReading) -> None:
    """Whether the day is proven does not matter here."""
