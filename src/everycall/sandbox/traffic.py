"""Which conversations start on a UTC day, cheaply: when, how long, of what kind, with whom.

A day is four columns of numbers (`Day`), made in one go from the seed and the day alone; a `Sketch` is made of
them when it is looked at. A story fills a sketch in, and so both agree on start, end, queues, users and codes.

An id is more than random: its first 48 bits hold day and index, hidden by its last 48. So no two
conversations of an org can ever share an id, and `locate` finds the day of an id without looking anything up.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar, overload

from everycall.sandbox.centre import Centre, Queue, User
from everycall.sandbox.rng import Rng, narrow, wide

T = TypeVar("T")

FOREVER_MS: Final = 2**62
DAY_MS: Final = 86_400_000
SLOT_MS: Final = 900_000

MINUTE: Final = 60_000
HOUR: Final = 3_600_000


class Sketch(NamedTuple):
    """What is known of a conversation without building its whole story."""

    start_ms: int
    """conversationStart, milliseconds since the epoch, UTC."""
    end_ms: int
    """The final conversationEnd; FOREVER_MS for one that never ends."""
    conversation_id: str
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody asks a sketch for
    """Ordinal within its UTC start day; (day, index) identifies the conversation."""
    division_ids: tuple[str, ...]
    media_types: tuple[str, ...]
    """Every value that can stand anywhere in the story, now or later."""
    originating_direction: str
    queue_ids: tuple[str, ...]
    """Every queue of the story; so too the users and codes: all that can occur, perhaps more."""
    user_ids: tuple[str, ...]
    wrap_up_codes: tuple[str, ...]
    kind: str = ""
    """Which story it is; empty where the conversation was not made here."""
    rest: tuple[int, int] | None = None
    """For one that is reopened: when it ended for the first time, and when it was opened again."""

    def has_end(self, now_ms: int) -> bool:
        """Whether the conversation has a conversationEnd as of an instant."""
        return self.end_ms <= now_ms or (self.rest is not None and self.rest[0] <= now_ms < self.rest[1])


class Kind(NamedTuple):
    """A kind of conversation, with what a sketch must know of it."""

    name: str
    office: int
    """Weight among what happens in opening hours."""
    clock: int
    """Weight among what happens around the clock."""
    media: str
    """Which queues it may come to; empty where no queue is involved."""
    queues: int
    users: int
    media_types: tuple[str, ...]
    direction: str
    spans: tuple[int, ...]
    """How long it lasts, in ms, at the quantiles 0, 1/16, 1/4, 1/2, 3/4, 15/16, 63/64 and 1; empty: for ever."""
    is_reopened: bool = False
    """Whether it ends, is opened again hours or days later, and ends once more."""
    is_captured: bool = False
    """Whether it is a template made of a captured answer; of these alone `codes` and `system_codes` say which wrap-up
    codes occur: so many of the org, and these of the system."""
    codes: int = 0
    system_codes: tuple[str, ...] = ()


VOICE = ("voice",)
MESSAGE = ("message",)
SIDES = ("video", "screenshare", "internalmessage", "unknown")
_CALL = (12_000, 55_000, 190_000, 340_000, 620_000, 1_500_000, 3_000_000, 7_200_000)
_LONG_CALL = (60_000, 150_000, 400_000, 640_000, 1_100_000, 2_200_000, 4_000_000, 9_000_000)
_WAIT = (1_500, 4_000, 25_000, 70_000, 160_000, 420_000, 900_000, 2_400_000)
_BRIEF = (1_200, 3_000, 12_000, 26_000, 50_000, 110_000, 240_000, 500_000)
_BLIP = (3, 20, 120, 340, 600, 850, 950, 999)
_MAIL = (90_000, 12 * MINUTE, 70 * MINUTE, 4 * HOUR, 11 * HOUR, 26 * HOUR, 44 * HOUR, 70 * HOUR)
_DAYS = (30 * HOUR, 34 * HOUR, 44 * HOUR, 55 * HOUR, 80 * HOUR, 150 * HOUR, 250 * HOUR, 600 * HOUR)
_TEXT = (60_000, 3 * MINUTE, 8 * MINUTE, 16 * MINUTE, 40 * MINUTE, 5 * HOUR, 24 * HOUR, 72 * HOUR)
_CHAT = (25_000, 90_000, 270_000, 520_000, 930_000, 1_900_000, 3_600_000, 7_000_000)
REACH_DAYS: Final = 31
"""No conversation lasts longer, but for those that never end."""

_SOON = (4 * MINUTE, 8 * MINUTE, 20 * MINUTE, 45 * MINUTE, 2 * HOUR, 8 * HOUR, 20 * HOUR, 60 * HOUR)
_LATER = (4 * MINUTE, 20 * MINUTE, 90 * MINUTE, 5 * HOUR, 22 * HOUR, 50 * HOUR, 96 * HOUR, 160 * HOUR)

KINDS: Final = (
    Kind("voice_answered", 3900, 0, "voice", 1, 1, VOICE, "inbound", _CALL),
    Kind("voice_missed", 700, 0, "voice", 1, 2, VOICE, "inbound", _LONG_CALL),
    Kind("voice_missed_twice", 160, 0, "voice", 1, 2, ("voice", "screenmonitoring"), "inbound", _LONG_CALL),
    Kind("voice_abandoned", 650, 0, "voice", 1, 0, VOICE, "inbound", _WAIT),
    Kind("voice_abandoned_in_ivr", 350, 900, "", 0, 0, VOICE, "inbound", _BRIEF),
    Kind("voice_self_served", 260, 150, "", 0, 0, VOICE, "inbound", _WAIT),
    Kind("voice_flow_out", 70, 0, "voice", 1, 0, VOICE, "inbound", _WAIT),
    Kind("voicemail", 140, 0, "voice", 1, 0, VOICE, "inbound", _LONG_CALL),
    Kind("voice_blind_transfer", 290, 0, "voice", 2, 2, VOICE, "inbound", _LONG_CALL),
    Kind("voice_consult_transfer", 150, 0, "voice", 2, 2, VOICE, "inbound", _LONG_CALL),
    Kind("voice_consult_cancelled", 60, 0, "voice", 2, 1, VOICE, "inbound", _LONG_CALL),
    Kind("voice_transfer_abandoned", 40, 0, "voice", 2, 1, VOICE, "inbound", _LONG_CALL),
    Kind("voice_third_party", 60, 0, "voice", 1, 1, VOICE, "inbound", _LONG_CALL),
    Kind("voice_conference", 70, 0, "voice", 1, 2, VOICE, "inbound", _LONG_CALL),
    Kind("voice_stuck", 4, 0, "voice", 1, 2, VOICE, "inbound", ()),
    Kind("voice_to_user", 150, 0, "", 0, 1, ("voice", *SIDES), "inbound", _CALL),
    Kind("voice_blip", 30, 15, "", 0, 0, VOICE, "inbound", _BLIP),
    Kind("callback_requested", 400, 0, "callback", 1, 1, ("callback", "voice"), "inbound", _SOON),
    Kind("callback_scheduled", 200, 0, "callback", 1, 1, ("callback", "voice"), "inbound", _LATER),
    Kind("callback_abandoned", 60, 0, "callback", 1, 0, ("callback", "voice"), "inbound", _SOON),
    Kind("chat_answered", 620, 0, "chat", 1, 1, ("chat",), "inbound", _CHAT),
    Kind("chat_missed", 60, 0, "chat", 1, 2, ("chat", "cobrowse", "screenshare"), "inbound", _CHAT),
    Kind("chat_abandoned", 90, 0, "chat", 1, 0, ("chat",), "inbound", _WAIT),
    Kind("outbound_by_agent", 700, 0, "outbound", 1, 1, VOICE, "outbound", _CALL),
    Kind("outbound_by_dialer", 480, 0, "outbound", 1, 1, VOICE, "outbound", _CALL),
    Kind("outbound_no_contact", 600, 0, "outbound", 1, 0, VOICE, "outbound", _BRIEF),
    Kind("outbound_preview", 70, 0, "outbound", 1, 1, ("callback",), "outbound", _CALL),
    Kind("email_answered", 0, 3000, "email", 1, 1, ("email",), "inbound", _MAIL),
    Kind("email_transferred", 0, 250, "email", 2, 2, ("email",), "inbound", _MAIL),
    Kind("email_for_days", 0, 700, "email", 1, 1, ("email",), "inbound", _DAYS),
    Kind("email_reopened", 0, 160, "email", 1, 1, ("email",), "inbound", _DAYS, is_reopened=True),
    Kind("email_stuck", 0, 12, "email", 1, 0, ("email",), "inbound", ()),
    Kind("email_by_agent", 0, 250, "email", 1, 1, ("email",), "outbound", _CHAT),
    Kind("message_web", 0, 1600, "message", 1, 1, MESSAGE, "inbound", _TEXT),
    Kind("message_bot", 0, 900, "", 0, 0, MESSAGE, "inbound", _CHAT),
    Kind("message_sms", 0, 800, "message", 1, 1, MESSAGE, "inbound", _TEXT),
    Kind("message_whatsapp", 0, 900, "message", 1, 1, MESSAGE, "inbound", _TEXT),
)
# Codes that the system sets by itself, by weight; None leaves it to the agent.
SYSTEM_CODES_OF: Final[dict[str, tuple[str | None, ...]]] = {
    "outbound_no_contact": (
        *("ININ-OUTBOUND-NO-ANSWER",) * 24,
        *("ININ-OUTBOUND-BUSY",) * 12,
        *("ININ-OUTBOUND-MACHINE",) * 14,
        *("ININ-OUTBOUND-SIT-UNCALLABLE",) * 3,
        *("ININ-OUTBOUND-SIT-CALLABLE",) * 2,
        *("ININ-OUTBOUND-FAX",) * 1,
        *("ININ-OUTBOUND-ABANDON",) * 6,
        *("ININ-OUTBOUND-INVALID-PHONE-NUMBER",) * 2,
    ),
    "outbound_preview": (*("ININ-OUTBOUND-PREVIEW-SKIPPED",) * 40, *(None,) * 24),
}
KIND_NAMES: Final = tuple(k.name for k in KINDS)

# The org's local time is that of the eastern United States, so its evenings belong to the next UTC day.
# Opening hours are 08:00 to 20:00; a weight for each half-hour, with the dip at lunch.
_OFFICE = (40, 60, 80, 95, 100, 98, 95, 88, 68, 64, 78, 90, 94, 92, 88, 82, 76, 68, 58, 46, 34, 26, 20, 14)
_OFFICE_OPENS_H = 8
_OFFICE_WEEK = (126, 106, 98, 96, 90, 26, 7)
# E-mails and messages come around the clock; a weight for each hour.
_CLOCK = (8, 6, 5, 4, 4, 6, 11, 18, 26, 31, 33, 33, 30, 30, 31, 31, 30, 30, 29, 29, 27, 23, 17, 11)
_CLOCK_WEEK = (113, 104, 99, 97, 93, 66, 58)

_MASK_48 = (1 << 48) - 1
_MASK_64 = (1 << 64) - 1
_ROLL = (1 << 62) - 1
# Odd, so that multiplying modulo a power of two can be undone.
_SPREAD = 0x9E3779B97F4A7C15 & _MASK_48
_UNSPREAD = pow(_SPREAD, -1, 1 << 48)
_MIX_A = 0xBF58476D1CE4E5B9
_MIX_B = 0x94D049BB133111EB
_MIX_C = 0x9E3779B1
_INDEX_BITS = 26
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# Days before 1970 are not foreseen; 22 bits of days reach the year 13452.
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


Cast = tuple[tuple[Queue, ...], tuple[User, ...], tuple[str | None, ...]]
"""Who takes part in a conversation, in the order in which the story needs them: queues, users, and a wrap-up
code for each user (None for a wrap-up without one). Where there is one user there are two codes: the second is the one
that the user set before, if at all."""

Ids = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Queues, users, wrap-up codes, divisions."""


class Day(Sequence[Sketch]):
    """The conversations that start on one UTC day, sorted by (start_ms, conversation_id).

    `starts` and `ends` are plain columns of milliseconds, for counting and bisecting without making a single
    sketch; `day[i]` and iteration make sketches as they are asked for.
    """

    __slots__ = ("_indexes", "_kinds", "_rolls", "_traffic", "day", "ends", "starts")

    def __init__(self, traffic: "Traffic", day: int) -> None:
        self._traffic = traffic
        self.day = day
        slots = traffic.slots(day)
        rolls = [r & _ROLL for r in wide(f"{traffic.seed}/{day}/rolls", sum(slots))]
        starts = _starts(f"{traffic.seed}/{day}/starts", day, slots, rolls)
        self._indexes = _order_ties(day, starts, rolls)
        kinds = _kinds(traffic.kinds, day, slots, rolls)
        self.starts = array("q", starts)
        self.ends = array("q", _ends(traffic.kinds, starts, kinds, rolls))
        self._kinds = bytes(kinds)
        self._rolls = array("Q", rolls)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, at: int) -> Sketch: ...
    @overload
    def __getitem__(self, at: slice) -> list[Sketch]: ...
    def __getitem__(self, at: int | slice) -> Sketch | list[Sketch]:
        if isinstance(at, slice):
            return [self._sketch(n) for n in range(*at.indices(len(self.starts)))]
        return self._sketch(range(len(self.starts))[at])

    def __iter__(self) -> Iterator[Sketch]:
        return map(self._sketch, range(len(self.starts)))

    def find(self, index: int) -> Sketch | None:
        """The conversation of an index, wherever a tie has put it."""
        if index >= len(self.starts):
            return None
        at = next((at for at, moved in self._indexes.items() if moved == index), index)
        return self._sketch(at)

    def _sketch(self, at: int) -> Sketch:
        kind = self._traffic.kinds[self._kinds[at]]
        roll = self._rolls[at]
        index = self._indexes.get(at, at)
        queue_ids, user_ids, codes, division_ids = self._traffic.ids(kind, self.day, roll)
        start, end = self.starts[at], self.ends[at]
        return Sketch(
            start,
            end,
            conversation_id(self.day, index, roll),
            index,
            division_ids,
            kind.media_types,
            kind.direction,
            queue_ids,
            user_ids,
            codes,
            kind.name,
            _rest(start, end, roll) if kind.is_reopened else None,
        )


def _rest(start: int, end: int, roll: int) -> tuple[int, int]:
    """The time between the first end and the reopening: from a tenth to a third, until half or more of the whole."""
    span = end - start
    return start + span * (100 + (roll >> 24 & 0xFF)) // 1000, start + span * (450 + (roll >> 32 & 0xFF)) // 1000


class Traffic:
    """The traffic of one contact centre: `day` for its sketches, `cast` for who takes part in one.

    `captured` are kinds made of captured answers; their weights are per mille of what comes in their hours.
    """

    def __init__(
        self, centre: Centre, conversations_per_day: int, *, flat: bool, captured: Sequence[Kind] = ()
    ) -> None:
        self.centre = centre
        self.seed = centre.seed
        self.kinds = _mixed(captured)
        self._kind_of = {kind.name: kind for kind in self.kinds}
        self._per_day = conversations_per_day
        self._flat = flat
        self._by_weight = {
            (media, monday): _by_weight(centre.queues, media, monday=monday)
            for media in ("voice", "callback", "chat", "email", "message", "outbound")
            for monday in (False, True)
        }
        # The same few combinations come again and again: each is one tuple, shared by all sketches.
        self._queue_ids = lru_cache(4096)(_ids)
        self._user_ids = lru_cache(4096)(_ids)
        self._code_ids = lru_cache(4096)(_codes)
        self._divisions_of = lru_cache(4096)(self._division_ids)

    def day(self, day: int) -> Day:
        """The conversations that start on a UTC day, counted from 1970-01-01."""
        return Day(self, day)

    def slots(self, day: int) -> list[int]:
        """How many conversations start in each quarter of an hour of a UTC day."""
        noise = narrow(f"{self.seed}/{day}/shape", 97)
        weights = [w * (900 + n % 201) for w, n in zip(_weights(day), noise, strict=False)]
        return _shared(self._total(sum(weights), noise[96]), weights)

    def _total(self, weight: int, noise: int) -> int:
        if self._flat:
            return self._per_day
        # Days differ by up to 5 % for no reason at all; the fraction left over is one more conversation by chance.
        busy = 950 + (noise & 0xFFFF) % 101
        return (self._per_day * weight * busy // 1000 * 65536 // _mean_weekday() + (noise >> 16)) >> 16

    def kind(self, name: str) -> Kind:
        """The kind of a name."""
        return self._kind_of[name]

    def cast(self, kind: Kind, day: int, roll: int) -> Cast:
        """Who and what takes part in a conversation of a kind, out of its roll."""
        if kind.is_captured:
            return self._captured_cast(kind, day, roll)
        mixed = roll * _MIX_A & _MASK_64
        draw = roll * _MIX_B & _MASK_64
        if kind.queues:
            monday = (day + 3) % 7 == 0
            table = self._by_weight[kind.media, monday]
            first = last = table[mixed >> 56]
            queues: tuple[Queue, ...] = (first,)
            if kind.queues == 2:
                last = table[mixed >> 48 & 255]
                queues = (first, last)
            staff = first.temporary_members if monday else first.members
            last_staff = last.temporary_members if monday else last.members
            codes, last_codes = first.codes, last.codes
        else:
            queues, staff, codes = (), self.centre.switchboard, self.centre.queues[0].codes
            last_staff, last_codes = staff, codes
        code = codes[mixed >> 42 & 63]
        if kind.name in SYSTEM_CODES_OF:
            code = SYSTEM_CODES_OF[kind.name][mixed >> 30 & 63] or code
        if not kind.users:
            return queues, (), (code,) if kind.name in SYSTEM_CODES_OF else ()
        user = staff[(draw >> 48) * len(staff) >> 16]
        if kind.users == 1:
            return queues, (user,), (code, codes[mixed >> 36 & 63])
        second = last_staff[(draw >> 32 & 0xFFFF) * len(last_staff) >> 16]
        return queues, (user, second), (code, last_codes[mixed >> 36 & 63])

    def _captured_cast(self, kind: Kind, day: int, roll: int) -> Cast:
        """As many queues, users and codes as the captured answer had, each of them once."""
        rng, is_monday = Rng(f"{self.seed}/{day}/cast/{roll}"), weekday(day) == 0
        queues = _distinct(rng, self._by_weight[kind.media, is_monday], self.centre.queues, kind.queues)
        last = queues[-1] if queues else self.centre.queues[0]
        staff = last.temporary_members if is_monday else last.members
        users = _distinct(rng, staff if queues else self.centre.switchboard, self.centre.switchboard, kind.users)
        codes = [code for code in last.codes if code and not code.startswith("ININ-")]
        return queues, users, (*_distinct(rng, codes, codes, kind.codes), *kind.system_codes)

    def ids(self, kind: Kind, day: int, roll: int) -> Ids:
        """The ids of a cast, and its divisions."""
        queues, users, codes = self.cast(kind, day, roll)
        return self._queue_ids(queues), self._user_ids(users), self._code_ids(codes), self._divisions_of(queues)

    def _division_ids(self, queues: tuple[Queue, ...]) -> tuple[str, ...]:
        seen = [d for q in queues for d in q.division_ids] or self.centre.division_ids[:1]
        return tuple(dict.fromkeys(seen))


def _mixed(captured: Sequence[Kind]) -> tuple[Kind, ...]:
    """The kinds of an org: the invented ones, and captured ones with their share of the same hours."""
    if not captured:
        return KINDS
    for weights in ([k.office for k in captured], [k.clock for k in captured]):
        if sum(weights) >= 1000:
            raise ValueError(f"the templates' per_mille add up to {sum(weights)}; leave room for other conversations")
    office, clock = (sum(weights) for weights in zip(*((k.office, k.clock) for k in KINDS), strict=True))
    own_office, own_clock = (sum(weights) for weights in zip(*((k.office, k.clock) for k in captured), strict=True))
    weighed = [
        kind._replace(
            office=round(office * kind.office / (1000 - own_office)),
            clock=round(clock * kind.clock / (1000 - own_clock)),
        )
        for kind in captured
    ]
    return (*KINDS, *weighed)


def _distinct(rng: Rng, first: Sequence[T], others: Sequence[T], count: int) -> tuple[T, ...]:
    """`count` different things out of the first, or the others where those do not suffice; or fewer."""
    found: dict[T, None] = {}
    for things in (first, others):
        for _ in range(16 * count if len(found) < count else 0):
            if len(found) < count and things:
                found[rng.pick(things)] = None
    return tuple(found)


def _ids(things: tuple[Queue, ...] | tuple[User, ...]) -> tuple[str, ...]:
    return tuple([thing.id for thing in things])


def _codes(codes: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple([code for code in codes if code is not None])


def conversation_id(day: int, index: int, roll: int) -> str:
    """The id of a conversation: a lower-case UUID that `locate` can read."""
    place = (day << _INDEX_BITS | index) * _SPREAD & _MASK_48 ^ roll & _MASK_48
    # One formatting with % costs half of what an f-string with five formatted fields does.
    return "%08x-%04x-4%03x-%04x-%012x" % (  # noqa: UP031
        place >> 16,
        place & 0xFFFF,
        roll * _MIX_C >> 20 & 0xFFF,
        roll >> 48 | 0x8000,
        roll & _MASK_48,
    )


def is_id(text: str) -> bool:
    """Whether a text has the form of the ids here: a UUID of version 4 in lower case."""
    return _ID.fullmatch(text) is not None


def locate(conversation_id: str) -> tuple[int, int, int]:
    """Day, index and roll of an id that `conversation_id` made; nonsense for any other.

    Whether it is one of this org's is seen by making the sketch at that place and comparing ids.
    """
    roll = int(conversation_id[19:23] + conversation_id[24:], 16) & _ROLL
    hidden = int(conversation_id[:8] + conversation_id[9:13], 16)
    place = (hidden ^ roll & _MASK_48) * _UNSPREAD & _MASK_48
    return place >> _INDEX_BITS, place & (1 << _INDEX_BITS) - 1, roll


def weekday(day: int) -> int:
    """0 for Monday to 6 for Sunday."""
    return (day + 3) % 7


def utc_offset_h(day: int, hour: int) -> int:
    """Local time minus UTC in the eastern United States, by the rule in force since 2007.

    Written out so that no time zone database of any machine has a say. Source: 15 U.S.C. 260a, from the second
    Sunday of March to the first of November, at 02:00 local time.
    """
    begins, ends = _summer(date.fromordinal(day + _EPOCH_ORDINAL).year)
    return -4 if begins <= day * 24 + hour < ends else -5


@cache
def _summer(year: int) -> tuple[int, int]:
    return _sunday(year, 3, 2) * 24 + 7, _sunday(year, 11, 1) * 24 + 6


def _sunday(year: int, month: int, nth: int) -> int:
    first = date(year, month, 1)
    return first.toordinal() - _EPOCH_ORDINAL + 6 - first.weekday() + 7 * (nth - 1)


def _local_hours(day: int) -> list[tuple[int, int]]:
    """Weekday and hour on the org's clocks, for each hour of a UTC day."""
    hours = [day * 24 + hour + utc_offset_h(day, hour) for hour in range(24)]
    return [(weekday(h // 24), h % 24) for h in hours]


def _office_weight(week_day: int, hour: int, quarter: int) -> int:
    half = (hour - _OFFICE_OPENS_H) * 2 + quarter // 2
    return _OFFICE[half] * _OFFICE_WEEK[week_day] * 10 if 0 <= half < len(_OFFICE) else 0


def _clock_weight(week_day: int, hour: int) -> int:
    return _CLOCK[hour] * _CLOCK_WEEK[week_day] * 9


def _weights(day: int) -> list[int]:
    return [
        _office_weight(week_day, hour, quarter) + _clock_weight(week_day, hour)
        for week_day, hour in _local_hours(day)
        for quarter in range(4)
    ]


def _office_shares(day: int) -> list[int]:
    """For each quarter of an hour, how many in 256 belong to the opening hours."""
    return [
        256 * office // (office + _clock_weight(week_day, hour))
        for week_day, hour in _local_hours(day)
        for office in [_office_weight(week_day, hour, quarter) for quarter in range(4)]
    ]


@cache
def _mean_weekday() -> int:
    monday = 20_458  # 2026-01-05, of a week without a change of the clocks
    return sum(sum(_weights(monday + d)) for d in range(5)) * 1000 // 5


def _shared(total: int, weights: list[int]) -> list[int]:
    """A total split by weight into whole numbers that add up to it."""
    whole, so_far, before, shares = sum(weights), 0, 0, []
    for weight in weights:
        so_far += weight
        until = total * so_far // whole
        shares.append(until - before)
        before = until
    return shares


def _starts(name: str, day: int, slots: list[int], rolls: list[int]) -> list[int]:
    draws = narrow(name, len(rolls))
    starts: list[int] = []
    for slot, count in enumerate(slots):
        begin = day * DAY_MS + slot * SLOT_MS
        at = len(starts)
        starts += sorted([begin + (d * SLOT_MS >> 32) for d in draws[at : at + count]])
    # Some start in the same millisecond as the one before, as in a real org: ties are where paging goes wrong.
    for at in range(1, len(starts)):
        if not rolls[at] >> 48 & 0xFF:
            starts[at] = starts[at - 1]
    return starts


def _order_ties(day: int, starts: list[int], rolls: list[int]) -> dict[int, int]:
    """Sorts conversations of the same millisecond by their id; returns the index of each that had to move."""
    moved: dict[int, int] = {}
    at = 0
    for tie in [n for n in range(1, len(starts)) if starts[n] == starts[n - 1]]:
        if tie < at:
            continue
        at = tie + 1
        while at < len(starts) and starts[at] == starts[tie]:
            at += 1
        group = range(tie - 1, at)
        order = sorted(group, key=lambda n: conversation_id(day, n, rolls[n]))
        moved.update({to: of for to, of in zip(group, order, strict=True) if to != of})
        rolls[group.start : group.stop] = [rolls[n] for n in order]
    return moved


def _kinds(of: tuple[Kind, ...], day: int, slots: list[int], rolls: list[int]) -> list[int]:
    office, clock = _kind_table(of, "office"), _kind_table(of, "clock")
    kinds: list[int] = []
    for count, share in zip(slots, _office_shares(day), strict=True):
        at = len(kinds)
        kinds += [office[r & 0xFFFF] if (r >> 40 & 255) < share else clock[r & 0xFFFF] for r in rolls[at : at + count]]
    return kinds


@cache
def _kind_table(kinds: tuple[Kind, ...], when: str) -> bytes:
    """The number of a kind for each of 65,536 equally likely draws."""
    weights = [k.office if when == "office" else k.clock for k in kinds]
    return b"".join(bytes([n]) * count for n, count in enumerate(_shared(65_536, weights)))


def _ends(of: tuple[Kind, ...], starts: list[int], kinds: list[int], rolls: list[int]) -> list[int]:
    floors, widths = _span_tables(of)
    ends = []
    for start, kind, roll in zip(starts, kinds, rolls, strict=True):
        bucket = kind << 6 | roll >> 16 & 63
        floor = floors[bucket]
        ends.append(start + floor + (widths[bucket] * (roll >> 22 & 0x3FFFF) >> 18) if floor >= 0 else FOREVER_MS)
    return ends


@cache
def _span_tables(kinds: tuple[Kind, ...]) -> tuple[list[int], list[int]]:
    """The shortest span and the width, for each kind and each 64th of its conversations."""
    edges = [_edges(k.spans) for k in kinds]
    return [e for kind in edges for e in kind[:-1]], [b - a for kind in edges for a, b in pairwise(kind)]


def _edges(spans: tuple[int, ...]) -> list[int]:
    if not spans:
        return [-1] * 65
    quantiles = (0, 4, 16, 32, 48, 60, 63, 64)
    edges = []
    for (low, high), (short, long) in zip(pairwise(quantiles), pairwise(spans), strict=True):
        edges += [short + (long - short) * n // (high - low) for n in range(high - low)]
    return [*edges, spans[-1]]


def _by_weight(queues: tuple[Queue, ...], media: str, *, monday: bool) -> tuple[Queue, ...]:
    """256 queues to draw from, each as often as its share wants it; those that are gone only on Mondays."""
    serving = [q for q in queues if media in q.media and (monday or not q.deleted)]
    counts = _shared(256, [q.share for q in serving])
    return tuple(q for q, count in zip(serving, counts, strict=True) for _ in range(count))
