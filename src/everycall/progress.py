"""What happens during an export, as frozen values; whoever wants to see them implements `Progress`. Silent by default.

Progress is measured along the interval that was asked for, since that total is known from the start.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from everycall.api.query import Interval


@dataclass(frozen=True, slots=True)
class Started:
    """The export begins, or goes on."""

    interval: Interval
    """All of what was asked for."""
    covered: timedelta
    """How much of it was done before: more than zero where an earlier run is continued."""
    rows: int
    """Rows that are there already."""


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page came."""

    rows: int
    """Conversations so far that belong to the export, of finished windows and of those under way."""
    covered: timedelta
    """How much of the interval is read; a window under way counts by its pages."""


@dataclass(frozen=True, slots=True)
class WindowClosed:
    """A window is on filesystem, with its verdict."""

    window: Interval
    rows: int
    proven: bool
    reason: str
    """Why it is unproven; empty where it is proven."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that a reader should know, said once."""

    message: str


Event: TypeAlias = Started | PageRead | WindowClosed | Noticed


class Progress(Protocol):
    """Listens to an export. Called on the thread that runs it, in order."""

    def report(self, event: Event) -> None:
        """Something happened."""
        ...


class Silent:
    """Listens and says nothing."""

    def report(self, event: Event) -> None:
        """Nothing."""
