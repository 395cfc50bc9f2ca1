"""A folder with one file of flat rows or JSON lines for each UTC day.

    OUT/2026-01-05.csv
    OUT/2026-01-05.jsonl, OUT/names/names.jsonl    JSON lines, and the names of the ids in them
    OUT.manifest.json                              with the checksum of each file

A day's file is replaced as a whole, in one step. It is there also if nobody called on that day. A window lies within a
day; a day that was read in several windows has them one after the other, as a single file has.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from everycall.api.query import Interval
from everycall.errors import OutputRefused
from everycall.filesystem import Filesystem
from everycall.instants import DAY, start_of_day
from everycall.manifest import Entry, Header, Manifest, Written, WrittenFile, check_interval, check_same
from everycall.sinks.files import sha256_of
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.in_place import FilesInPlace, Staged, with_files
from everycall.sinks.interface import Damaged, FileSink, Finished, Form, Loaded, WindowWriter, placed
from everycall.sinks.interface import Wanted as Wants
from everycall.sinks.names_form import Name, NamesForm, names_in_lines, names_of, newest, with_known_times, write_names
from everycall.sinks.places import STAGED, Place
from everycall.sinks.window_files import pieces
from everycall.store import Tally

NAMES_FILE = "names/names.jsonl"


class DayForm:
    """A form of files whose windows may be in the destination already."""

    def __init__(self, sink: FileSink, filesystem: Filesystem) -> None:
        """Write windows as this form does."""
        self.sink, self.name, self.suffix = sink, sink.name, sink.suffix
        self.wants: Wants = sink.wants
        self._filesystem = filesystem

    def writer(self, path: Path) -> WindowWriter:
        """Begin to write a window to a new file at `path`."""
        return self.sink.writer(path)

    def is_complete(self, path: Path, written: Written) -> bool:
        """Whether the file has its full size, or says that the window is in the destination."""
        mark = _taken_over(written)
        if self._filesystem.size(path) == len(mark) and self._filesystem.read(path) == mark:
            return True
        return self.sink.is_complete(path, written)

    def take_over(self, path: Path, written: Written) -> dict[str, Written]:
        """Let a window count as complete whose rows are in the destination; what is on disk, by form."""
        with self._filesystem.open(path, "wb") as file:
            file.write(_taken_over(written))
            self._filesystem.sync(file)
        return {self.name: written}


def _aside(path: Path) -> Path:
    """Where the present rows of a window are kept while some of its conversations are replaced."""
    return path.with_name(path.name + ".present")


def _taken_over(written: Written) -> bytes:
    return b"taken over: %s\n" % written.sha256.encode()


class DayFolder(FilesInPlace):
    """The folder."""

    def __init__(
        self,
        place: Place,
        format_: str,
        sink: FileSink,
        filesystem: Filesystem,
        names: NamesForm | None = None,
        organization_id: Callable[[], str] = str,
    ) -> None:
        """Put the files of days into a place.

        Args:
            place: the folder.
            format_: the kind of output.
            sink: the form of a window.
            filesystem: where files are prepared.
            names: the form of the names, if they are to be in the folder.
            organization_id: asks for the id of the org, for the manifest of JSON lines.
        """
        super().__init__(place, filesystem)
        self.name, self.format = place.name, format_
        self._form = DayForm(sink, filesystem)
        self.forms: Sequence[Form] = (self._form,) if names is None else (self._form, names)
        self._sink, self._names = sink, names
        self._ending = f".{sink.format}"
        self._organization_id = organization_id

    def is_ours(self, path: str) -> bool:
        """Whether it is the file of a day, or the names."""
        return path == NAMES_FILE or self._day_of(path) is not None

    def check_content(self, header: Header, *, is_repair: bool) -> None:
        """Refuse files that belong to another query, or were changed since they were exported."""
        if not self.place.names():
            self._organization_id()  # now, not at the end
        super().check_content(header, is_repair=is_repair)

    def check_same(self, before: Manifest, now: Header) -> None:
        """Refuse to replace the export of another query, or of another org."""
        check_interval(before.query, Path(self.name))
        as_before = msgspec.structs.replace(now, organization_id=before.query.organization_id)
        check_same(before.query, as_before, self.name)  # what needs no question comes first
        check_same(before.query, self._with_org(now), self.name)

    def intact(self, manifest: Manifest) -> list[bool]:
        """Whether the bytes of each window are unchanged; what belongs to no day makes the last one damaged."""
        changed, there = set(self.changed(manifest)), self.place.files()
        intact: list[bool] = []
        for day, entries in _by_day(manifest.windows).items():
            path = self._path_of(day)
            if path not in changed:
                intact += [True] * len(entries)
            elif path not in there:
                intact += [False] * len(entries)
            else:
                with self.place.open(path) as file:
                    intact += self._sink.intact(file, there[path], placed(entries))
            changed.discard(path)
        return [*intact[:-1], intact[-1] and not changed] if intact else intact

    def ids(self, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds that the files of the days have of some windows."""
        manifest, wanted, there = self.found(), set(windows), self.place.files()
        for day, entries in _by_day(manifest.windows if manifest is not None else ()).items():
            path = self._path_of(day)
            if path in there and not wanted.isdisjoint(entry.window for entry in entries):
                with self.place.open(path) as file:
                    yield from self._sink.ids(file, placed(entries), wanted)

    def take_over(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> dict[str, Written]:
        """Let a window count as loaded: its rows stay where they are."""
        entry = manifest.windows[number]
        written = Written(size_bytes=entry.size_bytes, sha256=entry.sha256)
        taken = self._form.take_over(path(self._form), written)
        return taken if self._names is None else {**taken, **self._names.take_over(path(self._names))}

    def set_aside(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> bool:
        """Copy the present rows of the window, durably; false where they are not those of the manifest."""
        entry = manifest.windows[number]
        of_day = _by_day(manifest.windows)[_day(entry.window)]
        file = self._path_of(_day(entry.window))
        if not self._fits(file, of_day):
            return False
        offset, length = self._offsets(manifest, file)[entry.window]
        with self.place.open(file) as present, self._filesystem.open(_aside(path(self._form)), "wb") as copy:
            tally = Tally(copy)
            for piece in pieces(present, offset, length):
                tally.write(piece)
            self._filesystem.sync(copy)
        return tally.whole.hexdigest() == entry.sha256

    # Publishing

    def publish(self, finished: Finished) -> Manifest:
        """Put the files of the days in place that have changed, remove those of other days, and write the manifest."""
        self._check_windows(finished)
        scratch, before = self.place.scratch(finished.folder), self.found()
        known = {file.path: file for file in before.files} if before is not None else {}
        staged: list[Staged] = []
        kept: list[WrittenFile] = []
        sizes: dict[Interval, Written] = {}
        for day, windows in _by_day(finished.windows).items():
            path = self._path_of(day)
            if all(one.is_taken_over for one in windows) and path in known:
                kept.append(known[path])
            else:
                staged.append(self._day(path, windows, before, scratch, sizes))
        if self._names is not None:
            staged.append(self._named(self._names, finished, scratch))
        files = sorted((*kept, *(one.described for one in staged)), key=lambda file: file.path)
        self.put(staged)
        self.remove_all_but(files)
        manifest = self._described(finished, files)
        entries = tuple(_resized(entry, sizes) for entry in manifest.windows)
        manifest = msgspec.structs.replace(manifest, windows=entries)
        self.put_manifest(manifest, finished, scratch)
        return manifest

    def _check_windows(self, finished: Finished) -> None:
        own = [one for one in finished.windows if not one.is_taken_over]
        for loaded in own:
            if loaded.window.end > start_of_day(loaded.window.start) + DAY:
                raise OutputRefused(
                    f"{self.name} has a file for each day, but {loaded.window} is longer than a day.",
                    hint="Export it from the org, or choose another output.",
                )
        damaged = [
            one.window
            for one in own
            if sha256_of(one.path(self._form), self._filesystem) != one.written(self._form).sha256
        ]
        if damaged:
            raise Damaged(damaged)

    def _day(
        self,
        path: str,
        windows: Sequence[Loaded],
        before: Manifest | None,
        scratch: Path,
        sizes: dict[Interval, Written],
    ) -> Staged:
        """Prepare the file of a day; windows that are taken over come from the present one.

        `sizes` gets the windows of which some conversations were replaced.
        """
        offsets = self._offsets(before, path)
        staged = scratch / f"{STAGED}{self._sink.suffix}.{path}"
        with self._filesystem.open(staged, "wb") as output:
            tally = Tally(output)
            tally.write(self._sink.head())
            for loaded in windows:
                if loaded.replaces is not None:
                    sizes[loaded.window] = self._patched(loaded, tally)
                elif loaded.is_taken_over:
                    with self.place.open(path) as present:
                        for piece in pieces(present, *offsets[loaded.window]):
                            tally.write(piece)
                else:
                    self._sink.append(loaded.path(self._form), tally)
            self._filesystem.sync(output)
        rows = sum(loaded.rows for loaded in windows)
        described = WrittenFile(path=path, rows=rows, size_bytes=tally.size, sha256=tally.whole.hexdigest())
        return Staged(staged, described)

    def _patched(self, loaded: Loaded, tally: Tally) -> Written:
        """Write the rows that were set aside, with the new ones in the places of those that they replace."""
        path, at = loaded.path(self._form), tally.size
        tally.begin_window()
        new = {self._id_of(row): row for row in self._rows_of(path)}
        for row in self._rows_of(_aside(path)):
            tally.write(new.get(self._id_of(row), row))
        return Written(size_bytes=tally.size - at, sha256=tally.window.hexdigest())

    def _rows_of(self, path: Path) -> Iterator[bytes]:
        with self._filesystem.open(path, "rb") as file:
            size_bytes = self._filesystem.size(path) or 0
            yield from self._sink.whole_rows(pieces(file, 0, size_bytes))

    def _offsets(self, manifest: Manifest | None, path: str) -> dict[Interval, tuple[int, int]]:
        """Offset and length of each window in the present file of a day."""
        found, at = {}, len(self._sink.head())
        for entry in manifest.windows if manifest is not None else ():
            if self._path_of(_day(entry.window)) == path:
                found[entry.window] = at, entry.size_bytes
                at += entry.size_bytes
        return found

    def _named(self, form: NamesForm, finished: Finished, scratch: Path) -> Staged:
        """Prepare the file of names: each id once. Those of windows that are taken over are in the present one."""
        present = self._names_before()
        is_partial = any(loaded.is_partial for loaded in finished.windows)
        names = with_known_times(newest([*(present if is_partial else ()), *names_of(finished, form)]), present)
        staged = scratch / f"{STAGED}{form.suffix}"
        written = write_names(names, staged, self._filesystem)
        described = WrittenFile(path=NAMES_FILE, rows=len(names), size_bytes=written.size_bytes, sha256=written.sha256)
        return Staged(staged, described)

    def _names_before(self) -> list[Name]:
        if NAMES_FILE not in self.place.files():
            return []
        with self.place.open(NAMES_FILE) as file:
            return names_in_lines(file.read())

    def _described(self, finished: Finished, files: Sequence[WrittenFile]) -> Manifest:
        found = finished.manifest(self._form.name, sum(file.size_bytes for file in files), "")
        return msgspec.structs.replace(found, query=self._with_org(found.query), files=tuple(files))

    def _with_org(self, header: Header) -> Header:
        return msgspec.structs.replace(header, organization_id=self._organization_id())

    # Forgetting

    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:
        """The conversations in the files of the days.

        Raises:
            OutputRefused: the rows have no ids.
        """
        found: list[Owned] = []
        for day, entries in _by_day(manifest.windows).items():
            if wanted.ids or wanted.is_whole(entries[-1].window):
                for entry, record in self._records(day, entries):
                    id_ = self._id_of(record)
                    if wanted.is_whole(entry.window) or id_ in wanted.ids:
                        found.append(Owned(id_, entry.window.start))
        return found

    def remove(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, folder: Path) -> Manifest:
        """Replace the files of the days that have some of these conversations; see `forgetting.Forgets`."""
        scratch = self.place.scratch(folder)
        days = {f"{one.at:%Y-%m-%d}" for one in found}
        entries: list[Entry] = list(manifest.windows)
        staged: list[Staged] = []
        before = self.found()
        for day in sorted(days):
            file, sizes = self._without(day, before or manifest, wanted, scratch)
            staged.append(file)
            entries = [_resized(entry, sizes) for entry in entries]
        replaced = {one.described.path: one.described for one in staged}
        manifest = with_files(manifest, (replaced.get(file.path, file) for file in manifest.files))
        manifest = msgspec.structs.replace(manifest, windows=tuple(entries))
        self.replace_manifest(manifest, manifest.windows, scratch)
        self.put(staged)
        self.place.clear(scratch, folder)
        return manifest

    def vacuum(self) -> None:
        """Do nothing: there are no old versions."""

    def _without(
        self, day: str, before: Manifest, wanted: Wanted, scratch: Path
    ) -> tuple[Staged, dict[Interval, Written]]:
        """Prepare the file of a day without these conversations; also what is left of each window."""
        path = self._path_of(day)
        staged, rows = scratch / f"{STAGED}{self._sink.suffix}.{path}", 0
        entries = _by_day(before.windows)[day]
        hashes = {entry.window: hashlib.sha256() for entry in entries}
        sizes = dict.fromkeys(hashes, 0)
        with self._filesystem.open(staged, "wb") as output:
            tally = Tally(output)
            tally.write(self._sink.head())
            for entry, record in self._records(day, entries):
                if not (wanted.is_whole(entry.window) or self._id_of(record) in wanted.ids):
                    tally.write(record)
                    rows += 1
                    sizes[entry.window] += len(record)
                    hashes[entry.window].update(record)
            self._filesystem.sync(output)
        described = WrittenFile(path=path, rows=rows, size_bytes=tally.size, sha256=tally.whole.hexdigest())
        left = {one: Written(size_bytes=sizes[one], sha256=hashes[one].hexdigest()) for one in sizes}
        return Staged(staged, described), left if self._fits(path, entries) else {}

    def _fits(self, path: str, entries: Sequence[Entry]) -> bool:
        """Whether the file of a day is as its windows are; an interruption may have left it as it was before."""
        size_bytes = len(self._sink.head()) + sum(entry.size_bytes for entry in entries)
        return self.place.files().get(path) == size_bytes

    def _records(self, day: str, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
        """Yield the rows of a day as they stand in its file, each with its window."""
        path = self._path_of(day)
        size_bytes = self.place.files().get(path)
        if size_bytes is None:
            return
        fits, at = self._fits(path, entries), len(self._sink.head())
        with self.place.open(path) as file:
            for entry in entries if fits else entries[:1]:
                length = entry.size_bytes if fits else size_bytes - at
                for record in self._sink.whole_rows(pieces(file, at, length)):
                    yield entry, record
                at += length

    def _id_of(self, record: bytes) -> str:
        found = self._sink.id_of(record)
        if found is None:
            raise OutputRefused(
                f"The rows of {self.name} have no conversationId.", hint="Export again without the conversations."
            )
        return found

    # Days

    def _path_of(self, day: str) -> str:
        return day + self._ending

    def _day_of(self, path: str) -> str | None:
        """The day of a file; None if it has another name."""
        day = path.removesuffix(self._ending)
        try:
            return (
                day if path.endswith(self._ending) and f"{datetime.strptime(day, '%Y-%m-%d'):%Y-%m-%d}" == day else None
            )
        except ValueError:
            return None


class _Windowed(Protocol):
    @property
    def window(self) -> Interval: ...


W = TypeVar("W", bound=_Windowed)


def _by_day(windows: Iterable[W]) -> dict[str, list[W]]:
    """The windows of each UTC day, in their order."""
    found: dict[str, list[W]] = {}
    for one in windows:
        found.setdefault(_day(one.window), []).append(one)
    return found


def _day(window: Interval) -> str:
    return f"{window.start:%Y-%m-%d}"


def _resized(entry: Entry, sizes: Mapping[Interval, Written]) -> Entry:
    """The entry of a window with what is left of it."""
    written = sizes.get(entry.window)
    if written is None:
        return entry
    return msgspec.structs.replace(entry, size_bytes=written.size_bytes, sha256=written.sha256)
