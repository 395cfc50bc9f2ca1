"""The customer's way through one conversation: the customer, the agent who had the customer last, the queues. Pure.

- The order of participants, sessions, segments and metrics has no meaning. Rules order by time, and values with the
  same time by the value itself, so that a shuffled conversation gives the same row.
- A rule reads only the fields that its columns declare (`columns.py`) and those in `narrow.ALWAYS`: a record may have
  no others.
- Rules that most conversations need are plain loops that end early, since they run for every row.

A rule that does not follow from the API's documentation has its reason beside it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from everycall.api.records import Conversation, Participant, Segment, Session
from everycall.tables.legs import (
    ABANDONS,
    DIALLING,
    INSIDE,
    METRIC_MAX,
    MICROSECOND,
    NEVER,
    SECOND,
    SIDE_MEDIA,
    UNKNOWN,
    WITH_CUSTOMER,
    Span,
    consult_transferred,
    end_of,
    first,
    has,
    in_order,
    in_utc,
    listens,
    metrics_of,
    once,
    start_of,
    time_of,
)


class Person(NamedTuple):
    """An agent or user, with the spans of this participant's segments of some kinds."""

    participant: Participant
    spans: list[Span]


class Queue(msgspec.Struct, frozen=True, order=True, gc=False):
    """A queue on the customer's way."""

    id: str
    """Empty if only the name is known."""
    name: str
    """participantName of the queue's own leg, which is kept when the queue is deleted; empty without such a leg."""


class Journey:
    """A conversation with its participants by purpose. Values that several columns need are computed once."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.start = in_utc(conversation.conversation_start)
        self.end = in_utc(conversation.conversation_end)
        self.is_alive = conversation.conversation_end is None
        self.participants = participants = {}  # type: dict[str | None, list[Participant]]
        """By purpose, without participants that have no session."""
        for participant in conversation.participants:
            if participant.sessions:
                purpose = participant.purpose
                if purpose in participants:
                    participants[purpose].append(participant)
                else:
                    participants[purpose] = [participant]

    @once
    def customer_legs(self) -> Sequence[Session]:
        """The legs of the customer's side."""
        return customer_legs(self)

    @once
    def agent(self) -> Participant | None:
        """The agent who had the customer last."""
        return last_agent(self)

    @once
    def queue_legs(self) -> Sequence[tuple[Participant, Session]]:
        """The queues' own legs on the customer's way."""
        return queue_legs(self)

    @once
    def queue(self) -> Queue | None:
        """The last queue on the customer's way."""
        return last_queue(self)

    @once
    def people(self) -> Sequence[Person]:
        """The agents, then the users, who had the customer."""
        return [*people(self, "agent"), *people(self, "user")]

    @once
    def segments_on_the_way(self) -> Sequence[Segment]:
        """The segments of all legs on the customer's way."""
        return list(segments_on_the_way(self))

    @once
    def measured_legs(self) -> Sequence[Session]:
        """Every leg except those of consulted queues: the legs whose metrics count."""
        queues = {id(session) for _, session in self.queue_legs}
        return [session for one, session in self.all_legs() if one.purpose != "acd" or id(session) in queues]

    @once
    def metrics(self) -> dict[str, list[int | float]]:
        """The values of every emitted metric, by name, in no order, without values that are out of range."""
        values: dict[str, list[int | float]] = {}
        for session in self.measured_legs:
            for metric in metrics_of(session):
                if metric.name:
                    mine = values.setdefault(metric.name, [])
                    if metric.value is not None and abs(metric.value) < METRIC_MAX:
                        mine.append(metric.value)
        return values

    @property
    def is_internal(self) -> bool:
        """Whether no customer and no external participant took part."""
        return "customer" not in self.participants and "external" not in self.participants

    def all_legs(self) -> list[tuple[Participant, Session]]:
        """Every leg of everybody, in no order."""
        return [(one, session) for one in self.conversation.participants for session in one.sessions]


# --- the customer


def customer_legs(journey: Journey) -> Sequence[Session]:
    """The legs of the customer's side.

    The customer is the participant with purpose `customer`, or without one the first `external`, as in an e-mail. (With
    a customer, an external is a third party on the call.) Without either, the call is internal, and its first leg, that
    of the caller, counts as the customer's.
    """
    customers: Sequence[Participant] | None = journey.participants.get("customer")
    if not customers:
        externals = journey.participants.get("external")
        if not externals:
            return _earliest([session for _, session in journey.all_legs()])
        customers = _came_first(externals)
    if len(customers) == 1:
        return customers[0].sessions
    return [session for one in customers for session in one.sessions]


def _earliest(legs: Sequence[Session]) -> Sequence[Session]:
    """The legs that start first: one, or several that start in the same millisecond."""
    start = min(map(start_of, legs), default=NEVER)
    return [session for session in legs if start_of(session) == start]


def _came_first(participants: Sequence[Participant]) -> Sequence[Participant]:
    starts = [min(map(start_of, one.sessions)) for one in participants]
    return [one for one, start in zip(participants, starts, strict=True) if start == min(starts)]


def customer_left(journey: Journey) -> datetime:
    """When the customer's last leg ended; `NEVER` if it goes on, or if its end is not known."""
    known = journey.conversation.conversation_end or NEVER
    ends = [one.segment_end or known for session in journey.customer_legs for one in session.segments]
    return max(ends, default=NEVER)


def channel(journey: Journey) -> str | None:
    """The mediaType of the customer's leg that began first."""
    legs = journey.customer_legs
    if len(legs) == 1:
        return legs[0].media_type or None
    found = [(start_of(one), one.media_type in SIDE_MEDIA, one.media_type) for one in legs if one.media_type]
    return min(found)[2] if found else None


def customer_address(journey: Journey) -> str | None:
    """The customer's own address: the sender of an inbound leg, the recipient of an outbound one.

    The leg's own direction decides, since a callback to an inbound call is outbound; without one, the conversation's.
    """
    otherwise = journey.conversation.originating_direction

    def of(session: Session) -> str | None:
        if (session.direction or otherwise) == "outbound":
            return session.dnis or session.address_to
        return session.ani or session.address_from

    def called_back(session: Session) -> str | None:
        return session.callback_numbers[0] if session.callback_numbers else None

    own = first(journey.customer_legs, of) or first(journey.customer_legs, called_back)
    return own or first((session for _, session in journey.all_legs()), called_back)


# --- the agent


def people(journey: Journey, purpose: str, kinds: Collection[str] = WITH_CUSTOMER) -> list[Person]:
    """The participants of a purpose who had segments of these kinds and did not only listen, with those spans."""
    return [
        Person(one, spans_of(one, kinds, is_alive=journey.is_alive))
        for one in journey.participants.get(purpose, ())
        if has(one, kinds)
    ]


def spans_of(participant: Participant, kinds: Collection[str], *, is_alive: bool) -> list[Span]:
    """The spans of a participant's segments of these kinds, in no order."""
    return [
        (segment.segment_start or UNKNOWN, end_of(segment, is_alive=is_alive), segment.segment_type)
        for session in participant.sessions
        if not listens(session)
        for segment in session.segments
        if segment.segment_type in kinds
    ]


def last_agent(journey: Journey) -> Participant | None:
    """The agent who had the customer last; without one, the user; without either, whoever dialled.

    The last agent is the one whose interact or hold reaches furthest into the customer's last leg, not the one whose
    segment began last: an agent who joined for a minute leaves the customer with the first one. Agents who were
    consulted and never joined do not count.
    """
    agents = journey.participants.get("agent", ())
    if "user" not in journey.participants:
        if not agents:
            return None
        handlers = [one for one in agents if has(one, WITH_CUSTOMER)]
        if len(handlers) == 1:
            return handlers[0]
    return _last_of_several(journey)


def _last_of_several(journey: Journey) -> Participant | None:
    agents = [one for one in journey.people if one.participant.purpose == "agent"]
    users = [one for one in journey.people if one.participant.purpose == "user"]
    called = _without_callers(journey, users)
    left = customer_left(journey)
    for among in (agents, called):
        joined = [one for one in among if joined_customer(one, journey.people, left)]
        if joined:
            return furthest(joined, left)
    return furthest(agents or called or _diallers(journey, users), left)


def _diallers(journey: Journey, users: Sequence[Person]) -> Sequence[Person]:
    """The people who dialled a call that nobody answered.

    In an internal call without a queue, also the caller who reached no person, but a menu, for example.
    """
    for purpose in INSIDE:
        dialled: Sequence[Person] = people(journey, purpose, DIALLING)
        if "acd" in journey.participants:
            dialled = _without_callers(journey, dialled)
        if dialled:
            return dialled
    return () if "acd" in journey.participants else users


def _without_callers(journey: Journey, users: Sequence[Person]) -> Sequence[Person]:
    """The users without the caller of an internal call, who counts as the customer."""
    if not users or not journey.is_internal:
        return users
    legs = {id(session) for session in journey.customer_legs}
    callers = [one for one, session in journey.all_legs() if id(session) in legs]
    callers = [one for one in callers if has(one, DIALLING)] or callers
    return [one for one in users if not any(one.participant is caller for caller in callers)]


def furthest(among: Sequence[Person], left: datetime) -> Participant | None:
    """The person whose spans reach furthest while the customer was there; within a second, who had the customer longer.

    If all spans begin after the customer's last leg, they are compared by their end. None if there is nobody.
    """
    if len(among) < 2:
        return among[0].participant if among else None
    if all(start >= left for one in among for start, _, _ in one.spans):
        left = NEVER
    reaches = [max(min(end, left) if start < left else UNKNOWN for start, end, _ in one.spans) for one in among]
    limit = max(reaches)
    near = [one for one, reach in zip(among, reaches, strict=True) if limit - reach <= SECOND]
    return max(near, key=lambda one: (_length_us(one.spans, left), one.participant.user_id)).participant


def _length_us(spans: Iterable[Span], left: datetime) -> int:
    """The total length of the spans up to an instant, in microseconds.

    An integer is exact, so that equal lengths are equal, and does not overflow as a timedelta does.
    """
    return sum(max(0, (min(end, left) - start) // MICROSECOND) for start, end, _ in spans)


def joined_customer(person: Person, everybody: Iterable[Person], left: datetime) -> bool:
    """Whether a person had the customer, rather than only a consultation with somebody who held the customer.

    The API does not mark consultations. In captured answers, the customer's agent is on hold during a consultation, so
    a person whose whole time is within the holds of others (to within a second) never joined.
    """
    others = [span for other in everybody if other.participant is not person.participant for span in other.spans]
    holds = _joined_up(span for span in others if span[2] == "hold")
    held_us = sum(_overlap_us(one, span, left) for one in holds for span in person.spans)
    return not held_us or _length_us(person.spans, left) - held_us > SECOND // MICROSECOND


def _joined_up(spans: Iterable[Span]) -> list[Span]:
    """The same stretches, none of which overlaps another: two people can hold the customer at once."""
    joined: list[Span] = []
    for start, end, kind in sorted(spans, key=lambda span: span[:2]):
        if joined and start <= joined[-1][1]:
            first, last, _ = joined.pop()
            joined.append((first, max(last, end), kind))
        else:
            joined.append((start, end, kind))
    return joined


def _overlap_us(one: Span, other: Span, left: datetime) -> int:
    return max(0, (min(one[1], other[1], left) - max(one[0], other[0])) // MICROSECOND)


# --- queues


def queue_legs(journey: Journey) -> Sequence[tuple[Participant, Session]]:
    """The queues' own legs on the customer's way: all except those of consultations.

    A queue that was called while an agent had the customer is on the customer's way only if a transfer followed.
    """
    queues = journey.participants.get("acd")
    if queues is None:
        return ()
    legs = [(queue, session) for queue in queues for session in queue.sessions]
    handlers = journey.participants.get("agent", [])
    if "user" in journey.participants and not journey.is_internal:  # else it may be who called the queue
        handlers = handlers + journey.participants["user"]
    return [leg for leg in legs if not _is_consultation(leg[1], handlers, journey)] if handlers else legs


def _is_consultation(queue_leg: Session, handlers: Iterable[Participant], journey: Journey) -> bool:
    asking = [one for one in handlers if _has_customer_at_start(queue_leg, one, journey)]
    return not any(_became_transfer(queue_leg, one, journey) for one in asking) if asking else False


def _has_customer_at_start(queue_leg: Session, participant: Participant, journey: Journey) -> bool:
    """Whether a person had the customer before a queue's leg started and for more than a second after.

    A callback that is booked during a call waits in a queue at the same time, and is not a consultation.
    """
    start = start_of(queue_leg)
    for session in participant.sessions:
        if queue_leg.media_type == "callback" and session.media_type != "callback":
            continue
        for segment in session.segments:
            if (
                segment.segment_type in WITH_CUSTOMER
                and (segment.segment_start or UNKNOWN) < start
                and end_of(segment, is_alive=journey.is_alive) - start > SECOND
                and not listens(session)
            ):
                return True
    return False


def _became_transfer(queue_leg: Session, person: Participant, journey: Journey) -> bool:
    """Whether a person who called a queue transferred the customer to it.

    That is a transfer after a consultation, or a blind transfer if the person's leg ends a moment late. A person can
    call several queues and transfer to the last one: a queue that was abandoned before the person left is not that one.
    """
    over = max((one.segment_end or NEVER for one in queue_leg.segments), default=NEVER)
    start = start_of(queue_leg)
    spans = spans_of(person, WITH_CUSTOMER, is_alive=journey.is_alive)
    if consult_transferred(person):
        was_abandoned = any(one.name in ABANDONS for one in metrics_of(queue_leg))
        return not (was_abandoned and max(end for _, end, _ in spans) - over > SECOND)
    segments = [one for session in person.sessions for one in session.segments if one.segment_type in WITH_CUSTOMER]
    return any(one.disconnect_type == "transfer" and start <= (one.segment_end or NEVER) <= over for one in segments)


def last_queue(journey: Journey) -> Queue | None:
    """The last queue on the customer's way.

    If no queue has a leg of its own there, it is the last queue on any leg, as in a call that an agent makes on behalf
    of a queue.
    """
    legs = journey.queue_legs
    if len(legs) == 1:
        found = queue_of(*legs[0])
    else:
        known = [(start_of(leg[1]), queue) for leg in legs if (queue := queue_of(*leg))]
        found = max(known)[1] if known else None
    if found:
        return found
    if not any(one.queue_id for _, session in journey.all_legs() for one in session.segments):
        return None
    others = [(time_of(one), one.queue_id) for one in journey.segments_on_the_way if one.queue_id]
    return Queue(max(others)[1], "") if others else None


def queue_of(participant: Participant, session: Session) -> Queue | None:
    """The queue of a leg, by the last queueId of its segments, or by its name only."""
    found, last = "", UNKNOWN
    for segment in session.segments:
        queue_id = segment.queue_id
        if queue_id and (not found or (time_of(segment), queue_id) > (last, found)):
            found, last = queue_id, time_of(segment)
    if found or participant.participant_name:
        return Queue(found, participant.participant_name or "")
    return None


def segments_on_the_way(journey: Journey) -> Iterator[Segment]:
    """The segments of all legs except those of listeners, of consulted agents, and of consulted queues."""
    consulted: set[int] = set()  # by identity, as the queues' legs: records are compared field by field otherwise
    if sum(len(journey.participants.get(purpose, ())) for purpose in INSIDE) > 1:
        left = customer_left(journey)
        consulted = {id(one.participant) for one in journey.people if not joined_customer(one, journey.people, left)}
    queues = {id(session) for _, session in journey.queue_legs}
    for participant, session in journey.all_legs():
        if id(participant) in consulted or listens(session):
            continue
        if participant.purpose != "acd" or id(session) in queues:
            yield from session.segments


def queue_ids(journey: Journey) -> tuple[str, ...]:
    """The queues on the customer's way, by their first time, each once."""
    return in_order((one.segment_start, one.queue_id) for one in journey.segments_on_the_way)


def user_ids(journey: Journey) -> tuple[str, ...]:
    """All users who were alerted, talked or listened, by their first time, each once."""
    return in_order(
        (segment.segment_start, participant.user_id)
        for participant, session in journey.all_legs()
        for segment in session.segments
    )
