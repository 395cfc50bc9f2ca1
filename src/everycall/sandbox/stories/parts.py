"""The parts of a story as JSON: instants, segments, metrics, sessions, participants.

Rules of the file: key order is the API's (scalars by the alphabet, then mediaEndpointStats, flow, metrics,
segments, as in every capture since 2024); what has no value is absent; nothing is null or empty. A stage or a
moment at FOREVER_MS has not come and will not: an open segment, a metric that is never emitted.
"""

from datetime import date
from functools import cache, lru_cache
from typing import Any, NamedTuple

from everycall.sandbox.centre import Flow, Queue, User
from everycall.sandbox.rng import Rng
from everycall.sandbox.traffic import DAY_MS, FOREVER_MS

Json = dict[str, Any]

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MINUTES = [f"T{m // 60:02d}:{m % 60:02d}:" for m in range(1440)]
_SECONDS = [f"{ms // 1000:02d}.{ms % 1000:03d}Z" for ms in range(60_000)]


class Stage(NamedTuple):
    """A stretch of a session that becomes one segment."""

    type: str
    """A segmentType."""
    start: int
    end: int


class Moment(NamedTuple):
    """A metric: when it was emitted, its name, its value."""

    at: int
    name: str
    value: int


@cache
def _day(day: int) -> str:
    return date.fromordinal(day + _EPOCH_ORDINAL).isoformat()


def stamp(instant: int) -> str:
    """An instant as the API writes it: `yyyy-MM-ddTHH:mm:ss.SSSZ`."""
    rest = instant % DAY_MS
    return _day(instant // DAY_MS) + _MINUTES[rest // 60_000] + _SECONDS[rest % 60_000]


def segment(
    stage: Stage,
    *,
    queue_id: str = "",
    disconnect: str = "",
    conference: bool | None = None,
    **more: Any,
) -> Json:
    """The segment of a stage; `more` are fields under their own names, left out where they are None."""
    made: Json = {}
    if conference is not None:
        made["conference"] = conference
    if disconnect and stage.end < FOREVER_MS:
        made["disconnectType"] = disconnect
    if queue_id:
        made["queueId"] = queue_id
    if stage.end < FOREVER_MS:
        made["segmentEnd"] = stamp(stage.end)
    made["segmentStart"] = stamp(stage.start)
    made["segmentType"] = stage.type
    return _with(made, more) if more else made


def _with(made: Json, more: Json) -> Json:
    scored, properties = more.pop("scoredAgents", None), more.pop("properties", None)
    for name, value in more.items():
        if value is not None:
            made[name] = value
    made = by_name(made)
    if scored:
        made["scoredAgents"] = scored
    if properties:
        made["properties"] = properties
    return made


def by_name(fields: Json) -> Json:
    """The same fields, sorted by the alphabet."""
    return {name: fields[name] for name in _sorted_names(tuple(fields))}


# The same few sets of fields come in the same few orders: half the time of sorting each of them anew.
@lru_cache(4096)
def _sorted_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names))


def session(
    fields: Json,
    segments: list[Json],
    moments: list[Moment],
    *,
    stats: list[Json] | None = None,
    flow: Json | None = None,
    groups: list[Json] | None = None,
    proposed: list[Json] | None = None,
) -> Json:
    """A session; `fields` are its scalars in any order, `moments` its metrics in any order."""
    made = by_name(fields)
    if groups:
        made["agentGroups"] = groups
    if proposed:
        made["proposedAgents"] = proposed
    if stats:
        made["mediaEndpointStats"] = stats
    if flow:
        made["flow"] = flow
    emitted = sorted([m for m in moments if m[0] < FOREVER_MS])
    if emitted:
        made["metrics"] = [{"emitDate": stamp(at), "name": name, "value": value} for at, name, value in emitted]
    made["segments"] = segments
    return made


def participant(
    rng: Rng,
    purpose: str,
    sessions: list[Json],
    *,
    name: str = "",
    user: User | None = None,
    contact_id: str = "",
    flagged: bool = False,
) -> Json:
    """A participant: a user or one with a name."""
    made: Json = {}
    if contact_id:
        made["externalContactId"] = contact_id
    if flagged:
        made["flaggedReason"] = "general"
    made["participantId"] = rng.uuid()
    if name:
        made["participantName"] = name
    made["purpose"] = purpose
    if user:
        if user.team_id:
            made["teamId"] = user.team_id
        made["userId"] = user.id
    made["sessions"] = sessions
    return made


def flow_json(
    flow: Flow,
    *,
    reason: str,
    entry: str = "dnis",
    language: str = "en-us",
    to: Queue | Flow | None = None,
    transfer_type: str = "",
    issued_callback: bool = False,
    outcomes: list[Json] | None = None,
) -> Json:
    """The flow of a session that was left again: for a queue, for another flow, or to nowhere."""
    made: Json = {
        "endingLanguage": language,
        "entryReason": reason,
        "entryType": entry,
        "exitReason": "TRANSFER" if to else "DISCONNECT",
        "flowId": flow.id,
        "flowName": flow.name,
        "flowType": flow.type,
        "flowVersion": flow.version,
    }
    if issued_callback:
        made["issuedCallback"] = True
    made["startingLanguage"] = language
    if to:
        made["transferTargetAddress"] = to.id
        made["transferTargetName"] = to.name
        transfer_type = "ACD" if isinstance(to, Queue) else "FLOW"
    if transfer_type:
        made["transferType"] = transfer_type
    if outcomes:
        made["outcomes"] = outcomes
    return made


def with_holds(rng: Rng, start: int, end: int, holds: int) -> list[Stage]:
    """A conversation of two people from start to end: interact, with `holds` times of hold in between."""
    if not holds or end >= FOREVER_MS or end - start < 4 * holds:
        return [Stage("interact", start, end)]
    width = (end - start) // (2 * holds + 1)
    edges = [start + width * n + rng.below(width) for n in range(1, 2 * holds + 1)]
    stages = zip([start, *edges], [*edges, end], strict=True)
    return [Stage("hold" if n % 2 else "interact", a, b) for n, (a, b) in enumerate(stages)]


def handling(stages: list[Stage]) -> list[Moment]:
    """The metrics of an agent's stages, so that the sums of the API hold.

    tTalk once per interact, tHeld once per hold; tTalkComplete and tHeldComplete are their sums, tHandle is
    talk, hold, after-call work, contacting and dialing together. Source: measured on the captured answers.
    """
    moments = []
    sums = dict.fromkeys(("interact", "hold", "wrapup", "contacting", "dialing"), 0)
    last: dict[str, int] = {}
    for kind, start, end in stages:
        if kind not in sums or end >= FOREVER_MS:
            continue
        sums[kind] += end - start
        last[kind] = end
        name = _EACH.get(kind)
        if name and (end > start or kind != "wrapup"):
            moments.append(Moment(end, name, end - start))
    for kind, name in _COMPLETE:
        if kind in last:
            moments.append(Moment(last[kind], name, sums[kind]))
    if last and stages[-1].end < FOREVER_MS:
        moments.append(Moment(max(last.values()), "tHandle", sum(sums.values())))
    return moments


_EACH = {"interact": "tTalk", "hold": "tHeld", "wrapup": "tAcw", "contacting": "tContacting", "dialing": "tDialing"}
_COMPLETE = (("interact", "tTalkComplete"), ("hold", "tHeldComplete"))


# The metrics that come together wherever the same thing happens.


def connected(start: int, end: int) -> list[Moment]:
    """The metrics of an external leg that was connected."""
    return [Moment(start, "nConnected", 1), Moment(end, "tConnected", end - start)]


def flowed(start: int, end: int, *, is_left: bool) -> list[Moment]:
    """The metrics of a flow: left for a queue or another flow, or ended with the conversation."""
    length = end - start
    how = "tFlowExit" if is_left else "tFlowDisconnect"
    return [Moment(start, "nFlow", 1), Moment(end, "tFlow", length), Moment(end, how, length)]


def waited(start: int, end: int, *more: str) -> list[Moment]:
    """The metrics of a wait in a queue, from its offer to its end; `more` names others of its length: tAbandon."""
    return [Moment(end, name, end - start) for name in ("tAcd", *more)]


def unanswered(start: int, end: int) -> list[Moment]:
    """The metrics of an alert that was missed."""
    return [Moment(end, "nError", 1), Moment(end, "tAlert", end - start), Moment(end, "tNotResponding", end - start)]
