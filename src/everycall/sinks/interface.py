"""What every kind of output does: take rows into a window's part, seal the part, put parts together.

A *part* is one window's rows on disk. Rows come in any order, page by page, some of them twice and some from a reading
that is given up later; a sealed part holds each conversation once, in its newest version, sorted by start and id. So
the same conversations make the same bytes, whatever happened on the way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from everycall.tables.flat import Row


@dataclass(frozen=True, slots=True)
class Key:
    """What a row is found by, and sorted by."""

    start_ms: int
    """conversationStart in milliseconds since 1970; 0 where it cannot be read."""
    id: bytes
    """conversationId in 16 bytes."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A part that is complete on filesystem."""

    rows: int
    size_bytes: int
    sha256: str
    """Of the part's bytes, in hex."""


class Writable(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take in all of the data."""
        ...


class Part(Protocol):
    """A window's rows on their way to filesystem."""

    def add(self, reading_pass: int, rows: Iterable[tuple[Key, Row]]) -> None:
        """Take in the rows of one page, and put them on disk before returning.

        Raises:
            OSError: the disk is full, say.
        """
        ...

    def seal(self, kept_passes: tuple[int, ...]) -> Sealed:
        """Make the part out of the rows of these passes, durably; `add` must not be called again."""
        ...

    def discard(self) -> None:
        """Leave nothing behind."""
        ...


class Sink(Protocol):
    """One kind of output."""

    kind: str
    """As `--format` names it."""

    def part(self, path: Path) -> Part:
        """A new part, to be found at `path` once it is sealed."""
        ...

    def head(self) -> bytes:
        """What stands before the first part."""
        ...

    def append(self, part: Path, output: Writable) -> None:
        """Put a sealed part at the end of the output, in little memory."""
        ...
