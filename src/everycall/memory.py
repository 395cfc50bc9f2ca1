"""Configures the interpreter and the C library, so that memory stays flat and is not looked through too often."""

import ctypes
import gc
import os
import sys
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Source: mallopt(3) of glibc."""

_BATCH_BYTES = 64 << 20

_LIBRARIES = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Variables of the environment that libraries read when they are loaded. Source: their documentation; the second one is
jemalloc's MALLOC_CONF with the prefix that Arrow builds it with."""

_ours: list[bool] = []
"""Not empty once `keep_flat` was called."""


def keep_flat() -> None:
    """Keep few pools of free memory, and give back what is free above some megabytes. Elsewhere it does nothing.

    By itself glibc keeps a pool per thread and, once it has seen pages of a megabyte come and go, holds on to all of
    them: an export with 40 requests under way peaked at 147 MB, and at 60 MB with this. Buffers of a page stay in the
    pools: to ask the system for each of them anew cost a fifth of an export's CPU.

    Arrow, which is loaded later, gets its memory from the C library, too: an export to Parquet peaked at 264 MB in
    place of 415, with less CPU. The threads that Arrow and numpy start when they are loaded are of no use then, and a
    process with threads cannot be copied to make workers.
    """
    if sys.platform != "linux":
        return
    _ours.append(True)
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 4 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 8 << 20)
        libc.mallopt(_M_ARENA_MAX, 1)


def keep_batches() -> None:
    """Keep free memory for the next conversations that become tables, whose buffers have megabytes each.

    To give back those buffers and get others took a tenth of the CPU of making tables. A process that did not call
    `keep_flat` belongs to another program, and stays as it is.
    """
    if not _ours:
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _BATCH_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _BATCH_BYTES)


COLLECTED_AFTER = 10_000
"""Ours: objects after which Python looks for cycles; a page has some thousands."""


def collect_rarely() -> None:
    """Look for reference cycles less often than Python does by itself, after 700 objects.

    Conversations have none, and looking at each of them several times took a tenth of an export's CPU.
    """
    gc.set_threshold(COLLECTED_AFTER)


class _Missing:
    """Finds one library missing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        """Refuse that library, and leave all others to the next finder."""
        if name == self._name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def without_pandas() -> None:
    """Let pyarrow find that pandas is not installed: it loads it with the first array, in case that is a column of it.

    That took a sixth of a second and 40 MB of each process, where pandas is installed.
    """
    sys.meta_path.insert(0, _Missing("pandas"))


def give_back() -> None:
    """Give free memory back that lies between what is in use, which the C library does not do by itself.

    Without this, an export of 800,000 conversations needed 40 MB more than one of 100,000, of which nothing was in use.
    """
    if not _ours:
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
