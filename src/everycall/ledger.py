"""The store of an export to a file: records finished windows durably, and assembles the output and its manifest.

    OUT.everycall/ledger.jsonl      a header, then a line for each window that is read, and one for each that is loaded
    OUT.everycall/WINDOW.part       a window's conversations as the API sent them; removed once they are loaded
    OUT.everycall/WINDOW.ids        16 bytes for each conversation that the window owns, sorted
    OUT.everycall/WINDOW.rows       a window's rows
    OUT.manifest.json, OUT          appear at the end, one right after the other; then the folder is removed

Rules:

- A window is read once its complete line is in the ledger. Its part and its ids are on disk before that.
  It is loaded once its second line is in the ledger. Its rows are on disk before that.
- When an export resumes, finished windows that are not proven are read again.
- OUT is replaced in one step, when all windows are done. Until then an existing file stays as it is.
- A ledger belongs to one query. Another query with the same OUT is refused, and the message shows the difference.
- One process at a time writes an OUT. A second one is refused, and the message has the id of the first.
- Only the files named above are touched in the folder: a link is not followed, and other files are left alone.
"""

import errno
import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from everycall.acquire.part import DamagedPart, Part
from everycall.api.query import Interval
from everycall.errors import OutputFailed, OutputRefused
from everycall.filesystem import Filesystem, Held, SystemFilesystem
from everycall.manifest import FORMAT_VERSION, Entry, Header, Manifest, WindowLoaded, WindowRead, pretty_pieces
from everycall.sinks.interface import Sink
from everycall.store import Tally, window_name, without_open

FOLDER_SUFFIX = ".everycall"
MANIFEST_SUFFIX = ".manifest.json"

WINDOW_SUFFIXES = (".part", ".unzipped", ".ids", ".rows", ".job")
OUR_NAMES = ("ledger.jsonl", "ledger.jsonl.new", "output", "manifest", "manifest.new")

DISK_FULL = {errno.ENOSPC: "The disk is full", errno.EDQUOT: "The disk quota is used up"}


class Ledger:
    """Records the finished windows of an export to a file."""

    can_take_back = True

    def __init__(
        self,
        output: Path,
        sink: Sink,
        header: Header,
        *,
        fresh: bool = False,
        is_repair: bool = False,
        filesystem: Filesystem | None = None,
    ) -> None:
        """Open the ledger beside the output, or begin one.

        Args:
            output: the path of the output.
            sink: the kind of output.
            header: the query; an unfinished or finished export of another query is not touched.
            fresh: start over, and remove an unfinished export.
            is_repair: also resume windows that a repair has taken over; an export reads them again.
            filesystem: by default that of this machine.

        Raises:
            OutputRefused: the folder is missing or not writable, or the output contains something else.
        """
        self._output, self._sink, self._is_repair = output, sink, is_repair
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        self._folder = output.with_name(output.name + FOLDER_SUFFIX)
        self._manifest = output.with_name(output.name + MANIFEST_SUFFIX)
        self._path = self._folder / "ledger.jsonl"
        self._check_folder()
        header = _as_written(header)
        if not fresh:
            self._check_finished(header)
        self._lock = self._locked()
        try:
            if fresh:
                self._clear()
            else:
                self._check_finished(header)  # again: another process may have finished just now
            self.header, reads, loads = self._begin(header)
        except BaseException:
            try:
                if not self._filesystem.exists(self._path):  # nothing was begun
                    self._remove_files()
            finally:
                self._lock.release()
            raise
        self.read = {read.interval: read for read in reads}
        self.loaded = {loaded.interval: loaded for loaded in loads}

    # Opening

    def _locked(self) -> Held:
        if self._filesystem.is_link(self._folder):
            raise OutputRefused(
                f"{self._folder} is a link, and the folder that it points to may belong to something else.",
                hint="Remove the link, or choose another output with -o.",
            )
        try:
            self._filesystem.make_folder(self._folder)
            self._filesystem.sync_folder(self._output.parent)  # otherwise a power cut could remove the folder
            return self._filesystem.lock(self._folder / "lock", self._output)
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        if error.errno in DISK_FULL:
            raise error  # another output would not help
        raise OutputRefused(
            f"{self._folder} cannot be written: {error.strerror}.", hint="Choose another output with -o, or remove it."
        ) from error

    def _check_folder(self) -> None:
        folder = self._output.parent
        if not self._filesystem.is_folder(folder):
            raise OutputRefused(
                f"The folder {folder} does not exist.", hint="Create it, or choose another output with -o."
            )
        for path in (self._output, self._manifest):
            if self._filesystem.is_folder(path):
                raise OutputRefused(f"{path} is a folder.", hint="Name a file with -o, or move the folder away.")
        if not self._filesystem.is_writable(folder):
            raise OutputRefused(f"The folder {folder} is not writable.", hint="Choose another output with -o.")

    def _check_finished(self, header: Header) -> None:
        """Refuse an existing output that belongs to another query, or was changed since it was exported."""
        if not self._filesystem.exists(self._output) or self._filesystem.exists(self._path):
            return
        try:
            body = self._filesystem.read(self._manifest)
            _check_version(body, f"{self._output} was exported")
            manifest = msgspec.json.decode(body, type=Manifest)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raise OutputRefused(
                f"{self._output} exists, and everycall did not export it.",
                hint="Choose another output, or use --fresh to replace it.",
            ) from None
        check_interval(manifest.query, self._manifest)
        _check_same(manifest.query, header, self._output)
        if not self._is_repair and sha256_of(self._output, self._filesystem) != manifest.output.sha256:
            raise OutputRefused(
                f"{self._output} was changed after it was exported.",
                hint="Move it away to keep it, or use --fresh to replace it.",
            )

    def _begin(self, header: Header) -> tuple[Header, list[WindowRead], list[WindowLoaded]]:
        try:
            if not self._filesystem.exists(self._path):
                self._rewrite(header, [], [])
                return header, [], []
            lines = self._filesystem.read(self._path).splitlines(keepends=True) or [b""]
            before = _header(lines[0])
            check_interval(before, self._path)
            _check_same(before, header, self._output)
            # A line without a line feed was interrupted while it was written: its window is not done.
            complete = [line for line in lines[1:] if line.endswith(b"\n")]
            reads, loads = self._usable(_decoded(complete), before.window)
            if len(reads) + len(loads) + 1 != len(lines) or not lines[-1].endswith(b"\n"):
                self._rewrite(before, reads, loads)
        except OSError as error:
            self._refuse(error)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise OutputRefused(
                f"{self._path} cannot be read: {str(error).rstrip('.')}.", hint="Start over with --fresh."
            ) from error
        return before, [without_open(read) for read in reads], loads

    def _usable(
        self, lines: Iterable[WindowRead | WindowLoaded], interval: Interval
    ) -> tuple[list[WindowRead], list[WindowLoaded]]:
        """The lines of windows that need not be read again: proven, inside the interval, and with complete files.

        Lines that overlap an earlier window or reach beyond the interval come from an edited ledger, and are dropped.
        """
        reads = {line.interval: line for line in lines if isinstance(line, WindowRead)}
        loads = {line.interval: line for line in lines if isinstance(line, WindowLoaded)}
        kept_reads, kept_loads, end = [], [], interval.start
        for read in sorted(reads.values(), key=lambda read: read.interval):
            loaded = loads.get(read.interval)
            if loaded is not None and (loaded.rows != read.owned or not self._has_rows(loaded)):
                loaded = None
            fits = end <= read.window.start and read.window.end <= interval.end
            is_ours = self._is_repair or loaded is None or not loaded.taken_over
            if read.verdict != "proven" or not fits or not is_ours or not (loaded or self._has_part(read)):
                continue
            if not (loaded and loaded.taken_over) and not self._has_ids(read):
                continue
            end = read.window.end
            kept_reads.append(read)
            kept_loads += [loaded] if loaded else []
        return kept_reads, kept_loads

    def _has_rows(self, loaded: WindowLoaded) -> bool:
        return self._filesystem.size(self.path(Interval.read(loaded.interval), ".rows")) == loaded.size_bytes

    def _has_ids(self, read: WindowRead) -> bool:
        return self._filesystem.size(self.path(read.window, ".ids")) == 16 * read.owned

    def _has_part(self, read: WindowRead) -> bool:
        try:
            Part.open(self.path(read.window, ".part"), self._filesystem, read.part_sha256)
        except (DamagedPart, OSError):
            return False
        return True

    # While windows are done

    def path(self, window: Interval, suffix: str) -> Path:
        """The path of the window's part, ids or rows."""
        return self._folder / (window_name(window) + suffix)

    def write_ids(self, window: Interval, ids: bytes) -> None:
        """Store the ids that the window owns."""
        with self._filesystem.open(self.path(window, ".ids"), "wb") as file:
            file.write(ids)
            self._filesystem.sync(file)

    def ids(self, window: Interval) -> bytes | None:
        """The ids that the window owns; None if a repair took the window over."""
        loaded = self.loaded.get(str(window))
        if loaded is not None and loaded.taken_over:
            return None
        return self._filesystem.read(self.path(window, ".ids"))

    def commit_read(self, read: WindowRead) -> None:
        """Record durably that the window is read."""
        self._append(read)
        self.read[read.interval] = without_open(read)

    def commit_loaded(self, loaded: WindowLoaded) -> None:
        """Record durably that the window is loaded, and remove its part."""
        self._append(loaded)
        self.loaded[loaded.interval] = loaded
        self._filesystem.unlink(self.path(Interval.read(loaded.interval), ".part"))

    def _append(self, line: msgspec.Struct) -> None:
        self._filesystem.sync_folder(self._folder)
        with self._filesystem.open(self._path, "ab") as ledger:
            ledger.write(_line(line))
            self._filesystem.sync(ledger)

    def forget(self, windows: Sequence[Interval]) -> None:
        """Remove these windows from the ledger, so that they are read again."""
        intervals = {str(window) for window in windows}
        self.keep(lambda interval: interval not in intervals)

    def keep(self, is_kept: Callable[[str], bool]) -> None:
        """Remove all windows from the ledger but those whose interval `is_kept` accepts."""
        reads = [read for read in self._read_lines() if is_kept(read.interval)]
        loads = [loaded for loaded in self.loaded.values() if is_kept(loaded.interval)]
        self._rewrite(self.header, reads, loads)
        self.read = {read.interval: without_open(read) for read in reads}
        self.loaded = {loaded.interval: loaded for loaded in loads}

    def _read_lines(self) -> list[WindowRead]:
        """The lines of the windows that are read, with their lists of open conversations."""
        lines = self._filesystem.read(self._path).splitlines()[1:]
        return [line for line in _decoded(lines) if isinstance(line, WindowRead) and line.interval in self.read]

    def _rewrite(self, header: Header, reads: Sequence[WindowRead], loads: Sequence[WindowLoaded]) -> None:
        """Replace the ledger by these lines, so that no window that is read again has two."""
        self._write_durably(self._path, b"".join(map(_line, (header, *reads, *loads))))

    # The end

    def finish(self, manifest: Callable[[int, str], Manifest]) -> Manifest:
        """Assemble the output from the windows, and write the manifest.

        Raises:
            OutputFailed: a window's rows have changed since they were written. The next run reads that window again.
        """
        whole, described = self._folder / "output", self._folder / "manifest"
        size_bytes, sha256 = self._put_together(whole)
        found = manifest(size_bytes, sha256)
        with self._filesystem.open(described, "wb") as file:
            for piece in pretty_pieces(found, self._with_open(found.windows)):
                file.write(piece)
            self._filesystem.sync(file)
        self._filesystem.sync_folder(self._folder)  # so that a power cut cannot leave a file under both of its names
        self._filesystem.replace(described, self._manifest)
        # Sync before the output appears: the next run would refuse an output without a manifest.
        self._filesystem.sync_folder(self._output.parent)
        self._filesystem.replace(whole, self._output)
        self._filesystem.sync_folder(self._output.parent)
        self._leave()
        return found

    def _put_together(self, whole: Path) -> tuple[int, str]:
        damaged: list[Interval] = []
        with self._filesystem.open(whole, "wb") as output:
            tally = Tally(output)
            tally.write(self._sink.head())
            for loaded in sorted(self.loaded.values(), key=lambda loaded: loaded.interval):
                window = Interval.read(loaded.interval)
                tally.begin_window()
                self._sink.append(self.path(window, ".rows"), tally)
                if tally.window.hexdigest() != loaded.sha256:
                    damaged.append(window)
            self._filesystem.sync(output)
        if damaged:
            self.forget(damaged)
            raise OutputFailed(
                f"The rows of {damaged[0]} in {self._folder} have changed since they were written"
                f"{f', and those of {len(damaged) - 1} more windows' if len(damaged) > 1 else ''}.",
                hint="Run the same command: it reads them again. The disk may be failing.",
            )
        return tally.size, tally.whole.hexdigest()

    def _with_open(self, entries: Sequence[Entry]) -> Iterable[Entry]:
        """Yield the entries with their lists of open conversations, which only the ledger on disk has."""
        with self._filesystem.open(self._path, "rb") as ledger:
            offsets = self._offsets()
            for entry in entries:
                offset, length = offsets[entry.interval]
                ledger.seek(offset)
                line = msgspec.json.decode(ledger.read(length), type=WindowRead)
                yield msgspec.structs.replace(entry, open_conversations=line.open_conversations)

    def _offsets(self) -> dict[str, tuple[int, int]]:
        """Offset and length of the last `WindowRead` line of each window in the ledger, by interval."""
        offsets: dict[str, tuple[int, int]] = {}
        offset = 0
        for line in self._filesystem.read(self._path).splitlines(keepends=True):
            if line.startswith(_READ_TAG):
                offsets[msgspec.json.decode(line, type=_Interval).interval] = offset, len(line)
            offset += len(line)
        return offsets

    def abandon(self) -> None:
        """Remove all files if no window is done yet; otherwise keep them, so that the export can be resumed."""
        if self.read or self._has_lines():
            self._lock.release()
        else:
            self._leave()

    def _has_lines(self) -> bool:
        """Whether the ledger on disk has a window, even if an interruption came before `read` had it."""
        try:
            return self._filesystem.read(self._path).count(b"\n") > 1
        except OSError:
            return False

    def _leave(self) -> None:
        """Remove our files, the lock file last, and then release the lock.

        The ledger is removed first, so that a finished export is not resumed if the process is killed here.
        """
        self._remove_files()
        self._lock.release()

    def _remove_files(self) -> None:
        with suppress(OSError):
            self._clear()
            self._filesystem.unlink(self._folder / "lock")
            self._filesystem.remove_folder(self._folder)

    def _clear(self) -> None:
        """Remove our files except the lock; the ledger first, so that a crash never leaves a ledger without files."""
        self._filesystem.unlink(self._path)
        self._filesystem.sync_folder(self._folder)
        for path in self._filesystem.files(self._folder):
            if path.name in OUR_NAMES or path.suffix in WINDOW_SUFFIXES:
                self._filesystem.unlink(path)

    def _write_durably(self, path: Path, data: bytes) -> None:
        """Write a file so that after a crash either the new content or the old one is there, complete."""
        aside = path.with_name(path.name + ".new")
        with self._filesystem.open(aside, "wb") as file:
            file.write(data)
            self._filesystem.sync(file)
        self._filesystem.replace(aside, path)
        self._filesystem.sync_folder(path.parent)


class _Interval(msgspec.Struct, frozen=True):
    interval: str


_READ_TAG = b'{"line":"read"'
"""How a `WindowRead` line begins."""


def _line(line: msgspec.Struct) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _decoded(lines: Iterable[bytes]) -> list[WindowRead | WindowLoaded]:
    return [msgspec.json.decode(line, type=WindowRead | WindowLoaded) for line in lines]


class _Version(msgspec.Struct, rename="camel"):
    everycall: str = ""
    format_version: int = 1


def _header(line: bytes) -> Header:
    """Decode the first line of a ledger.

    Raises:
        OutputRefused: a version of everycall with another format wrote it.
    """
    _check_version(line, "The unfinished export was started")
    return msgspec.json.decode(line, type=Header)


def _check_version(body: bytes, what: str) -> None:
    """Refuse a ledger or a manifest in the format of another version of everycall."""
    found = msgspec.json.decode(body, type=_Version)
    if found.everycall and found.format_version != FORMAT_VERSION:
        raise OutputRefused(
            f"{what} by another version of everycall ({found.everycall}, format {found.format_version}).",
            hint="Use that version, choose another output with -o, or start over with --fresh.",
        )


def check_interval(header: Header, path: Path) -> None:
    """Refuse the header of the file at `path` if its interval is not the one that its terms name."""
    named = header.named_instead
    if named is not None:
        raise OutputRefused(
            f"{path} was edited: its interval is {header.interval}, but its terms ({_shown(header.asked)}) were "
            f"{named} when it was started.",
            hint="Export again with --fresh.",
        )


def _as_written(header: Header) -> Header:
    """The header as it is after a round trip through JSON: a tuple in `asked` becomes a list."""
    return msgspec.json.decode(msgspec.json.encode(header), type=Header)


def sha256_of(path: Path, filesystem: Filesystem) -> str:
    """The checksum of a file, in hex."""
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _check_same(before: Header, now: Header, output: Path) -> None:
    """Refuse to mix two queries in one output, and show their differences."""
    differing = before.differences(now)
    if differing:
        shown = "; ".join(f"{name}: {_shown(old)} there, {_shown(new)} now" for name, (old, new) in differing.items())
        raise OutputRefused(
            f"{output} contains another export ({shown}).",
            hint="Choose another output with -o, run the first command again, or start over with --fresh.",
        )


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode() if value not in (None, "", [], {}) else "nothing"
