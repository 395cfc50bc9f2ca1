"""Time lines in a terminal."""

import re
from datetime import UTC

import pytest
from rich.cells import cell_len

from building import conversation, participant, stretch
from drawn import every_kind, hostile, printed, still_open, texts_of
from everycall.analysis.drawing.layout import layout
from everycall.analysis.drawing.looks import APPEARANCES
from everycall.analysis.drawing.text import Terminal, lines
from everycall.analysis.timeline import timeline

WIDTHS = (60, 80, 120)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for line in every_kind():
        too_wide = [text for text in printed(line, width) if cell_len(text) > width]

        assert too_wide == []


@pytest.mark.parametrize("width", WIDTHS)
def test_every_code_note_and_metric_is_listed(width: int) -> None:
    for line in every_kind():
        listed = "".join("".join(printed(line, width)).split())

        assert [text for text in texts_of(line) if "".join(text.split()) not in listed] == []


def test_a_call_reads_as_it_went() -> None:
    line = timeline(
        conversation(
            participant("customer", stretch("interact", "08:00:00", "08:10:00"), participantName="Ohio"),
            participant(
                "acd", stretch("interact", "08:00:00", "08:02:00", queueId="q"), participantName="Sales",
            ),
            participant(
                "agent",
                stretch("alert", "08:01:40", "08:02:00"),
                stretch("interact", "08:02:00", "08:06:00"),
                stretch("hold", "08:06:00", "08:08:00"),
                stretch("wrapup", "08:08:00", "08:10:00", wrapUpCode="Resolved"),
                userId="Ann",
                session={"metrics": [{"name": "tAnswered", "emitDate": "2026-01-05T08:02:00Z", "value": 120_000}]},
            ),
        )
    )  # fmt: skip

    plot = printed(line, 80)[4:12]
    assert plot == [
        "                     |08:00     |08:02      |08:04      |08:06      |08:08",
        "Ohio                 ─ connected 10 min ────────────────────────────────────────",
        "  customer, voice",
        "Sales                ............ waiting 2 min",
        "  acd, voice",
        "Ann                           !!!█ talk 4 min ██████████░ 2 min ░░░░= 2 min ====",
        "  agent, voice                  ^answered",
        "",
    ]


def test_characters_alone_tell_all_looks_apart() -> None:
    for characters in ([one.character for one in APPEARANCES.values()], [one.ascii for one in APPEARANCES.values()]):
        assert len(set(characters)) == len(characters)
        assert all(cell_len(one) == 1 for one in characters)


def test_a_terminal_that_knows_ascii_only_gets_ascii_bars() -> None:
    for line in every_kind():
        head = len(printed(line, 80)) - len(printed(line, 80, is_ascii=True))
        picture = "\n".join(printed(line, 80, is_ascii=True))

        assert head == 0
        assert not re.search("[─█░▪]", picture)


def test_what_goes_on_runs_to_the_edge_and_says_so() -> None:
    shown = printed(still_open(), 80)

    assert any(text.endswith(">") and "goes on" in text for text in shown)
    assert any("> goes on" in text for text in shown)


def test_cuts_are_drawn_and_stated() -> None:
    line = timeline(
        conversation(
            participant("external", stretch("interact", "01:00:00", "23:00:00")),
            participant("agent", stretch("interact", "22:50:00", "23:00:00")),
            participant("workflow", stretch("interact", "01:00:00", "01:01:00")),
            start="01:00:00",
            end="23:00:00",
        )
    )

    shown = printed(line, 80)
    assert sum("//" in text for text in shown[:12]) >= 2
    assert "The scale is not continuous: 1 gap is cut at //: 21 h 49 min from 5 Jan" in " ".join(shown)


def test_no_text_of_the_org_moves_the_cursor() -> None:
    shown = "".join(printed(hostile(), 80))

    assert [one for one in shown if not one.isprintable()] == []


def test_hundreds_of_participants_are_listed_in_a_moment() -> None:
    alerts = [
        participant("agent", stretch("alert", "08:00:00", "08:00:10"), participantName=f"Agent {at}")
        for at in range(400)
    ]

    assert len(printed(timeline(conversation(*alerts)), 80)) > 1200


def test_a_conversation_without_any_time_says_so() -> None:
    line = timeline(conversation(start="08:00:00", conversationStart=None, end=None))

    assert "Nothing in this conversation has a time." in printed(line, 80)


def test_each_bar_has_a_column_however_short_it_is() -> None:
    quick = [stretch("alert" if at % 2 else "hold", f"08:00:{at:02}", f"08:00:{at + 1:02}") for at in range(6)]
    line = timeline(conversation(participant("agent", *quick, stretch("interact", "08:00:06", "09:50:00"))))

    row = next(text for text in printed(line, 80) if text.startswith("agent"))
    assert row[len("agent") :].strip().startswith("░!░!░!█ talk")


def test_styles_are_given_beside_the_texts() -> None:
    (line,) = [one for one in every_kind() if "hold" in layout(one).looks][:1]
    styles = {style for pieces in lines(line, Terminal(80, UTC, "UTC")) for _, style in pieces}

    assert {"red", "bold"} <= styles
