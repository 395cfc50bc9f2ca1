"""The ids in a conversation that have names: of users, queues, wrap-up codes and divisions. Pure.

Flat rows need the names that their columns show. Outputs that keep whole conversations take all of these along.
"""

from collections.abc import Iterator

import msgspec

from everycall.api.names import Kind
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

_DECODER = msgspec.json.Decoder(record_type(_READS))


def mentioned(record: bytes) -> Iterator[tuple[Kind, str]]:
    """Yield the ids in the JSON of one conversation, some of them several times; none if it cannot be read."""
    try:
        conversation = _DECODER.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    yield from ((kind, entity_id) for kind, entity_id in _mentioned(conversation) if entity_id)


def _mentioned(conversation: Record) -> Iterator[tuple[Kind, str | None]]:
    for division in conversation.division_ids:
        yield "divisions", division
    for participant in conversation.participants:
        yield "users", participant.user_id
        for session in participant.sessions:
            for segment in session.segments:
                yield "queues", segment.queue_id
                yield "wrapupcodes", segment.wrap_up_code
    for evaluation in conversation.evaluations:
        yield "queues", evaluation.queue_id
        for user in (evaluation.assignee_id, evaluation.evaluator_id, evaluation.user_id):
            yield "users", user
    for survey in conversation.surveys:
        yield "queues", survey.queue_id
        yield "users", survey.user_id
    for resolution in conversation.resolutions:
        yield "queues", resolution.queue_id
        yield "users", resolution.user_id
