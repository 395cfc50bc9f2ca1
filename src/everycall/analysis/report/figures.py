"""What a report shows, as plain values: added up, with names, ready to be embedded. Pure.

Names are texts of the org as they are; `page` escapes them. Queues, media, agents and codes are numbered by their
position in the lists of names, and the cubes refer to those numbers.
"""

from dataclasses import dataclass, field

Cube = dict[str, list[int]]
"""Columns of equal length. A row has the sums of its measures for its keys: queue, medium, and day, slot, step ..."""

DAY_MEASURES = (
    "offered", "answered", "abandoned", "shortAbandoned", "flowOuts", "overSla", "answeredWaitMs", "handled",
    "handleMs", "talkMs", "holdMs", "acwMs",
)  # fmt: skip
"""Measures of `tables.kpis`, by day; times in whole seconds."""

WORK_MEASURES = ("handled", "handleMs", "talkMs", "holdMs", "acwMs")
"""Those by agent; times in whole seconds."""

CODE_MEASURES = ("handled", "handleMs")

WAIT_STEPS_S = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600, 14_400, 86_400)
"""The bounds between the steps of waits: a step contains its lower bound and not its upper one."""

SLOTS = 7 * 48
"""Half hours of a week, from Monday 00:00."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A local day, or the week or month that stands in its place, on the axis of a picture."""

    date: str
    """Its first day: `2026-01-05`."""
    label: str
    """As tables show it: `Mon 5 Jan 2026`."""
    note: str = ""
    """What to mind with its figures: provisional, not proven, only a part of it was exported."""
    is_provisional: bool = False
    is_unproven: bool = False
    """Whether conversations of it may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The service level that a queue aims at for a medium."""

    queue: int
    medium: int
    percent: float
    """80.0 for 80 %."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Windows of the export that follow each other and have the same verdict."""

    start: str
    """Local, with a Z so that no time zone is applied again: `2026-01-05T00:00:00Z`."""
    end: str
    from_: str = field(default="")
    """As tables show it."""
    until: str = ""
    lane: str
    """How far they can be relied on, in words: see `pictures.LANES`."""
    reason: str = ""
    """Why it is not proven."""
    windows: int = 1
    conversations: int = 0
    counted_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """A whole report."""

    title: str
    organization_id: str = ""
    interval: str
    """In words, on the clocks of the time zone."""
    timezone: str
    made_at: str
    verdict: str
    """`proven`, `unproven` or `unknown`."""
    verdict_text: str
    notes: tuple[str, ...] = ()
    """What to know before the figures are read."""
    unit: str = "day"
    """What the entries of `days` are: day, week or month."""
    queues: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    days: tuple[Day, ...] = ()
    by_day: Cube = field(default_factory=dict)
    by_slot: Cube = field(default_factory=dict)
    slot_times: tuple[int, ...] = (0,) * SLOTS
    """How often each half hour of the week occurred in the interval."""
    wait_steps: tuple[str, ...] = ()
    waits: Cube = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    by_code: Cube = field(default_factory=dict)
    agents: tuple[str, ...] | None = None
    """None where agents are not shown."""
    by_agent: Cube = field(default_factory=dict)
    rest: dict[str, int] = field(default_factory=dict)
    """The number under which all queues, codes or agents without a name of their own are added up, if there are any."""
    level_terms: tuple[str, ...] = ("answered", "abandoned")
    """The denominator of the service level: measures that are added up, `-` before one that is subtracted."""
    level_text: str = ""
    """How it is counted, in words."""
    targets: tuple[Target, ...] = ()
    windows: tuple[Covered, ...] = ()
