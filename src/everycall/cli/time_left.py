"""How long an export will take: from the requests that are left, the rate limit, and the latency seen. Pure.

The requests that are left follow from those that the share of the interval so far took. They are sent as fast as the
requests in flight and the latency allow, and wait for the next window of the rate limit whenever one is used up.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everycall.api.limits import RATE_WINDOW_S

if TYPE_CHECKING:
    from everycall.client import Counts

SHARE_MIN, REQUESTS_MIN = 0.03, 5
"""Ours: before such a share and so many answers, an estimate would be a guess."""

ENDING = 5
"""Ours: requests after the last page: the empty page, the second count, and look-ups of names."""

FOLLOWS_S = 8.0
"""Ours: how fast what is shown follows the estimate, so that one slow page does not move it."""

GROWS_MAX = 1.2
"""Ours: what is shown never grows by more than a fifth, unless something goes wrong."""


@dataclass(frozen=True, slots=True)
class Left:
    """An estimate to show."""

    seconds: float
    is_at_least: bool
    """Whether it will take longer than that: the estimate has grown by more than a fifth."""


class TimeLeft:
    """Estimates the time that is left, again and again."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._busy_max = 1
        self._shown: float | None = None
        self._least = math.inf
        self._at = 0.0
        self._troubles = 0

    def estimate(self, now: float, share: float, counts: "Counts") -> Left | None:
        """The time left; None while too little is known.

        Args:
            now: seconds of any monotonic clock.
            share: how much of the interval is read, from 0 to 1.
            counts: the client's present counts.
        """
        answered = counts.requests - counts.in_flight
        self._busy_max = max(self._busy_max, counts.in_flight)
        if self._first is None:
            self._first = share, answered
        done, took = share - self._first[0], answered - self._first[1]
        if done < SHARE_MIN or took < REQUESTS_MIN:
            return None
        return self._smoothed(now, self._seconds(took * (1 - share) / done + ENDING, counts), counts)

    def _seconds(self, requests: float, counts: "Counts") -> float:
        """What so many requests take from now on."""
        each_s = counts.latency_s / self._busy_max
        if requests <= counts.room or counts.allowed <= 0:
            return requests * each_s + counts.latency_s
        rest = requests - counts.room
        full = math.ceil(rest / counts.allowed) - 1
        return counts.ends_s + full * RATE_WINDOW_S + (rest - full * counts.allowed) * each_s + counts.latency_s

    def _smoothed(self, now: float, estimate: float, counts: "Counts") -> Left:
        """What to show: it counts down, follows the estimate, and grows by a fifth at most."""
        troubles = counts.retried + counts.rejected
        if self._shown is None or troubles != self._troubles:
            self._shown, self._least = estimate, math.inf
        else:
            passed = now - self._at
            expected = max(0.0, self._shown - passed)
            self._shown = expected + (estimate - expected) * (1 - math.exp(-passed / FOLLOWS_S))
        self._at, self._troubles = now, troubles
        most = self._least * GROWS_MAX
        shown = min(self._shown, most)
        self._least = min(self._least, max(shown, 1.0))
        return Left(shown, is_at_least=self._shown > most)
