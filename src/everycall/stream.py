"""The store of an export to a stream: writes each window's rows once it is loaded, in the order of time."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from everycall.api.query import Interval
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.manifest import Header, Manifest, WindowLoaded, WindowRead
from everycall.sinks.interface import FileSink
from everycall.store import Describe, Tally, window_name, without_open


class Stream:
    """Writes each window's rows to a stream once it is loaded, in the order of time.

    Rows on a stream cannot be taken back, so a window is written only when it has its verdict, and nothing can be
    resumed.
    """

    can_take_back = False

    def __init__(
        self, output: BinaryIO, sink: FileSink, header: Header, *, filesystem: Filesystem | None = None
    ) -> None:
        """Write the header line at once; windows wait in a temporary folder."""
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
        """The path of a file of the window."""
        return self._folder / (window_name(window) + suffix)

    def write_ids(self, window: Interval, ids: bytes) -> None:
        """Store the ids that the window owns."""
        with self._filesystem.open(self.path(window, ".ids"), "wb") as file:
            file.write(ids)

    def ids(self, window: Interval) -> bytes:
        """The ids that the window owns."""
        return self._filesystem.read(self.path(window, ".ids"))

    def ids_in_output(self, window: Interval) -> bytes:  # noqa: ARG002 - no window is taken over
        """Nothing: the rows are gone."""
        return b""

    def commit_read(self, read: WindowRead) -> None:
        """Record that the window is read."""
        self.read[read.interval] = without_open(read)

    def commit_loaded(self, loaded: WindowLoaded) -> None:
        """Record that the window is loaded, and write all windows that are next in the order of time."""
        self.loaded[loaded.interval] = loaded
        window = Interval.read(loaded.interval)
        self._filesystem.unlink(self.path(window, ".part"))
        self._waiting[window.start] = loaded
        while ready := self._waiting.pop(self._next, None):
            self._send(Interval.read(ready.interval))

    def _send(self, window: Interval) -> None:
        path = self.path(window, self._sink.suffix)
        self._sink.append(path, self._tally)
        self._output.flush()
        self._filesystem.unlink(path)
        self._next = window.end

    def forget(self, windows: Sequence[Interval]) -> None:
        """Remove windows from the record, which is possible as long as they are not loaded."""
        for window in windows:
            if str(window) in self.loaded:
                raise ValueError(f"{window} is already written to the stream")
            self.read.pop(str(window), None)

    def finish(self, manifest: Describe) -> Manifest:
        """Write the remaining windows. A stream has no manifest file; the summary contains the manifest."""
        for _, loaded in sorted(self._waiting.items()):  # those after a window that `max_pages` left unread
            self._send(Interval.read(loaded.interval))
        self._output.flush()
        found = manifest(self.header, self._sink.name, self._tally.size, self._tally.whole.hexdigest())
        self.abandon()
        return found

    def abandon(self) -> None:
        """Remove the temporary folder."""
        with suppress(OSError):
            for path in self._filesystem.files(self._folder):
                self._filesystem.unlink(path)
            self._filesystem.remove_folder(self._folder)
