"""A lock file: one process at a time writes an output. The system releases the lock when the process ends."""

import os
import sys
from pathlib import Path

from everycall.errors import OutputRefused

if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> None:
        os.lseek(handle, 1 << 20, os.SEEK_SET)  # beyond the text, which stays readable
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """A lock, held until `release` or the end of the process."""

    def __init__(self, path: Path, output: str) -> None:
        """Take the lock.

        Args:
            path: the lock file, which holds the id of the process.
            output: the name of what the lock protects, for the message.

        Raises:
            OutputRefused: another process holds the lock; the message has its id.
            OSError: the lock file cannot be created or written, or the filesystem has no locks.
        """
        while True:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                _take(self._handle)
                if self._is_at(path):
                    os.ftruncate(self._handle, 0)
                    os.write(self._handle, f"{os.getpid()}\n".encode())
                    return
            except (BlockingIOError, PermissionError):  # the latter on Windows
                holder = os.read(self._handle, 20).decode(errors="replace").strip() or "another"
                self.release()
                raise OutputRefused(
                    f"{output} is being written by process {holder}.",
                    hint="Wait until it has ended, or choose another output with -o.",
                ) from None
            except BaseException:
                self.release()
                raise
            self.release()  # the process that held it has just finished, and removed the file: create it again

    def _is_at(self, path: Path) -> bool:
        try:
            return path.stat().st_ino == os.fstat(self._handle).st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock. Can be called more than once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
