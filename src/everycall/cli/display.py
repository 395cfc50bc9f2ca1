"""What people read: standard error, and plain lines on standard output. All text for people goes through here.

Names, messages and paths come from servers, files and the environment. Whatever could move the cursor, recolour or
reorder a terminal's text, or begin a line of its own, is shown escaped.
"""

import os
import sys
import textwrap
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Any, TypeAlias, cast

from rich.console import Console
from rich.text import Text

from everycall.printable import printable

Piece: TypeAlias = str | tuple[str, str]
"""A text, or a text and its style."""


class Display:
    """Where messages, progress and summaries are shown."""

    def __init__(self, console: Console) -> None:
        self.console = console
        """For a bar that moves; all else is printed with the methods below."""

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches, rather than reads a log."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def print(self, *pieces: Piece, wrap: bool = False) -> None:
        """One line, made of the pieces; broken between words where a terminal is too narrow and `wrap` is given."""
        line = Text()
        for piece in pieces:
            text, style = piece if isinstance(piece, tuple) else (piece, "")
            line.append(printable(text), style or None)
        self._print(line, wrap=wrap)

    def _print(self, line: Text, *, wrap: bool = False) -> None:
        if self.console.is_terminal or self.console.quiet:
            self.console.print(line, soft_wrap=not wrap)
        else:  # in one step, since an interruption could let the console print the same line once more
            self.console.file.write(f"{line.plain}\n")
            self.console.file.flush()

    def blank(self) -> None:
        """An empty line."""
        self._print(Text())

    def notice(self, message: str) -> None:
        """Something to know."""
        self.print(("note: ", "yellow"), message, wrap=True)

    def failure(self, message: str, hint: str = "", correlation_id: str = "") -> None:
        """What went wrong, a blank line, what to do."""
        self.print(("error: ", "bold red"), message, wrap=True)
        if hint:
            self.blank()
            self.hint(hint)
        if correlation_id:
            self.print((f"For the vendor's support: ININ-Correlation-Id {correlation_id}", "dim"), wrap=True)

    def hint(self, hint: str) -> None:
        """What to do."""
        self.print(("hint: ", "bold cyan"), hint, wrap=True)

    def fact(self, name: str, text: str) -> None:
        """A line of a summary; its text is broken under itself where a terminal is too narrow, paths are not."""
        text = printable(text)
        if self.console.is_terminal and os.sep not in text:
            text = textwrap.fill(
                text,
                max(24, self.console.width - 14),
                subsequent_indent=" " * 14,
                break_long_words=False,
                break_on_hyphens=False,
            ).lstrip()
        self._print(Text(f"  {name:<12}", style="dim") + Text(text))


class _StandardError:
    """Standard error as the console sees it. That it is full or that nobody reads it does not end an export."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def standard_error() -> Display:
    """Standard error, as wide as it is; NO_COLOR and TERM=dumb are honoured."""
    return Display(Console(file=cast("IO[str]", _StandardError()), highlight=False, soft_wrap=True))


def nowhere() -> Display:
    """Where nothing is shown."""
    return Display(Console(quiet=True))


def write_lines(lines: Iterable[str]) -> None:
    """Lines for people on standard output.

    Raises:
        OSError: nobody reads it any more, or it is full.
    """
    for line in lines:
        sys.stdout.write(printable(line) + "\n")
