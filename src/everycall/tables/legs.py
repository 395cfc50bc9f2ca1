"""Helpers for the rules of `journey` and `outcome`: times, legs, purposes. Pure.

A leg is a session together with its participant; a span is the time of a segment.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from everycall.api.records import Conversation, Metric, Participant, Segment, Session

T = TypeVar("T")
V = TypeVar("V", str, int, float, datetime)

Span: TypeAlias = tuple[datetime, datetime, str | None]
"""Start, end and segmentType of a segment."""

NEVER = datetime.max.replace(tzinfo=UTC)
"""The end of a segment that is still going on."""

UNKNOWN = datetime.min.replace(tzinfo=UTC)
"""The time of a segment without one: before all others."""

MICROSECOND = timedelta(microseconds=1)

SECOND = timedelta(seconds=1)
"""Legs of one event differ by some milliseconds in captured answers; within a second they count as simultaneous."""

INSIDE = ("agent", "user")
"""Purposes of the org's own people."""

WITH_CUSTOMER = ("interact", "hold")
"""Segments in which a person has the customer."""

DIALLING = ("contacting", "dialing")
"""Segments in which a person calls the customer: first the person's own station, then the number."""

CONSULT_TRANSFER = "consultTransfer"
CONSULT_TRANSFERRED = "nConsultTransferred"

ABANDONS = frozenset({"tAbandon", "tCallbackAbandon", "tCfcAbandon"})
"""Metrics of a customer who left while waiting: calls and chats; callbacks; callbacks that call the customer first.
Source: SDK 269, `ConversationDetailQueryPredicate`."""

METRIC_MAX = 2**53
"""Larger values are ignored: floating-point readers of the file would not represent them exactly."""

SIDE_MEDIA = ("cobrowse", "screenshare", "screenmonitoring", "video")
"""Media that are used in addition to another one."""


class once(Generic[T]):  # noqa: N801 - used as a decorator, as `property` is
    """An attribute that is computed when it is first read.

    Like `functools.cached_property`, but without its lock in Python 3.11, which takes as long as a rule.
    """

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self._name = work.__name__

    def __get__(self, owner: Any, _: type) -> T:
        value = owner.__dict__[self._name] = self._work(owner)
        return value


def in_utc(instant: datetime | None) -> datetime | None:
    """The instant in UTC; None if it is out of range there, such as the last hours of the year 9999 in America."""
    if instant is None or instant.tzinfo is UTC:
        return instant
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return None


def start_of(session: Session) -> datetime:
    """When the first segment of a leg starts; `NEVER` without segments, so that the leg is after all others."""
    start = NEVER
    for segment in session.segments:
        began = segment.segment_start
        if began is not None and began < start:
            start = began
    return start


def time_of(segment: Segment) -> datetime:
    """When a segment starts, to order by."""
    return segment.segment_start or UNKNOWN


def end_of(segment: Segment, *, is_alive: bool) -> datetime:
    """When a segment ends.

    A segment without an end goes on only if its conversation does. In a conversation that has ended, the segment's end
    is not known, and its start is used.
    """
    return segment.segment_end or (NEVER if is_alive else segment.segment_start or UNKNOWN)


def first_segment_start(conversation: Conversation) -> datetime | None:
    """The earliest segmentStart, used in place of an unreadable conversationStart; None without any."""
    legs = (session for participant in conversation.participants for session in participant.sessions)
    earliest = min(map(start_of, legs), default=NEVER)
    return None if earliest is NEVER else in_utc(earliest)


def first(legs: Iterable[Session], value: Callable[[Session], V | None]) -> V | None:
    """The value of the leg that started first, among those that have one."""
    found = [(start_of(session), one) for session in legs if (one := value(session))]
    return min(found)[1] if found else None


def metrics_of(session: Session) -> Sequence[Metric]:
    """The metrics of a leg, also from a narrow record that keeps them as JSON."""
    metrics = session.metrics
    return _as_metrics(metrics) if isinstance(metrics, msgspec.Raw) else metrics


def _as_metrics(raw: msgspec.Raw) -> Sequence[Metric]:
    """The names of the metrics only, which show whether a consultation became a transfer. Others are left out."""
    try:
        return [Metric(name=one.name) for one in _NAMES.decode(raw)] if raw else ()
    except msgspec.ValidationError:
        pass
    try:
        items = msgspec.json.decode(raw)
    except msgspec.DecodeError:  # a number out of range
        return ()
    names = [one.get("name") for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    return [Metric(name=one) for one in names if isinstance(one, str)]


class _Named(msgspec.Struct):
    name: str | None = None


_NAMES = msgspec.json.Decoder(list[_Named])


def listens(session: Session) -> bool:
    """Whether it is the leg of a supervisor who listens to another participant."""
    return bool(session.monitored_participant_id or session.coached_participant_id or session.barged_participant_id)


def has(participant: Participant, kinds: Collection[str]) -> bool:
    """Whether a person had a segment of these kinds, other than by listening."""
    for session in participant.sessions:
        for segment in session.segments:
            if segment.segment_type in kinds and not listens(session):
                return participant.user_id is not None and participant.user_id != ""
    return False


def consult_transferred(participant: Participant) -> bool:
    """Whether a participant transferred the customer after a consultation."""
    return any(
        any(one.disconnect_type == CONSULT_TRANSFER for one in session.segments)
        or any(one.name == CONSULT_TRANSFERRED for one in metrics_of(session))
        for session in participant.sessions
    )


def in_order(times: Iterable[tuple[datetime | None, str | None]]) -> tuple[str, ...]:
    """Each text once, by its earliest time; texts without a time come last."""
    earliest: dict[str, datetime] = {}
    for at, one in times:
        if one:
            earliest[one] = min(at or NEVER, earliest.get(one, NEVER))
    return tuple(sorted(earliest, key=lambda one: (earliest[one], one)))
