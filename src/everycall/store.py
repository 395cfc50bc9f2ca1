"""Where an export keeps what is done: a ledger beside a file, or a stream that only goes forward."""

import errno
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from everycall.api.query import Interval
from everycall.manifest import Header, Manifest, WindowLoaded, WindowRead
from everycall.sinks.interface import Writable


class Store(Protocol):
    """What is done so far: a ledger beside a file, or a stream that only goes forward."""

    header: Header
    read: dict[str, WindowRead]
    """Windows that are read, by interval; without their lists of open conversations."""
    loaded: dict[str, WindowLoaded]
    """Windows that are loaded, by interval; each of them is read."""
    can_take_back: bool
    """Whether a window that is done can be read again."""

    def path(self, window: Interval, suffix: str) -> Path:
        """Where the window's part, ids or rows belong."""
        ...

    def write_ids(self, window: Interval, ids: bytes) -> None:
        """Keep the ids that the window owns: sorted, 16 bytes each. Durable when the window's line is."""
        ...

    def ids(self, window: Interval) -> bytes | None:
        """The ids that the window owns, sorted; None where a repair took the window over."""
        ...

    def commit_read(self, read: WindowRead) -> None:
        """The window is read: its part and its ids are on disk."""
        ...

    def commit_loaded(self, loaded: WindowLoaded) -> None:
        """The window is loaded: its rows are on disk."""
        ...

    def forget(self, windows: Sequence[Interval]) -> None:
        """These windows are not done: they will be read again."""
        ...

    def finish(self, manifest: Callable[[int, str], Manifest]) -> Manifest:
        """All windows are done. `manifest` makes the manifest out of the output's length and SHA-256."""
        ...

    def abandon(self) -> None:
        """The export ends here without being finished."""
        ...


def without_open(read: WindowRead) -> WindowRead:
    """The line without its list of open conversations, which only the disk keeps."""
    return msgspec.structs.replace(read, open_conversations=())


class Tally:
    """Writes through, and counts and hashes what it wrote."""

    def __init__(self, output: Writable) -> None:
        self._output = output
        self.size = 0
        self.whole = hashlib.sha256()
        self.begin_window()

    def begin_window(self) -> None:
        """What is written from now on belongs to the next window."""
        self.window = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it, in as many pieces as the output takes."""
        left = memoryview(data)
        while left:  # a stream without a buffer may take only some of it
            taken = self._output.write(left)
            if taken is None:
                raise BlockingIOError(errno.EAGAIN, "the stream takes nothing more without waiting")
            left = left[taken:]
        self.size += len(data)
        self.whole.update(data)
        self.window.update(data)
        return len(data)


def window_name(window: Interval) -> str:
    """A file name that sorts as the windows do."""
    return "".join(sign for sign in str(window).replace("/", "_") if sign.isalnum() or sign == "_")
