"""What of an export is done: windows with their verdicts and parts; resume, the finished output and its manifest.

    OUT.everycall/ledger.jsonl      the query, then a line per finished window
    OUT.everycall/*.part            a finished window's rows
    OUT.manifest.json, OUT          appear at the end, one right after the other, and the folder goes

Rules of the file:

- A window is done when its line is in the ledger, whole, and not before. Its part is on filesystem, durably, by then.
- What is done and not proven is read again when the export goes on.
- OUT is replaced in one step, when all windows are done. Until then a file that was there before stays as it was.
- A ledger answers one query. Another one on the same OUT is refused, with the difference.
- One process at a time writes an OUT. A second one is refused, and told which the first is.
"""

import errno
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn, Protocol

import msgspec

from everycall.api.oddities import Oddity
from everycall.api.query import Interval
from everycall.errors import OutputFailed, OutputRefused, QueryError
from everycall.filesystem import Filesystem, Held, SystemFilesystem
from everycall.sinks.interface import Sink, Writable

FOLDER_SUFFIX = ".everycall"
MANIFEST_SUFFIX = ".manifest.json"

DISK_FULL = {errno.ENOSPC: "The disk is full", errno.EDQUOT: "The disk quota is used up"}


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One finished window."""

    interval: str
    """`start/end`, as it was sent."""
    route: str
    """By which of the API's ways it was read: query."""
    verdict: str
    """proven or unproven."""
    reason: str = ""
    """Why it is unproven."""
    hits_before: int
    """The API's count on the first page of the last reading."""
    hits_after: int
    """The API's count after its last page."""
    unique_ids: int
    """Different conversations that came; equal to both counts where proven without re-reads."""
    rows: int
    """Conversations that belong to this window: they are in the output."""
    carried_in: int
    """Conversations that belong to an earlier window and still lived in this one."""
    open: int
    """Rows without an end: the conversation lived, or never ends."""
    open_conversations: tuple[str, ...] = ()
    """Their conversationIds: what to ask for again later."""
    re_reads: int
    """How often the window was read again."""
    provisional: bool
    """Whether the vendor will still rebuild this window's data: it ended less than four days before."""
    counted_at: str
    """When the last count was asked for: what the proof holds as of."""
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    """Length of this window's rows in the output; they stand in the order of the windows."""
    sha256: str
    """Of exactly those bytes."""
    correlation_ids: tuple[str, ...] = ()
    """Of the counts, for the vendor's support."""
    oddities: dict[str, int] = {}
    """What did not fit the records, by kind and field, as often as it came."""
    oddity_examples: tuple[Oddity, ...] = ()
    """Those that were the first of their kind and field, in full."""
    timeless: tuple[str, ...] = ()
    """conversationIds of rows that tell neither a start nor a segment's, so that they would fit any window."""
    taken_over: bool = False
    """Whether a repair found that it still held, and left it as it was."""
    names_unavailable: dict[str, str] = {}
    """Which names could not be looked up, and why: ids stand in the rows instead."""

    def __post_init__(self) -> None:
        interval_of(self.interval)

    @property
    def window(self) -> Interval:
        """The interval as instants."""
        return Interval.read(self.interval)


class _Named(msgspec.Struct):
    """What tells an export of ours from a foreign file."""

    query: dict[str, Any]


class _FirstLine(msgspec.Struct):
    """What the first line of a ledger has at least."""

    interval: str
    asked: dict[str, Any]

    def __post_init__(self) -> None:
        interval_of(self.interval)


def interval_of(words: str) -> Interval:
    """The interval that stands in a ledger or a manifest, which somebody may have edited.

    Raises:
        ValueError: it is none.
    """
    try:
        return Interval.read(words)
    except (QueryError, OverflowError) as error:
        raise ValueError(str(error)) from error


class Book(Protocol):
    """Where finished windows are written down: a ledger beside a file, or a stream that only goes forward."""

    entries: list[Entry]
    """Finished windows, in no particular order."""

    def part_path(self, window: Interval) -> Path:
        """Where the window's part has to be sealed."""
        ...

    def commit(self, entry: Entry) -> None:
        """The window is done: its part is sealed."""
        ...

    def finish(self, manifest: Callable[[int, str], Mapping[str, Any]]) -> None:
        """All windows are done. `manifest` makes the manifest out of the output's length and SHA-256."""
        ...

    def abandon(self) -> None:
        """The export ends here without being finished."""
        ...


class Ledger:
    """The book of an export into a file."""

    def __init__(
        self,
        output: Path,
        sink: Sink,
        header: Mapping[str, Any],
        *,
        fresh: bool = False,
        is_repair: bool = False,
        filesystem: Filesystem | None = None,
    ) -> None:
        """Open the ledger beside the output, or begin one.

        Args:
            output: the file to be.
            sink: what kind of file.
            header: the query in words; an unfinished or finished export of other words is not touched.
            fresh: start over, whatever is there.
            is_repair: go on with what a repair has taken over, too; an export is to read all anew.
            filesystem: the machine's unless told otherwise.

        Raises:
            OutputRefused: the folder is missing or not writable; or the output holds something else.
        """
        self._output = output
        self._sink = sink
        self._is_repair = is_repair
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        self._folder = output.with_name(output.name + FOLDER_SUFFIX)
        self._manifest = output.with_name(output.name + MANIFEST_SUFFIX)
        self._path = self._folder / "ledger.jsonl"
        self._check_folder()
        header = msgspec.json.decode(msgspec.json.encode(header))  # as it will be read: a tuple is a list
        if not fresh:
            self._check_finished(header)
        self._lock = self._locked()
        try:
            if fresh:
                self._clear()
            else:
                self._check_finished(header)  # again: another process may have been at its end just now
            self.header, self.entries = self._begin(header)
        except BaseException:
            try:
                if not self._filesystem.exists(self._path):  # nothing was begun
                    self._filesystem.remove_folder(self._folder)
            finally:
                self._lock.release()
            raise

    def _locked(self) -> Held:
        try:
            self._filesystem.make_folder(self._folder)
            self._filesystem.sync_folder(
                self._output.parent
            )  # or a power cut takes the folder away, with all that is done
            return self._filesystem.lock(self._folder / "lock", self._output)
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        if error.errno in DISK_FULL:
            raise error  # another output would not help
        raise OutputRefused(
            f"{self._folder} cannot be written: {error.strerror}.", hint="Choose another output with -o, or remove it."
        ) from error

    def _clear(self) -> None:
        """Forget what an unfinished run has left; the ledger first, so that a kill leaves nothing to go on from."""
        self._filesystem.unlink(self._path)
        for path in self._filesystem.files(self._folder):
            if path.name != "lock":
                self._filesystem.unlink(path)

    def _check_finished(self, header: Mapping[str, Any]) -> None:
        """Refuse an output that is there already and is not this query's."""
        if not self._filesystem.exists(self._output) or self._filesystem.exists(self._path):
            return
        try:
            before = msgspec.json.decode(self._filesystem.read(self._manifest), type=_Named).query
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raise OutputRefused(
                f"{self._output} exists, and is no export of everycall.",
                hint="Choose another output, or say --fresh to replace it.",
            ) from None
        _check_same(before, header, self._output)

    def _begin(self, header: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Entry]]:
        try:
            if not self._filesystem.exists(self._path):
                self._rewrite(header, [])
                return header, []
            lines = self._filesystem.read(self._path).splitlines(keepends=True) or [b""]
            said = msgspec.json.decode(lines[0], type=_FirstLine)
            before: Mapping[str, Any] = msgspec.json.decode(lines[0])
            _check_same(before, header, self._output)
            # A line without its end was cut by a kill, in the middle: that window was not done.
            found = [msgspec.json.decode(line, type=Entry) for line in lines[1:] if line.endswith(b"\n")]
            entries = self._usable(found, interval_of(said.interval))
            if len(entries) + 1 != len(lines) or not lines[-1].endswith(b"\n"):
                self._rewrite(before, entries)
        except OSError as error:
            self._refuse(error)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise OutputRefused(
                f"{self._path} cannot be read: {str(error).rstrip('.')}.", hint="Say --fresh to start this export over."
            ) from error
        return before, entries

    def _usable(self, entries: Iterable[Entry], interval: Interval) -> list[Entry]:
        """The entries that are proven, with their parts there in full; what the others stand for is read again.

        Where a ledger was meddled with, none of them overlaps another, or reaches beyond the interval.
        """
        found, end = [], interval.start
        for entry in sorted(entries, key=lambda entry: entry.interval):
            is_whole = self._filesystem.size(self.part_path(entry.window)) == entry.size_bytes
            fits = end <= entry.window.start and entry.window.end <= interval.end
            is_ours = self._is_repair or not entry.taken_over
            if entry.verdict == "proven" and is_whole and fits and is_ours:
                found.append(entry)
                end = entry.window.end
        return found

    def _rewrite(self, header: Mapping[str, Any], entries: Sequence[Entry]) -> None:
        """Only these; another entry of a window that is read again would make it stand here twice."""
        self._write_durably(self._path, msgspec.json.encode(header) + b"\n" + b"".join(map(_line, entries)))

    def keep(self, is_good: Callable[[Entry], bool]) -> None:
        """Forget the other entries: their windows are not done."""
        self.entries = [entry for entry in self.entries if is_good(entry)]
        self._rewrite(self.header, self.entries)

    def part_path(self, window: Interval) -> Path:
        """See `Book.part_path`."""
        return self._folder / part_name(window)

    def commit(self, entry: Entry) -> None:
        """See `Book.commit`. Durable when it returns."""
        self._filesystem.sync_folder(self._folder)
        with self._filesystem.open(self._path, "ab") as ledger:
            ledger.write(_line(entry))
            self._filesystem.sync(ledger)
        self.entries.append(entry)

    def finish(self, manifest: Callable[[int, str], Mapping[str, Any]]) -> None:
        """See `Book.finish`.

        Raises:
            OutputFailed: a part is not what it was when it was sealed. It is forgotten, and will be read again.
        """
        whole, described = self._folder / "output", self._folder / "manifest"
        damaged: list[Entry] = []
        with self._filesystem.open(whole, "wb") as output:
            tally = _Tally(output)
            tally.write(self._sink.head())
            for entry in sorted(self.entries, key=lambda entry: entry.interval):
                tally.begin_part()
                self._sink.append(self.part_path(entry.window), tally)
                if tally.part.hexdigest() != entry.sha256:
                    damaged.append(entry)
            self._filesystem.sync(output)
        if damaged:
            self.keep(lambda entry: entry not in damaged)
            raise OutputFailed(
                f"What was written of {damaged[0].interval} in {self._folder} has changed since"
                f"{f', and {len(damaged) - 1} more' if len(damaged) > 1 else ''}.",
                hint="Run the same command: it reads that again. The disk may be failing.",
            )
        self._write_durably(described, pretty(manifest(tally.size, tally.whole.hexdigest())))
        self._filesystem.replace(described, self._manifest)
        self._filesystem.sync_folder(
            self._output.parent
        )  # an output without its manifest would be taken for a foreign file
        self._filesystem.replace(whole, self._output)
        self._filesystem.sync_folder(self._output.parent)
        self._leave()

    def abandon(self) -> None:
        """Leave nothing behind where nothing was done yet; otherwise leave all, to go on from."""
        if self.entries or self._has_entries():
            self._lock.release()
        else:
            self._leave()

    def _has_entries(self) -> bool:
        """Whether one was written, though an interruption came before it was noted here."""
        try:
            return self._filesystem.read(self._path).count(b"\n") > 1
        except OSError:
            return False

    def _leave(self) -> None:
        """Take the folder away, lock and all, and only then let go of the lock.

        The ledger goes first: killed from here on, an export that is finished is not gone on with.
        """
        with suppress(OSError):
            self._filesystem.unlink(self._path)
        self._filesystem.remove_folder(self._folder)
        self._lock.release()

    def _check_folder(self) -> None:
        folder = self._output.parent
        if not self._filesystem.is_folder(folder):
            raise OutputRefused(
                f"The folder {folder} does not exist.", hint="Make it, or choose another output with -o."
            )
        if self._filesystem.is_folder(self._output):
            raise OutputRefused(f"{self._output} is a folder.", hint="Name a file in it with -o.")
        if not self._filesystem.is_writable(folder):
            raise OutputRefused(f"The folder {folder} is not writable.", hint="Choose another output with -o.")

    def _write_durably(self, path: Path, data: bytes) -> None:
        """The whole file or the one before it, whatever happens."""
        aside = path.with_name(path.name + ".new")
        with self._filesystem.open(aside, "wb") as file:
            file.write(data)
            self._filesystem.sync(file)
        self._filesystem.replace(aside, path)
        self._filesystem.sync_folder(path.parent)


class Stream:
    """The book of an export onto a stream: each window's rows go out once it is done, in the order of time.

    Rows that went out cannot be taken back, so there is nothing to resume; that is why a window waits for its verdict.
    """

    def __init__(
        self, output: BinaryIO, sink: Sink, interval: Interval, *, filesystem: Filesystem | None = None
    ) -> None:
        """`output` gets the head at once; parts wait in a temporary folder."""
        self.entries: list[Entry] = []
        self._output = output
        self._sink = sink
        self._next = interval.start
        self._waiting: dict[datetime, Entry] = {}
        self._tally = _Tally(output)
        self._tally.write(sink.head())
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        self._folder = self._filesystem.temporary_folder()

    def part_path(self, window: Interval) -> Path:
        """See `Book.part_path`."""
        return self._folder / part_name(window)

    def commit(self, entry: Entry) -> None:
        """See `Book.commit`."""
        self.entries.append(entry)
        self._waiting[entry.window.start] = entry
        while ready := self._waiting.pop(self._next, None):
            self._send(ready)
            self._next = ready.window.end

    def _send(self, entry: Entry) -> None:
        path = self.part_path(entry.window)
        self._sink.append(path, self._tally)
        self._output.flush()
        self._filesystem.unlink(path)

    def finish(self, manifest: Callable[[int, str], Mapping[str, Any]]) -> None:
        """See `Book.finish`. A stream has no manifest beside it; the summary says what it would."""
        for _, entry in sorted(self._waiting.items()):  # behind a window that a safety stop left unread
            self._send(entry)
        self._output.flush()
        manifest(self._tally.size, self._tally.whole.hexdigest())
        self.abandon()

    def abandon(self) -> None:
        """Remove the temporary folder."""
        self._filesystem.remove_folder(self._folder)


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


class _Tally:
    """Writes through, and counts and hashes what it wrote."""

    def __init__(self, output: Writable) -> None:
        self._output = output
        self.size = 0
        self.whole = hashlib.sha256()
        self.begin_part()

    def begin_part(self) -> None:
        self.part = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        left = memoryview(data)
        while left:  # a stream without a buffer may take a part only
            taken = self._output.write(left)
            if taken is None:
                raise BlockingIOError(errno.EAGAIN, "the stream takes nothing more without waiting")
            left = left[taken:]
        self.size += len(data)
        self.whole.update(data)
        self.part.update(data)
        return len(data)


def part_name(window: Interval) -> str:
    """A file name that sorts as the windows do."""
    return "".join(sign for sign in str(window).replace("/", "_") if sign.isalnum() or sign == "_") + ".part"


def pretty(value: Mapping[str, Any]) -> bytes:
    """JSON for people, with a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _check_same(before: Mapping[str, Any], now: Mapping[str, Any], output: Path) -> None:
    """Refuse to mix two queries in one output, and show where they differ."""
    differing = [key for key in {**before, **now} if key != "interval" and before.get(key) != now.get(key)]
    if differing:
        shown = "; ".join(f"{key}: {_words(before.get(key))} there, {_words(now.get(key))} now" for key in differing)
        raise OutputRefused(
            f"{output} holds another export ({shown}).",
            hint="Choose another output with -o, run the first command again, or say --fresh to start over.",
        )


def _words(value: object) -> str:
    return msgspec.json.encode(value).decode() if value not in (None, "", [], {}) else "nothing"
