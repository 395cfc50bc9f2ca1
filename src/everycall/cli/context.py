"""What a command shares with whoever runs it."""

from dataclasses import dataclass

from everycall.cli.display import Display


@dataclass
class Context:
    """Where a command shows things, and what is to be said and returned if it is cut short."""

    display: Display
    kept: object = ""
    """`str` of it says, after an interruption, what is kept and how to continue."""
    code: int = 0
    """The exit code if all that fails from here on is standard output."""
