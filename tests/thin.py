"""A world of conversations of a few bytes each: a hundred thousand of them are cheap to serve and to read."""

from itertools import groupby
from typing import Any

from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.recorded import Recorded, RecordedDay
from everycall.sandbox.traffic import Sketch


class Thin(Recorded):
    """So many conversations, evenly spread over days from a midnight on, made only when they are asked for."""

    def __init__(self, count: int, first: str = "2026-01-05T00:00:00.000Z", days: int = 1) -> None:
        super().__init__([])
        starts = [to_ms(first) + days * DAY_MS * number // count for number in range(count)]
        sketches = [
            Sketch(start, start + 1, thin_id(number), number, (), (), "", (), (), ())
            for number, start in enumerate(starts)
        ]
        by_day = groupby(sketches, lambda sketch: sketch.start_ms // DAY_MS)
        self._days = {day: RecordedDay(those) for day, those in by_day}

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:  # noqa: ARG002
        """An id, a start and an end."""
        start, end = to_text(sketch.start_ms), to_text(sketch.end_ms)
        return {"conversationEnd": end, "conversationId": sketch.conversation_id, "conversationStart": start}

    def attributes(self, sketch: Sketch, now_ms: int) -> dict[str, dict[str, str]]:  # noqa: ARG002
        """None."""
        return {}


def thin_id(number: int) -> str:
    """The id of the conversation of a number, from 0, in order of start."""
    return f"{number:08x}-0000-4000-8000-000000000000"
