"""The outcome of a conversation: codes and notes, how it ended and by whom, its metrics and scores. Pure.

The rules of `journey` apply here, too: the order of lists has no meaning, and a rule reads only what its columns
declare.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple, TypeVar

from everycall.api.records import Evaluation, Participant, Segment, Session, Survey
from everycall.instants import DAY
from everycall.tables.journey import Journey
from everycall.tables.legs import ABANDONS, INSIDE, NEVER, SECOND, UNKNOWN, end_of, in_utc, listens, start_of, time_of

T = TypeVar("T")
V = TypeVar("V", int, float)

BY_ITSELF = ("endpoint", "client")
"""A leg that its own side ended: by hanging up the telephone, or by a button in the client."""

BY_SYSTEM = frozenset({
    "error", "inactivity", "sessionExpired", "system", "timeout", "transportFailure", "uncallable",
})  # fmt: skip


DIALER_CODES = "ININ-OUTBOUND-"
"""How the names of the codes begin that a dialer gives by itself, also on an agent's leg."""


class WrapUp(NamedTuple):
    """A wrap-up code, and the participant whose leg has it."""

    at: datetime
    code: str
    participant: Participant


# --- codes and notes


def wrap_ups(legs: Iterable[tuple[Participant, Session]]) -> list[WrapUp]:
    """The wrap-up codes on some legs, in no order."""
    return [
        WrapUp(time_of(segment), segment.wrap_up_code, participant)
        for participant, session in legs
        for segment in session.segments
        if segment.wrap_up_code
    ]


def last_code(journey: Journey) -> str | None:
    """The agent's last code, None if that agent gave none; without an agent, the system's last code."""
    agent = journey.agent
    if agent:
        given = [
            segment for leg in agent.sessions for segment in leg.segments if segment.wrap_up_code and not listens(leg)
        ]
        if len(given) == 1:
            return given[0].wrap_up_code
        return max(((time_of(segment), segment.wrap_up_code) for segment in given), default=(UNKNOWN, None))[1]
    return max(((wrap_up.at, wrap_up.code) for wrap_up in system_codes(journey)), default=(UNKNOWN, None))[1]


def system_codes(journey: Journey) -> list[WrapUp]:
    """Codes that no person gave: those on legs of other participants than agents and users, and the dialer's own."""
    return [
        wrap_up
        for wrap_up in wrap_ups(journey.all_legs())
        if wrap_up.participant.purpose not in INSIDE or wrap_up.code.startswith(DIALER_CODES)
    ]


def dialer_disposition(journey: Journey) -> str | None:
    """The dispositionName of the leg that started last: the dialer's analysis of the call."""
    found = [(start_of(leg), leg.disposition_name) for _, leg in journey.all_legs() if leg.disposition_name]
    return max(found)[1] if found else None


def last_note(journey: Journey) -> str | None:
    """The agent's last note that is not empty."""
    agent = journey.agent
    if not agent:
        return None
    found = [
        (time_of(segment), segment.wrap_up_note)
        for session in agent.sessions
        if not listens(session)
        for segment in session.segments
        if segment.wrap_up_note
    ]
    return max(found)[1] if found else None


# --- the end


def disconnect_type(journey: Journey) -> str | None:
    """The disconnectType of the customer's last leg that has one, or else of the last leg on the way."""
    customers = (segment for session in journey.customer_legs for segment in session.segments)
    return _last_disconnect(customers) or _last_disconnect(journey.segments_on_the_way)


def _last_disconnect(segments: Iterable[Segment]) -> str | None:
    found = [
        (segment.segment_end or time_of(segment), time_of(segment), segment.disconnect_type)
        for segment in segments
        if segment.disconnect_type
    ]
    return max(found)[2] if found else None


def ended_by(journey: Journey) -> str | None:
    """Who ended it, by the last legs of the customer and of the agent; None if these are unclear or do not agree."""
    customer = _customers_disconnect(journey)
    if customer is None:
        return None
    agent = _agents_disconnect(journey.agent) if journey.agent else None
    if customer in BY_SYSTEM or agent in BY_SYSTEM:
        return "system"
    if customer in BY_ITSELF:
        return None if agent in BY_ITSELF else "customer"
    return "agent" if customer == "peer" and agent in BY_ITSELF else None


def _customers_disconnect(journey: Journey) -> str | None:
    """The disconnectType of the customer's last leg, or of one that ended with it; None while it goes on."""
    legs = [leg for leg in journey.customer_legs if leg.segments]
    ends = [max(end_of(segment, is_alive=journey.is_alive) for segment in leg.segments) for leg in legs]
    last = max(ends, default=NEVER)
    if last is NEVER:
        return None
    last_legs = [leg for leg, end in zip(legs, ends, strict=True) if last - end <= SECOND]
    return _last_disconnect(segment for leg in last_legs for segment in leg.segments)


def _agents_disconnect(agent: Participant) -> str | None:
    """The disconnectType of the agent's last segment, apart from wrap-up."""
    return _last_disconnect(
        segment
        for session in agent.sessions
        if not listens(session)
        for segment in session.segments
        if segment.segment_type != "wrapup"
    )


def handled_end(journey: Journey) -> datetime | None:
    """When the last segment of an agent or user ended, wrap-up included; None while one goes on, or without any."""
    ends = [
        end_of(segment, is_alive=journey.is_alive)
        for purpose in INSIDE
        for participant in journey.participants.get(purpose, ())
        for session in participant.sessions
        for segment in session.segments
    ]
    latest = max(ends, default=NEVER)
    return None if latest in (NEVER, UNKNOWN) else in_utc(latest)


def outlasts_handling(journey: Journey) -> bool:
    """Whether a conversation ended more than a day after the last agent or user was done."""
    start, end = journey.start, journey.end
    if end is None or (start is not None and end - start <= DAY):
        return False
    handled = handled_end(journey)
    return handled is not None and end - handled > DAY


# --- flows, metrics, scores


def first_flow(journey: Journey) -> tuple[str | None, str | None]:
    """Name and exit reason of the flow that started first."""
    found = [
        (start_of(leg), leg.flow.flow_name or "", leg.flow.exit_reason or "")
        for _, leg in journey.all_legs()
        if leg.flow
    ]
    if not found:
        return None, None
    _, name, reason = min(found)
    return name or None, reason or None


def metric_sum(journey: Journey, name: str) -> int | float | None:
    """The sum of a metric over all legs except those of consulted queues; None if no leg emitted it."""
    values = journey.metrics.get(name)
    return sum(sorted(values)) if values else None  # sorted, so that real numbers give the same sum in any order


def is_abandoned(journey: Journey) -> bool:
    """Whether the customer left while waiting, by the metrics of all legs except those of consulted queues."""
    return any(name in journey.metrics for name in ABANDONS)


def latest_score(
    reviews: Iterable[T],
    status: Callable[[T], str | None],
    at: Callable[[T], datetime | None],
    score: Callable[[T], V | None],
) -> V | None:
    """The score of the latest finished evaluation or survey that has one."""
    found = [
        (at(review) or UNKNOWN, value)
        for review in reviews
        if (status(review) or "").lower() == "finished" and (value := score(review)) is not None
    ]
    return max(found)[1] if found else None


def counting(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Evaluations that were not deleted, and not made for calibration."""
    return [evaluation for evaluation in evaluations if not evaluation.deleted and not evaluation.calibration_id]


def survey_score(surveys: Iterable[Survey], score: Callable[[Survey], V | None]) -> V | None:
    """A score of the latest finished survey that has it."""
    return latest_score(surveys, lambda survey: survey.survey_status, lambda survey: survey.event_time, score)


def evaluation_score(evaluations: Iterable[Evaluation]) -> int | float | None:
    """The score of the latest evaluation that counts."""
    return latest_score(
        counting(evaluations),
        lambda evaluation: evaluation.evaluation_status,
        lambda evaluation: evaluation.event_time,
        lambda evaluation: evaluation.o_total_score,
    )
