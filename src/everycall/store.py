"""Where an export keeps its finished windows: a ledger beside a file, or a stream."""

import errno
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from everycall.api.query import Interval
from everycall.filesystem import Writable
from everycall.manifest import Header, Manifest, WindowLoaded, WindowRead

ReadT = TypeVar("ReadT", bound=WindowRead)

Describe: TypeAlias = Callable[[Header, str, int, str], Manifest]
"""Makes the manifest of an output: from its header, the form of its windows, its size in bytes and its SHA-256."""


class Store(Protocol):
    """The finished windows of an export: `ledger.Ledger` for a file, `stream.Stream` for a stream."""

    header: Header
    read: dict[str, WindowRead]
    """Windows that are read, by interval; without their lists of open conversations."""
    loaded: dict[str, WindowLoaded]
    """Windows that are loaded, by interval; each of them is read."""
    can_take_back: bool
    """Whether a window that is done can be read again."""

    def path(self, window: Interval, suffix: str) -> Path:
        """The path of a file of the window: `.part`, `.ids`, or the suffix of a form."""
        ...

    def write_ids(self, window: Interval, ids: bytes) -> None:
        """Store the ids that the window owns: sorted, 16 bytes each. Durable once `commit_read` returns."""
        ...

    def ids(self, window: Interval) -> bytes | None:
        """The ids that the window owns, sorted; None if a repair took the window over."""
        ...

    def ids_in_output(self, window: Interval) -> bytes:
        """The ids that the output has of a window that a repair took over, sorted."""
        ...

    def commit_read(self, read: WindowRead) -> None:
        """Record that the window is read: its part and its ids are on disk."""
        ...

    def commit_loaded(self, loaded: WindowLoaded) -> None:
        """Record that the window is loaded: it is on disk in every form that the outputs take."""
        ...

    def forget(self, windows: Sequence[Interval]) -> None:
        """Remove these windows from the record, so that they are read again."""
        ...

    def finish(self, manifest: Describe) -> Manifest:
        """Complete the outputs, once all windows are done, and return the manifest of the first one."""
        ...

    def abandon(self) -> None:
        """End the export without finishing it."""
        ...


def without_open(read: ReadT) -> ReadT:
    """The line, or the entry of a manifest, without its list of open conversations, which only the disk has."""
    return msgspec.structs.replace(read, open_conversations=())


HASHED_ASIDE_BYTES = 1 << 16
"""Data of this size is hashed in a thread for one of its two checksums: each takes longer than to write it."""


class Tally:
    """Writes to an output, and counts and hashes the bytes."""

    def __init__(self, output: Writable) -> None:
        self._output = output
        self.size = 0
        self.whole = hashlib.sha256()
        self._threads = ThreadPoolExecutor(1)
        self.begin_window()

    def begin_window(self) -> None:
        """Start the hash of the next window."""
        self.window = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it, in as many pieces as the output takes."""
        hashing = self._threads.submit(self.whole.update, data) if len(data) >= HASHED_ASIDE_BYTES else None
        self.window.update(data)
        rest = memoryview(data)
        while rest:  # an unbuffered stream may write only a part
            written = self._output.write(rest)
            if written is None:
                raise BlockingIOError(errno.EAGAIN, "the stream is non-blocking, and its reader is too slow")
            rest = rest[written:]
        self.size += len(data)
        if hashing is None:
            self.whole.update(data)
        else:
            hashing.result()
        return len(data)


def window_name(window: Interval) -> str:
    """A file name that sorts as the windows do."""
    return "".join(sign for sign in str(window).replace("/", "_") if sign.isalnum() or sign == "_")
