"""What users did: their presences and routing statuses, as they follow from the conversations that they had.

    POST /api/v2/analytics/users/details/query
    <- {"interval": ..., "userFilters": [...], "paging": {"pageSize": 25, "pageNumber": 1}}
    -> {"userDetails": [{"userId", "primaryPresence": [{"startTime", "endTime", "systemPresence"}],
                         "routingStatus": [{"startTime", "endTime", "routingStatus"}]}], "totalHits": 60}

On each UTC day, a user is on queue from a quarter of an hour before the first conversation until a quarter of an hour
after the last, and offline otherwise. The routing status is INTERACTING while a leg interacts, holds, dials or wraps
up, NOT_RESPONDING for up to a minute after an alert that nobody answered, and else IDLE. So a status never contradicts
a conversation.

Source: SDK 269 (`UserDetailsQuery`, `AnalyticsUserDetailsQueryResponse`). Everything about when is invented; that
records are cut at the days that the interval touches, that users without a conversation are left out, and that filters
of presences and statuses choose records, are guesses. Aggregations are refused.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from everycall.sandbox.answers import Answer, Request, bad_request
from everycall.sandbox.filters import Filters, known_fields, objects, optional, read_group
from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.oauth import Client
from everycall.sandbox.people import presence_id
from everycall.sandbox.query import FILTERED_DAYS_MAX, ORDERS, Interval, Query, body_of, checked_interval, read_paging
from everycall.sandbox.store import Scope, Store
from everycall.sandbox.vocabulary import Vocabulary, conversation_leaf, same_name

FIELDS: Final = set(
    """interval userFilters presenceFilters routingStatusFilters order presenceAggregations routingStatusAggregations
    paging""".split()
)

USERS: Final = Vocabulary("userFilters", "User", same_name(0, "userId"), (), conversation_leaf)
PRESENCES: Final = Vocabulary(
    "presenceFilters", "Presence", same_name(0, "organizationPresenceId systemPresence"), (), conversation_leaf
)
STATUSES: Final = Vocabulary(
    "routingStatusFilters", "RoutingStatus", same_name(0, "routingStatus"), (), conversation_leaf
)

BUSY: Final = frozenset({"interact", "hold", "wrapup", "dialing", "contacting"})
"""The segments in which an agent is INTERACTING."""

BESIDE_MS: Final = 900_000
"""How long somebody is on queue before the first conversation and after the last."""

NOT_RESPONDING_MS: Final = 60_000

Stretch = tuple[int, int]
Run = tuple[int, int, str]
Json = dict[str, Any]


@dataclass(slots=True)
class Work:
    """What the conversations show of one user's work; instants in milliseconds."""

    busy: list[Stretch] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    """When an alert ended that was not answered."""


def answer_user_details(store: Store, request: Request, client: Client) -> Answer:
    """The page of users that is asked for, by id."""
    raw = body_of(request.body)
    known_fields(raw, FIELDS, "UserDetailsQuery")
    if raw.get("presenceAggregations") or raw.get("routingStatusAggregations"):
        raise bad_request("This sandbox does not serve aggregations of users' details.")
    users, presences, statuses = (read_filters_of(raw, vocabulary) for vocabulary in (USERS, PRESENCES, STATUSES))
    days_max = FILTERED_DAYS_MAX if users or presences or statuses else store.switches.unfiltered_days_max
    interval = checked_interval(raw.get("interval"), days_max, store.switches)
    size, number = read_paging(raw.get("paging"), store.switches)
    order = optional(raw.get("order"), "QueryOrder", ORDERS) or "asc"
    worked = gathered(store, interval, client)
    ids = sorted((user_id for user_id in worked if users.hold_on(({"userId": user_id},))), reverse=order == "desc")
    found = [detail(user_id, worked[user_id], interval, store.now_ms, presences, statuses) for user_id in ids]
    found = [entry for entry in found if len(entry) > 1]
    page = found[(number - 1) * size : number * size]
    return Answer(200, {"userDetails": page, "totalHits": len(found)} if page else {"totalHits": len(found)})


def read_filters_of(raw: Mapping[str, Any], vocabulary: Vocabulary) -> Filters:
    """The filters of one list."""
    groups = [read_group(group, vocabulary, "Filter") for group in objects(raw.get(vocabulary.field))]
    return Filters(tuple((vocabulary, group) for group in groups if not group.is_empty()), b"")


def gathered(store: Store, interval: Interval, client: Client) -> Mapping[str, Work]:
    """The work of every user on the days that the interval touches."""
    days, now_ms = interval.days(), store.now_ms
    whole = Interval(days.start * DAY_MS, days.stop * DAY_MS)
    found: defaultdict[str, Work] = defaultdict(Work)
    for sketch in store.select_overlapping(Query(whole, Filters((), b"")), now_ms, Scope(client.division_ids))[:]:
        if not sketch.user_ids:
            continue
        for participant in store.world.conversation(sketch, now_ms).get("participants", ()):
            if "userId" in participant:
                for session in participant["sessions"]:
                    note(found[participant["userId"]], session["segments"], whole, now_ms)
    return {user: work for user, work in found.items() if work.busy or work.missed}


def note(work: Work, segments: Iterable[Mapping[str, Any]], whole: Interval, now_ms: int) -> None:
    """Adds what one session shows."""
    ordered = sorted(segments, key=lambda segment: str(segment["segmentStart"]))
    is_answered = any(segment["segmentType"] in BUSY - {"wrapup"} for segment in ordered)
    for segment in ordered:
        start_ms = max(to_ms(segment["segmentStart"]), whole.start_ms)
        end_ms = min(to_ms(segment["segmentEnd"]) if "segmentEnd" in segment else now_ms, whole.end_ms)
        if segment["segmentType"] in BUSY and start_ms < end_ms:
            work.busy.append((start_ms, end_ms))
        elif segment["segmentType"] == "alert" and "segmentEnd" in segment and not is_answered and start_ms <= end_ms:
            work.missed.append(end_ms)


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time as separate stretches, in order."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif start < end:
            found.append((start, end))
    return found


def detail(user_id: str, work: Work, interval: Interval, now_ms: int, presences: Filters, statuses: Filters) -> Json:
    """One user's records; without any, only the id."""
    line = TimeLine.of(work, interval.days(), now_ms)
    made: Json = {"userId": user_id}
    for name, value_at, filters in (
        ("primaryPresence", line.presence, presences),
        ("routingStatus", line.status, statuses),
    ):
        found = [record(line, *run, name) for run in line.runs(value_at) if touches(run, interval)]
        found = [entry for entry in found if filters.hold_on((entry,))]
        if found:
            made[name] = found
    return made


@dataclass(frozen=True, slots=True)
class TimeLine:
    """What one user did on some days, as far as they have gone by."""

    start_ms: int
    end_ms: int
    is_over: bool
    """Whether the days have gone by, so that the last record has an end."""
    shifts: list[Stretch]
    busy: list[Stretch]
    missed: list[Stretch]

    @classmethod
    def of(cls, work: Work, days: range, now_ms: int) -> "TimeLine":
        """The time line of a user's work."""
        end_ms = min(days.stop * DAY_MS, now_ms)
        return cls(
            start_ms=days.start * DAY_MS,
            end_ms=end_ms,
            is_over=end_ms < now_ms,
            shifts=merged(shift for day in days for shift in shifts_of(day, work, end_ms)),
            busy=merged(work.busy),
            missed=merged((at, min(at + NOT_RESPONDING_MS, end_ms)) for at in work.missed),
        )

    def presence(self, at: int) -> str:
        """The presence at an instant."""
        return "ON_QUEUE" if within(at, self.shifts) else "OFFLINE"

    def status(self, at: int) -> str:
        """The routing status at an instant."""
        if within(at, self.busy):
            return "INTERACTING"
        if within(at, self.missed):
            return "NOT_RESPONDING"
        return "IDLE" if within(at, self.shifts) else "OFF_QUEUE"

    def runs(self, value_at: Callable[[int], str]) -> list[Run]:
        """(start, end, value) of each stretch on which a value stays the same."""
        stretches = (*self.shifts, *self.busy, *self.missed)
        edges = sorted({self.start_ms, self.end_ms, *(edge for stretch in stretches for edge in stretch)})
        found: list[Run] = []
        for start, end in pairwise(edges):
            value = value_at(start)
            if found and found[-1][2] == value:
                found[-1] = found[-1][0], end, value
            else:
                found.append((start, end, value))
        return found


def shifts_of(day: int, work: Work, end_ms: int) -> Iterable[Stretch]:
    """When somebody is on queue on a UTC day: not at all, or once."""
    low, high = day * DAY_MS, (day + 1) * DAY_MS
    moments = [moment for stretch in work.busy if stretch[0] < high and stretch[1] > low for moment in stretch]
    moments += [at for at in work.missed if low <= at < high]
    if not moments:
        return []
    return [(max(low, min(moments) - BESIDE_MS), min(high, max(moments) + BESIDE_MS, end_ms))]


def within(at: int, stretches: Iterable[Stretch]) -> bool:
    """Whether an instant lies in one of the stretches."""
    return any(start <= at < end for start, end in stretches)


def touches(run: Run, interval: Interval) -> bool:
    """Whether a stretch lies in the interval, in part at least."""
    return run[0] < interval.end_ms and run[1] > interval.start_ms


def record(line: TimeLine, start_ms: int, end_ms: int, value: str, name: str) -> Json:
    """One record; what goes on has no end."""
    made: Json = {"startTime": to_text(start_ms)}
    if end_ms < line.end_ms or line.is_over:
        made["endTime"] = to_text(end_ms)
    if name == "routingStatus":
        return {**made, "routingStatus": value}
    made["systemPresence"] = value
    made["organizationPresenceId"] = presence_id("On Queue" if value == "ON_QUEUE" else "Offline")
    return made
