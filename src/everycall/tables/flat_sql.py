"""The flat row of each conversation as a view over the relational tables, for DuckDB and PostgreSQL. Pure.

The view holds what `columns.EXTENDED` holds, by the rules of `journey` and `outcome`, as a chain of named queries:

    session, leg, segment           rows of the tables with what the rules compare: who is the customer, what listens
    person_span ... consulted       the people who had the customer, and those who were only consulted
    caller, candidate, agent        the agent who had the customer last
    queue_leg ... consultation      the queues that were only asked
    way, queue                      the segments on the customer's way, and its last queue
    code, note, measure ...         what the other columns show

Each query is short, and reads only tables and queries before it. Only those that the chosen columns need are in the
view. The text is the same for both databases.

- Times are compared as whole milliseconds since 1970, so that "never" and "unknown" are numbers, too.
- Texts are compared by their code points (COLLATE "C"), as Python compares them.
- A participant and a leg each have a key of one text. PostgreSQL knows nothing of how often a value comes in a query;
  joined on three columns, it expects next to no rows, and then compares each row with each.

A condition on the view does not reach into the chain: a row costs as much as all rows. Create a table from the view, or
a materialized view. PostgreSQL overestimates what the chain costs, and takes ten seconds or more to translate it to
machine code: `SET jit = off` before.

**What differs from the CSV file.**

- The tables keep milliseconds. If the API sends finer times, rows that depend on less than a millisecond can differ.
- The tables keep numbers as floating-point numbers: the score 95 and the score 95.0 are the same there. Sums of metrics
  are exact up to 2^53; beyond that, and for fractions of a millisecond, the last digit can differ.
- A session whose `flow` is an empty object cannot be distinguished from a session without a flow.
- PostgreSQL has no NUL character: one in a text was replaced when the tables were filled.
- A participant attribute as a column (`attribute:NAME`) is not in the view: join `participant_attributes`.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent, indent, wrap

from everycall.errors import QueryError
from everycall.tables.columns import EXTENDED, Column
from everycall.tables.legs import (
    ABANDONS,
    CONSULT_TRANSFER,
    CONSULT_TRANSFERRED,
    DIALLING,
    INSIDE,
    METRIC_MAX,
    SIDE_MEDIA,
    WITH_CUSTOMER,
)
from everycall.tables.outcome import BY_ITSELF, BY_SYSTEM, DIALER_CODES
from everycall.tables.reference import KINDS
from everycall.tables.relational import SESSIONS, TABLES
from everycall.tables.sql import literal, quoted

VIEW = "flat_from_tables"
"""What the view is called unless the caller chooses another name."""

WIDTH = 110
"""Of the comments in its text."""

NEVER_MS = 253_402_300_800_000
"""In place of the end of a segment that goes on: the first millisecond after the last that a table can hold."""

UNKNOWN_MS = -62_135_596_800_000
"""In place of the time of a segment without one: the first millisecond of year 1."""


@dataclass(frozen=True, slots=True)
class Step:
    """A named query of the view."""

    name: str
    doc: str
    """What one row is, and which rows there are."""
    query: str
    """`{names}` in braces are tables and constants."""


# --- the rows that the rules compare

_ROWS = (
    Step(
        "session",
        "Each session with its participant. side: 0 the customer's, 1 an external participant's, 2 anybody else's. "
        "start_ms: of its first segment. listens: it monitors, coaches or barges.",
        """
        SELECT c."conversationId" AS conversation_id,
            {PARTICIPANT} AS participant_key,
            {LEG} AS leg_key,
            s."participantOrdinal" AS participant,
            coalesce(p."purpose", '') AS purpose,
            coalesce(p."userId", '') AS user_id,
            coalesce(p."participantName", '') AS participant_name,
            coalesce(s."mediaType", '') AS media_type,
            CASE p."purpose" WHEN 'customer' THEN 0 WHEN 'external' THEN 1 ELSE 2 END AS side,
            coalesce(
                nullif(s."monitoredParticipantId", ''),
                nullif(s."coachedParticipantId", ''),
                nullif(s."bargedParticipantId", '')
            ) IS NOT NULL AS listens,
            coalesce(began.start_ms, {NEVER}) AS start_ms,
            CAST(extract(epoch FROM c."conversationEnd") * 1000 AS bigint) AS conversation_ended_ms
        FROM {sessions} s
        JOIN {conversations} c ON c."conversationId" = s."conversationId"
        JOIN {participants} p
            ON p."conversationId" = s."conversationId" AND p."participantOrdinal" = s."participantOrdinal"
        LEFT JOIN (
            SELECT {LEG} AS leg_key, CAST(extract(epoch FROM min("segmentStart")) * 1000 AS bigint) AS start_ms
            FROM {segments} s
            GROUP BY {LEG}
        ) began ON began.leg_key = {LEG}
        """,
    ),
    Step(
        "leg",
        "The same, with what the whole conversation says of it. is_customers: it belongs to the customer, else to the "
        "first external participant, else (an internal call) it is the first leg.",
        """
        SELECT compared.*,
            customer_side = 2 AS is_internal,
            side = customer_side AND CASE side
                WHEN 0 THEN TRUE
                WHEN 1 THEN came_ms = min(came_ms) OVER (PARTITION BY conversation_id, side)
                ELSE start_ms = min(start_ms) OVER (PARTITION BY conversation_id)
            END AS is_customers
        FROM (
            SELECT session.*,
                min(side) OVER (PARTITION BY conversation_id) AS customer_side,
                min(start_ms) OVER (PARTITION BY participant_key) AS came_ms,
                bool_or(purpose = 'acd') OVER (PARTITION BY conversation_id) AS has_queue
            FROM session
        ) compared
        """,
    ),
    Step(
        "segment",
        "Each segment with its leg. started_ms and ended_ms are null where it has no such time; start_ms and end_ms "
        "never are: without an end, a segment goes on only if its conversation does. left_ms: when the customer's last "
        "leg ended.",
        """
        SELECT leg.conversation_id, leg.participant_key, leg.leg_key, leg.participant, leg.purpose, leg.user_id,
            leg.participant_name, leg.media_type, leg.listens, leg.is_internal, leg.is_customers, leg.has_queue,
            s.kind, s.queue_id, s.disconnect_type, s.wrap_up_code, s.started_ms, s.ended_ms,
            coalesce(s.started_ms, {UNKNOWN}) AS start_ms,
            coalesce(
                s.ended_ms,
                CASE WHEN leg.conversation_ended_ms IS NULL THEN {NEVER} ELSE coalesce(s.started_ms, {UNKNOWN}) END
            ) AS end_ms,
            coalesce(
                max(CASE WHEN leg.is_customers THEN coalesce(s.ended_ms, leg.conversation_ended_ms, {NEVER}) END)
                    OVER (PARTITION BY leg.conversation_id),
                {NEVER}
            ) AS left_ms
        FROM (
            SELECT {LEG} AS leg_key,
                coalesce(s."segmentType", '') AS kind,
                coalesce(s."queueId", '') AS queue_id,
                coalesce(s."disconnectType", '') AS disconnect_type,
                coalesce(s."wrapUpCode", '') AS wrap_up_code,
                CAST(extract(epoch FROM s."segmentStart") * 1000 AS bigint) AS started_ms,
                CAST(extract(epoch FROM s."segmentEnd") * 1000 AS bigint) AS ended_ms
            FROM {segments} s
        ) s
        JOIN leg ON leg.leg_key = s.leg_key
        """,
    ),
    Step(
        "channel",
        "The media type of the customer's leg that began first.",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, media_type
        FROM leg
        WHERE is_customers AND media_type <> ''
        ORDER BY conversation_id, start_ms,
            CASE WHEN media_type IN {SIDE_MEDIA} THEN 1 ELSE 0 END,
            media_type COLLATE "C"
        """,
    ),
)

# --- the agent

_AGENT = (
    Step(
        "person_span",
        "Each segment in which an agent or user had the customer, rather than listened.",
        """
        SELECT conversation_id, participant_key, participant, purpose, user_id, kind, start_ms, end_ms, left_ms,
            has_queue
        FROM segment
        WHERE kind IN {WITH_CUSTOMER} AND purpose IN {INSIDE} AND user_id <> '' AND NOT listens
        """,
    ),
    Step(
        "person",
        "Each of these people, and for how long until the customer left.",
        """
        SELECT conversation_id, participant_key, sum(greatest(0, least(end_ms, left_ms) - start_ms)) AS length_ms
        FROM person_span
        GROUP BY conversation_id, participant_key
        """,
    ),
    Step(
        "hold_by_another",
        "For each person, the holds of all others, and how far those before it reach.",
        """
        SELECT person.participant_key, hold.start_ms, hold.end_ms,
            max(hold.end_ms) OVER (
                PARTITION BY person.participant_key
                ORDER BY hold.start_ms, hold.end_ms
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS reach_ms
        FROM person
        JOIN person_span hold
            ON hold.conversation_id = person.conversation_id
            AND hold.participant_key <> person.participant_key
            AND hold.kind = 'hold'
        """,
    ),
    Step(
        "held_by_others",
        "The same holds joined to stretches of which none overlaps another: two people can hold the customer at once.",
        """
        SELECT participant_key, min(start_ms) AS start_ms, max(end_ms) AS end_ms
        FROM (
            SELECT participant_key, start_ms, end_ms,
                sum(CASE WHEN start_ms <= reach_ms THEN 0 ELSE 1 END) OVER (
                    PARTITION BY participant_key
                    ORDER BY start_ms, end_ms
                    ROWS UNBOUNDED PRECEDING
                ) AS stretch
            FROM hold_by_another
        ) numbered
        GROUP BY participant_key, stretch
        """,
    ),
    Step(
        "consulted",
        "The people who were only consulted: their whole time, to within a second, is within the holds of others.",
        """
        SELECT person.participant_key
        FROM person
        JOIN person_span span ON span.participant_key = person.participant_key
        JOIN held_by_others held ON held.participant_key = person.participant_key
        WHERE least(span.end_ms, held.end_ms, span.left_ms) > greatest(span.start_ms, held.start_ms)
        GROUP BY person.participant_key, person.length_ms
        HAVING person.length_ms - sum(
            least(span.end_ms, held.end_ms, span.left_ms) - greatest(span.start_ms, held.start_ms)
        ) <= 1000
        """,
    ),
    Step(
        "dial_span",
        "Each segment in which somebody called the customer.",
        """
        SELECT conversation_id, participant_key, participant, purpose, user_id, start_ms, end_ms, left_ms, has_queue
        FROM segment
        WHERE kind IN {DIALLING} AND user_id <> '' AND NOT listens
        """,
    ),
    Step(
        "caller",
        "The caller of an internal call, who counts as its customer: of those with its first leg, who dialled.",
        """
        SELECT participant_key
        FROM (
            SELECT participant_key, has_dialled,
                bool_or(has_dialled) OVER (PARTITION BY conversation_id) AS has_anybody
            FROM (
                SELECT conversation_id, participant_key,
                    bool_or(kind IN {DIALLING} AND user_id <> '' AND NOT listens) AS has_dialled
                FROM segment
                WHERE is_internal
                GROUP BY conversation_id, participant_key
                HAVING bool_or(is_customers)
            ) first_side
        ) compared
        WHERE has_dialled = has_anybody
        """,
    ),
    Step(
        "candidate_span",
        "The spans of everybody who may be the agent. A lower rank goes before: 1 agents who had the customer, 2 users "
        "who did, 3 and 4 the same if they were consulted, 5 and 6 who dialled, 7 an internal caller without a queue.",
        """
        SELECT span.conversation_id, span.participant_key, span.participant, span.user_id, span.start_ms, span.end_ms,
            span.left_ms,
            CASE
                WHEN span.purpose = 'user' AND caller.participant_key IS NOT NULL
                    THEN CASE WHEN NOT span.has_queue THEN 7 END
                WHEN consulted.participant_key IS NULL THEN CASE span.purpose WHEN 'agent' THEN 1 ELSE 2 END
                ELSE CASE span.purpose WHEN 'agent' THEN 3 ELSE 4 END
            END AS rank
        FROM person_span span
        LEFT JOIN consulted ON consulted.participant_key = span.participant_key
        LEFT JOIN caller ON caller.participant_key = span.participant_key
        UNION ALL
        SELECT span.conversation_id, span.participant_key, span.participant, span.user_id, span.start_ms, span.end_ms,
            span.left_ms,
            CASE span.purpose WHEN 'agent' THEN 5 ELSE 6 END AS rank
        FROM dial_span span
        LEFT JOIN caller ON caller.participant_key = span.participant_key
        WHERE span.purpose IN {INSIDE} AND (caller.participant_key IS NULL OR NOT span.has_queue)
        """,
    ),
    Step(
        "candidate",
        "Each participant of the lowest rank: how far into the customer's last leg, and for how long there. Where all "
        "of them came after the customer had left, the whole time counts.",
        """
        SELECT conversation_id, participant_key, participant, user_id,
            max(CASE WHEN start_ms < until_ms THEN least(end_ms, until_ms) ELSE {UNKNOWN} END) AS reach_ms,
            sum(greatest(0, least(end_ms, until_ms) - start_ms)) AS length_ms
        FROM (
            SELECT best.*,
                CASE
                    WHEN min(start_ms) OVER (PARTITION BY conversation_id) >= left_ms THEN {NEVER}
                    ELSE left_ms
                END AS until_ms
            FROM (
                SELECT candidate_span.*, min(rank) OVER (PARTITION BY conversation_id) AS best_rank
                FROM candidate_span
            ) best
            WHERE rank = best_rank
        ) span
        GROUP BY conversation_id, participant_key, participant, user_id
        """,
    ),
    Step(
        "agent",
        "The agent who had the customer last: who reaches furthest; within a second, who had the customer longer.",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, participant_key, user_id
        FROM (
            SELECT candidate.*, max(reach_ms) OVER (PARTITION BY conversation_id) AS furthest_ms
            FROM candidate
        ) compared
        WHERE furthest_ms - reach_ms <= 1000
        ORDER BY conversation_id, length_ms DESC, user_id COLLATE "C" DESC, participant
        """,
    ),
)

# --- the queue

_QUEUE = (
    Step(
        "abandoned_leg",
        "The legs that emitted that the customer left while waiting.",
        """
        SELECT DISTINCT {LEG} AS leg_key
        FROM {metrics} s
        WHERE s."name" IN {ABANDONS}
        """,
    ),
    Step(
        "queue_leg",
        "Each leg of a queue: its last queue id, and when it was over.",
        """
        SELECT leg.conversation_id, leg.leg_key, leg.participant_name, leg.media_type, leg.start_ms,
            coalesce(last.queue_id, '') AS queue_id,
            coalesce(ended.over_ms, {NEVER}) AS over_ms
        FROM leg
        LEFT JOIN (
            SELECT leg_key, max(coalesce(ended_ms, {NEVER})) AS over_ms
            FROM segment
            WHERE purpose = 'acd'
            GROUP BY leg_key
        ) ended ON ended.leg_key = leg.leg_key
        LEFT JOIN (
            SELECT DISTINCT ON (leg_key) leg_key, queue_id
            FROM segment
            WHERE purpose = 'acd' AND queue_id <> ''
            ORDER BY leg_key, start_ms DESC, queue_id COLLATE "C" DESC
        ) last ON last.leg_key = leg.leg_key
        WHERE leg.purpose = 'acd'
        """,
    ),
    Step(
        "handler_span",
        "Each segment in which somebody who may ask a queue had the customer: agents, and users except in an internal "
        "call, where a user may be who called the queue. last_ms: the end of the last one of the same person.",
        """
        SELECT conversation_id, participant_key, media_type, listens, start_ms, end_ms,
            coalesce(ended_ms, {NEVER}) AS left_ms,
            disconnect_type = 'transfer' AS is_transfer,
            max(CASE WHEN listens THEN {UNKNOWN} ELSE end_ms END) OVER (PARTITION BY participant_key) AS last_ms
        FROM segment
        WHERE kind IN {WITH_CUSTOMER} AND has_queue AND (purpose = 'agent' OR purpose = 'user' AND NOT is_internal)
        """,
    ),
    Step(
        "consult_transfer",
        "The participants who transferred the customer after a consultation.",
        """
        SELECT participant_key
        FROM segment
        WHERE disconnect_type = {CONSULT_TRANSFER}
        UNION
        SELECT {PARTICIPANT}
        FROM {metrics} s
        WHERE s."name" = {CONSULT_TRANSFERRED}
        """,
    ),
    Step(
        "asked",
        "Each queue's leg with each person who had the customer before it started and for more than a second after. A "
        "callback that is booked during a call waits at the same time, and was not asked.",
        """
        SELECT DISTINCT queue.leg_key, queue.start_ms, queue.over_ms, span.participant_key
        FROM queue_leg queue
        JOIN handler_span span ON span.conversation_id = queue.conversation_id
        WHERE span.start_ms < queue.start_ms AND span.end_ms - queue.start_ms > 1000
            AND NOT span.listens AND (queue.media_type <> 'callback' OR span.media_type = 'callback')
        """,
    ),
    Step(
        "consultation",
        "The queues' legs that were only asked: nobody who did so transferred the customer there. A transfer is one "
        "after a consultation, unless the queue was abandoned before the person left; or a blind one whose leg ends "
        "while the queue's goes on.",
        """
        SELECT asked.leg_key
        FROM asked
        JOIN handler_span span ON span.participant_key = asked.participant_key
        LEFT JOIN consult_transfer transfer ON transfer.participant_key = asked.participant_key
        LEFT JOIN abandoned_leg abandoned ON abandoned.leg_key = asked.leg_key
        GROUP BY asked.leg_key
        HAVING NOT bool_or(
            CASE
                WHEN transfer.participant_key IS NOT NULL
                    THEN abandoned.leg_key IS NULL OR span.last_ms - asked.over_ms <= 1000
                ELSE span.is_transfer AND span.left_ms BETWEEN asked.start_ms AND asked.over_ms
            END
        )
        """,
    ),
    Step(
        "way",
        "The segments on the customer's way: without listeners, people who were consulted, and queues that were asked.",
        """
        SELECT segment.conversation_id, segment.queue_id, segment.disconnect_type, segment.started_ms,
            segment.ended_ms, segment.start_ms
        FROM segment
        LEFT JOIN consulted ON consulted.participant_key = segment.participant_key
        LEFT JOIN consultation ON consultation.leg_key = segment.leg_key
        WHERE NOT segment.listens AND consulted.participant_key IS NULL AND consultation.leg_key IS NULL
        """,
    ),
    Step(
        "queue",
        "The last queue on the customer's way, by the queues' legs (rank 1), else by any segment that names one (2).",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, queue_id, queue_name
        FROM (
            SELECT 1 AS rank, leg.conversation_id, leg.start_ms, leg.queue_id, leg.participant_name AS queue_name
            FROM queue_leg leg
            LEFT JOIN consultation ON consultation.leg_key = leg.leg_key
            WHERE consultation.leg_key IS NULL
            UNION ALL
            SELECT 2, conversation_id, start_ms, queue_id, ''
            FROM way
        ) found
        WHERE queue_id <> '' OR queue_name <> ''
        ORDER BY conversation_id, rank, start_ms DESC, queue_id COLLATE "C" DESC, queue_name COLLATE "C" DESC
        """,
    ),
)

# --- codes and notes

_CODES = (
    Step(
        "code",
        "The agent's last code; without an agent, the last code that no person gave.",
        """
        SELECT DISTINCT ON (segment.conversation_id) segment.conversation_id, segment.wrap_up_code
        FROM segment
        LEFT JOIN agent ON agent.conversation_id = segment.conversation_id
        WHERE segment.wrap_up_code <> ''
            AND CASE
                WHEN agent.participant_key IS NOT NULL
                    THEN segment.participant_key = agent.participant_key AND NOT segment.listens
                ELSE segment.purpose NOT IN {INSIDE} OR segment.wrap_up_code LIKE {DIALER_CODES}
            END
        ORDER BY segment.conversation_id, segment.start_ms DESC, segment.wrap_up_code COLLATE "C" DESC
        """,
    ),
    Step(
        "dialer",
        "The dispositionName of the leg that started last: the dialer's analysis of the call.",
        """
        SELECT DISTINCT ON (leg.conversation_id) leg.conversation_id, s."dispositionName" AS disposition_name
        FROM {sessions} s
        JOIN leg ON leg.leg_key = {LEG}
        WHERE s."dispositionName" <> ''
        ORDER BY leg.conversation_id, leg.start_ms DESC, s."dispositionName" COLLATE "C" DESC
        """,
    ),
    Step(
        "note",
        "The agent's last note that is not empty.",
        """
        SELECT DISTINCT ON (leg.conversation_id) leg.conversation_id, s."wrapUpNote" AS wrap_up_note
        FROM {segments} s
        JOIN leg ON leg.leg_key = {LEG}
        JOIN agent ON agent.participant_key = leg.participant_key
        WHERE s."wrapUpNote" <> '' AND NOT leg.listens
        ORDER BY leg.conversation_id, coalesce(s."segmentStart", {YEAR_1}) DESC, s."wrapUpNote" COLLATE "C" DESC
        """,
    ),
    Step(
        "code_list",
        "All codes and who gave them, in order of time.",
        """
        SELECT conversation_id,
            array_agg(
                coalesce(nullif(giver."name", ''), nullif(user_id, ''), giver_name)
                || ': ' || coalesce(nullif(given."name", ''), wrap_up_code)
                ORDER BY start_ms, wrap_up_code COLLATE "C", user_id COLLATE "C", giver_name COLLATE "C"
            ) AS codes
        FROM (
            SELECT conversation_id, start_ms, wrap_up_code, user_id,
                coalesce(nullif(participant_name, ''), nullif(purpose, ''), '?') AS giver_name
            FROM segment
            WHERE wrap_up_code <> ''
        ) given_code
        LEFT JOIN {names} giver ON giver."kind" = {USER} AND giver."id" = user_id
        LEFT JOIN {names} given ON given."kind" = {WRAP_UP_CODE} AND given."id" = wrap_up_code
        GROUP BY conversation_id
        """,
    ),
)

# --- the end

_END = (
    Step(
        "disconnect",
        "The last disconnectType of the customer's legs (rank 1), else of the customer's way (2).",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, disconnect_type
        FROM (
            SELECT 1 AS rank, conversation_id, ended_ms, start_ms, disconnect_type
            FROM segment
            WHERE is_customers
            UNION ALL
            SELECT 2, conversation_id, ended_ms, start_ms, disconnect_type
            FROM way
        ) found
        WHERE disconnect_type <> ''
        ORDER BY conversation_id, rank, coalesce(ended_ms, start_ms) DESC, start_ms DESC,
            disconnect_type COLLATE "C" DESC
        """,
    ),
    Step(
        "customer_end",
        "The last disconnectType of the customer's last leg, or of one that ended with it; none while it goes on.",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, disconnect_type
        FROM (
            SELECT conversation_id, disconnect_type, ended_ms, start_ms,
                max(end_ms) OVER (PARTITION BY leg_key) AS leg_end_ms,
                max(end_ms) OVER (PARTITION BY conversation_id) AS last_ms
            FROM segment
            WHERE is_customers
        ) compared
        WHERE last_ms < {NEVER} AND last_ms - leg_end_ms <= 1000 AND disconnect_type <> ''
        ORDER BY conversation_id, coalesce(ended_ms, start_ms) DESC, start_ms DESC, disconnect_type COLLATE "C" DESC
        """,
    ),
    Step(
        "agent_end",
        "The disconnectType of the agent's last segment that has one, apart from wrap-up.",
        """
        SELECT DISTINCT ON (segment.conversation_id) segment.conversation_id, segment.disconnect_type
        FROM segment
        JOIN agent ON agent.participant_key = segment.participant_key
        WHERE NOT segment.listens AND segment.kind <> 'wrapup' AND segment.disconnect_type <> ''
        ORDER BY segment.conversation_id, coalesce(segment.ended_ms, segment.start_ms) DESC, segment.start_ms DESC,
            segment.disconnect_type COLLATE "C" DESC
        """,
    ),
    Step(
        "handled",
        "When the last segment of an agent or user ended; null while one goes on.",
        """
        SELECT p."conversationId" AS conversation_id,
            CASE
                WHEN bool_or(s."segmentEnd" IS NULL AND c."conversationEnd" IS NULL) THEN NULL
                ELSE nullif(max(coalesce(s."segmentEnd", s."segmentStart")), {YEAR_1})
            END AS handled_end
        FROM {participants} p
        JOIN {segments} s
            ON s."conversationId" = p."conversationId" AND s."participantOrdinal" = p."participantOrdinal"
        JOIN {conversations} c ON c."conversationId" = p."conversationId"
        WHERE p."purpose" IN {INSIDE}
        GROUP BY p."conversationId"
        """,
    ),
)

# --- lists, addresses, flows, metrics, scores

_OTHERS = (
    Step(
        "queue_list",
        "The queues on the customer's way, by their first time, each once.",
        """
        SELECT conversation_id, array_agg(queue_id ORDER BY first_ms, queue_id COLLATE "C") AS queue_ids
        FROM (
            SELECT conversation_id, queue_id, min(coalesce(started_ms, {NEVER})) AS first_ms
            FROM way
            WHERE queue_id <> ''
            GROUP BY conversation_id, queue_id
        ) each_once
        GROUP BY conversation_id
        """,
    ),
    Step(
        "user_list",
        "All users, by their first time, each once.",
        """
        SELECT conversation_id, array_agg(user_id ORDER BY first_ms, user_id COLLATE "C") AS user_ids
        FROM (
            SELECT conversation_id, user_id, min(coalesce(started_ms, {NEVER})) AS first_ms
            FROM segment
            WHERE user_id <> ''
            GROUP BY conversation_id, user_id
        ) each_once
        GROUP BY conversation_id
        """,
    ),
    Step(
        "division_list",
        "The divisions of the conversation, by name, else by id.",
        """
        SELECT d."conversationId" AS conversation_id,
            array_agg(coalesce(nullif(n."name", ''), d."divisionId") ORDER BY d."divisionOrdinal") AS division_names
        FROM {conversation_divisions} d
        LEFT JOIN {names} n ON n."kind" = {DIVISION} AND n."id" = d."divisionId"
        GROUP BY d."conversationId"
        """,
    ),
    Step(
        "contact",
        "Each leg with its addresses. address: the other side's, the sender of an inbound session, the recipient of "
        "an outbound one. callback: its first number to call back.",
        """
        SELECT leg.conversation_id, leg.is_customers, leg.start_ms, s."ani", s."dnis", s."messageType",
            s."callbackNumbers"[1] AS callback,
            CASE coalesce(nullif(s."direction", ''), c."originatingDirection")
                WHEN 'outbound' THEN coalesce(nullif(s."dnis", ''), s."addressTo")
                ELSE coalesce(nullif(s."ani", ''), s."addressFrom")
            END AS address
        FROM {sessions} s
        JOIN {conversations} c ON c."conversationId" = s."conversationId"
        JOIN leg ON leg.leg_key = {LEG}
        """,
    ),
    Step(
        "address",
        "The customer's address by the customer's first leg that has one (rank 1), else the first callback number of "
        "the customer's legs (2), else of any leg (3).",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, address
        FROM (
            SELECT 1 AS rank, conversation_id, start_ms, address FROM contact WHERE is_customers
            UNION ALL
            SELECT CASE WHEN is_customers THEN 2 ELSE 3 END, conversation_id, start_ms, callback FROM contact
        ) found
        WHERE address <> ''
        ORDER BY conversation_id, rank, start_ms, address COLLATE "C"
        """,
    ),
    Step(
        "ani",
        "ani of the customer's first leg that has one.",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, "ani" AS ani
        FROM contact
        WHERE is_customers AND "ani" <> ''
        ORDER BY conversation_id, start_ms, "ani" COLLATE "C"
        """,
    ),
    Step(
        "dnis",
        "dnis of the customer's first leg that has one.",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, "dnis" AS dnis
        FROM contact
        WHERE is_customers AND "dnis" <> ''
        ORDER BY conversation_id, start_ms, "dnis" COLLATE "C"
        """,
    ),
    Step(
        "message",
        "messageType of the customer's first leg that has one.",
        """
        SELECT DISTINCT ON (conversation_id) conversation_id, "messageType" AS message_type
        FROM contact
        WHERE is_customers AND "messageType" <> ''
        ORDER BY conversation_id, start_ms, "messageType" COLLATE "C"
        """,
    ),
    Step(
        "flow",
        "The flow that started first.",
        """
        SELECT DISTINCT ON (leg.conversation_id) leg.conversation_id,
            coalesce(s."flowName", '') AS flow_name,
            coalesce(s."flowExitReason", '') AS exit_reason
        FROM {sessions} s
        JOIN leg ON leg.leg_key = {LEG}
        LEFT JOIN (SELECT DISTINCT {LEG} AS leg_key FROM {flow_outcomes} s) outcome ON outcome.leg_key = leg.leg_key
        WHERE outcome.leg_key IS NOT NULL OR coalesce({FLOW}) IS NOT NULL
        ORDER BY leg.conversation_id, leg.start_ms, coalesce(s."flowName", '') COLLATE "C",
            coalesce(s."flowExitReason", '') COLLATE "C"
        """,
    ),
    Step(
        "measure",
        "The sums of metrics over all legs except those of queues that were asked, without values that are out of "
        "range; and whether the customer left while waiting.",
        """
        SELECT conversation_id,
            sum(value) FILTER (WHERE name = 'tAcd') AS acd_ms,
            sum(value) FILTER (WHERE name = 'tTalkComplete') AS talk_ms,
            sum(value) FILTER (WHERE name = 'tHeldComplete') AS held_ms,
            sum(value) FILTER (WHERE name = 'tAcw') AS acw_ms,
            sum(value) FILTER (WHERE name = 'tHandle') AS handle_ms,
            sum(value) FILTER (WHERE name = 'nTransferred') AS transferred,
            bool_or(name IN {ABANDONS}) AS is_abandoned
        FROM (
            SELECT s."conversationId" AS conversation_id, s."name" AS name,
                CASE WHEN abs(s."value") < {METRIC_MAX} THEN s."value" END AS value
            FROM {metrics} s
            LEFT JOIN consultation ON consultation.leg_key = {LEG}
            WHERE s."name" IN {MEASURED} AND consultation.leg_key IS NULL
        ) emitted
        GROUP BY conversation_id
        """,
    ),
    Step(
        "evaluation",
        "The latest evaluation that is finished and has a score.",
        """
        SELECT DISTINCT ON ("conversationId") "conversationId" AS conversation_id, "oTotalScore" AS score
        FROM {evaluations}
        WHERE lower("evaluationStatus") = 'finished' AND "oTotalScore" IS NOT NULL
            AND "deleted" IS NOT TRUE AND coalesce("calibrationId", '') = ''
        ORDER BY "conversationId", coalesce("eventTime", {YEAR_1}) DESC, "oTotalScore" DESC
        """,
    ),
    Step(
        "survey",
        "The latest survey that is finished and has a score.",
        """
        SELECT DISTINCT ON ("conversationId") "conversationId" AS conversation_id, "oSurveyTotalScore" AS score
        FROM {surveys}
        WHERE lower("surveyStatus") = 'finished' AND "oSurveyTotalScore" IS NOT NULL
        ORDER BY "conversationId", coalesce("eventTime", {YEAR_1}) DESC,
            "oSurveyTotalScore" DESC
        """,
    ),
    Step(
        "promoter",
        "The latest survey that is finished and has a promoter score.",
        """
        SELECT DISTINCT ON ("conversationId") "conversationId" AS conversation_id, "surveyPromoterScore" AS score
        FROM {surveys}
        WHERE lower("surveyStatus") = 'finished' AND "surveyPromoterScore" IS NOT NULL
        ORDER BY "conversationId", coalesce("eventTime", {YEAR_1}) DESC,
            "surveyPromoterScore" DESC
        """,
    ),
)

STEPS: tuple[Step, ...] = (*_ROWS, *_AGENT, *_QUEUE, *_CODES, *_END, *_OTHERS)
"""The queries, each after those that it reads."""

# --- the columns

NAMED: Mapping[str, str] = {
    "agent_name": 'agent_name."kind" = {USER} AND agent_name."id" = agent.user_id',
    "queue_name": 'queue_name."kind" = {QUEUE} AND queue_name."id" = queue.queue_id',
    "code_name": 'code_name."kind" = {WRAP_UP_CODE} AND code_name."id" = code.wrap_up_code',
}
"""Joins of the table `names`, by the alias."""


def _list(values: Iterable[str]) -> str:
    return f"({', '.join(map(literal, sorted(values)))})"


CONSTANTS: Mapping[str, str] = {
    "NEVER": str(NEVER_MS),
    "UNKNOWN": str(UNKNOWN_MS),
    "INSIDE": _list(INSIDE),
    "WITH_CUSTOMER": _list(WITH_CUSTOMER),
    "DIALLING": _list(DIALLING),
    "SIDE_MEDIA": _list(SIDE_MEDIA),
    "ABANDONS": _list(ABANDONS),
    "MEASURED": _list({*ABANDONS, "tAcd", "tTalkComplete", "tHeldComplete", "tAcw", "tHandle", "nTransferred"}),
    "METRIC_MAX": str(METRIC_MAX),
    "CONSULT_TRANSFER": literal(CONSULT_TRANSFER),
    "CONSULT_TRANSFERRED": literal(CONSULT_TRANSFERRED),
    "DIALER_CODES": literal(f"{DIALER_CODES}%"),
    "BY_ITSELF": _list(BY_ITSELF),
    "BY_SYSTEM": _list(BY_SYSTEM),
    "USER": literal(KINDS["users"]),
    "QUEUE": literal(KINDS["queues"]),
    "WRAP_UP_CODE": literal(KINDS["wrapupcodes"]),
    "DIVISION": literal(KINDS["divisions"]),
    "FLOW": ", ".join(
        f"CAST(s.{quoted(one.name)} AS text)" for one in SESSIONS.columns if one.path.startswith("flow.")
    ),
    "PARTICIPANT": """s."conversationId" || '/' || s."participantOrdinal\"""",
    "LEG": """s."conversationId" || '/' || s."participantOrdinal" || '/' || s."sessionOrdinal\"""",
    "YEAR_1": "TIMESTAMPTZ '0001-01-01 00:00:00Z'",
}
"""What the rules compare with, by the names in the queries."""

CELLS: Mapping[str, str] = {
    "conversationId": 'c."conversationId"',
    "channel": "channel.media_type",
    "startTime": 'c."conversationStart"',
    "endTime": 'c."conversationEnd"',
    "duration": """
        CAST(
            CAST(extract(epoch FROM c."conversationEnd") * 1000 AS bigint)
            - CAST(extract(epoch FROM c."conversationStart") * 1000 AS bigint)
            AS double precision
        ) / 1000""",
    "queueName": "coalesce(nullif(queue_name.\"name\", ''), nullif(queue.queue_name, ''), queue.queue_id)",
    "agentName": "coalesce(nullif(agent_name.\"name\", ''), agent.user_id)",
    "disposition": "coalesce(nullif(code_name.\"name\", ''), code.wrap_up_code, "
    "CASE WHEN agent.participant_key IS NULL THEN dialer.disposition_name END)",
    "queueId": "nullif(queue.queue_id, '')",
    "agentId": "agent.user_id",
    "queueIds": "queue_list.queue_ids",
    "userIds": "user_list.user_ids",
    "originatingDirection": 'c."originatingDirection"',
    "customerAddress": "address.address",
    "ani": "ani.ani",
    "dnis": "dnis.dnis",
    "messageType": "message.message_type",
    "flowName": "nullif(flow.flow_name, '')",
    "flowExitReason": "nullif(flow.exit_reason, '')",
    "divisionNames": "division_list.division_names",
    "disconnectType": "disconnect.disconnect_type",
    "endedBy": """
        CASE
            WHEN customer_end.disconnect_type IN {BY_SYSTEM} THEN 'system'
            WHEN customer_end.disconnect_type IS NOT NULL AND agent_end.disconnect_type IN {BY_SYSTEM} THEN 'system'
            WHEN customer_end.disconnect_type IN {BY_ITSELF} AND agent_end.disconnect_type IN {BY_ITSELF} THEN NULL
            WHEN customer_end.disconnect_type IN {BY_ITSELF} THEN 'customer'
            WHEN customer_end.disconnect_type = 'peer' AND agent_end.disconnect_type IN {BY_ITSELF} THEN 'agent'
        END""",
    "handledEnd": "handled.handled_end",
    "waitSeconds": "measure.acd_ms / 1000",
    "talkSeconds": "measure.talk_ms / 1000",
    "holdSeconds": "measure.held_ms / 1000",
    "acwSeconds": "measure.acw_ms / 1000",
    "handleSeconds": "measure.handle_ms / 1000",
    "transfers": "CAST(trunc(coalesce(measure.transferred, 0)) AS bigint)",
    "abandoned": "coalesce(measure.is_abandoned, FALSE)",
    "minMos": 'c."mediaStatsMinConversationMos"',
    "wrapUpNote": "note.wrap_up_note",
    "wrapUpCodes": "code_list.codes",
    "evaluationScore": "evaluation.score",
    "surveyScore": "survey.score",
    "promoterScore": "promoter.score",
}
"""The expression of each column; `c` is the conversation."""


# --- the text


def flat_view(schema: str = "", *, name: str = VIEW, columns: Sequence[Column] = EXTENDED) -> str:
    """The statement that creates the view, or replaces one with the same columns.

    A text that is empty in the CSV file can be null or empty in the view. Other cells have the types of the table of
    flat rows: timestamptz, double precision (seconds, reals), bigint, boolean, and text[].

    Args:
        schema: of the tables and of the view; empty for the current one.
        name: of the view.
        columns: of `columns.EXTENDED`, in the order that the view is to have.

    Raises:
        QueryError: a column is not in the extended view, such as a participant attribute.
    """
    return f"CREATE OR REPLACE VIEW {_in(schema, name)} AS\n{flat_query(schema, columns=columns)}"


def flat_query(schema: str = "", *, columns: Sequence[Column] = EXTENDED) -> str:
    """The query of the view; its columns are called as in the CSV file.

    Raises:
        QueryError: a column is not in the extended view.
    """
    cells = [_cell(column) for column in columns]
    aliases = _aliases(cells)
    aliases |= _aliases(NAMED[alias] for alias in aliases & NAMED.keys())
    lines = [*_with(_needed(aliases)), *_select(cells, columns), "FROM {conversations} c", *_joins(aliases)]
    return "\n".join(lines).format_map({**_tables(schema), **CONSTANTS})


def _cell(column: Column) -> str:
    if column.name not in CELLS:
        raise QueryError(
            f"The view has no column '{column.name}'.", hint="Participant attributes are in participant_attributes."
        )
    return dedent(CELLS[column.name]).strip()


def _aliases(expressions: Iterable[str]) -> set[str]:
    """What expressions refer to: steps, and joins of names."""
    return {found for one in expressions for found in re.findall(r"\b(\w+)\.", one)}


def _needed(names: Iterable[str]) -> list[Step]:
    """The steps of these names, and those that they read, in their order."""
    needed = set(names)
    for step in reversed(STEPS):
        if step.name in needed:
            needed.update(re.findall(r"\b(?:FROM|JOIN) (\w+)", step.query))
    return [step for step in STEPS if step.name in needed]


def _with(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        yield "WITH" if step is steps[0] else ""
        yield from (f"-- {line}" for line in wrap(step.doc, WIDTH))
        yield f"{step.name} AS ("
        yield indent(dedent(step.query).strip(), "    ")
        yield ")" if step is steps[-1] else "),"


def _select(cells: Sequence[str], columns: Sequence[Column]) -> Iterator[str]:
    yield "SELECT"
    for cell, column in zip(cells, columns, strict=True):
        yield indent(f"{cell} AS {quoted(column.name)}{'' if column is columns[-1] else ','}", "    ")


def _joins(aliases: Container[str]) -> Iterator[str]:
    for step in STEPS:
        if step.name in aliases:
            yield f'LEFT JOIN {step.name} ON {step.name}.conversation_id = c."conversationId"'
    for alias, condition in NAMED.items():
        if alias in aliases:
            yield f"LEFT JOIN {{names}} {alias} ON {condition}"


def _tables(schema: str) -> dict[str, str]:
    return {table.name: _in(schema, table.name) for table in TABLES}


def _in(schema: str, name: str) -> str:
    return f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)
