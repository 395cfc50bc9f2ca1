"""The sandbox's own clock: any start, any speed, and a pure function of a clock that only goes forward."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from everycall.sandbox.instants import to_ms


@dataclass(frozen=True, slots=True)
class RunningClock:
    """Epoch seconds that begin at an instant and pass at a speed.

    clock = RunningClock.at("2026-01-05T08:00:00Z", speed=60)     # an hour of the org in a minute
    """

    start_s: float
    speed: float = 1.0
    monotonic: Callable[[], float] = time.monotonic
    _zero_s: float = field(init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.speed < float("inf"):
            raise ValueError(f"a clock cannot run at the speed {self.speed}; 0 stands still, 1 is real time")
        object.__setattr__(self, "_zero_s", self.monotonic())

    @classmethod
    def at(cls, instant: str, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> "RunningClock":
        """A clock that begins at an ISO 8601 instant.

        Raises:
            ValueError: it is no instant, or the speed is negative.
        """
        return cls(to_ms(instant) / 1000, speed, monotonic)

    def __call__(self) -> float:
        """Epoch seconds by now."""
        return self.start_s + (self.monotonic() - self._zero_s) * self.speed
