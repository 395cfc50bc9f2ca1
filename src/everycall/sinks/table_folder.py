"""A folder of tables as an output: each table with files of its own, its manifest beside it.

    OUT/conversations/2026-01-05.parquet
    OUT/windows/windows.parquet
    OUT.manifest.json                       with the checksum of each file

What Parquet and CSV have in common: every file is prepared aside and put in place in one step; then files that are no
longer part of the export go; then come the table of windows and the manifest. Publishing again does the same.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from everycall.api.query import Interval
from everycall.errors import OutputFailed
from everycall.filesystem import Filesystem
from everycall.manifest import Entry, Manifest, WrittenFile
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.in_place import FilesInPlace, Staged, with_files
from everycall.sinks.interface import Finished
from everycall.sinks.names_form import NamesForm
from everycall.sinks.places import Place
from everycall.sinks.table_destination import TableDestination, ids_by_window
from everycall.sinks.tables_form import TablesForm
from everycall.tables.relational import CONVERSATIONS


class TableFolder(TableDestination, FilesInPlace):
    """A folder of files; each kind says what its files are."""

    def __init__(
        self, place: Place, format_: str, tables: TablesForm, names: NamesForm, filesystem: Filesystem
    ) -> None:
        """Write to this place."""
        TableDestination.__init__(self, place.name, format_, tables, names)
        FilesInPlace.__init__(self, place, filesystem)

    @abstractmethod
    def intact(self, manifest: Manifest) -> Sequence[bool]:
        """Whether the place has what the manifest says, for each of its windows."""

    @abstractmethod
    def prepare(self, finished: Finished, named: Finished, before: Manifest | None, scratch: Path) -> "Prepared":
        """Prepare the files.

        Args:
            finished: the windows; those that the place has already count as taken over.
            named: the windows; those that were read have their names in files, whether they are in the place or not.
            before: what the place has; windows that a repair has taken over are only there.
            scratch: where to prepare files.
        """

    def is_there(self, before: Manifest, entry: Entry) -> bool:  # noqa: ARG002 - here the same for all
        """Whether the files with the rows of a window are as they were written, and have no others' rows."""
        return False

    def ids(self, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds in the files of `conversations`."""
        try:
            for rows in self.conversations(windows):
                yield from ids_by_window(rows, windows)
        except pa.ArrowException as error:
            raise OutputFailed(
                f"A file of {self.name}/{CONVERSATIONS.name} was changed and cannot be read.",
                hint="everycall verify --repair makes it anew.",
            ) from error

    @abstractmethod
    def conversations(self, windows: Sequence[Interval]) -> Iterator[pa.Table]:
        """Rows of `conversations`, with all those of these windows: at least `conversationId` and `ownerTime`."""

    # Publishing

    def publish(self, finished: Finished) -> Manifest:
        """Put the files in place, the table of windows last, and write the manifest."""
        self.check_windows(finished)
        scratch = self.place.scratch(finished.folder)
        before = self.found()
        prepared = self.prepare(self.as_there(finished, before, self.is_there), finished, before, scratch)
        files = sorted((*prepared.kept, *(one.described for one in prepared.all)), key=lambda file: file.path)
        self.put(prepared.tables)
        self.remove_all_but(files)
        self.put(prepared.last)
        manifest = self.manifest(finished, files)
        self.put_manifest(manifest, finished, scratch)
        return manifest

    # Forgetting

    @abstractmethod
    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:
        """The conversations in the files of `conversations`."""

    @abstractmethod
    def prepare_without(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, scratch: Path) -> "Prepared":
        """Prepare the files that have rows of these conversations, without them, and the table of windows."""

    def remove(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, folder: Path) -> Manifest:
        """Replace the files that have rows of these conversations; see `forgetting.Forgets`."""
        scratch = self.place.scratch(folder)
        prepared = self.prepare_without(wanted, found, manifest, scratch)
        files = sorted((*prepared.kept, *(one.described for one in prepared.all)), key=lambda file: file.path)
        manifest = with_files(manifest, files)
        self.replace_manifest(manifest, manifest.windows, scratch)
        kept = {file.path for file in files}
        for is_turn in (lambda path: not _is_of_conversations(path), _is_of_conversations):
            self.put([one for one in prepared.all if is_turn(one.described.path)])
            gone = [path for path in sorted(self.place.files()) if path not in kept and is_turn(path)]
            self.place.remove(gone)
        self.place.clear(scratch, folder)
        return manifest


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
