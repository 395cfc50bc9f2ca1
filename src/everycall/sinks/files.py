"""A file as an output: the windows' files put together, with its manifest beside it.

    OUT.names.jsonl           only beside JSON lines: the names of the ids in them
    OUT.manifest.json, OUT    appear at the end, one right after the other, each in one step

Until then an existing file stays as it is.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from everycall.errors import OutputFailed, OutputRefused
from everycall.filesystem import Filesystem
from everycall.manifest import Header, Manifest, check_interval, check_same, check_version, pretty_pieces
from everycall.sinks.interface import Damaged, FileSink, Finished, Form
from everycall.sinks.names_form import Name, NamesForm, lines, names_of, newest
from everycall.store import Tally

MANIFEST_SUFFIX = ".manifest.json"

NAMES_SUFFIX = ".names.jsonl"

FOLDER_SUFFIX = ".everycall"
"""Of the folder beside an output that holds its ledger and what is not complete yet."""


class FileDestination:
    """One file."""

    def __init__(self, path: Path, sink: FileSink, filesystem: Filesystem, names: NamesForm | None = None) -> None:
        """Put windows of this form together at `path`, and names beside it if there is a form of them."""
        self.path: Path = path
        self.name = str(path)
        self.format = sink.format
        self.forms: Sequence[Form] = (sink,) if names is None else (sink, names)
        self._sink, self._filesystem, self._names = sink, filesystem, names
        self._names_path = path.with_name(path.name + NAMES_SUFFIX)
        self._manifest = path.with_name(path.name + MANIFEST_SUFFIX)

    def check_place(self) -> None:
        """Refuse a folder that does not exist or is not writable, and a name that a folder has."""
        folder = self.path.parent
        if not self._filesystem.is_folder(folder):
            raise OutputRefused(
                f"The folder {folder} does not exist.", hint="Create it, or choose another output with -o."
            )
        for path in (self.path, self._manifest, *([self._names_path] if self._names else [])):
            if self._filesystem.is_folder(path):
                raise OutputRefused(f"{path} is a folder.", hint="Name a file with -o, or move the folder away.")
        if not self._filesystem.is_writable(folder):
            raise OutputRefused(f"The folder {folder} is not writable.", hint="Choose another output with -o.")

    def check_content(self, header: Header, *, is_repair: bool) -> None:
        """Refuse an existing file that belongs to another query, or was changed since it was exported."""
        if not self._filesystem.exists(self.path):
            return
        try:
            body = self._filesystem.read(self._manifest)
            check_version(body, f"{self.path} was exported")
            manifest = msgspec.json.decode(body, type=Manifest)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raise OutputRefused(
                f"{self.path} exists, and everycall did not export it.",
                hint="Choose another output, or use --fresh to replace it.",
            ) from None
        check_interval(manifest.query, self._manifest)
        check_same(manifest.query, header, self.name)
        if not is_repair and sha256_of(self.path, self._filesystem) != manifest.output.sha256:
            raise OutputRefused(
                f"{self.path} was changed after it was exported.",
                hint="Move it away to keep it, or use --fresh to replace it.",
            )

    def publish(self, finished: Finished) -> Manifest:
        """Put the file together, and write the manifest."""
        folder = self._scratch(finished.folder)
        whole, described = folder / "output", folder / "manifest"
        size_bytes, sha256 = self._put_together(whole, finished)
        found = self._described(finished, size_bytes, sha256)
        with self._filesystem.open(described, "wb") as file:
            for piece in pretty_pieces(found, finished.entries(found.windows)):
                file.write(piece)
            self._filesystem.sync(file)
        if self._names is not None:
            self._put_names(finished, self._names, folder)
        self._filesystem.sync_folder(folder)  # so that a power cut cannot leave a file under both of its names
        self._filesystem.replace(described, self._manifest)
        # Sync before the output appears: the next run would refuse an output without a manifest.
        self._filesystem.sync_folder(self.path.parent)
        self._filesystem.replace(whole, self.path)
        self._filesystem.sync_folder(self.path.parent)
        if folder != finished.folder:
            self._filesystem.remove_folder(folder)
        return found

    def _put_names(self, finished: Finished, form: NamesForm, folder: Path) -> None:
        """Replace the file of names: each id once. A repair takes over windows with those of the present file."""
        is_partial = any(loaded.is_taken_over for loaded in finished.windows)
        before = self._names_before(form) if is_partial and self._filesystem.exists(self._names_path) else []
        staged = folder / f"staged{form.suffix}"  # the ledger removes files that end so, whatever happens here
        with self._filesystem.open(staged, "wb") as file:
            file.write(lines(newest([*before, *names_of(finished, form)])))
            self._filesystem.sync(file)
        self._filesystem.replace(staged, self._names_path)

    def _names_before(self, form: NamesForm) -> list[Name]:
        try:
            return form.read(self._names_path)
        except msgspec.DecodeError as error:
            raise OutputFailed(
                f"{self._names_path} was changed and cannot be read: {error}.",
                hint="Export again with --fresh: the names are looked up anew.",
            ) from error

    def _described(self, finished: Finished, size_bytes: int, sha256: str) -> Manifest:
        """The manifest, once the file has this size and checksum."""
        return finished.manifest(self._sink.name, size_bytes, sha256)

    def _scratch(self, folder: Path) -> Path:
        """The folder of files that are not complete yet: on the same disk as the file, since they are renamed."""
        if folder.parent == self.path.parent:
            return folder
        own = self.path.with_name(self.path.name + FOLDER_SUFFIX)
        self._filesystem.make_folder(own)
        return own

    def _put_together(self, whole: Path, finished: Finished) -> tuple[int, str]:
        damaged = []
        with self._filesystem.open(whole, "wb") as output:
            tally = Tally(output)
            tally.write(self._sink.head())
            for loaded in finished.windows:
                tally.begin_window()
                self._sink.append(loaded.path(self._sink), tally)
                if tally.window.hexdigest() != loaded.written(self._sink).sha256:
                    damaged.append(loaded.window)
            self._filesystem.sync(output)
        if damaged:
            raise Damaged(damaged)
        return tally.size, tally.whole.hexdigest()


def sha256_of(path: Path, filesystem: Filesystem) -> str:
    """The checksum of a file, in hex."""
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
