"""What the kinds of output have in common.

    part -> Batch -> Form: a file for each window -> Destination: the windows' files put together, or into a database

A *form* is how a window waits on disk: CSV lines, JSON lines, tables. Loading writes each window once in every form
that some output takes. It knows no output, so it can run in another process.

A *destination* is one output. When all windows are loaded it is published: a file is assembled from the windows' files
and replaced in one step; tables are replaced window by window. Publishing again changes nothing, so a destination that
failed (a server was away) is published by the next run, and the others stay as they are.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from everycall.api.names import Kind, Names
from everycall.api.oddities import Oddity
from everycall.api.query import Interval
from everycall.filesystem import File, Writable
from everycall.manifest import Entry, Header, Manifest, WindowPatched, WindowRead, Written
from everycall.tables.flat import Row

Wanted = Literal["rows", "records"]
"""rows: flat rows. records: conversations as the API sent them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some conversations of a window, in order of start and id, in the representations that the forms want."""

    rows: Sequence[Row] = ()
    """Flat rows; empty if no form wants them."""
    records: Sequence[bytes] = ()
    """The JSON of each conversation, as the API sent it; empty if no form wants it."""
    owner_times_ms: Sequence[int] = ()
    """For each record, conversationStart in milliseconds since 1970; of a stray, the start of its window."""
    mentioned: Sequence[tuple[Kind, str]] = ()
    """The ids in the records whose names were looked up, each once; the last batch has all of them if a form makes
    tables, which say what is mentioned without another look at the JSON."""
    names: Names | None = None
    """The names known so far."""


class WindowWriter(Protocol):
    """Writes one window to disk."""

    @property
    def mentioned(self) -> Collection[tuple[Kind, str]]:
        """Once it is closed: the ids with names in the conversations, each once; none from forms that look at none."""
        ...

    def write(self, batch: Batch) -> None:
        """Append some conversations.

        Raises:
            OSError: the disk is full, for example.
        """
        ...

    def take_oddities(self) -> Sequence[Oddity]:
        """The values that did not fit since the last call, also after `close`; none from forms that look at none."""
        ...

    def close(self) -> Written:
        """Make the window durable."""
        ...

    def discard(self) -> None:
        """Remove what was written."""
        ...


class Form(Protocol):
    """How a window waits on disk until its outputs are published."""

    name: str
    """The name in the ledger."""
    suffix: str
    """The suffix of its files, behind the name of the window."""
    wants: Wanted

    def writer(self, path: Path) -> WindowWriter:
        """Begin to write a window to a new file at `path`, or to several files whose names begin so."""
        ...

    def is_complete(self, path: Path, written: Written) -> bool:
        """Whether the window is there in its full size."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """A window in a file, as the manifest describes it."""

    window: Interval
    rows: int
    size_bytes: int
    sha256: str


def placed(entries: Iterable[Entry]) -> list[Placed]:
    """The windows of a manifest."""
    return [Placed(entry.window, entry.rows, entry.size_bytes, entry.sha256) for entry in entries]


class FileSink(Form, Protocol):
    """A form whose windows, one after the other, make a file."""

    format: str
    """The name of the format in `--format`."""

    def head(self) -> bytes:
        """The bytes before the first window."""
        ...

    def append(self, path: Path, output: Writable) -> None:
        """Append a window's file to the output, in little memory."""
        ...

    def intact(self, output: File, length: int, windows: Sequence[Placed]) -> Iterable[bool]:
        """Whether each window in the output is unchanged.

        A changed head makes all windows damaged, and added bytes at the end the last one.

        Args:
            output: the finished output.
            length: the size of the output in bytes.
            windows: in the order of time.
        """
        ...

    def ids(
        self, output: File, windows: Sequence[Placed], wanted: Collection[Interval]
    ) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds of those windows in the output that are wanted, as far as they can be read.

        Args:
            output: the finished output.
            windows: in the order of time.
            wanted: some of them.
        """
        ...

    def whole_rows(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the conversations in some bytes of an output that is not compressed, each with its line feed."""
        ...

    def id_of(self, row: bytes) -> str | None:
        """The conversationId of such a row; None if the output has no such column.

        Raises:
            ValueError: this is not a row of the form.
        """
        ...

    def extract(self, output: File, windows: Sequence[Placed], number: int, path: Path) -> None:
        """Copy one window from the output to a file at `path`, durably."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A window that is ready to be published."""

    read: WindowRead
    rows: int
    path: Callable[[Form], Path]
    """Its file of a form, or the beginning of the names of its files."""
    written: Callable[[Form], Written]
    is_taken_over: bool
    """Whether a repair found that the destination holds it; tables need not take it again."""

    @property
    def window(self) -> Interval:
        """The window."""
        return self.read.window

    @property
    def replaces(self) -> frozenset[str] | None:
        """The ids of the conversations that its files have, where the others of the window stay as they are.

        None where its files have all of the window.
        """
        return frozenset(self.read.ids) if isinstance(self.read, WindowPatched) else None

    @property
    def is_partial(self) -> bool:
        """Whether conversations of it, and their names, are only in the destination."""
        return self.is_taken_over or self.replaces is not None


@dataclass(frozen=True, slots=True)
class Finished:
    """An export whose windows are all loaded."""

    header: Header
    windows: Sequence[Loaded]
    """In the order of time."""
    folder: Path
    """A folder beside the destination for files that are not complete yet; its files are ours."""
    manifest: Callable[[str, int, str], Manifest]
    """Makes the manifest: from the form of its windows, its size in bytes and its SHA-256 (0 and "" for tables)."""
    entries: Callable[[Sequence[Entry]], Iterator[Entry]]
    """The entries of a manifest with their lists of open conversations, which only the ledger on disk has."""


class Destination(Protocol):
    """One output of an export."""

    @property
    def name(self) -> str:
        """As messages show it: a path, or a URL without password."""
        ...

    @property
    def path(self) -> Path | None:
        """Where it is on this machine; None if it is elsewhere."""
        ...

    @property
    def format(self) -> str:
        """The kind of output."""
        ...

    @property
    def forms(self) -> Sequence[Form]:
        """What it takes. The manifest describes windows by the first one."""
        ...

    def check_place(self) -> None:
        """Refuse a place that cannot be written.

        Raises:
            OutputRefused: the folder does not exist, for example; the hint says what to do.
        """
        ...

    def check_content(self, header: Header, *, is_repair: bool) -> None:
        """Refuse a place with another export, or with one that was changed since.

        Raises:
            OutputRefused: with the difference.
        """
        ...

    def found(self) -> Manifest | None:
        """The manifest that the destination has; None if there is none, or it cannot be read."""
        ...

    def intact(self, manifest: Manifest) -> Sequence[bool]:
        """Whether the destination has what the manifest says, for each window of the manifest.

        Raises:
            OutputRefused: the manifest contradicts itself, so it was edited.
            OutputFailed: the server is away, for example.
        """
        ...

    def changed(self, manifest: Manifest) -> Sequence[str]:
        """The files or tables that are missing or changed, by names that a user recognizes.

        None where that is not known: of a database, for example.
        """
        ...

    def ids(self, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds that the destination has of some windows, each with its window.

        Yields:
            A window, once or several times, in any order, with ids of it. None where the rows have no ids.

        Args:
            windows: of its manifest, in the order of time.

        Raises:
            OutputFailed: the server is away, for example.
            OSError: a file cannot be read.
        """
        ...

    def take_over(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> dict[str, Written]:
        """Let a window that the destination has count as loaded, so that a repair does not read it again.

        Args:
            manifest: that of the destination.
            number: the position of the window in it.
            path: the path of the window's file in a form.

        Returns:
            What is on disk, by the name of the form.
        """
        ...

    def set_aside(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> bool:
        """Prepare for a window of which only some conversations will be replaced.

        Args:
            manifest: that of the destination.
            number: the position of the window in it.
            path: the path of the window's file in a form.

        Returns:
            Whether that can be done; otherwise the window has to be read again.
        """
        ...

    def publish(self, finished: Finished) -> Manifest:
        """Make the destination hold exactly this export, and return its manifest.

        Raises:
            Damaged: files of windows have changed since they were written; they have to be read again.
            OutputFailed: the server is away, for example; publishing again goes on.
            OSError: the disk is full, for example.
        """
        ...


class Damaged(Exception):
    """Files of these windows have changed since they were written."""

    def __init__(self, windows: Sequence[Interval]) -> None:
        """Name the windows."""
        super().__init__(", ".join(map(str, windows)))
        self.windows = windows
