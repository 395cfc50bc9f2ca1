"""When the next request may be sent. Pure: it takes the time as an argument, and never waits itself.

The API counts requests in windows of about a minute and says in each answer how many it counted, how many it allows
and in how many seconds the count starts again (`inin-ratelimit-*`). So the fastest way that is never refused is to
send at once as long as the window has room, and then to wait for its end. Two things need care:

- *How much room is left.* As long as no count exceeds what this client can have sent, the token is used by nobody
  else, and room is `allowed - sent in this window`, exactly. Once a count does exceed it, somebody else sends with the
  same token, and answers of many requests in flight do not say how many of those their counts include. Then room is
  `allowed - highest count seen - in flight`: too careful by at most what is in flight.
- *When the window ends.* The seconds are whole numbers, rounded nobody knows which way, and counted somewhere between
  the sending and the answer. So each answer bounds the end from both sides, the bounds of a window are intersected,
  and the next window is taken to have begun when the latest possible end has passed.

What it costs: 0 to 1 s at each end of a window, as the server rounds down or up, and the time in which the last
window's requests are answered, which is what more requests in flight shorten (`IN_FLIGHT_BEST`).
"""

from dataclasses import dataclass
from typing import Literal

from everycall.api.limits import RATE_PER_MINUTE, RATE_WINDOW_S, RateLimit

IN_FLIGHT_BEST = 128
"""Requests under way at once that bring an export near the least time that the limit allows, at latencies up to 2 s.

Measured by simulation, the worst of all servers in `tests/test_pacing.py`, 900 requests, against the least: with
latencies of 0.3 to 2 s 1.10 with 40, 1.07 with 64, 1.06 with 100, 1.05 with 128 and 150; with 0.4 s 1.04 with 40, 1.03
with 100 and more.
"""

ROUNDING_S = 1.0
"""How far a whole number of seconds may lie from the truth, either way."""

RESET_MAX_S = 2 * RATE_WINDOW_S
"""A longer time to the end of a window is not believed: nobody would send for hours."""

ASSUMED_WINDOW_S = RATE_WINDOW_S + 2.0
"""How long a window is taken to be, from its first request on, where no answer says when it ends."""

SHARED_WINDOWS = 1
"""For so many windows after one in which somebody else sent with the same token, they are expected to send again."""

Window = Literal["present", "earlier", "unknown"]
"""In which window an answer was counted. Where it is unknown, it may have been in the present one, and is counted."""


@dataclass(slots=True)
class Sent:
    """One request under way."""

    at: float
    window: int


class Pace:
    """One budget for all who send with one token. The caller lets one thread at a time in here.

    Times are seconds on any clock that does not run backwards.
    """

    def __init__(self, *, share: float = 1.0, allowed: float = RATE_PER_MINUTE) -> None:
        """A budget of `share` (0 to 1) of what the API allows; `allowed` holds until an answer says otherwise."""
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
        """Requests of ours that are counted in the present window, at most."""
        return self._answered + self._in_flight

    @property
    def _is_shared(self) -> bool:
        """Whether somebody else sends with the same token, as far as the counts of late tell."""
        return self._window - self._shared_window <= SHARED_WINDOWS

    def _has_room(self) -> bool:
        counted = self._count + self._in_flight if self._is_shared else self._count
        return counted < self.allowed and self.used + 1 <= max(1.0, self.allowed * self.share)

    def wait_s(self, now: float) -> float:
        """Seconds until a request may be sent, unless an answer comes before; 0 means now."""
        if now < self._held_until:
            return self._held_until - now
        if self._latest_end is not None and now >= self._latest_end:
            self._begin(now)
        knows_allowed = self._has_answer or not self._in_flight  # the first one goes alone, to learn it
        if knows_allowed and self._has_room():
            return 0.0
        end = self._latest_end
        if end is None:  # it is full of what was sent before it began, and perhaps no answer will say when it ends
            end = self._assumed_end = now + ASSUMED_WINDOW_S
        return end - now

    def sent(self, now: float) -> Sent:
        """A request goes out; hand the ticket back with `answered`, or call `lost`."""
        self._in_flight += 1
        if self._assumed_end is None:
            self._assumed_end = now + ASSUMED_WINDOW_S
        return Sent(now, self._window)

    def answered(self, ticket: Sent, now: float, limit: RateLimit) -> None:
        """An answer came, with what its headers say."""
        self._in_flight -= 1
        self._has_answer = True
        self.allowed = limit.allowed or self.allowed
        window: Window = "unknown"
        if limit.reset_s is not None and limit.reset_s <= RESET_MAX_S:
            ends = (ticket.at + limit.reset_s - ROUNDING_S, now + limit.reset_s + ROUNDING_S)
            window = self._learn(ticket, ends, limit.count or 0)
        if window != "earlier":
            self._answered += 1
            self._count += window == "unknown" or limit.count is None  # else its own count has been taken in

    def _learn(self, ticket: Sent, ends: tuple[float, float], count: float) -> Window:
        """Take in an answer of a window that ends between the two instants and had counted so many requests.

        Returns:
            Which window that is. Nothing is learnt from it unless it is certainly the present one.
        """
        if self._ends and ends[1] < self._ends[0]:
            return "earlier"
        if ticket.window != self._window and ends[0] <= self._opened:
            return "earlier" if ends[1] <= self._opened + 2 * ROUNDING_S else "unknown"
        if self._ends and ends[0] > self._ends[1]:
            self._begin(ticket.at, ends)
        if count > self.used + 1:  # this answer's own request is in neither part of `used` yet
            self._shared_window = self._window
        known = self._ends or ends
        self._ends = max(known[0], ends[0]), min(known[1], ends[1])
        self._count = max(self._count, count)
        return "present"

    def lost(self) -> None:
        """No answer came; the API may have counted the request, at any time since it was sent."""
        self._in_flight -= 1
        self._answered += 1
        self._count += 1

    def hold(self, until: float) -> None:
        """A 429: nobody sends before then, and a second more, since Retry-After is a whole number too."""
        self.rejected += 1
        self._held_until = max(self._held_until, until + ROUNDING_S)

    def free_at(self, now: float) -> float | None:
        """When the next request may go out, where that is later than now and known; for the progress line."""
        wait_s = self.wait_s(now)
        return now + wait_s if wait_s > 0 else None
