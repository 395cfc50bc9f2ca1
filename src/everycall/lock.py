"""One process at a time: a file that says who is at work, and is let go when that process ends, however it ends."""

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
    """Held from its making until `release`, or until the process is gone."""

    def __init__(self, path: Path, what: Path) -> None:
        """Take the lock that this file is; `what` is what the reader calls the thing that it guards.

        Raises:
            OutputRefused: another process has it, which the message names.
            OSError: the file cannot be made or written, or the file system knows no locks.
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
                    f"{what} is being written by process {holder}.",
                    hint="Wait until it has ended, or choose another output with -o.",
                ) from None
            except BaseException:
                self.release()
                raise
            self.release()  # whoever had it has just finished, and took the file away

    def _is_at(self, path: Path) -> bool:
        try:
            return path.stat().st_ino == os.fstat(self._handle).st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let it go; once is enough, and twice does no harm."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
