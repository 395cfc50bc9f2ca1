"""The metric rows of conversations, with the half hour and the queue in which the vendor's aggregates count them. Pure.

A metric counts at its `emitDate`. Its queue is that of the session's last segment that had begun before then, or else
the session's first queue; segments of all purposes count, since an answer stands on the agent's session.

`tables.kpi_sql` has the same in SQL, and a test compares both.

Source: the vendor's staff (developer.genesys.cloud forum thread 18235) for the emitDate; that the queue is the
session's is seen in captures, and which of several queues counts is a guess, the same as the sandbox's.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor

from everycall.api.aggregates import Cell, half_hour_of
from everycall.api.records import Conversation, Session

BEFORE = datetime.min.replace(tzinfo=UTC)
"""When a segment without a start begins."""


@dataclass(frozen=True, slots=True)
class Row:
    """A metric row."""

    cell: Cell
    conversation_id: str
    value: int
    """Of a time milliseconds."""


def rows_of(conversation: Conversation, metrics: Collection[str]) -> Iterator[Row]:
    """The rows of a conversation with these metrics."""
    for participant in conversation.participants:
        for session in participant.sessions:
            for metric in session.metrics:
                if metric.name is not None and metric.name in metrics and metric.emit_date is not None:
                    emitted = metric.emit_date.astimezone(UTC)
                    cell = Cell(
                        half_hour_of(emitted), queue_at(session, emitted), session.media_type or "", metric.name
                    )
                    yield Row(cell, conversation.conversation_id, floor((metric.value or 0) + 0.5))


def queue_at(session: Session, emitted: datetime) -> str:
    """The queue of a session at an instant; empty if it never was in one."""
    queued = [(segment.segment_start or BEFORE, segment.queue_id) for segment in session.segments if segment.queue_id]
    if not queued:
        return ""
    queued.sort(key=lambda pair: pair[0])  # of those that begin together, the list's last one counts
    begun = [queue_id for start, queue_id in queued if start < emitted]
    return begun[-1] if begun else queued[0][1]
