"""Object stores as places: `s3://`, `gs://`, `abfss://`, by pyarrow's filesystems and their own credentials.

An object appears when its upload is complete, so it is replaced in one step. Credentials: see `stores`. Needs pyarrow.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
from pyarrow import fs

from everycall.errors import OutputRefused
from everycall.filesystem import File, Filesystem
from everycall.sinks.files import MANIFEST_SUFFIX, FileDestination
from everycall.sinks.interface import FileSink
from everycall.sinks.names_form import NamesForm
from everycall.sinks.stores import as_os_errors, first_line, opened
from everycall.sinks.targets import STORES

UPLOADS = 8
"""At the same time."""


class RemotePlace:
    """A folder of an object store."""

    path = None

    def __init__(self, url: str, filesystem: Filesystem) -> None:
        """Use this URL.

        Raises:
            SettingsError: it is not valid, or there are no credentials.
        """
        self.name = url.rstrip("/")
        self._scheme = self.name.partition("://")[0].lower()
        self._local = filesystem
        self._store, self._base = opened(self.name)

    def check(self) -> None:
        """Refuse a bucket that cannot be reached."""
        bucket = self._base.partition("/")[0]
        try:
            with as_os_errors():
                found = self._store.get_file_info(bucket)
            reason = f"there is no {bucket}" if found.type == fs.FileType.NotFound else ""
        except OSError as error:
            reason = first_line(error)
        if reason:
            raise OutputRefused(
                f"{self.name} cannot be reached: {reason}.",
                hint=f"Check the bucket, and the credentials in the environment: {STORES[self._scheme]}.",
            )

    @as_os_errors()
    def files(self) -> dict[str, int]:
        """The sizes of the objects below the place."""
        found = self._store.get_file_info(fs.FileSelector(self._base, allow_not_found=True, recursive=True))
        return {one.path[len(self._base) + 1 :]: one.size for one in found if one.type == fs.FileType.File}

    def names(self) -> list[str]:
        """The first steps of the paths below the place."""
        return sorted({path.partition("/")[0] for path in self.files()})

    def uri(self, path: str) -> str:
        """The URL of a path."""
        return f"{self.name}/{path}"

    def arrow(self) -> tuple[fs.FileSystem, str]:
        """The filesystem of pyarrow, and the path of the place in it."""
        return self._store, self._base

    def make(self) -> None:
        """Do nothing: there are no folders."""

    def sync(self) -> None:
        """Do nothing: a complete upload is durable."""

    def open(self, path: str) -> File:
        """Open an object to read it."""
        return self.open_at(f"/{path}")

    @as_os_errors()
    def open_at(self, suffix: str) -> File:
        """Open the object whose path is that of the place and this suffix."""
        return cast("File", self._store.open_input_file(self._base + suffix))

    @as_os_errors()
    def size_at(self, suffix: str = "") -> int | None:
        """The size of such an object; None if there is none."""
        found = self._store.get_file_info(self._base + suffix)
        return found.size if found.type == fs.FileType.File else None

    def stage(self, source: Path, name: str, scratch: Path) -> Path:  # noqa: ARG002 - as `LocalPlace`
        """Return the file: it is uploaded from where it is."""
        return source

    def put(self, files: Iterable[tuple[Path, str]]) -> None:
        """Upload the files, several at a time."""
        with ThreadPoolExecutor(UPLOADS) as threads:
            for _ in threads.map(lambda pair: self.upload(pair[0], f"/{pair[1]}"), files):
                pass  # raises what an upload has raised

    @as_os_errors()
    def upload(self, source: Path, suffix: str = "") -> None:
        """Upload a file to the path of the place with this suffix."""
        opened = self._store.open_output_stream(self._base + suffix, compression=None)  # or .zst is compressed again
        with opened as stream:
            if self._local.size(source):  # nothing cannot be mapped
                with pa.memory_map(str(source)) as content:
                    stream.write(content.read_buffer())

    @as_os_errors()
    def remove(self, paths: Iterable[str]) -> None:
        """Delete objects."""
        for path in paths:
            self._store.delete_file(f"{self._base}/{path}")

    def manifest(self) -> bytes | None:
        """The object beside the folder."""
        return self.read_at(MANIFEST_SUFFIX)

    def read_at(self, suffix: str) -> bytes | None:
        """The content of the object with this suffix; None if there is none."""
        try:
            with self.open_at(suffix) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def put_manifest(self, source: Path) -> None:
        """Upload it."""
        self.upload(source, MANIFEST_SUFFIX)
        self._local.unlink(source)

    def scratch(self, folder: Path) -> Path:
        """The folder of the ledger."""
        return folder

    def clear(self, scratch: Path, folder: Path) -> None:
        """Do nothing: the ledger removes its folder."""


class RemoteFile(FileDestination):
    """One file in an object store, with its names and its manifest beside it. It is put together on this machine."""

    def __init__(
        self,
        url: str,
        sink: FileSink,
        filesystem: Filesystem,
        names: NamesForm | None = None,
        organization_id: Callable[[], str] = str,
    ) -> None:
        """Put windows together to an object; see `FileDestination`."""
        place = RemotePlace(url, filesystem)
        super().__init__(Path(url), sink, cast("Filesystem", _Mounted(place, filesystem)), names, organization_id)
        self.name, self._place = place.name, place

    @property
    def path(self) -> None:
        """It is not on this machine."""
        return None

    def check_place(self) -> None:
        """Refuse a bucket that cannot be reached."""
        self._place.check()

    def _scratch(self, folder: Path) -> Path:
        return folder


class _Mounted:
    """A filesystem with an object and those beside it at the path of their URL; everything else is the machine's."""

    def __init__(self, place: RemotePlace, local: Filesystem) -> None:
        self._place, self._local = place, local
        self._root = str(Path(place.name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._local, name)

    def _suffix(self, path: Path) -> str | None:
        """What follows the URL of the object; None of a path of this machine."""
        return str(path).removeprefix(self._root) if str(path).startswith(self._root) else None

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        suffix = self._suffix(path)
        return self._local.open(path, mode) if suffix is None else self._place.open_at(suffix)

    def read(self, path: Path) -> bytes:
        suffix = self._suffix(path)
        if suffix is None:
            return self._local.read(path)
        with self._place.open_at(suffix) as file:
            return file.read()

    def replace(self, source: Path, target: Path) -> None:
        suffix = self._suffix(target)
        if suffix is None:
            self._local.replace(source, target)
        else:
            self._place.upload(source, suffix)
            self._local.unlink(source)

    def exists(self, path: Path) -> bool:
        return self.size(path) is not None if self._suffix(path) is not None else self._local.exists(path)

    def size(self, path: Path) -> int | None:
        suffix = self._suffix(path)
        return self._local.size(path) if suffix is None else self._place.size_at(suffix)

    def sync_folder(self, folder: Path) -> None:
        if not self._root.startswith(str(folder)):  # an upload is durable when it is complete
            self._local.sync_folder(folder)
