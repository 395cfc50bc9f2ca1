"""The ids in a conversation that have names: of users, queues, wrap-up codes and divisions. Pure.

Flat rows need the names that their columns show. Outputs that keep whole conversations take all of these along.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from everycall.api.names import PATHS, Kind
from everycall.tables.narrow import Record, record_type

_READS = (
    "division_ids",
    "participants.user_id",
    "participants.sessions.segments.queue_id",
    "participants.sessions.segments.wrap_up_code",
    "evaluations.assignee_id",
    "evaluations.evaluator_id",
    "evaluations.queue_id",
    "evaluations.user_id",
    "surveys.queue_id",
    "surveys.user_id",
    "resolutions.queue_id",
    "resolutions.user_id",
)

IN_TABLES: tuple[tuple[str, str, Kind], ...] = (
    ("conversation_divisions", "divisionId", "divisions"),
    ("participants", "userId", "users"),
    ("segments", "queueId", "queues"),
    ("segments", "wrapUpCode", "wrapupcodes"),
    ("evaluations", "assigneeId", "users"),
    ("evaluations", "evaluatorId", "users"),
    ("evaluations", "queueId", "queues"),
    ("evaluations", "userId", "users"),
    ("surveys", "queueId", "queues"),
    ("surveys", "userId", "users"),
    ("resolutions", "queueId", "queues"),
    ("resolutions", "userId", "users"),
)
"""The same in the relational tables: table, column and kind of ids."""

_DECODER = msgspec.json.Decoder(record_type(_READS, always=()))


class Mentioned:
    """Gathers such ids from conversations, each once."""

    def __init__(self) -> None:
        """Start without any."""
        self._ids: dict[Kind, dict[str | None, None]] = {kind: {} for kind in PATHS}

    def add(self, records: Iterable[bytes]) -> None:
        """Add the ids in the JSON of these conversations; none of one that cannot be read."""
        for record in records:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                self._add(_DECODER.decode(record))

    def _add(self, conversation: Record) -> None:
        ids = self._ids
        queues, users, codes = ids["queues"], ids["users"], ids["wrapupcodes"]
        for division in conversation.division_ids:
            ids["divisions"][division] = None
        for participant in conversation.participants:
            users[participant.user_id] = None
            for session in participant.sessions:
                for segment in session.segments:
                    queues[segment.queue_id] = None
                    codes[segment.wrap_up_code] = None
        for evaluation in conversation.evaluations:
            queues[evaluation.queue_id] = None
            users.update(dict.fromkeys((evaluation.assignee_id, evaluation.evaluator_id, evaluation.user_id)))
        for survey in conversation.surveys:
            queues[survey.queue_id] = None
            users[survey.user_id] = None
        for resolution in conversation.resolutions:
            queues[resolution.queue_id] = None
            users[resolution.user_id] = None

    def pairs(self) -> list[tuple[Kind, str]]:
        """Kind and id of all of them: those of a kind together, in the order in which they came."""
        return [(kind, one) for kind, ids in self._ids.items() for one in ids if one]


def mentioned(record: bytes) -> Sequence[tuple[Kind, str]]:
    """The ids in the JSON of one conversation, each once; none if it cannot be read."""
    found = Mentioned()
    found.add([record])
    return found.pairs()
