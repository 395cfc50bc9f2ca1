"""Conversations for the page server: a quarter of a day out of the sandbox, repeated with other ids and times.

The sandbox makes 1,500 conversations a second, which is too slow for hundreds of thousands; moving the hours of one
that is made already takes a twentieth of that.
"""

import random
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from everycall.sandbox import Org
from everycall.sandbox.store import Store

PAGE_SIZE = 100

COPIES_A_DAY = 4
HOURS = 24 // COPIES_A_DAY
FIRST_HOUR = 14
"""The sandbox's conversations of these hours (14 to 20, its busiest) become each quarter of each day."""

SIZE_MIN = 6_000
"""Bytes. Smaller ones are left out, so that the mean is that of the captures that we know: 9 kB."""

HOUR = re.compile(rb"20\d\d-\d\d-\d\dT\d\d(?=:)")


@dataclass(frozen=True, slots=True)
class Centre:
    """An org's quarter of a day, and its queues, users and so on."""

    per_day: int
    quarter: Sequence[tuple[bytes, bytes]]
    """Id and JSON of each conversation, by start."""
    entities: Mapping[str, Sequence[dict[str, Any]]]

    @classmethod
    def of(cls, day: date, per_day: int) -> "Centre":
        """An org in which so many conversations start on each day.

        Raises:
            ValueError: the number is not a multiple of 400, so that no page would belong to one day.
        """
        if per_day % (COPIES_A_DAY * PAGE_SIZE) or per_day <= 0:
            raise ValueError(f"{per_day} conversations a day are not a multiple of {COPIES_A_DAY * PAGE_SIZE}.")
        count = per_day // COPIES_A_DAY
        org = Org(conversations_per_day=4 * count, flat=True)
        quarter: list[tuple[bytes, bytes]] = []
        for minute in range(FIRST_HOUR * 60, (FIRST_HOUR + HOURS) * 60, 10):
            quarter += _started(org, datetime.combine(day, datetime.min.time(), UTC) + timedelta(minutes=minute))
        kinds = ("queues", "users", "wrapupcodes", "divisions")
        return cls(per_day, _spread(quarter, count), {kind: org.entities(kind) for kind in kinds})


def _started(org: Org, begin: datetime) -> Iterator[tuple[bytes, bytes]]:
    """Of ten minutes, those that are not too small."""
    start, end = (instant.strftime("%Y-%m-%dT%H:%M:00.000Z") for instant in (begin, begin + timedelta(minutes=10)))
    store = Store(org, (begin + timedelta(days=20)).timestamp)
    for conversation in store.conversations(f"{start}/{end}"):
        text = msgspec.json.encode(conversation)
        if conversation["conversationStart"] >= start and len(text) >= SIZE_MIN:
            yield conversation["conversationId"].encode(), text


def _spread(found: Sequence[tuple[bytes, bytes]], count: int) -> list[tuple[bytes, bytes]]:
    """So many of them, evenly."""
    assert len(found) >= count, f"the sandbox has {len(found)} where {count} are needed"
    return [found[at * len(found) // count] for at in range(count)]


def conversations(centre: Centre, days: int) -> Iterator[bytes]:
    """All conversations of the first days as JSON, by start, each with an id of its own."""
    rng = random.Random(1)
    for quarter in range(days * COPIES_A_DAY):
        moved = _moved(timedelta(hours=quarter * HOURS - FIRST_HOUR))
        for conversation_id, text in centre.quarter:
            copy_id = str(uuid.UUID(int=rng.getrandbits(128), version=4)).encode()
            yield HOUR.sub(moved, text).replace(conversation_id, copy_id)


def _moved(by: timedelta) -> Callable[[re.Match[bytes]], bytes]:
    """What a date and its hour become."""

    @cache
    def shifted(hour: bytes) -> bytes:
        return (datetime.strptime(hour.decode(), "%Y-%m-%dT%H") + by).strftime("%Y-%m-%dT%H").encode()

    return lambda match: shifted(match[0])
