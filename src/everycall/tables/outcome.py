"""What became of a conversation: codes and notes, how it ended and by whom, its metrics and scores. Pure.

The rules of `journey` hold here too: the order of lists says nothing, and a rule reads what its columns declare.
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
"""A leg that its own side ended: the telephone was hung up, or the client's button pressed."""

BY_SYSTEM = frozenset({
    "error", "inactivity", "sessionExpired", "system", "timeout", "transportFailure", "uncallable",
})  # fmt: skip


class WrapUp(NamedTuple):
    """A wrap-up code, and the participant on whose leg it stands."""

    at: datetime
    code: str
    participant: Participant


# --- codes and notes


def wrap_ups(legs: Iterable[tuple[Participant, Session]]) -> list[WrapUp]:
    """The wrap-up codes on some legs, in no order."""
    return [
        WrapUp(time_of(one), one.wrap_up_code, participant)
        for participant, session in legs
        for one in session.segments
        if one.wrap_up_code
    ]


def last_code(journey: Journey) -> str | None:
    """The agent's last code, and none where that agent gave none; where there was no agent, the system's last."""
    agent = journey.agent
    if agent:
        given = [one for leg in agent.sessions for one in leg.segments if one.wrap_up_code and not listens(leg)]
        if len(given) == 1:
            return given[0].wrap_up_code
        return max(((time_of(one), one.wrap_up_code) for one in given), default=(UNKNOWN, None))[1]
    return max(((one.at, one.code) for one in system_codes(journey)), default=(UNKNOWN, None))[1]


def system_codes(journey: Journey) -> list[WrapUp]:
    """Codes that no person gave: those on the legs of nobody inside, and the dialer's own (ININ-OUTBOUND-...)."""
    return [
        one
        for one in wrap_ups(journey.all_legs())
        if one.participant.purpose not in INSIDE or one.code.startswith("ININ-OUTBOUND-")
    ]


def dialer_disposition(journey: Journey) -> str | None:
    """The dispositionName of the leg that started last: what the dialer heard."""
    found = [(start_of(one), one.disposition_name) for _, one in journey.all_legs() if one.disposition_name]
    return max(found)[1] if found else None


def last_note(journey: Journey) -> str | None:
    """The agent's last note that is not empty."""
    agent = journey.agent
    if not agent:
        return None
    found = [
        (time_of(one), one.wrap_up_note)
        for session in agent.sessions
        if not listens(session)
        for one in session.segments
        if one.wrap_up_note
    ]
    return max(found)[1] if found else None


# --- the end


def disconnect_type(journey: Journey) -> str | None:
    """How the customer's last leg that tells ended; where none tells, the last leg on the way."""
    return _last_disconnect(one for session in journey.customer_legs for one in session.segments) or _last_disconnect(
        journey.segments_on_the_way
    )


def _last_disconnect(segments: Iterable[Segment]) -> str | None:
    found = [
        (one.segment_end or time_of(one), time_of(one), one.disconnect_type) for one in segments if one.disconnect_type
    ]
    return max(found)[2] if found else None


def ended_by(journey: Journey) -> str | None:
    """Who ended it, by the last leg of the customer and of the agent; None where they do not tell or do not agree."""
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
    """How the customer's last leg ended, the one of several that ended together that tells; None while it goes on."""
    legs = [one for one in journey.customer_legs if one.segments]
    ends = [max(end_of(segment, is_alive=journey.is_alive) for segment in one.segments) for one in legs]
    last = max(ends, default=NEVER)
    if last is NEVER:
        return None
    together = [one for one, end in zip(legs, ends, strict=True) if last - end <= SECOND]
    return _last_disconnect(segment for one in together for segment in one.segments)


def _agents_disconnect(agent: Participant) -> str | None:
    """How the agent's talking ended, not of the wrap-up that follows."""
    return _last_disconnect(
        one
        for session in agent.sessions
        if not listens(session)
        for one in session.segments
        if one.segment_type != "wrapup"
    )


def handled_end(journey: Journey) -> datetime | None:
    """When the last segment of anybody inside ended, wrap-up included; None while one goes on, or without anybody."""
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
    """Whether a conversation that has ended did so more than a day after the last person inside was done."""
    start, end = journey.start, journey.end
    if end is None or (start is not None and end - start <= DAY):
        return False
    handled = handled_end(journey)
    return handled is not None and end - handled > DAY


# --- flows, metrics, scores


def first_flow(journey: Journey) -> tuple[str | None, str | None]:
    """Name and exit reason of the flow that started first."""
    found = [
        (start_of(one), one.flow.flow_name or "", one.flow.exit_reason or "")
        for _, one in journey.all_legs()
        if one.flow
    ]
    if not found:
        return None, None
    _, name, reason = min(found)
    return name or None, reason or None


def metric_sum(journey: Journey, name: str) -> int | float | None:
    """The sum of a metric over all legs but those of consulted queues; None where no leg emitted it."""
    values = journey.metrics.get(name)
    return sum(sorted(values)) if values else None  # sorted, so that real numbers give the same sum in any order


def is_abandoned(journey: Journey) -> bool:
    """Whether any leg but those of consulted queues says that the customer left while waiting."""
    return any(name in journey.metrics for name in ABANDONS)


def latest_score(
    reviews: Iterable[T],
    status: Callable[[T], str | None],
    at: Callable[[T], datetime | None],
    score: Callable[[T], V | None],
) -> V | None:
    """The score of the latest finished evaluation or survey that has one."""
    found = [
        (at(one) or UNKNOWN, value)
        for one in reviews
        if (status(one) or "").lower() == "finished" and (value := score(one)) is not None
    ]
    return max(found)[1] if found else None


def counting(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Evaluations that were not deleted and not made to calibrate the evaluators."""
    return [one for one in evaluations if not one.deleted and not one.calibration_id]


def survey_score(surveys: Iterable[Survey], score: Callable[[Survey], V | None]) -> V | None:
    """A score of the latest finished survey that has it."""
    return latest_score(surveys, lambda one: one.survey_status, lambda one: one.event_time, score)


def evaluation_score(evaluations: Iterable[Evaluation]) -> int | float | None:
    """The score of the latest evaluation that counts."""
    return latest_score(
        counting(evaluations),
        lambda one: one.evaluation_status,
        lambda one: one.event_time,
        lambda one: one.o_total_score,
    )
