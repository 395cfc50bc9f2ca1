"""A server that counts requests in windows, and many senders in front of it, in simulated time."""

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Literal

from everycall.api.limits import RateLimit
from everycall.pacing import Pace, Sent

Rounding = Literal["floor", "ceil", "round", "exact"]

ROUNDINGS: dict[Rounding, Callable[[float], float]] = {
    "floor": math.floor, "ceil": math.ceil, "round": round, "exact": float,
}  # fmt: skip


@dataclass
class Server:
    """Counts in fixed windows of a minute, which begin with a request or at fixed times of its clock."""

    allowed: int = 300
    aligned: bool = False
    """Whether windows follow each other by the clock; otherwise each begins with the first request after the last."""
    rounding: Rounding = "ceil"
    counts_at: Literal["arrival", "answer"] = "arrival"
    missing: tuple[str, ...] = ()
    """Headers that its answers lack: count, allowed, reset_s."""
    phase_s: float = 0.0
    """When an aligned window begins, in seconds of its minute."""
    starts: list[float] = field(default_factory=list)
    """When each window began."""
    counts: Counter[int] = field(default_factory=Counter)
    """Requests in each window, by its number in `starts`."""

    def arrive(self, now: float) -> bool:
        """Count a request; whether it is let through."""
        if not self.starts or now >= self.starts[-1] + 60:
            self.starts.append((now - self.phase_s) // 60 * 60 + self.phase_s if self.aligned else now)
        self.counts[len(self.starts) - 1] += 1
        return self.counts[len(self.starts) - 1] <= self.allowed

    def headers(self, now: float) -> RateLimit:
        """The headers of an answer at this moment."""
        begun = now < self.starts[-1] + 60
        left_s = self.starts[-1] + 60 - now if begun else 60.0
        used = self.counts[len(self.starts) - 1] if begun else 0
        limit = RateLimit(used, self.allowed, ROUNDINGS[self.rounding](left_s))
        return replace(limit, **dict.fromkeys(self.missing))

    def retry_after_s(self, now: float) -> int:
        """Whole seconds until the window ends, rounded as the headers are."""
        return int(ROUNDINGS[self.rounding](max(0.0, self.starts[-1] + 60 - now)))


def between(least_s: float, most_s: float) -> Callable[[random.Random], float]:
    """Latencies spread evenly."""
    return lambda rng: rng.uniform(least_s, most_s)


@dataclass
class Run:
    """How sending went."""

    seconds: float
    rejected: int
    windows: list[tuple[float, int]]
    """When each of the server's windows began, and how many requests it counted."""

    @property
    def most(self) -> int:
        """Requests in the fullest window."""
        return max(counted for _, counted in self.windows)


def send_all(
    pace: Pace,
    server: Server,
    requests: int,
    *,
    latency_s: Callable[[random.Random], float] | None = None,
    senders: int = 40,
    seed: int = 0,
    lost: float = 0.0,
    others: Iterable[float] = (),
) -> Run:
    """Send all requests as soon as the pace allows, with so many senders at once; what is answered 429 is sent again.

    Args:
        pace: what is tested.
        server: what answers.
        requests: how many have to be answered with a 200.
        latency_s: the time between sending and answer, drawn with the rng; the request arrives somewhere in between.
            0.01 to 3 s by default.
        senders: in flight at most.
        seed: of the rng.
        lost: the part of the requests that get no answer, though the server counted them.
        others: when another program sends a request with the same token.
    """
    simulation = _Simulation(
        pace, server, requests, latency_s or between(0.01, 3.0), senders, random.Random(seed), lost
    )
    for when in others:
        simulation.at(when, server.arrive)
    return simulation.run()


class _Simulation:
    """An event queue, and the requests that are still to be sent, under way, and rejected."""

    def __init__(
        self,
        pace: Pace,
        server: Server,
        requests: int,
        latency_s: Callable[[random.Random], float],
        senders: int,
        rng: random.Random,
        lost: float,
    ) -> None:
        self.pace, self.server, self.senders = pace, server, senders
        self.latency_s, self.rng, self.lost = latency_s, rng, lost
        self.left, self.out, self.rejected, self.now = requests, 0, 0, 0.0
        self.events: list[tuple[float, int, Callable[[float], object]]] = []
        self.serial = count()

    def at(self, when: float, event: Callable[[float], object]) -> None:
        heapq.heappush(self.events, (when, next(self.serial), event))

    def run(self) -> Run:
        self.send()
        while self.left or self.out:
            self.now, _, event = heapq.heappop(self.events)
            event(self.now)
            self.send()
            assert self.now < 1e6, "it never ends"
        windows = [(start, self.server.counts[index]) for index, start in enumerate(self.server.starts)]
        return Run(self.now, self.rejected, windows)

    def send(self) -> None:
        while self.out < self.senders and self.left and self.pace.wait_s(self.now) == 0:
            self.left, self.out = self.left - 1, self.out + 1
            latency_s = self.latency_s(self.rng)
            there_s = latency_s * self.rng.random()
            self.at(self.now + there_s, partial(self.arrive, self.pace.sent(self.now), latency_s - there_s))
        wait_s = self.pace.wait_s(self.now)
        assert wait_s != math.inf or self.out, "nobody may send, and no answer will change that"
        if 0 < wait_s < math.inf and self.left and self.out < self.senders:
            self.at(self.now + wait_s, lambda _: None)

    def arrive(self, ticket: Sent, back_s: float, now: float) -> None:
        through, limit, retry_s = self.server.arrive(now), self.server.headers(now), self.server.retry_after_s(now)
        if self.rng.random() < self.lost:
            self.at(now + back_s, self.is_lost)
        elif through:
            self.at(now + back_s, partial(self.is_answered, ticket, limit))
        else:
            self.at(now + back_s, partial(self.is_rejected, ticket, retry_s))

    def is_answered(self, ticket: Sent, limit: RateLimit, now: float) -> None:
        self.out -= 1
        self.pace.answered(ticket, now, limit if self.server.counts_at == "arrival" else self.server.headers(now))

    def is_lost(self, _: float) -> None:
        self.left, self.out = self.left + 1, self.out - 1
        self.pace.lost()

    def is_rejected(self, ticket: Sent, retry_s: float, now: float) -> None:
        self.left, self.out, self.rejected = self.left + 1, self.out - 1, self.rejected + 1
        self.pace.answered(ticket, now, RateLimit(None, None, None))
        self.pace.hold(now + retry_s)
