"""A query: an interval and filters, and the request body for one page of one window. Pure.

Source of the body: SDK 269, ConversationQuery.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from everycall.api.filters import DIRECTIONS, FILTER_LISTS, MEDIA_TYPES, Filter, Filters
from everycall.api.interval import Interval
from everycall.instants import since_epoch_ms, start_of_day

__all__ = ["DIRECTIONS", "FILTER_LISTS", "MEDIA_TYPES", "Filter", "Filters", "Interval", "Match", "Query"]

Match = Literal["start", "activity"]


@dataclass(frozen=True, slots=True)
class Query:
    """Which conversations to export, and of which interval."""

    interval: Interval
    filters: Filters = field(default_factory=Filters)
    match: Match = "start"
    """"start": conversations that started in the interval, so that adjacent exports add up. "activity": also those that
    started earlier on the first UTC day of the interval and had not ended, as the API returns them."""

    def body(self, interval: Interval, page_number: int, page_size: int) -> dict[str, Any]:
        """The body of the details query for one page of one slice of the interval.

        It asks for the order of start, so that late arrivals shift as few pages as possible.
        """
        paging = {"pageSize": page_size, "pageNumber": page_number}
        order = {"order": "asc", "orderBy": "conversationStart"}
        return {"interval": str(interval), **order, **self.filters.lists, "paging": paging}

    def belongs_at(self, start_ms: int) -> int:
        """The instant that decides to which window a conversation belongs, in milliseconds since 1970.

        That is its start. With match "activity" it is the start of the interval for what started earlier on that UTC
        day; the API returns nothing that started on a day before.
        """
        if self.match == "start":
            return start_ms
        start = self.interval.start
        is_earlier = since_epoch_ms(start_of_day(start)) <= start_ms < since_epoch_ms(start)
        return since_epoch_ms(start) if is_earlier else start_ms

    def owns(self, started: datetime, window: Interval) -> bool:
        """Whether a conversation with that start belongs to the window; each belongs to exactly one."""
        return since_epoch_ms(window.start) <= self.belongs_at(since_epoch_ms(started)) < since_epoch_ms(window.end)
