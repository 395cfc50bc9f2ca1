"""An org that changes while it is read, and knows at each instant what there is to be found.

Conversations arrive late in the API's index, live ones end, and late wrap-ups make new versions of them. The version
of a conversation is its `disposition`, `v0`, `v1` and so on, so that a row tells which one it is.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from everycall.sandbox.instants import DAY_MS, to_text
from everycall.sandbox.recorded import Recorded, RecordedDay
from everycall.sandbox.traffic import FOREVER_MS, Sketch

QUEUES, USERS = 3, 8

COUNTS = (0, 1, 4, 9, 9, 12, 12, 16, 16, 20, 20, 30, 40, 40, 60, 120)
"""How many conversations there are: enough for pages that shift, and few, so that many worlds can be tried."""


@dataclass(frozen=True, slots=True)
class Told:
    """One conversation and all that becomes of it."""

    id: str
    start_ms: int
    end_ms: int
    arrives_ms: int
    """When the API learns of it."""
    changes_ms: tuple[int, ...]
    """When its later versions begin."""
    queue: int
    user: int

    @property
    def queue_name(self) -> str:
        """The last queue is gone, and has its id for a name."""
        return f"Queue {self.queue}" if self.queue < QUEUES - 1 else queue_id(self.queue)

    def user_name(self, version: int) -> str:
        """Each version has another user; the last of them cannot be found."""
        number = (self.user + version) % USERS
        return f"User {number}" if number < USERS - 1 else user_id(number)

    def version(self, now_ms: int) -> int:
        """How often it had changed by then."""
        return sum(at <= now_ms for at in self.changes_ms)


class Drifting(Recorded):
    """The world; what the API has not learnt of yet is for the faults to hide."""

    def __init__(self, told: list[Told]) -> None:
        listed = [{"id": queue_id(number), "name": f"Queue {number}"} for number in range(QUEUES - 1)]
        people = [{"id": user_id(number), "name": f"User {number}", "state": "active"} for number in range(USERS - 1)]
        super().__init__([], {"queues": listed, "users": people})
        self.told = told
        self.by_id = {one.id: one for one in told}
        self.activity_from_ms: int | None = None
        """Where an export begins that takes what still lived by then for its own; None where none does."""
        self._bodies: dict[tuple[str, int, bool], dict[str, Any]] = {}
        self.late = [one for one in told if one.arrives_ms > one.start_ms]
        by_day: defaultdict[int, list[Sketch]] = defaultdict(list)
        for one in told:
            sketch = Sketch(one.start_ms, one.end_ms, one.id, len(by_day), (), (), "", (), (), ())
            by_day[one.start_ms // DAY_MS].append(sketch)
        self._days = {day: RecordedDay(those) for day, those in by_day.items()}

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """The conversation as it is by then."""
        one = self.by_id[sketch.conversation_id]
        key = one.id, one.version(now_ms), one.end_ms <= now_ms
        if key not in self._bodies:
            self._bodies[key] = body(one, *key[1:])
        return self._bodies[key]

    def owned(self, start_ms: int, end_ms: int, by_ms: int, *, surely: bool = False) -> set[str]:
        """The ids of what belongs to the window [start, end) and had arrived by then.

        Where activity counts, so does what started earlier on the day; and surely so if it still lived.
        """
        since_ms = start_ms - start_ms % DAY_MS if start_ms == self.activity_from_ms else start_ms
        return {
            one.id for one in self.told
            if since_ms <= one.start_ms < end_ms and one.arrives_ms <= by_ms
            and (one.start_ms >= start_ms or one.end_ms > start_ms or not surely)
        }  # fmt: skip


def body(one: Told, version: int, has_ended: bool) -> dict[str, Any]:
    """What the API says of it: little, but enough for a row."""
    segment = {"queueId": queue_id(one.queue), "segmentStart": to_text(one.start_ms), "segmentType": "interact"}
    wrap_up = {"segmentStart": to_text(one.start_ms), "segmentType": "wrapup", "wrapUpCode": f"v{version}"}
    session = {"dispositionName": f"v{version}", "mediaType": "voice", "segments": [segment, wrap_up]}
    user = user_id((one.user + version) % USERS)
    end = {"conversationEnd": to_text(one.end_ms)} if has_ended else {}
    start = {"conversationId": one.id, "conversationStart": to_text(one.start_ms)}
    return {**end, **start, "participants": [{"purpose": "agent", "sessions": [session], "userId": user}]}


def queue_id(number: int) -> str:
    """The last queue is a deleted one: no list has it."""
    return f"00000000-0000-4000-8000-{number:012x}"


def user_id(number: int) -> str:
    """The last user cannot be found."""
    return f"00000000-0000-4000-9000-{number:012x}"


def drawn(rng: random.Random, start_ms: int, end_ms: int, now_ms: int) -> Drifting:
    """An org of some size around an interval; what changes, changes within minutes from now."""
    count = rng.choice(COUNTS)
    is_tied, drift = rng.random() < 0.2, rng.choice([0.0, 0.05, 0.05, 0.3])
    horizon_ms = rng.choice([2_000, 20_000, 100_000, 400_000])
    first, last = start_ms - DAY_MS // 2, min(end_ms + DAY_MS // 4, now_ms)
    told = []
    for number in range(count):
        at = rng.choice([start_ms, end_ms - 1, end_ms]) if rng.random() < 0.05 else rng.randint(first, last)
        at = min(at - at % (DAY_MS // 4) if is_tied else at, now_ms)
        lasts = rng.choice([0, 60_000, 3_600_000, DAY_MS])
        drifts = rng.random() < drift
        changes = tuple(sorted(now_ms + rng.randint(0, horizon_ms) for _ in range(rng.randint(1, 3))))
        end = FOREVER_MS if rng.random() < 0.02 else changes[0] if drifts else at + lasts
        arrives = now_ms + rng.randint(0, horizon_ms) if rng.random() < drift else at
        told.append(Told(
            f"{rng.getrandbits(32):08x}-0000-4000-8000-{number:012x}", at, end, arrives,
            changes if drifts else (), rng.randrange(QUEUES), rng.randrange(USERS),
        ))  # fmt: skip
    return Drifting(told)
