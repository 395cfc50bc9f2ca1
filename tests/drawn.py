"""Time lines for the tests of drawings."""

import json
from collections.abc import Iterator
from datetime import UTC
from functools import cache
from typing import Any

from building import conversation, participant, segment, stretch
from elements import of_every_kind
from everycall.analysis.drawing.text import Line, Terminal, lines
from everycall.analysis.timeline import Timeline, timeline
from everycall.api.records import conversation_of

HOSTILE = "</script><script>alert(1)</script>\x00\x1b[2J\u202etxt.exe\ud800\"'&<b>\uffff]]>--><!--"
"""A name that breaks out of tags, attributes, comments, terminals and XML, where it can."""


def of(tree: dict[str, Any]) -> Timeline:
    """The time line of a conversation as the API sends it."""
    found, _ = conversation_of(json.dumps(tree).encode())
    assert found is not None
    return timeline(found)


@cache
def every_kind() -> tuple[Timeline, ...]:
    """A time line of every kind."""
    return tuple(map(of, of_every_kind(1)))


def hostile() -> Timeline:
    """A conversation all of whose texts are hostile."""
    wrapup = stretch("wrapup", "08:05:00", "08:06:00", wrapUpCode=HOSTILE, wrapUpNote=f"{HOSTILE}\nline two")
    talk = stretch(HOSTILE, "08:01:00", "08:05:00", subject=HOSTILE, disconnectType=HOSTILE, errorCode=HOSTILE)
    emitted = [{"name": HOSTILE, "value": 1, "emitDate": "2026-01-05T08:05:00Z"}]
    return timeline(
        conversation(
            participant(
                HOSTILE, talk, wrapup, participantName=HOSTILE, attributes={HOSTILE: HOSTILE},
                session={"metrics": emitted, "mediaType": HOSTILE, "direction": HOSTILE, "flow": {"flowName": HOSTILE}},
            ),
            evaluations=[{"formName": HOSTILE, "evaluationStatus": HOSTILE}],
            originatingDirection=HOSTILE,
            externalTag=HOSTILE,
        )
    )  # fmt: skip


def still_open() -> Timeline:
    """A call that goes on."""
    return timeline(
        conversation(
            participant("customer", segment("interact", "08:00:00")),
            participant("agent", stretch("alert", "08:00:10", "08:00:20"), segment("interact", "08:00:20")),
            end=None,
        )
    )


def printed(line: Timeline, width: int, *, is_ascii: bool = False) -> list[str]:
    """The lines for a terminal of some width, without styles."""
    return list(map(_plain, lines(line, Terminal(width, UTC, "UTC", is_ascii=is_ascii))))


def _plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def texts_of(line: Timeline) -> Iterator[str]:
    """Yield what every drawing has to list: each code, note and metric."""
    for lane in line.lanes:
        for track in lane.tracks:
            yield from (text for bar in track.bars for text in (bar.code, bar.note) if text)
            yield from (mark.name for mark in track.marks)
