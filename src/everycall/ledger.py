"""The store of an export to files and databases: records finished windows durably, and publishes the outputs.

    OUT.everycall/ledger.jsonl      a header, a line for each window that is read, one for each that is loaded, and one
                                    for each output that is complete while another one is not
    OUT.everycall/WINDOW.part       a window's conversations as the API sent them; removed once they are loaded
                                    (only those that are replaced, where a `sync` replaces some of a window)
    OUT.everycall/WINDOW.ids        16 bytes for each conversation that the window owns, sorted
    OUT.everycall/WINDOW.rows       a window's rows; other forms have other suffixes
    OUT.manifest.json, OUT          appear at the end, one right after the other; then the folder is removed

OUT is the first output that is a path. Rules:

- A window is read once its complete line is in the ledger. Its part and its ids are on disk before that.
  It is loaded once its second line is in the ledger. It is on disk in every form before that.
- When an export resumes, finished windows that are not proven are read again.
- An output is published when all windows are loaded. Until then an existing one stays as it is.
- An output that fails does not undo the others: the next run publishes what is left.
- A ledger belongs to one query and its outputs. Another query with the same OUT is refused, and the message shows the
  difference.
- One process at a time writes an OUT. A second one is refused, and the message has the id of the first.
- Only the files named above are touched in the folder: a link is not followed, and other files are left alone.
"""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeAlias

import msgspec

from everycall.acquire.part import DamagedPart, Part
from everycall.acquire.proof import ID_BYTES, id_bytes
from everycall.acquire.settling import with_ids
from everycall.acquire.windows import without
from everycall.api.query import Interval
from everycall.errors import OutputFailed, OutputRefused
from everycall.filesystem import Filesystem, Held, SystemFilesystem
from everycall.manifest import (
    Entry,
    Header,
    Manifest,
    Published,
    WindowLoaded,
    WindowPatched,
    WindowRead,
    as_written,
    check_interval,
    check_same,
    check_version,
)  # fmt: skip
from everycall.sinks.files import ledger_folder
from everycall.sinks.interface import Damaged, Destination, Finished, Form, Loaded
from everycall.store import Describe, window_name, without_open

WINDOW_SUFFIXES = (".part", ".unzipped", ".ids", ".job")
OUR_NAMES = ("ledger.jsonl", "ledger.jsonl.new", "output", "manifest", "manifest.new")

DISK_FULL = {errno.ENOSPC: "The disk is full", errno.EDQUOT: "The disk quota is used up"}


class Ledger:
    """Records the finished windows of an export, and publishes its outputs."""

    can_take_back = True

    def __init__(
        self,
        destinations: Sequence[Destination],
        header: Header,
        *,
        fresh: bool = False,
        is_repair: bool = False,
        filesystem: Filesystem | None = None,
    ) -> None:
        """Open the ledger beside the first output, or begin one.

        Args:
            destinations: the outputs, at least one.
            header: the query; an unfinished or finished export of another query is not touched.
            fresh: start over, and remove an unfinished export.
            is_repair: also resume windows that a repair has taken over; an export reads them again.
            filesystem: by default that of this machine.

        Raises:
            OutputRefused: the folder is missing or not writable, or an output contains something else.
        """
        self._destinations, self._is_repair = destinations, is_repair
        forms = {form.name: form for destination in destinations for form in destination.forms}
        self._forms: tuple[Form, ...] = tuple(forms.values())
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        first = next((one for one in destinations if one.path is not None), destinations[0])
        self._output = first.name
        self._folder = ledger_folder(first.path, first.name)
        self._path = self._folder / "ledger.jsonl"
        for destination in destinations:
            destination.check_place()
        header = as_written(header)
        if not fresh:
            self._check_finished(header)
        self._lock = self._locked()
        try:
            if not fresh:
                self._check_finished(header)  # again: another process may have finished just now
            self._was_begun = self._filesystem.exists(self._path)
            if fresh:
                self._start_over(header)
            self.header, reads, loads, self._published = self._begin(header)
        except BaseException:
            try:
                if not self._filesystem.exists(self._path):  # nothing was begun
                    self._remove_files()
            finally:
                self._lock.release()
            raise
        self.read = {read.interval: read for read in reads}
        self.loaded = {loaded.interval: loaded for loaded in loads}
        self._ids_in_output: set[Interval] | None = None

    # Opening

    def _locked(self) -> Held:
        if self._filesystem.is_link(self._folder):
            raise OutputRefused(
                f"{self._folder} is a link, and the folder that it points to may belong to something else.",
                hint="Remove the link, or choose another output with -o.",
            )
        try:
            self._filesystem.make_folder(self._folder)
            self._filesystem.sync_folder(self._folder.parent)  # otherwise a power cut could remove the folder
            return self._filesystem.lock(self._folder / "lock", self._output)
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        if error.errno in DISK_FULL:
            raise error  # another output would not help
        raise OutputRefused(
            f"{self._folder} cannot be written: {error.strerror}.", hint="Choose another output with -o, or remove it."
        ) from error

    def _check_finished(self, header: Header) -> None:
        """Refuse outputs that belong to another query, or were changed since they were exported."""
        if self._filesystem.exists(self._path):
            return
        for destination in self._destinations:
            destination.check_content(header_for(header, destination), is_repair=self._is_repair)

    def _begin(self, header: Header) -> tuple[Header, list[WindowRead], list[WindowLoaded], set[str]]:
        try:
            if not self._filesystem.exists(self._path):
                self._rewrite(header, [], [])
                return header, [], [], set()
            lines = self._filesystem.read(self._path).splitlines(keepends=True) or [b""]
            before = _header(lines[0])
            check_interval(before, self._path)
            check_same(before, header, self._output)
            # A line without a line feed was interrupted while it was written: its window is not done.
            complete = _decoded([line for line in lines[1:] if line.endswith(b"\n")])
            published = {line.output for line in complete if isinstance(line, Published)}
            reads, loads = self._usable(complete, before.window)
            if len(reads) != len(loads) or without(before.window, [read.window for read in reads]):
                published = set()  # what is read again changes every output
            if len(reads) + len(loads) + len(published) + 1 != len(lines) or not lines[-1].endswith(b"\n"):
                self._rewrite(before, reads, loads, published)
        except OSError as error:
            self._refuse(error)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise OutputRefused(
                f"{self._path} cannot be read: {str(error).rstrip('.')}.", hint="Start over with --fresh."
            ) from error
        return before, [without_open(read) for read in reads], loads, published

    def _usable(self, lines: Sequence["_Line"], interval: Interval) -> tuple[list[WindowRead], list[WindowLoaded]]:
        """The lines of windows that need not be read again: proven, inside the interval, and with complete files.

        Lines that overlap an earlier window or reach beyond the interval come from an edited ledger, and are dropped.
        """
        reads = {line.interval: line for line in lines if isinstance(line, WindowRead)}
        loads = {line.interval: line for line in lines if isinstance(line, WindowLoaded)}
        kept_reads, kept_loads, end = [], [], interval.start
        for read in sorted(reads.values(), key=lambda read: read.interval):
            loaded = loads.get(read.interval)
            if loaded is not None and (loaded.rows != read.kept or not self._has_forms(loaded)):
                loaded = None
            fits = end <= read.window.start and read.window.end <= interval.end
            is_patch = isinstance(read, WindowPatched)
            is_ours = self._is_repair or not (is_patch or (loaded is not None and loaded.taken_over))
            if read.verdict != "proven" or not fits or not is_ours or not (loaded or self._has_part(read)):
                continue
            if not (is_patch or (loaded and loaded.taken_over)) and not self._has_ids(read):
                continue
            end = read.window.end
            kept_reads.append(read)
            kept_loads += [loaded] if loaded else []
        return kept_reads, kept_loads

    def _has_forms(self, loaded: WindowLoaded) -> bool:
        """Whether the window is on disk in every form."""
        window = Interval.read(loaded.interval)
        return all(
            form.name in loaded.written and form.is_complete(self.path(window, form.suffix), loaded.written[form.name])
            for form in self._forms
        )

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
        """The path of a file of the window."""
        return self._folder / (window_name(window) + suffix)

    def write_ids(self, window: Interval, ids: bytes) -> None:
        """Store the ids that the window owns."""
        with self._filesystem.open(self.path(window, ".ids"), "wb") as file:
            file.write(ids)
            self._filesystem.sync(file)

    def ids(self, window: Interval) -> bytes | None:
        """The ids that the window owns; None if a repair or a sync took the window over."""
        return None if self._is_in_output(window) else self._filesystem.read(self.path(window, ".ids"))

    def _is_in_output(self, window: Interval) -> bool:
        """Whether conversations of the window are only in the output, where an earlier run left them."""
        read, loaded = self.read.get(str(window)), self.loaded.get(str(window))
        return isinstance(read, WindowPatched) or (loaded is not None and loaded.taken_over)

    def ids_in_output(self, window: Interval) -> bytes:
        """The ids that the output has of a window that a repair took over, sorted; read once, for all such windows."""
        if self._ids_in_output is None:
            self._ids_in_output = self._gathered_ids()
        return self._filesystem.read(self.path(window, ".ids")) if window in self._ids_in_output else b""

    def _gathered_ids(self) -> set[Interval]:
        """Write the ids that the output has of windows that a repair took over to their files."""
        taken = [window for window in map(Interval.read, self.read) if self._is_in_output(window)]
        found: set[Interval] = set()
        for destination in self._destinations:
            for window, texts in destination.ids(sorted(taken, key=lambda one: one.start)):
                with self._filesystem.open(self.path(window, ".ids"), "ab" if window in found else "wb") as file:
                    file.write(b"".join(map(id_bytes, texts)))
                found.add(window)
        for window in found:
            self.write_ids(window, with_ids(b"", _ids(self._filesystem.read(self.path(window, ".ids")))))
        return found

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

    def _rewrite(
        self,
        header: Header,
        reads: Sequence[WindowRead],
        loads: Sequence[WindowLoaded],
        published: Iterable[str] = (),
    ) -> None:
        """Replace the ledger by these lines, so that no window that is read again has two."""
        lines = (header, *reads, *loads, *(Published(output=name) for name in sorted(published)))
        self._write_durably(self._path, b"".join(map(_line, lines)))

    # The end

    def finish(self, manifest: Describe) -> Manifest:
        """Publish the outputs, and return the manifest of the first one.

        Raises:
            OutputFailed: an output failed; the others are complete, and the next run publishes what is left. Or files
                of a window have changed since they were written; the next run reads that window again.
        """
        windows = [self._ready(loaded) for loaded in sorted(self.loaded.values(), key=lambda line: line.interval)]
        failures: list[OutputFailed | OSError] = []
        manifests: list[Manifest | None] = []
        for destination in self._destinations:
            if destination.name in self._published:
                manifests.append(destination.found())
                continue
            header = header_for(self.header, destination)
            finished = Finished(header, windows, self._folder, partial(manifest, header), self._with_open)
            try:
                described = destination.publish(finished)
            except Damaged as damaged:
                raise self._damaged(damaged.windows) from damaged
            except (OutputFailed, OSError) as error:
                failures.append(error)
                continue
            manifests.append(described)
            if len(self._destinations) > 1:
                self._append(Published(output=destination.name))
        if failures:
            raise failures[0]
        self._leave()
        first = manifests[0] or self._described_already(manifest)
        return msgspec.structs.replace(first, windows=tuple(map(without_open, first.windows)))

    def _ready(self, loaded: WindowLoaded) -> Loaded:
        read = self.read[loaded.interval]
        return Loaded(
            read,
            loaded.rows,
            lambda form: self.path(read.window, form.suffix),
            lambda form: loaded.written[form.name],
            loaded.taken_over,
        )

    def _described_already(self, manifest: Describe) -> Manifest:
        """The manifest of the first output where an earlier run has published it, and it was removed since."""
        first = self._destinations[0]
        return manifest(header_for(self.header, first), first.forms[0].name, 0, "")

    def _damaged(self, damaged: Sequence[Interval]) -> OutputFailed:
        self.forget(damaged)
        more = f", and those of {len(damaged) - 1} more windows" if len(damaged) > 1 else ""
        return OutputFailed(
            f"The rows of {damaged[0]} in {self._folder} have changed since they were written{more}.",
            hint="Run the same command: it reads them again. The disk may be failing.",
        )

    def _with_open(self, entries: Sequence[Entry]) -> Iterator[Entry]:
        """Yield the entries with their lists of open conversations, which only the ledger on disk has."""
        with self._filesystem.open(self._path, "rb") as ledger:
            offsets = self._offsets()
            for entry in entries:
                offset, length = offsets[entry.interval]
                ledger.seek(offset)
                line = msgspec.json.decode(ledger.read(length), type=WindowRead | WindowPatched)
                yield msgspec.structs.replace(entry, open_conversations=line.open_conversations)

    def _offsets(self) -> dict[str, tuple[int, int]]:
        """Offset and length of the last `WindowRead` line of each window in the ledger, by interval."""
        offsets: dict[str, tuple[int, int]] = {}
        offset = 0
        for line in self._filesystem.read(self._path).splitlines(keepends=True):
            if line.startswith(_READ_TAGS):
                offsets[msgspec.json.decode(line, type=_Interval).interval] = offset, len(line)
            offset += len(line)
        return offsets

    def abandon(self) -> None:
        """Remove all files if no window is done yet; otherwise keep them, so that the export can be resumed.

        Keep them, too, if an earlier run began them and an output exists: that run may have ended between a manifest
        and its output, and without the ledger the next run would refuse the output as one that was changed.
        """
        if self.read or self._has_lines() or (self._was_begun and self._has_output()):
            self._lock.release()
        else:
            self._leave()

    def _has_output(self) -> bool:
        paths = (destination.path for destination in self._destinations)
        return any(path is not None and self._filesystem.exists(path) for path in paths)

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
        self._unlink(lambda _: True)

    def _start_over(self, header: Header) -> None:
        """Replace the ledger by one without windows, and remove all other files.

        There is a ledger at any moment: without one, the next run would refuse an output that is half published. Notes
        on jobs go first, since they do not say of which query they are.
        """
        self._unlink(lambda path: path.suffix == ".job")
        self._rewrite(header, [], [])
        self._unlink(lambda path: path != self._path)

    def _unlink(self, is_wanted: Callable[[Path], bool]) -> None:
        """Remove those of our files, except the lock."""
        for path in self._filesystem.files(self._folder):
            is_ours = path.name in OUR_NAMES or f".{path.name.partition('.')[2]}".startswith(self._suffixes())
            if is_ours and is_wanted(path):
                self._filesystem.unlink(path)

    def _suffixes(self) -> tuple[str, ...]:
        return (*WINDOW_SUFFIXES, *(form.suffix for form in self._forms))

    def _write_durably(self, path: Path, data: bytes) -> None:
        """Write a file so that after a crash either the new content or the old one is there, complete."""
        aside = path.with_name(path.name + ".new")
        with self._filesystem.open(aside, "wb") as file:
            file.write(data)
            self._filesystem.sync(file)
        self._filesystem.replace(aside, path)
        self._filesystem.sync_folder(path.parent)


def _ids(whole: bytes) -> Iterator[bytes]:
    return (whole[at : at + ID_BYTES] for at in range(0, len(whole), ID_BYTES))


class _Interval(msgspec.Struct, frozen=True):
    interval: str


_READ_TAGS = (b'{"line":"read"', b'{"line":"patched"')
"""How the lines of windows that are read begin."""


def _line(line: msgspec.Struct) -> bytes:
    return msgspec.json.encode(line) + b"\n"


_Line: TypeAlias = WindowRead | WindowPatched | WindowLoaded | Published


def _decoded(lines: Iterable[bytes]) -> list[_Line]:
    return [msgspec.json.decode(line, type=_Line) for line in lines]


def _header(line: bytes) -> Header:
    """Decode the first line of a ledger.

    Raises:
        OutputRefused: a version of everycall with another format wrote it.
    """
    check_version(line, "The unfinished export was started")
    return msgspec.json.decode(line, type=Header)


def header_for(header: Header, destination: Destination) -> Header:
    """The header of the manifest of one output."""
    has_rows = any(form.wants == "rows" for form in destination.forms)
    columns = header.columns if has_rows else ()
    return msgspec.structs.replace(
        header,
        format=destination.format,
        columns=columns,
        local_times=header.local_times if has_rows else "",
        defuse_formulas=header.defuse_formulas and has_rows,
        outputs=(),
    )
