"""An org that changes while it is read, and knows at each instant what there is to be found.

Conversations arrive late in the API's index, live ones end, and late wrap-ups make new versions of them. The version
of a conversation is its `disposition`, `v0`, `v1` and so on, so that a row shows which one it is.

Some are misfiled: the API keeps them under another instant than the start that it shows, across midnight, or the start
is no date. The start of others changes while the org is read, so that another window returns them from then on.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.recorded import Recorded, RecordedDay
from everycall.sandbox.traffic import FOREVER_MS, Sketch

QUEUES, USERS = 3, 8

COUNTS = (0, 1, 4, 9, 9, 12, 12, 16, 16, 20, 20, 30, 40, 40, 60, 120)
"""How many conversations there are: enough for pages that shift, and few, so that many worlds can be tried."""


YEAR_ONE = "0001-01-01T00:00:00.000Z"
NO_INSTANTS = ("soon", "2026-13-45T99:99:99.000Z", "-")
"""Starts that are none."""

MOVED = "+"
"""Ends the name of the second of two sketches of one conversation, which stands for it once its start has changed."""


@dataclass(frozen=True, slots=True)
class Simulated:
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
    start_text: str = ""
    """`conversationStart` as the API shows it; empty where it is that of `start_ms`, under which the API keeps it."""
    moves: tuple[int, int] | None = None
    """When its start changes, and to what."""

    @property
    def is_misfiled(self) -> bool:
        """Whether the API keeps it elsewhere than its start says."""
        return bool(self.start_text)

    def text(self, *, has_moved: bool = False) -> str:
        """`conversationStart`."""
        return to_text(self.moves[1]) if has_moved and self.moves else self.start_text or to_text(self.start_ms)

    @property
    def starts(self) -> list[int | None]:
        """What it has shown as its start, in milliseconds; None for no instant."""
        if self.start_text in NO_INSTANTS:
            return [None]
        shown = [to_ms(self.start_text) if self.start_text else self.start_ms]
        return [*shown, *([self.moves[1]] if self.moves else [])]

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

    def __init__(self, conversations: list[Simulated]) -> None:
        listed = [{"id": queue_id(number), "name": f"Queue {number}"} for number in range(QUEUES - 1)]
        people = [{"id": user_id(number), "name": f"User {number}", "state": "active"} for number in range(USERS - 1)]
        super().__init__([], {"queues": listed, "users": people})
        self.conversations = conversations
        self.by_id = {one.id: one for one in conversations}
        self.activity_from_ms: int | None = None
        """Where an export begins that takes what still lived by then for its own; None where none does."""
        self.are_days_closed = False
        """Whether a question about a day is also answered with what the API keeps under the next midnight's day."""
        self._bodies: dict[tuple[str, int, bool], dict[str, Any]] = {}
        self.late = [one for one in conversations if one.arrives_ms > one.start_ms]
        by_day: defaultdict[int, list[Sketch]] = defaultdict(list)
        self.misfiled = [one for one in conversations if one.is_misfiled]
        self.moving = [one for one in conversations if one.moves]
        for one in conversations:
            places = [(one.start_ms, one.id), *([(one.moves[1], one.id + MOVED)] if one.moves else [])]
            for start_ms, name in places:
                sketch = Sketch(start_ms, one.end_ms, name, len(by_day), (), (), "", (), (), ())
                by_day[start_ms // DAY_MS].append(sketch)
        self._days = {day: RecordedDay(those) for day, those in by_day.items()}

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """The conversation as it is by then."""
        one = self.by_id[sketch.conversation_id.removesuffix(MOVED)]
        key = sketch.conversation_id, one.version(now_ms), one.end_ms <= now_ms
        if key not in self._bodies:
            self._bodies[key] = body(one, *key[1:], has_moved=sketch.conversation_id.endswith(MOVED))
        return self._bodies[key]

    def hidden(self, now_ms: int) -> list[str]:
        """The sketches that the API does not have now: not yet, or no longer."""
        late = [one.id for one in self.late if one.arrives_ms > now_ms]
        return late + [one.id + MOVED * (now_ms < one.moves[0]) for one in self.moving if one.moves]

    def belongs(self, start_ms: int | None, window: tuple[int, int]) -> bool:
        """Whether a conversation that shows this start belongs to the window."""
        if start_ms is None:
            return False
        from_ms = self.activity_from_ms
        if from_ms is not None and from_ms - from_ms % DAY_MS <= start_ms < from_ms:
            start_ms = from_ms
        return window[0] <= start_ms < window[1]

    def attributes(self, sketch: Sketch, now_ms: int) -> dict[str, dict[str, str]]:  # noqa: ARG002
        """None."""
        return {}

    def owned(self, start_ms: int, end_ms: int, by_ms: int, *, surely: bool = False) -> set[str]:
        """The ids of what belongs to the window [start, end) and had arrived by then.

        Where activity counts, so does what started earlier on the day; and surely so if it still lived. Of what is
        misfiled, or changes its start, nothing is sure.
        """
        since_ms = start_ms - start_ms % DAY_MS if start_ms == self.activity_from_ms else start_ms
        window = start_ms, end_ms
        odd = [one for one in self.conversations if (one.is_misfiled or one.moves) and not surely]
        return {one.id for one in odd if any(self.belongs(start, window) for start in one.starts)} | {
            one.id for one in self.conversations
            if not one.is_misfiled and not one.moves and since_ms <= one.start_ms < end_ms and one.arrives_ms <= by_ms
            and (one.start_ms >= start_ms or one.end_ms > start_ms or not surely)
        }  # fmt: skip


def body(one: Simulated, version: int, has_ended: bool, *, has_moved: bool = False) -> dict[str, Any]:
    """What the API says of it: little, but enough for a row."""
    segment = {"queueId": queue_id(one.queue), "segmentStart": to_text(one.start_ms), "segmentType": "interact"}
    wrap_up = {"segmentStart": to_text(one.start_ms), "segmentType": "wrapup", "wrapUpCode": f"v{version}"}
    session = {"dispositionName": f"v{version}", "mediaType": "voice", "segments": [segment, wrap_up]}
    user = user_id((one.user + version) % USERS)
    end = {"conversationEnd": to_text(one.end_ms)} if has_ended else {}
    start = {"conversationId": one.id, "conversationStart": one.text(has_moved=has_moved)}
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
    conversations = []
    for number in range(count):
        at = rng.choice([start_ms, end_ms - 1, end_ms]) if rng.random() < 0.05 else rng.randint(first, last)
        at = min(at - at % (DAY_MS // 4) if is_tied else at, now_ms)
        lasts = rng.choice([0, 60_000, 3_600_000, DAY_MS])
        drifts = rng.random() < drift
        changes = tuple(sorted(now_ms + rng.randint(0, horizon_ms) for _ in range(rng.randint(1, 3))))
        end = FOREVER_MS if rng.random() < 0.02 else changes[0] if drifts else at + lasts
        arrives = now_ms + rng.randint(0, horizon_ms) if rng.random() < drift else at
        conversations.append(Simulated(
            f"{rng.getrandbits(32):08x}-0000-4000-8000-{number:012x}", at, end, arrives,
            changes if drifts else (), rng.randrange(QUEUES), rng.randrange(USERS),
        ))  # fmt: skip
    return Drifting(
        [misplaced(one, rng, now_ms, horizon_ms) for one in conversations] if rng.random() < 0.25 else conversations
    )


def misplaced(one: Simulated, rng: random.Random, now_ms: int, horizon_ms: int) -> Simulated:
    """The conversation, perhaps kept under another instant than it shows, or about to change its start."""
    if rng.random() > 0.3 or one.arrives_ms != one.start_ms or one.changes_ms:
        return one
    midnight = one.start_ms - one.start_ms % DAY_MS
    match rng.choice(["before", "after", "year one", "none", "moves"]):
        case "before":
            return replace(one, start_ms=midnight + rng.randint(0, 5), start_text=to_text(midnight - rng.randint(1, 5)))
        case "after":
            filed_ms = midnight - rng.randint(1, 5)
            return replace(
                one, start_ms=filed_ms, start_text=to_text(midnight + rng.randint(0, 5)), arrives_ms=filed_ms
            )
        case "year one":
            return replace(one, start_text=YEAR_ONE)
        case "none":
            return replace(one, start_text=rng.choice(NO_INSTANTS))
    other_ms = min(one.start_ms + rng.choice([-1, 1]) * rng.choice([60_000, DAY_MS, 7 * DAY_MS]), now_ms)
    return replace(one, moves=(now_ms + rng.randint(0, horizon_ms), other_ms))
