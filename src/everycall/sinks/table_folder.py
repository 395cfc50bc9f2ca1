"""A folder of tables as an output: each table with files of its own, its manifest beside it.

    OUT/conversations/2026-01-05.parquet
    OUT/windows/windows.parquet
    OUT.manifest.json                       with the checksum of each file

What Parquet and CSV have in common: every file is prepared aside and put in place in one step; then files that are no
longer part of the export go; then come the table of windows and the manifest. Publishing again does the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from everycall.errors import OutputRefused
from everycall.filesystem import Filesystem
from everycall.manifest import Entry, Header, Manifest, WrittenFile, pretty_pieces
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.interface import Finished
from everycall.sinks.names_form import NamesForm
from everycall.sinks.places import STAGED, Place, sha256_in
from everycall.sinks.table_destination import TableDestination, decoded_or_none
from everycall.sinks.tables_form import TablesForm


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that is prepared."""

    path: Path
    """On this machine."""
    described: WrittenFile


class TablesInPlace(TableDestination):
    """Tables in a folder, with a manifest beside it: what files and Delta tables have in common."""

    def __init__(
        self, place: Place, format_: str, tables: TablesForm, names: NamesForm, filesystem: Filesystem
    ) -> None:
        """Write to this place."""
        super().__init__(place.name, format_, tables, names)
        self.place, self._filesystem = place, filesystem

    @property
    def path(self) -> Path | None:
        """Where it is on this machine."""
        return self.place.path

    def others(self) -> list[str]:
        """What is in the place and does not have a name that this output gives, sorted."""
        raise NotImplementedError

    def changed(self, manifest: Manifest) -> list[str]:
        """What is not as it was exported, by names that a user recognizes."""
        raise NotImplementedError

    def intact(self, manifest: Manifest) -> Sequence[bool]:
        """Whether the place has what the manifest says, for each of its windows."""
        raise NotImplementedError

    def publish(self, finished: Finished) -> Manifest:
        """Make the place hold this export, and nothing else."""
        raise NotImplementedError

    def check_place(self) -> None:
        """Refuse a place that cannot be written, or that has files of others."""
        self.place.check()
        if others := self.others():
            raise OutputRefused(
                f"{self.name} has files that everycall did not export, such as {others[0]}.",
                hint="Choose another output with -o, or move the folder away.",
            )

    def check_content(self, header: Header, *, is_repair: bool) -> None:
        """Refuse tables that belong to another query, or were changed since they were exported."""
        if not self.place.names():
            return
        manifest = self.found()
        if manifest is None:
            raise OutputRefused(
                f"{self.name} has no manifest, so it is not known what it contains.",
                hint="Choose another output with -o, or use --fresh to replace it.",
            )
        self.check_same(manifest, header)
        if not is_repair and (changed := self.changed(manifest)):
            raise OutputRefused(
                f"{self.name} was changed after it was exported: {changed[0]}.",
                hint="Move it away to keep it, or use --fresh to replace it.",
            )

    def found(self) -> Manifest | None:
        """The manifest that the place has; None if there is none, or it cannot be read."""
        return decoded_or_none(self.place.manifest(), self.name)

    def check_sums(self, manifest: Manifest) -> None:
        """Refuse a manifest whose files have another number of conversations than its windows.

        Raises:
            OutputRefused: it was edited.
        """
        rows = sum(file.rows for file in manifest.files if file.path.startswith("conversations"))
        if rows != manifest.rows:
            raise OutputRefused(
                f"The manifest of {self.name} contradicts itself: its files have {rows:,} conversations, its windows "
                f"{manifest.rows:,}.",
                hint="It was edited: export again with --fresh.",
            )

    def put_manifest(self, manifest: Manifest, finished: Finished, scratch: Path) -> None:
        """Replace the manifest, in one step, and remove what was needed meanwhile."""
        self.replace_manifest(manifest, finished.entries(manifest.windows), scratch)
        self.place.clear(scratch, finished.folder)

    def replace_manifest(self, manifest: Manifest, entries: Iterable[Entry], scratch: Path) -> None:
        """Replace the manifest, in one step."""
        path = scratch / f"{STAGED}.tables.manifest"
        with self._filesystem.open(path, "wb") as file:
            for piece in pretty_pieces(manifest, entries):
                file.write(piece)
            self._filesystem.sync(file)
        self.place.put_manifest(path)


class TableFolder(TablesInPlace):
    """A folder of files; each kind says what its files are."""

    def is_ours(self, path: str) -> bool:
        """Whether a file below the place has a name that this output gives."""
        raise NotImplementedError

    def prepare(self, finished: Finished, named: Finished, before: Manifest | None, scratch: Path) -> "Prepared":
        """Prepare the files.

        Args:
            finished: the windows; those that the place has already count as taken over.
            named: the windows; those that were read have their names in files, whether they are in the place or not.
            before: what the place has; windows that a repair has taken over are only there.
            scratch: where to prepare files.
        """
        raise NotImplementedError

    def is_there(self, before: Manifest, entry: Entry) -> bool:  # noqa: ARG002 - here the same for all
        """Whether the files with the rows of a window are as they were written, and have no others' rows."""
        return False

    def others(self) -> list[str]:
        """Files of others."""
        return sorted(path for path in self.place.files() if not self.is_ours(path))

    def changed(self, manifest: Manifest) -> list[str]:
        """The files that are missing, changed, or not in the manifest."""
        there = self.place.files()
        files = {file.path: file for file in manifest.files}
        wrong = [path for path in there if path not in files]
        for path, file in files.items():
            if there.get(path) != file.size_bytes or sha256_in(self.place, path) != file.sha256:
                wrong.append(path)
        return sorted(wrong)

    # Publishing

    def publish(self, finished: Finished) -> Manifest:
        """Put the files in place, the table of windows last, and write the manifest."""
        self.check_windows(finished)
        scratch = self.place.scratch(finished.folder)
        before = self.found()
        prepared = self.prepare(self.as_there(finished, before, self.is_there), finished, before, scratch)
        files = sorted((*prepared.kept, *(one.described for one in prepared.all)), key=lambda file: file.path)
        self._put(prepared.tables)
        wanted = {file.path for file in files}
        self.place.remove(path for path in sorted(self.place.files()) if path not in wanted)
        self._put(prepared.last)
        manifest = self.manifest(finished, files)
        self.put_manifest(manifest, finished, scratch)
        return manifest

    # Forgetting

    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:
        """The conversations in the files of `conversations`."""
        raise NotImplementedError

    def prepare_without(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, scratch: Path) -> "Prepared":
        """Prepare the files that have rows of these conversations, without them, and the table of windows."""
        raise NotImplementedError

    def remove(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, folder: Path) -> Manifest:
        """Replace the files that have rows of these conversations; see `forgetting.Forgets`."""
        scratch = self.place.scratch(folder)
        prepared = self.prepare_without(wanted, found, manifest, scratch)
        files = sorted((*prepared.kept, *(one.described for one in prepared.all)), key=lambda file: file.path)
        output = msgspec.structs.replace(manifest.output, size_bytes=sum(file.size_bytes for file in files))
        manifest = msgspec.structs.replace(manifest, files=tuple(files), output=output)
        self.replace_manifest(manifest, manifest.windows, scratch)
        kept = {file.path for file in files}
        for is_turn in (lambda path: not _is_of_conversations(path), _is_of_conversations):
            self._put([one for one in prepared.all if is_turn(one.described.path)])
            gone = [path for path in sorted(self.place.files()) if path not in kept and is_turn(path)]
            self.place.remove(gone)
        self.place.clear(scratch, folder)
        return manifest

    def _put(self, staged: Sequence[Staged]) -> None:
        """Put the files in place, except those that are there already, to the byte."""
        there = self.place.files()
        new = [one for one in staged if not self._is_same(one.described, there)]
        if new:
            self.place.put((one.path, one.described.path) for one in new)

    def _is_same(self, file: WrittenFile, there: Mapping[str, int]) -> bool:
        return there.get(file.path) == file.size_bytes and sha256_in(self.place, file.path) == file.sha256


def _is_of_conversations(path: str) -> bool:
    """Whether it is a file of the table of conversations: of what is forgotten, its rows go last."""
    return path.replace(".", "/").startswith("conversations/")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The files of a folder."""

    tables: Sequence[Staged]
    """Those of conversations, and the names."""
    last: Sequence[Staged]
    """The table of windows."""
    kept: Iterable[WrittenFile] = ()
    """Files that stay as they are."""

    @property
    def all(self) -> list[Staged]:
        """Those that are prepared."""
        return [*self.tables, *self.last]
