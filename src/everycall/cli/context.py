"""The state that a command shares with `failures.guarded`, which runs it."""

from dataclasses import dataclass

from everycall.cli.display import Display


@dataclass
class Context:
    """The display of a command, and what to report if the command is interrupted."""

    display: Display
    kept: object = ""
    """`str(kept)` is the hint after an interruption: what is kept, and how to continue."""
    code: int = 0
    """The exit code if nothing but standard output fails from here on."""
