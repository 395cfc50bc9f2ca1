"""Participant attributes as columns of the flat table: `attribute:NAME`, case and spaces as they are. Pure.

Flows and integrations write attributes to participants. Only results of jobs have them; keys and values are cut at
1,024 characters there. Source: developer.genesys.cloud, conversation details job; SDK 269, AnalyticsParticipant.

Several participants may have the same attribute, and none has a time. So the value is that of the participant who came
last: whose first segment began last, and among those at the same time, who is named last. Who has no segment comes
before all others.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from everycall.api.records import Conversation, Participant
from everycall.tables.columns import Column
from everycall.tables.journey import Journey
from everycall.tables.legs import NEVER, start_of

PREFIX = "attribute:"
"""How the names of such columns begin, so that no attribute can be taken for another column."""


def attribute_column(name: str) -> Column:
    """The column of one attribute."""
    return Column(
        f"{PREFIX}{name}",
        "text",
        f"The participant attribute {name!r}: of who came last, where several have it.",
        ("participants.attributes",),
        partial(_last_value, name),
        caveats="Only jobs bring attributes; names and values are cut at 1,024 characters.",
    )


def attribute_of(column: Column) -> str | None:
    """The attribute that the column holds; None where it is another kind of column."""
    return column.name[len(PREFIX) :] if column.name.startswith(PREFIX) else None


def names_of(conversation: Conversation) -> Iterator[str]:
    """The names of the attributes that its participants have, some of them several times."""
    for participant in conversation.participants:
        yield from participant.attributes


def _last_value(name: str, journey: Journey) -> str | None:
    holders = [one for one in journey.conversation.participants if name in one.attributes]
    last = max(enumerate(holders), key=lambda pair: (*_came(pair[1]), pair[0]), default=None)
    return last[1].attributes[name] if last is not None else None


def _came(participant: Participant) -> tuple[bool, datetime]:
    """Whether the participant has a segment, and when the first one began."""
    began = min(map(start_of, participant.sessions), default=NEVER)
    return began is not NEVER, began
