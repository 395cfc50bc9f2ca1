"""Time lines as SVG and as a page."""

import re
from base64 import b64encode
from datetime import UTC
from hashlib import sha256
from html.parser import HTMLParser
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from building import conversation, participant, stretch
from drawn import every_kind, hostile, still_open, texts_of
from everycall.analysis.drawing.html import html
from everycall.analysis.drawing.looks import APPEARANCES
from everycall.analysis.drawing.svg import Frame, svg
from everycall.analysis.timeline import Timeline, timeline

SVG = "{http://www.w3.org/2000/svg}"


def picture(line: Timeline, width: int = 1000) -> ET.Element:
    """The picture, which is valid XML if this returns."""
    return ET.fromstring(svg(line, Frame(UTC, "UTC", width)).encode())


def page(line: Timeline) -> str:
    return html(line, UTC, "UTC", "calls.parquet")


class Reader(HTMLParser):
    """Checks that a page is well formed, and gathers its text."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("width", [360, 640, 1000])
def test_a_picture_of_every_kind_is_valid_xml_with_every_bar(width: int) -> None:
    for line in every_kind():
        bars = sum(len(track.bars) for lane in line.lanes for track in lane.tracks)
        drawn = [one for one in picture(line, width).iter() if "bar" in (one.get("class") or "").split()]

        assert len(drawn) >= bars


def test_no_rectangle_leaves_the_picture() -> None:
    for line in [*every_kind(), still_open()]:
        for one in picture(line, 360).iter(f"{SVG}rect"):
            assert float(one.get("x", "0")) + float(one.get("width", "0")) <= 360 + 2


def test_hostile_names_are_text_in_a_valid_picture() -> None:
    root = picture(hostile())

    assert list(root.iter(f"{SVG}script")) == []
    assert "</script><script>" in " ".join(root.itertext())


def test_a_picture_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    root = picture(still_open())

    assert root.get("role") == "img"
    assert [root[at].get("id") for at in (0, 1)] == (root.get("aria-labelledby") or "").split()
    assert "agent: alert 10 s, interact goes on" in "".join(root[1].itertext())


def test_each_look_has_a_pattern_or_colour_of_its_own() -> None:
    for shades in ("light", "dark"):
        assert len({getattr(one, shades) for one in APPEARANCES.values()}) == len(APPEARANCES)
    patterned = [one.pattern for one in APPEARANCES.values() if one.pattern]
    assert len(set(patterned)) == len(patterned) == len(APPEARANCES) - 2  # talk is plain, and so is the customer


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * one for one in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_text_on_bars_has_enough_contrast_in_light_and_dark() -> None:
    for look in APPEARANCES.values():
        assert contrast("#1b1f24", look.light) >= 4.5
        assert contrast("#e8ebef", look.dark) >= 4.5


@pytest.mark.parametrize("line", [*every_kind()[:8], hostile(), still_open()], ids=range(10))
def test_a_page_is_well_formed_and_allows_nothing_but_its_style(line: Timeline) -> None:
    text = page(line)
    found = Reader(text)

    assert found.open == []
    assert not {"script", "iframe", "object", "img", "link", "form"} & {tag for tag, _ in found.tags}
    assert [
        name for _, attributes in found.tags for name in attributes if name == "style" or name.startswith("on")
    ] == []
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    policy = next(one["content"] for tag, one in found.tags if tag == "meta" and "http-equiv" in one)
    assert style is not None
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_a_page_asks_nobody() -> None:
    for line in every_kind():
        assert re.findall(r"(?:href|src|url)\s*[=(]\s*[\"']?(?!#)[^\s\"'>)]+", page(line)) == []


def test_a_page_has_every_code_note_and_metric() -> None:
    for line in every_kind():
        words = "".join("".join(Reader(page(line)).words).split())

        assert [text for text in texts_of(line) if "".join(text.split()) not in words] == []


def test_ids_of_a_page_are_unique() -> None:
    for line in every_kind():
        ids = [one["id"] for _, one in Reader(page(line)).tags if "id" in one]

        assert len(ids) == len(set(ids))


def test_hostile_text_is_escaped_and_shows_its_control_characters() -> None:
    text = page(hostile())

    assert "<script" not in text
    assert [one for one in text if not one.isprintable() and one != "\n"] == []
    assert r"\x1b[2J\u202etxt.exe" in text


def test_times_are_those_of_the_zone() -> None:
    line = timeline(conversation(participant("agent", stretch("interact", "08:01:00", "08:05:00"))))
    text = html(line, ZoneInfo("Europe/Berlin"), "Europe/Berlin", "x")

    assert "Mon 5 Jan 2026, 09:00:00 to 09:10:00 (10 min), Europe/Berlin" in text
    assert "<time>09:01:00.000</time>" in text


def test_hundreds_of_participants_make_a_page_of_some_hundred_kilobytes() -> None:
    alerts = [participant("agent", stretch("alert", "08:00:00", "08:00:10"), userId=f"u{at}") for at in range(400)]

    assert len(page(timeline(conversation(*alerts)))) < 2_000_000


def test_a_picture_by_itself_has_codes_notes_and_evaluations() -> None:
    wrapup = stretch("wrapup", "08:05:00", "08:06:00", wrapUpCode="Resolved", wrapUpNote="Will call\nagain")
    evaluation = {"eventTime": "2026-01-09T08:00:00Z", "oTotalScore": 87.5}
    line = timeline(conversation(participant("agent", wrapup, participantName="Ann"), evaluations=[evaluation]))

    texts = [one.text for one in picture(line).iter(f"{SVG}text")]
    assert "Ann: Resolved; Will call again" in texts
    assert "evaluation, Fri 9 Jan 2026: score: 87.5" in texts


def test_a_wrapup_says_its_code_where_there_is_room() -> None:
    wrapup = stretch("wrapup", "08:00:00", "08:06:00", wrapUpCode="Resolved")
    line = timeline(conversation(participant("agent", wrapup)))

    assert "wrapup 6 min: Resolved" in [one.text for one in picture(line).iter(f"{SVG}text")]
