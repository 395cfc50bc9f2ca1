"""What an export does to a filesystem: few effects, all of them here, so that a test can hand in a disk that forgets.

The promises that it rests on are few, too. What a file held is there after a power cut once the file was synced; what
it is called, once its folder was. A `replace` is done whole or not at all. Nothing else is believed in.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal, Protocol, Self, cast

from everycall.lock import Lock


class File(Protocol):
    """An open file; as a context manager it closes itself."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take in all of the data, perhaps into a buffer."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end; all without a number."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to so many bytes from the beginning."""
        ...

    def flush(self) -> None:
        """Hand what is buffered to the system: the end of this process cannot lose it any more."""
        ...

    def close(self) -> None:
        """Flush, and let go."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Held(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Let it go; once is enough, and twice does no harm."""
        ...


class Filesystem(Protocol):
    """Files and folders. Everything may raise an `OSError`."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        """The file, to read it, to write it anew, or to write on at its end."""
        ...

    def read(self, path: Path) -> bytes:
        """All that the file holds."""
        ...

    def sync(self, file: File) -> None:
        """Return once a power cut cannot lose what was written to the file."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return once a power cut cannot lose what was made, renamed and removed in the folder."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Give the file another name, in one step; whatever had that name is gone."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove the file, if it is there."""
        ...

    def make_folder(self, path: Path) -> None:
        """Make the folder, if it is not there."""
        ...

    def temporary_folder(self) -> Path:
        """A new folder that nobody else uses."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove the folder with all that is in it, as far as that can be done."""
        ...

    def files(self, folder: Path) -> list[Path]:
        """What is in the folder, in no particular order."""
        ...

    def exists(self, path: Path) -> bool:
        """Whether there is a file or a folder of that name."""
        ...

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder of that name."""
        ...

    def is_writable(self, folder: Path) -> bool:
        """Whether files can be made in the folder."""
        ...

    def size(self, path: Path) -> int | None:
        """Of the file in bytes; None where there is none."""
        ...

    def lock(self, path: Path, what: Path) -> Held:
        """Take the lock that this file is; see `lock.Lock`."""
        ...


class SystemFilesystem:
    """The machine's file system; see `Filesystem`."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        """See `Filesystem.open`."""
        return cast("File", path.open(mode))

    def read(self, path: Path) -> bytes:
        """See `Filesystem.read`."""
        return path.read_bytes()

    def sync(self, file: File) -> None:
        """See `Filesystem.sync`."""
        file.flush()
        os.fsync(file.fileno())  # type: ignore[attr-defined]  # it is one of ours, from `open`

    def sync_folder(self, folder: Path) -> None:
        """See `Filesystem.sync_folder`. Windows cannot, and need not."""
        if sys.platform == "win32":
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def replace(self, source: Path, target: Path) -> None:
        """See `Filesystem.replace`."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """See `Filesystem.unlink`."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """See `Filesystem.make_folder`."""
        path.mkdir(exist_ok=True)

    def temporary_folder(self) -> Path:
        """See `Filesystem.temporary_folder`."""
        return Path(tempfile.mkdtemp(prefix="everycall-"))

    def remove_folder(self, path: Path) -> None:
        """See `Filesystem.remove_folder`."""
        shutil.rmtree(path, ignore_errors=True)

    def files(self, folder: Path) -> list[Path]:
        """See `Filesystem.files`."""
        return list(folder.iterdir())

    def exists(self, path: Path) -> bool:
        """See `Filesystem.exists`."""
        return path.exists()

    def is_folder(self, path: Path) -> bool:
        """See `Filesystem.is_folder`."""
        return path.is_dir()

    def is_writable(self, folder: Path) -> bool:
        """See `Filesystem.is_writable`."""
        return os.access(folder, os.W_OK | os.X_OK)

    def size(self, path: Path) -> int | None:
        """See `Filesystem.size`."""
        return path.stat().st_size if path.exists() else None

    def lock(self, path: Path, what: Path) -> Lock:
        """See `Filesystem.lock`."""
        return Lock(path, what)
