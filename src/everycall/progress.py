"""The events of an export, as frozen values. A listener implements `Progress`; by default nothing listens.

Progress is measured along the interval of the query, since its length is known from the start.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from everycall.api.query import Interval


@dataclass(frozen=True, slots=True)
class Started:
    """The export begins or resumes."""

    interval: Interval
    """The whole interval of the export."""
    covered: timedelta
    """How much of it earlier runs have finished; zero for a new export."""
    rows: int
    """Rows that earlier runs have finished."""


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page was received."""

    rows: int
    """Conversations of the export so far, in finished windows and in those that are being read."""
    covered: timedelta
    """How much of the interval is read; a window that is being read counts by its pages."""


@dataclass(frozen=True, slots=True)
class WindowClosed:
    """A window is finished: its rows are on disk, and it has its verdict."""

    window: Interval
    rows: int
    proven: bool
    reason: str
    """Why it is unproven; empty where it is proven."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that the user should know, reported once."""

    message: str


Event: TypeAlias = Started | PageRead | WindowClosed | Noticed


class Progress(Protocol):
    """A listener. It is called in the thread that runs the export, in the order of the events."""

    def report(self, event: Event) -> None:
        """Receive an event."""
        ...


class Silent:
    """A listener that ignores all events."""

    def report(self, event: Event) -> None:
        """Ignore the event."""
