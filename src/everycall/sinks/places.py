"""Where the files of an output are put: a folder of this machine. A file appears, and is replaced, in one step."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from everycall.errors import OutputRefused
from everycall.filesystem import File, Filesystem
from everycall.sinks.files import FOLDER_SUFFIX, MANIFEST_SUFFIX
from everycall.sinks.window_files import BUFFER_BYTES


class Place(Protocol):
    """A folder for the files of one output, and a file beside it for its manifest."""

    name: str
    """As messages show it."""

    @property
    def path(self) -> Path | None:
        """Where it is on this machine; None if it is elsewhere."""
        ...

    def check(self) -> None:
        """Refuse a place that cannot be written.

        Raises:
            OutputRefused: the hint says what to do.
        """
        ...

    def files(self) -> dict[str, int]:
        """The sizes in bytes of the files, by their path below the place, with slashes; empty if there is none."""
        ...

    def names(self) -> list[str]:
        """The names of the files and folders directly in the place, sorted; none if it does not exist."""
        ...

    def uri(self, path: str) -> str:
        """What libraries call a path below the place: an absolute path or a URL."""
        ...

    def make(self) -> None:
        """Create the folder, unless it exists."""
        ...

    def sync(self) -> None:
        """Make everything durable that a library has written below the place."""
        ...

    def open(self, path: str) -> File:
        """Open a file to read it.

        Raises:
            OSError: there is none, for example.
        """
        ...

    def stage(self, source: Path, name: str, scratch: Path) -> Path:
        """Prepare a file to be put: what takes long and what the disk has to have room for.

        Args:
            source: a file of this machine, which stays as it is.
            name: a name of its own for what is prepared.
            scratch: what `scratch` returned.
        """
        ...

    def put(self, files: Iterable[tuple[Path, str]]) -> None:
        """Put files that are prepared at their paths below the place, each in one step, and durably."""
        ...

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, durably."""
        ...

    def manifest(self) -> bytes | None:
        """The manifest; None if there is none."""
        ...

    def put_manifest(self, source: Path) -> None:
        """Put the file at `source`, which is ours and goes away, in place of the manifest, in one step and durably."""
        ...

    def scratch(self, folder: Path) -> Path:
        """The folder for files that are prepared, where `folder` is that of the ledger."""
        ...

    def clear(self, scratch: Path, folder: Path) -> None:
        """Remove the folder for files that are prepared, if it is not that of the ledger."""
        ...


class LocalPlace:
    """A folder of this machine."""

    def __init__(self, path: Path, filesystem: Filesystem) -> None:
        """Use the folder at `path`, which need not exist."""
        self.path: Path = path
        self.name = str(path)
        self._filesystem = filesystem
        self._manifest = path.with_name(path.name + MANIFEST_SUFFIX)

    def check(self) -> None:
        """Refuse a parent that does not exist or is not writable, and a name that a file has."""
        parent, filesystem = self.path.parent, self._filesystem
        if not filesystem.is_folder(parent):
            raise OutputRefused(
                f"The folder {parent} does not exist.", hint="Create it, or choose another output with -o."
            )
        if filesystem.exists(self.path) and not filesystem.is_folder(self.path):
            raise OutputRefused(
                f"{self.path} is a file, and this output is a folder.",
                hint="Name a folder with -o, or move the file away.",
            )
        if filesystem.is_folder(self._manifest):
            raise OutputRefused(f"{self._manifest} is a folder.", hint="Move it away, or choose another output.")
        for folder in (parent, self.path):
            if filesystem.exists(folder) and not filesystem.is_writable(folder):
                raise OutputRefused(f"The folder {folder} is not writable.", hint="Choose another output with -o.")

    def files(self) -> dict[str, int]:
        """The sizes of the files in the folder and in the folders in it."""
        if not self._filesystem.is_folder(self.path):
            return {}
        found = {}
        for path in self._filesystem.files(self.path):
            if self._filesystem.is_folder(path):
                for file in self._filesystem.files(path):
                    found[f"{path.name}/{file.name}"] = self._filesystem.size(file) or 0
            else:
                found[path.name] = self._filesystem.size(path) or 0
        return found

    def names(self) -> list[str]:
        """The names directly in the folder."""
        if not self._filesystem.is_folder(self.path):
            return []
        return sorted(path.name for path in self._filesystem.files(self.path))

    def uri(self, path: str) -> str:
        """The absolute path."""
        return str(self.path.absolute() / path)

    def make(self) -> None:
        """Create the folder, readable by its owner only."""
        self._filesystem.make_folder(self.path)

    def sync(self) -> None:
        """Walk through the folder: libraries leave it to the system when their files reach the disk."""
        for folder, _, names in os.walk(self.path):
            for name in names:
                with (Path(folder) / name).open("r+b") as file:
                    os.fsync(file.fileno())
            self._filesystem.sync_folder(Path(folder))
        self._filesystem.sync_folder(self.path.parent)

    def open(self, path: str) -> File:
        """Open a file to read it."""
        return self._filesystem.open(self.path / path, "rb")

    def stage(self, source: Path, name: str, scratch: Path) -> Path:
        """Give the file a second name on the disk of the folder, since it is renamed later; else make a copy there."""
        staged = scratch / name
        self._filesystem.unlink(staged)  # what an interrupted run has left
        try:
            self._filesystem.link(source, staged)
        except OSError:
            with self._filesystem.open(source, "rb") as file, self._filesystem.open(staged, "wb") as copy:
                shutil.copyfileobj(file, copy, BUFFER_BYTES)
        with self._filesystem.open(staged, "ab") as file:
            self._filesystem.sync(file)
        return staged

    def put(self, files: Iterable[tuple[Path, str]]) -> None:
        """Rename each file."""
        self._filesystem.make_folder(self.path)
        folders = {}
        for source, path in files:
            target = self.path / path
            if target.parent not in folders:
                self._filesystem.make_folder(target.parent)
            folders[target.parent] = True
            self._filesystem.replace(source, target)
        for folder in (*folders, self.path, self.path.parent):
            self._filesystem.sync_folder(folder)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, and folders that are empty then."""
        folders = {}
        for path in paths:
            self._filesystem.unlink(self.path / path)
            folders[(self.path / path).parent] = True
        for folder in folders:
            self._filesystem.sync_folder(folder)
            if folder != self.path:
                self._filesystem.remove_folder(folder)

    def manifest(self) -> bytes | None:
        """The file beside the folder."""
        return self._filesystem.read(self._manifest) if self._filesystem.exists(self._manifest) else None

    def put_manifest(self, source: Path) -> None:
        """Rename it."""
        self._filesystem.replace(source, self._manifest)
        self._filesystem.sync_folder(self.path.parent)

    def scratch(self, folder: Path) -> Path:
        """A folder on the same disk."""
        if folder.parent == self.path.parent:
            return folder
        own = self.path.with_name(self.path.name + FOLDER_SUFFIX)
        self._filesystem.make_folder(own)
        return own

    def clear(self, scratch: Path, folder: Path) -> None:
        """Remove it, with what an interrupted run has left there."""
        if scratch == folder:
            return
        for path in self._filesystem.files(scratch):
            if path.name.startswith(STAGED):
                self._filesystem.unlink(path)
        self._filesystem.remove_folder(scratch)


STAGED = "staged"
"""How the names of files begin that are prepared."""


def sha256_in(place: Place, path: str) -> str:
    """The checksum of a file, in hex.

    Raises:
        OSError: there is none, for example.
    """
    digest = hashlib.sha256()
    with place.open(path) as file:
        while piece := file.read(BUFFER_BYTES):
            digest.update(piece)
    return digest.hexdigest()
