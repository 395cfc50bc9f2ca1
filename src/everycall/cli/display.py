"""Prints text for people: on standard error, and plain lines on standard output. All such text goes through here.

Names, messages and paths come from servers, files and the environment. Characters that could move the cursor, change
colours, reorder text or begin a new line are escaped.
"""

import csv
import io
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO, Any, TypeAlias, cast

from rich.console import Console
from rich.text import Text

from everycall.printable import printable

Piece: TypeAlias = str | tuple[str, str]
"""A text, or a text and its style."""


class Display:
    """Shows messages, progress and summaries."""

    def __init__(self, console: Console) -> None:
        self.console = console
        """For the progress bar; everything else is printed by the methods below."""

    @property
    def is_terminal(self) -> bool:
        """Whether the output is an interactive terminal rather than a log."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def print(self, *pieces: Piece, wrap: bool = False) -> None:
        """Print one line. With `wrap`, it is broken between words if the terminal is too narrow."""
        line = Text()
        for piece in pieces:
            text, style = piece if isinstance(piece, tuple) else (piece, "")
            line.append(printable(text), style or None)
        self._print(line, wrap=wrap)

    def _print(self, line: Text, *, wrap: bool = False) -> None:
        if self.console.is_terminal or self.console.quiet:
            self.console.print(line, soft_wrap=not wrap)
        else:  # in one step: after an interruption, the console could print the same line once more
            self.console.file.write(f"{line.plain}\n")
            self.console.file.flush()

    def blank(self) -> None:
        """Print an empty line."""
        self._print(Text())

    def notice(self, message: str) -> None:
        """Print a note."""
        self.print(("note: ", "yellow"), message, wrap=True)

    def failure(self, message: str, hint: str = "", correlation_id: str = "") -> None:
        """Print an error: what went wrong, an empty line, and what to do."""
        self.print(("error: ", "bold red"), message, wrap=True)
        if hint:
            self.blank()
            self.hint(hint)
        if correlation_id:
            self.print((f"For the vendor's support: ININ-Correlation-Id {correlation_id}", "dim"), wrap=True)

    def hint(self, hint: str) -> None:
        """Print a hint: what to do."""
        self.print(("hint: ", "bold cyan"), hint, wrap=True)

    def fact(self, name: str, text: str) -> None:
        """Print a line of a summary. On a terminal, its text is wrapped with an indent, unless it contains a path."""
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
    """Standard error for the console, which ignores write errors: a full or closed one does not end an export."""

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
    """A display on standard error, with the width of the terminal; it respects NO_COLOR and TERM=dumb."""
    return Display(Console(file=cast("IO[str]", _StandardError()), highlight=False, soft_wrap=True))


def nowhere() -> Display:
    """A display that prints nothing."""
    return Display(Console(quiet=True))


def write_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output; characters that its encoding lacks become question marks.

    Raises:
        OSError: standard output is closed or full.
    """
    encoding = sys.stdout.encoding or "ascii"
    for line in lines:
        sys.stdout.write(printable(line).encode(encoding, "replace").decode(encoding) + "\n")


def write_rows(rows: Iterable[Sequence[object]]) -> None:
    """Print rows as CSV on standard output: in UTF-8, like all data, whatever encoding a terminal has.

    Raises:
        OSError: standard output is closed or full.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.getvalue().encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
