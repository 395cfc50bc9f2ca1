"""What is done of an export onto a stream: each window's rows go out once it is loaded, in the order of time."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from everycall.api.query import Interval
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.manifest import Header, Manifest, WindowLoaded, WindowRead
from everycall.sinks.interface import Sink
from everycall.store import Tally, window_name, without_open


class Stream:
    """What is done of an export onto a stream: each window's rows go out once it is loaded, in the order of time.

    Rows that went out cannot be taken back, so there is nothing to resume; that is why a window waits for its verdict.
    """

    can_take_back = False

    def __init__(self, output: BinaryIO, sink: Sink, header: Header, *, filesystem: Filesystem | None = None) -> None:
        """`output` gets the head at once; windows wait in a temporary folder."""
        self.header = header
        self.read: dict[str, WindowRead] = {}
        self.loaded: dict[str, WindowLoaded] = {}
        self._output, self._sink = output, sink
        self._next = header.window.start
        self._waiting: dict[datetime, WindowLoaded] = {}
        self._tally = Tally(output)
        self._tally.write(sink.head())
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        self._folder = self._filesystem.temporary_folder()

    def path(self, window: Interval, suffix: str) -> Path:
        """Where the window's part, ids or rows belong."""
        return self._folder / (window_name(window) + suffix)

    def write_ids(self, window: Interval, ids: bytes) -> None:
        """Keep the ids that the window owns."""
        with self._filesystem.open(self.path(window, ".ids"), "wb") as file:
            file.write(ids)

    def ids(self, window: Interval) -> bytes:
        """The ids that the window owns."""
        return self._filesystem.read(self.path(window, ".ids"))

    def commit_read(self, read: WindowRead) -> None:
        """Note that the window is read."""
        self.read[read.interval] = without_open(read)

    def commit_loaded(self, loaded: WindowLoaded) -> None:
        """Send out what is next in the order of time."""
        self.loaded[loaded.interval] = loaded
        window = Interval.read(loaded.interval)
        self._filesystem.unlink(self.path(window, ".part"))
        self._waiting[window.start] = loaded
        while ready := self._waiting.pop(self._next, None):
            self._send(Interval.read(ready.interval))

    def _send(self, window: Interval) -> None:
        path = self.path(window, ".rows")
        self._sink.append(path, self._tally)
        self._output.flush()
        self._filesystem.unlink(path)
        self._next = window.end

    def forget(self, windows: Sequence[Interval]) -> None:
        """Only what was not sent out can be read again."""
        for window in windows:
            if str(window) in self.loaded:
                raise ValueError(f"{window} was sent out already")
            self.read.pop(str(window), None)

    def finish(self, manifest: Callable[[int, str], Manifest]) -> Manifest:
        """Send out what is left. A stream has no manifest beside it; the summary has what it would say."""
        for _, loaded in sorted(self._waiting.items()):  # behind a window that a safety stop left unread
            self._send(Interval.read(loaded.interval))
        self._output.flush()
        found = manifest(self._tally.size, self._tally.whole.hexdigest())
        self.abandon()
        return found

    def abandon(self) -> None:
        """Remove the temporary folder."""
        with suppress(OSError):
            for path in self._filesystem.files(self._folder):
                self._filesystem.unlink(path)
            self._filesystem.remove_folder(self._folder)
