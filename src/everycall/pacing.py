"""When the next request may be sent. Pure: it is told the time, and never waits itself.

The API counts requests in windows of about a minute and says in each answer how many it counted, how many it allows
and in how many seconds the count starts again (`inin-ratelimit-*`). So the fastest way that is never refused is to
send at once as long as the window has room, and then to wait for its end. Two things need care:

- *How much room is left.* Answers of many requests in flight arrive in any order, and their counts may or may not
  include the others that are still under way. So room is `allowed - highest count seen - in flight`: too careful by
  at most what is in flight, and exact once those have come back.
- *When the window ends.* The seconds are whole numbers, rounded nobody knows which way, and counted somewhere between
  the sending and the answer. So each answer bounds the end from both sides, the bounds of a window are intersected,
  and a new window is believed in only when the latest possible end has passed.
"""

from dataclasses import dataclass
from typing import Literal

from everycall.api.limits import RATE_PER_MINUTE, RATE_WINDOW_S, RateLimit

ROUNDING_S = 1.0
"""How far a whole number of seconds may lie from the truth, either way."""

RESET_MAX_S = 2 * RATE_WINDOW_S
"""A window that is said to end later than this is not believed in: nobody would send for hours."""

UNTOLD_MARGIN_S = 2.0
"""How much longer than a minute a window is taken to be where no answer says when it ends."""


Window = Literal["present", "earlier", "unknown"]
"""Which window an answer tells of. What is unknown may have been counted in the present one, and is."""


@dataclass(slots=True)
class Sent:
    """One request under way."""

    at: float
    window: int


class Pace:
    """One budget for all who send with one token. The caller sees to it that one thread at a time is in here.

    Times are seconds on any clock that does not run backwards.
    """

    def __init__(self, *, share: float = 1.0, allowed: float = RATE_PER_MINUTE) -> None:
        """A budget of `share` (0 to 1) of what the API allows; `allowed` holds until an answer says otherwise."""
        self.share = share
        self.allowed = allowed
        self.rejected = 0
        """How many requests were answered 429."""
        self._in_flight = 0
        self._is_told = False
        self._held_until = float("-inf")
        self._window = 0
        self._begin(float("-inf"))

    def _begin(self, opened: float, ends: tuple[float, float] | None = None) -> None:
        self._window += 1
        self._opened = opened
        self._ends = ends
        self._presumed_end: float | None = None
        self._count = 0.0
        self._answered = 0

    @property
    def _latest_end(self) -> float | None:
        return self._ends[1] if self._ends else self._presumed_end

    @property
    def used(self) -> int:
        """Requests of ours that are counted in the present window, at most."""
        return self._answered + self._in_flight

    def wait_s(self, now: float) -> float:
        """Seconds until a request may be sent, unless an answer comes before; 0 means now."""
        if now < self._held_until:
            return self._held_until - now
        if self._latest_end is not None and now >= self._latest_end:
            self._begin(now)
        is_told = self._is_told or not self._in_flight  # one goes first and brings home how many are allowed
        if (
            is_told
            and self._count + self._in_flight < self.allowed
            and self.used + 1 <= max(1.0, self.allowed * self.share)
        ):
            return 0.0
        end = self._latest_end
        if end is None:  # it is full of what was sent before it began, and perhaps no answer will tell its end
            end = self._presumed_end = now + RATE_WINDOW_S + UNTOLD_MARGIN_S
        return end - now

    def sent(self, now: float) -> Sent:
        """A request goes out; hand the ticket back with `answered`, or say that it is `lost`."""
        self._in_flight += 1
        if self._presumed_end is None:
            self._presumed_end = now + RATE_WINDOW_S + UNTOLD_MARGIN_S
        return Sent(now, self._window)

    def answered(self, ticket: Sent, now: float, limit: RateLimit) -> None:
        """An answer came, with what its headers say."""
        self._in_flight -= 1
        self._is_told = True
        self.allowed = limit.allowed or self.allowed
        window: Window = "unknown"
        if limit.reset_s is not None and limit.reset_s <= RESET_MAX_S:
            ends = (ticket.at + limit.reset_s - ROUNDING_S, now + limit.reset_s + ROUNDING_S)
            window = self._learn(ticket, ends, limit.count or 0)
        if window != "earlier":
            is_uncounted = window == "unknown" or limit.count is None
            self._answered += 1
            self._count = max(self._count + is_uncounted, self._answered)

    def _learn(self, ticket: Sent, ends: tuple[float, float], count: float) -> Window:
        """An answer came of a window that ends between the two, and had counted so many when it was answered.

        Returns:
            Which window that is. It is learnt from only where that is certain.
        """
        if self._ends and ends[1] < self._ends[0]:
            return "earlier"
        if ticket.window != self._window and ends[0] <= self._opened + 2 * ROUNDING_S:
            return "earlier" if ends[1] <= self._opened + 2 * ROUNDING_S else "unknown"
        if self._ends and ends[0] > self._ends[1]:
            self._begin(ticket.at, ends)
        known = self._ends or ends
        self._ends = max(known[0], ends[0]), min(known[1], ends[1])
        self._count = max(self._count, count)
        return "present"

    def lost(self) -> None:
        """No answer came; the API may have counted it, at any time since it was sent."""
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
