"""A bar chart as SVG, for the repository's own pages: no library, a few kilobytes of text."""

import math
from collections.abc import Sequence
from html import escape

from bench.figures import Line

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 760, 18, 10, 190, 70, 34
COLOUR, OWN = "#8a94a6", "#1f6feb"


def svg(lines: Sequence[Line]) -> str:
    """Conversations a second and CPU of each command, on scales of powers of ten."""
    panels = [
        ("conversations a second, logarithmic: more is better", [line.per_second.median for line in lines]),
        ("CPU seconds for 100,000 conversations, logarithmic: less is better", [line.cpu_s.median for line in lines]),
    ]
    height = TOP + len(lines) * (BAR + GAP) + 16
    parts = [
        part
        for at, (title, values) in enumerate(panels)
        for part in _panel(title, [line.name for line in lines], values, at * height)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height * len(panels)}" font-size="13" '
    return "\n".join([head + 'font-family="sans-serif" fill="#57606a">', *parts, "</svg>", ""])


def _panel(title: str, names: Sequence[str], values: Sequence[float], top: int) -> list[str]:
    low, high = math.floor(math.log10(min(values))), math.log10(max(values))
    parts = [f'<text x="{LEFT}" y="{top + 20}" font-weight="bold">{escape(title)}</text>']
    for at, (name, value) in enumerate(zip(names, values, strict=True)):
        y = top + TOP + at * (BAR + GAP)
        width = (WIDTH - LEFT - RIGHT) * (math.log10(value) - low) / (high - low)
        colour = OWN if name.startswith("everycall") else COLOUR
        number = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<text x="{LEFT + width + 6:.0f}" y="{y + 14}">{number}</text>',
        ]
    return parts
