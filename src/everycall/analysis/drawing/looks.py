"""What bars look like. No look differs from another by its colour alone: each has a character and a pattern. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from everycall.analysis.timeline import Bar, Look


@dataclass(frozen=True, slots=True)
class Appearance:
    """The appearance of a look."""

    label: str
    """What the legend says."""
    character: str
    """Fills its bars in a terminal."""
    ascii: str
    """The same where the terminal knows no other characters."""
    style: str
    """Its colour in a terminal, as rich calls it."""
    light: str
    """Its colour on a light background."""
    dark: str
    """Its colour on a dark background."""
    pattern: str
    """The path of its pattern in a square of 8; empty for a plain bar."""
    interact: str = "interact"
    """What bars say in place of `interact`, which is a talk for an agent and waiting for a queue."""


_DOTS, _CIRCLE = "M2 2h1v1h-1zM6 6h1v1h-1z", "M2 4a2 2 0 1 0 4 0a2 2 0 1 0 -4 0"

APPEARANCES: Mapping[Look, Appearance] = {
    "customer": Appearance("customer connected", "─", "_", "bright_black", "#c3c8d0", "#59616e", "", "connected"),
    "flow": Appearance("in a flow (IVR, bot, routing)", "-", "-", "magenta", "#c9a6dd", "#6b4485", "M0 4H8", "flow"),
    "waiting": Appearance("waiting in a queue", ".", ".", "yellow", "#f2cf63", "#7a5c0b", _DOTS, "waiting"),
    "alert": Appearance("ringing at an agent", "!", "!", "bright_yellow", "#f4a460", "#904e11", "M2 0V8M6 0V8"),
    "talk": Appearance("talk (interact)", "█", "#", "green", "#79c79a", "#23744a", "", "talk"),
    "hold": Appearance("hold", "░", "~", "red", "#ee9a92", "#93352d", "M-2 6L6 -2M2 10L10 2"),
    "after-call": Appearance("after-call work (wrapup)", "=", "=", "blue", "#8fb6ea", "#2f5c9e", "M0 2H8M0 6H8"),
    "dialling": Appearance("dialling", ">", ">", "cyan", "#83cfd3", "#1d6d72", "M1 1L5 4L1 7"),
    "listening": Appearance("listening in", "o", "o", "bright_magenta", "#e7b0cf", "#8a3b68", _CIRCLE),
    "parked": Appearance("parked", ",", ",", "bright_black", "#dcd6c4", "#625c48", "M0 8L8 0"),
    "other": Appearance("other", "▪", "%", "white", "#cfd4d2", "#5a605e", "M4 2V6M2 4H6"),
}
"""In the order of the legend."""


CONFERENCE = ("conference", "yes")


def word(bar: Bar) -> str:
    """What a bar is called in a picture: its segmentType, except for `interact`, and for a talk in a conference."""
    if bar.kind != "interact":
        return bar.kind or "segment"
    if bar.look == "talk" and CONFERENCE in bar.facts:
        return "conference"
    return APPEARANCES[bar.look].interact
