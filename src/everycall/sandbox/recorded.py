"""A world that is a given list of conversations, such as a capture of a real org."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from everycall.sandbox.instants import DAY_MS, to_ms
from everycall.sandbox.stories.marks import put_attributes
from everycall.sandbox.traffic import FOREVER_MS, Sketch
from everycall.sandbox.vocabulary import SEGMENTS, segment_leaves, values_at


class RecordedDay:
    """The recorded conversations of one UTC day."""

    def __init__(self, sketches: Iterable[Sketch]) -> None:
        self._sketches = sorted(sketches, key=lambda sketch: (sketch.start_ms, sketch.conversation_id))
        self.starts = [sketch.start_ms for sketch in self._sketches]
        self.ends = [sketch.end_ms for sketch in self._sketches]

    def __len__(self) -> int:
        return len(self._sketches)

    def __getitem__(self, at: int, /) -> Sketch:
        return self._sketches[at]


class Recorded:
    """Serves conversations as they are given; nothing is cut at the instant that it is asked for.

    Args:
        conversations: JSON objects as the API gives them, each with conversationId and conversationStart.
        entities: what look-ups list, by kind: `{"queues": [{"id": ..., "name": ...}]}`.

    Raises:
        ValueError: a conversationStart or conversationEnd is no instant.
    """

    def __init__(
        self,
        conversations: Sequence[Mapping[str, Any]],
        entities: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    ) -> None:
        self._conversations = [without_attributes(conversation) for conversation in conversations]
        self._attributes = [attributes(conversation) for conversation in conversations]
        self._entities = dict(entities or {})
        by_day: defaultdict[int, list[Sketch]] = defaultdict(list)
        for index, conversation in enumerate(self._conversations):
            sketch = sketched(conversation, index)
            by_day[sketch.start_ms // DAY_MS].append(sketch)
        self._sketches = {sketch.conversation_id: sketch for sketches in by_day.values() for sketch in sketches}
        self._days = {day: RecordedDay(sketches) for day, sketches in by_day.items()}
        self._nothing = RecordedDay([])

    def day(self, day: int) -> RecordedDay:
        """The conversations that start on a UTC day."""
        return self._days.get(day, self._nothing)

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:  # noqa: ARG002
        """The conversation as it was given, less the attributes of its participants, which only jobs show."""
        return self._conversations[sketch.index]

    def changes(self, sketch: Sketch) -> tuple[int, ...]:  # noqa: ARG002
        """None: a recorded conversation stays as it is."""
        return ()

    def with_attributes(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """The conversation as it was given, attributes included."""
        return put_attributes(self.conversation(sketch, now_ms), self.attributes(sketch, now_ms))

    def locate(self, conversation_id: str, now_ms: int) -> Sketch | None:
        """The conversation of an id; None for an unknown one, or one that starts after `now_ms`."""
        sketch = self._sketches.get(conversation_id)
        return sketch if sketch is not None and sketch.start_ms <= now_ms else None

    def days_reaching(self, day: int) -> list[int]:
        """All days before `day` that have conversations."""
        return sorted(earlier for earlier in self._days if earlier < day)

    def attributes(self, sketch: Sketch, now_ms: int) -> dict[str, dict[str, str]]:  # noqa: ARG002
        """The attributes of each participant that has some, by participantId."""
        return self._attributes[sketch.index]

    def entities(self, kind: str) -> Sequence[dict[str, Any]]:
        """The entities that were given for the kind."""
        return self._entities.get(kind, [])

    def members(self, queue_id: str) -> Sequence[str]:
        """The users of the conversations that the queue saw."""
        return sorted(
            {
                user_id
                for sketch in self._sketches.values()
                if queue_id in sketch.queue_ids
                for user_id in sketch.user_ids
            }
        )

    def queue_codes(self, queue_id: str) -> Sequence[str]:
        """The wrap-up codes of the conversations that the queue saw."""
        seen = (sketch for sketch in self._sketches.values() if queue_id in sketch.queue_ids)
        return sorted({code for sketch in seen for code in sketch.wrap_up_codes})

    def organization(self) -> dict[str, Any]:
        """An organization of no particular name."""
        return {"id": "00000000-0000-4000-8000-000000000000", "name": "Recorded"}


def without_attributes(conversation: Mapping[str, Any]) -> dict[str, Any]:
    """The conversation as a query shows it."""
    if "participants" not in conversation:
        return dict(conversation)
    participants = [
        {name: value for name, value in participant.items() if name != "attributes"}
        for participant in conversation["participants"]
    ]
    return {**conversation, "participants": participants}


def attributes(conversation: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The attributes of each participant that has some, by participantId."""
    participants = conversation.get("participants", ())
    return {
        participant["participantId"]: participant["attributes"]
        for participant in participants
        if participant.get("attributes")
    }


def sketched(conversation: Mapping[str, Any], index: int) -> Sketch:
    """The sketch of a recorded conversation; `index` is its place in the list."""
    end = conversation.get("conversationEnd")
    return Sketch(
        start_ms=to_ms(conversation["conversationStart"]),
        end_ms=FOREVER_MS if end is None else to_ms(end),
        conversation_id=conversation["conversationId"],
        index=index,
        division_ids=tuple(conversation.get("divisionIds", ())),
        media_types=occurring(conversation, "mediaType"),
        originating_direction=conversation.get("originatingDirection", ""),
        queue_ids=occurring(conversation, "queueId"),
        user_ids=occurring(conversation, "userId"),
        wrap_up_codes=occurring(conversation, "wrapUpCode"),
    )


def occurring(conversation: Mapping[str, Any], dimension: str) -> tuple[str, ...]:
    """Every value of a segment dimension in the conversation, sorted."""
    place = SEGMENTS.dimensions[dimension]
    return tuple(sorted({value for leaf in segment_leaves(conversation) for value in values_at(leaf, place)}))
