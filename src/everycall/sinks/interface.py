"""The interface of all kinds of output: they take whole windows of rows.

Loading a window again replaces it. A file sink writes one file for each window, and the ledger assembles these in one
step at the end, so that the same conversations always make the same bytes.
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
    """A window's rows, complete and durable on disk."""

    rows: int
    size_bytes: int
    sha256: str
    """The checksum of those bytes, in hex."""


class Writable(Protocol):
    """Something to which bytes can be written."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of the data."""
        ...


class WindowWriter(Protocol):
    """Writes one window's rows to disk."""

    def write(self, rows: Sequence[Row]) -> None:
        """Append some rows.

        Raises:
            OSError: the disk is full, for example.
        """
        ...

    def close(self) -> Written:
        """Make the rows durable."""
        ...

    def discard(self) -> None:
        """Remove the file."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """A window's rows in an output, as the manifest describes them."""

    window: Interval
    rows: int
    size_bytes: int
    sha256: str


class Sink(Protocol):
    """One kind of output."""

    format: str
    """The name of the format in `--format`."""

    def writer(self, path: Path) -> WindowWriter:
        """Begin to write a window to a new file at `path`."""
        ...

    def head(self) -> bytes:
        """The bytes before the first window."""
        ...

    def append(self, path: Path, output: Writable) -> None:
        """Append a window's file to the output, in little memory."""
        ...

    def intact(self, output: File, length: int, windows: Sequence[Placed]) -> Iterable[bool]:
        """Whether each window's rows in the output are unchanged.

        A changed head makes all windows damaged, and added bytes at the end the last one.

        Args:
            output: the finished output.
            length: the size of the output in bytes.
            windows: in the order of time.
        """
        ...

    def extract(self, output: File, windows: Sequence[Placed], number: int, path: Path) -> None:
        """Copy one window's rows from the output to a file at `path`, durably."""
        ...
