"""What every kind of output does: take whole windows of rows, and make the output out of them.

Loading a window again replaces it. A file kind writes a file per window aside, and the ledger puts those together in
one step at the end. So the same conversations make the same bytes, whatever happened on the way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from everycall.api.query import Interval
from everycall.filesystem import File
from everycall.tables.flat import Row


@dataclass(frozen=True, slots=True)
class Written:
    """A window's rows, complete on disk."""

    rows: int
    size_bytes: int
    sha256: str
    """Of exactly those bytes, in hex."""


class Writable(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take in all of the data."""
        ...


class WindowWriter(Protocol):
    """One window's rows on their way to disk."""

    def write(self, rows: Sequence[Row]) -> None:
        """Take in some rows, in their order.

        Raises:
            OSError: the disk is full, for example.
        """
        ...

    def close(self) -> Written:
        """Make the rows durable."""
        ...

    def discard(self) -> None:
        """Leave nothing behind."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """A window's rows in an output: where they should be, and what they should be."""

    window: Interval
    rows: int
    size_bytes: int
    sha256: str


class Sink(Protocol):
    """One kind of output."""

    format: str
    """As `--format` names it."""

    def writer(self, path: Path) -> WindowWriter:
        """Begin a window anew; its rows go to a file at `path`."""
        ...

    def head(self) -> bytes:
        """What stands before the first window."""
        ...

    def append(self, path: Path, output: Writable) -> None:
        """Put a window's file at the end of the output, in little memory."""
        ...

    def intact(self, output: File, length: int, windows: Sequence[Placed]) -> Iterable[bool]:
        """Whether each window's rows stand in the output as they were written.

        A wrong head damages them all; what was added at the end, the last.

        Args:
            output: the finished output.
            length: of the output, in bytes.
            windows: in the order of time.
        """
        ...

    def extract(self, output: File, windows: Sequence[Placed], number: int, path: Path) -> None:
        """Copy one window's rows out of the output to a file at `path`, durably."""
        ...
