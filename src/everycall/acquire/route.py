"""A route: one of the API's ways to request conversations, as a state machine for each window. Pure.

A route makes a `WindowReading` for each window. The reading returns its next requests as values, each with its
exchange; it takes the answers in any order, and ends with a verdict or with other windows in its place. `loop.Loop`
therefore reads windows by any route, and knows neither page numbers nor cursors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from everycall.acquire.part import Found
from everycall.acquire.proof import Verdict
from everycall.api.exchange import Exchange
from everycall.api.oddities import Oddity
from everycall.api.query import Interval

OPEN_MAX = 8
"""Windows that are read at once: several small ones are needed to keep all requests in flight."""


class Ask(Protocol):
    """One request of a reading."""

    @property
    def is_page(self) -> bool:
        """Whether the answer contains conversations: `max_pages` counts those."""
        ...

    @property
    def not_before(self) -> datetime | None:
        """When it may be sent at the earliest; None for at once."""
        ...

    def exchange(self) -> Exchange[object]:
        """The exchange that sends it. Its result goes to `WindowReading.take` of the same route."""
        ...


@dataclass(frozen=True, slots=True)
class TooSlow:
    """The service did not answer a request in time, several times in a row."""

    reason: str


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page whose conversations count."""

    reading_pass: int
    """The pass that it belongs to, from 1."""
    content: bytes
    """The answer as it came."""
    is_zipped: bool
    found: Sequence[Found]
    others: Mapping[bytes, tuple[str, str | None]]
    """Of those that the window does not own, by id: conversationId and conversationStart as the API sent them."""
    open_ids: Mapping[bytes, str]
    """conversationIds of those without an end, by id."""
    unreadable: Sequence[Oddity] = ()
    """Conversations that are not in `found`, since their ids cannot be read."""


class WindowReading(Protocol):
    """One window on its way from the first question to its verdict."""

    route: str
    """By which of the API's ways it is read, as the manifest names it."""
    window: Interval
    counted_at: datetime | None
    """When the last count was asked for."""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, once the window is read."""
        ...

    @property
    def instead(self) -> list[Interval] | None:
        """Windows that have to be read in place of this one."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to ask."""
        ...

    @property
    def covered(self) -> float:
        """How much of the window is read, from 0 to 1."""
        ...

    @property
    def has_begun(self) -> bool:
        """Whether a page came."""
        ...

    def next_ask(self, *, may_page: bool = True) -> Ask | None:
        """What to ask now; None where an answer has to come first. Without `may_page`, only what brings no page."""
        ...

    def take(self, ask: Ask, answer: object, asked_at: datetime) -> FoundPage | None:
        """Take in what came; a page whose conversations count is given back, to be kept."""
        ...

    def stop(self, reason: str) -> None:
        """End the reading: the window is unproven, and what was read is kept."""
        ...


R_co = TypeVar("R_co", bound=WindowReading, covariant=True)


class Reads(Protocol[R_co]):
    """Begins readings of windows: all that the loop needs of a route."""

    def fitting(self, window: Interval) -> list[Interval]:
        """The window, or smaller ones in its place where the service was too slow for windows of its length."""
        ...

    def open_max(self, window: Interval) -> int:
        """How many windows are read at once, at most, when this one is begun. Each takes memory for its index."""
        ...

    def read(self, window: Interval) -> R_co:
        """Begin to read a window."""
        ...


class Route(Reads[R_co], Protocol[R_co]):
    """One of the API's ways to ask."""

    def find(self, day: Interval, conversation_id: str) -> Exchange[bool]:
        """Whether the API has the conversation on that UTC day."""
        ...

    def leftovers(self) -> Sequence[Exchange[None]]:
        """What to ask when the export ends, so that nothing of it goes on in the org."""
        ...
