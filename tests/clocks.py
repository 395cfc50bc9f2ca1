"""Clocks that tests own: time passes where somebody waits for it, and nowhere else."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday; what the tests export ended weeks before, unless they say otherwise."""

TURN_S = 0.001
"""How long a thread that waits really lets others have their turn."""


class StillClock:
    """One clock for the client and the sandbox: `client.Clock` here, the sandbox's `now` there."""

    def __init__(self, start: datetime = NOON) -> None:
        self._start = start
        self._passed_s = 0.0
        self.waits_s: list[float] = []
        """What was waited for, in order."""
        self.on_wait: Callable[[], object] = lambda: None
        """Is called before each wait."""

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._passed_s

    def utc(self) -> datetime:
        """The present."""
        return self._start + timedelta(seconds=self._passed_s)

    def now(self) -> float:
        """The present in epoch seconds, for the sandbox."""
        return self.utc().timestamp()

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._passed_s += seconds

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Time passes at once, unless another thread has something to say meanwhile."""
        assert seconds < float("inf"), "nothing would end this wait"
        self.on_wait()
        self.waits_s.append(seconds)
        if threading.active_count() == 1 or not condition.wait(TURN_S):
            self.advance(seconds)
