"""Decides when the next request may be sent. Pure: it takes the time as an argument, and never waits itself.

The API counts requests in windows of about a minute. Each answer has the count, the allowed number and the seconds
until the count starts again (`inin-ratelimit-*`). The fastest way without a refusal is to send at once while the window
has room, and then to wait for its end. Two things are uncertain:

- *How much room is left.* As long as no count exceeds what this client can have sent, nobody else uses the token, and
  the room is exactly `allowed - sent in this window`. A higher count shows that somebody else sends with the same
  token. The counts do not show how many requests in flight they include, so the room is then
  `allowed - highest count - in flight`, which is too careful by at most the requests in flight.
- *When the window ends.* The seconds are whole numbers with unknown rounding, counted at some moment between the
  request and the answer. Each answer therefore gives an earliest and a latest end. The bounds of a window are
  intersected, and the next window is assumed to begin when the latest possible end has passed.

This costs 0 to 1 s at the end of each window, depending on the server's rounding, and the time until the requests of
the last window are answered, which more requests in flight shorten (`IN_FLIGHT_BEST`).
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from everycall.api.limits import RATE_PER_MINUTE, RATE_WINDOW_S, RateLimit

IN_FLIGHT_BEST = 96
"""Concurrent requests with which an export takes nearly the least time that the limit allows, for latencies up to 2 s.

Measured by simulation: the slowest of all servers in `tests/test_pacing.py`, 900 requests, in multiples of the least
time. With latencies of 0.3 to 2 s: 1.10 for 40, 1.07 for 64, 1.06 for 100, 1.05 for 128 and 150. With 0.4 s: 1.04 for
40, 1.03 for 100 and more. More than this would cost memory for little time: each holds a zipped page.
"""

IN_FLIGHT_LEAST = 8
"""Concurrent requests where answers come at once: they are unzipped and decoded one by one anyway, and threads that
wait for that with an answer each take memory, and time for their changes."""

A_SECOND = 240
"""Requests a second for which there should be enough in flight: as many as `IN_FLIGHT_BEST` send at 0.4 s each."""

ROUNDING_S = 1.0
"""The largest error of a whole number of seconds, in both directions."""

RESET_MAX_S = 2 * RATE_WINDOW_S
"""A longer time to the end of a window is ignored, since it would block the client for hours."""

ASSUMED_WINDOW_S = RATE_WINDOW_S + 2.0
"""The assumed length of a window, from its first request on, if no answer says when it ends."""

SHARED_WINDOWS = 1
"""For how many windows other users of the token are expected to send again after they were noticed."""


def in_flight(latency_s: float) -> int:
    """How many requests to have in flight where an answer takes so long."""
    return max(IN_FLIGHT_LEAST, min(IN_FLIGHT_BEST, ceil(latency_s * A_SECOND)))


Window = Literal["present", "earlier", "unknown"]
"""The window in which an answer was counted. An unknown one may be the present one, and is counted there."""


@dataclass(slots=True)
class Sent:
    """A request in flight."""

    at: float
    window: int


class Pace:
    """The rate budget of one token. The caller has to let only one thread at a time use it.

    Times are seconds on any monotonic clock.
    """

    def __init__(self, *, share: float = 1.0, allowed: float = RATE_PER_MINUTE) -> None:
        """Use `share` (0 to 1) of what the API allows; `allowed` applies until an answer has another number."""
        self.share = share
        self.allowed = allowed
        self.rejected = 0
        """How many requests were answered 429."""
        self._in_flight = 0
        self._has_answer = False
        self._held_until = float("-inf")
        self._window = 0
        self._shared_window = float("-inf")
        self._begin(float("-inf"))

    def _begin(self, opened: float, ends: tuple[float, float] | None = None) -> None:
        self._window += 1
        self._opened = opened
        self._ends = ends
        self._assumed_end: float | None = None
        self._count = 0.0
        self._answered = 0

    @property
    def _latest_end(self) -> float | None:
        return self._ends[1] if self._ends else self._assumed_end

    @property
    def used(self) -> int:
        """The maximum of our requests that are counted in the present window."""
        return self._answered + self._in_flight

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return self._in_flight

    def room(self, now: float) -> float:
        """How many requests may be sent at once in the present window; all of its share once it has ended."""
        share = max(1.0, self.allowed * self.share)
        if now < self._held_until:
            return 0.0
        if self._latest_end is None or now >= self._latest_end:
            return share
        counted = self._count + self._in_flight if self._is_shared else self._count
        return max(0.0, min(self.allowed - counted, share - self.used))

    def ends_s(self, now: float) -> float:
        """Seconds until the present window ends, at the latest; a whole window if none has begun."""
        end = self._latest_end
        left_s = RATE_WINDOW_S if end is None or now >= end else end - now
        return max(left_s, self._held_until - now)

    @property
    def _is_shared(self) -> bool:
        """Whether recent counts show that somebody else sends with the same token."""
        return self._window - self._shared_window <= SHARED_WINDOWS

    def _has_room(self) -> bool:
        counted = self._count + self._in_flight if self._is_shared else self._count
        return counted < self.allowed and self.used + 1 <= max(1.0, self.allowed * self.share)

    def wait_s(self, now: float) -> float:
        """Seconds until a request may be sent, unless an answer arrives before; 0 means now."""
        if now < self._held_until:
            return self._held_until - now
        if self._latest_end is not None and now >= self._latest_end:
            self._begin(now)
        knows_allowed = self._has_answer or not self._in_flight  # the first request is sent alone, to learn it
        if knows_allowed and self._has_room():
            return 0.0
        end = self._latest_end
        if end is None:  # requests from before its beginning fill it, and perhaps no answer has its end
            end = self._assumed_end = now + ASSUMED_WINDOW_S
        return end - now

    def sent(self, now: float) -> Sent:
        """Record that a request is sent. Pass the result to `answered`, or call `lost`."""
        self._in_flight += 1
        if self._assumed_end is None:
            self._assumed_end = now + ASSUMED_WINDOW_S
        return Sent(now, self._window)

    def answered(self, ticket: Sent, now: float, limit: RateLimit) -> None:
        """Record an answer and the limits in its headers."""
        self._in_flight -= 1
        self._has_answer = True
        self.allowed = limit.allowed or self.allowed
        window: Window = "unknown"
        if limit.reset_s is not None and limit.reset_s <= RESET_MAX_S:
            ends = (ticket.at + limit.reset_s - ROUNDING_S, now + limit.reset_s + ROUNDING_S)
            window = self._learn(ticket, ends, limit.count or 0)
        if window != "earlier":
            self._answered += 1
            if window == "unknown" or limit.count is None:  # otherwise `_learn` has used the answer's own count
                self._count += 1

    def _learn(self, ticket: Sent, ends: tuple[float, float], count: float) -> Window:
        """Learn from an answer whose window ends between the two instants and has counted so many requests.

        Returns:
            Which window that is. Only an answer of the present window changes anything.
        """
        if self._ends and ends[1] < self._ends[0]:
            return "earlier"
        if ticket.window != self._window and ends[0] <= self._opened:
            return "earlier" if ends[1] <= self._opened + 2 * ROUNDING_S else "unknown"
        if self._ends and ends[0] > self._ends[1]:
            self._begin(ticket.at, ends)
        if count > self.used + 1:  # `used` does not include this answer's request yet
            self._shared_window = self._window
        known = self._ends or ends
        self._ends = max(known[0], ends[0]), min(known[1], ends[1])
        self._count = max(self._count, count)
        return "present"

    def lost(self) -> None:
        """Record that no answer came. The API may have counted the request at any time since it was sent."""
        self._in_flight -= 1
        self._answered += 1
        self._count += 1

    def hold(self, until: float) -> None:
        """Record a 429: no request is sent until then, and a second longer, since Retry-After is rounded, too."""
        self.rejected += 1
        self._held_until = max(self._held_until, until + ROUNDING_S)

    def free_at(self, now: float) -> float | None:
        """When the next request may be sent, for the progress line; None if that is now."""
        wait_s = self.wait_s(now)
        return now + wait_s if wait_s > 0 else None
