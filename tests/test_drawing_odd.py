"""Drawings of odd conversations: few times, missing or backward ones, and the first and last years that there are."""

from random import Random
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len

from drawn import of, printed
from everycall.analysis.drawing.html import html
from everycall.analysis.drawing.svg import Frame, svg
from flat_by_sql import Odd

EXTREME = (
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "9999-12-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-05:00", "soon", None,
)  # fmt: skip


def odd(rng: Random, count: int) -> list[dict[str, Any]]:
    """Odd conversations, half of them with some extreme times."""
    maker = Odd(rng)
    trees = [maker.conversation() for _ in range(count)]
    for tree in trees[::2]:
        for one in things(tree):
            for name in ("segmentStart", "segmentEnd", "emitDate"):
                if rng.random() < 0.1:
                    one[name] = rng.choice(EXTREME)
    return trees


def things(tree: dict[str, Any]) -> list[dict[str, Any]]:
    sessions = [session for side in tree.get("participants", []) for session in side.get("sessions", [])]
    return [one for session in sessions for name in ("segments", "metrics") for one in session.get(name, [])]


@pytest.mark.parametrize("seed", range(3))
def test_odd_conversations_are_drawn_within_their_width(seed: int) -> None:
    for tree in odd(Random(seed), 60):
        line = of(tree)

        assert max(map(cell_len, printed(line, 60))) <= 60
        ET.fromstring(svg(line, Frame(ZoneInfo("Pacific/Auckland"), "Pacific/Auckland", 360)).encode())
        assert html(line, ZoneInfo("America/New_York"), "America/New_York", "x").endswith("</html>\n")
