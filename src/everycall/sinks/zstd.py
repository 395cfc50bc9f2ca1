"""Compresses a stream by zstd: as frames of some lines, one after the other, which all readers take for one stream.

Frames are compressed in threads, while the next lines are read and written. Where a frame ends depends only on the
bytes, so the same conversations make the same file. Frames end with lines, so that each can be read without the others.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import zstandard

LEVEL = 1
"""Three fifths of the CPU of level 3, zstd's default, for conversations that take about as many bytes."""

FRAME_BYTES = 2 << 20
"""Before they are compressed. Frames of half a megabyte take 4 % more space."""

THREADS = 2
"""A window is written by one thread, which is about as fast as one of these."""

WAITING_MAX = 3
"""Frames that are compressed, or wait for it; then the writer waits, too."""


class ZstdFrames:
    """Compresses one stream, piece by piece; implements `window_files.Compressor`."""

    def __init__(self) -> None:
        """Begin a stream. Its threads start with the first frame, and end with `flush` or with this object."""
        self._pieces: list[bytes] = []
        """Of the frame that is gathered."""
        self._size = 0
        self._threads = ThreadPoolExecutor(THREADS)
        self._waiting: deque[Future[bytes]] = deque()
        self._compressors: SimpleQueue[zstandard.ZstdCompressor] = SimpleQueue()
        for _ in range(THREADS):
            self._compressors.put(zstandard.ZstdCompressor(LEVEL))

    def compress(self, data: bytes) -> bytes:
        """Take some bytes, and return the frames that have to make room."""
        while end := self._end_of_frame(data):
            self._add(data[:end])
            self._end_frame()
            data = data[end:]
        self._add(data)
        return b"".join(self._take(WAITING_MAX))

    def _end_of_frame(self, data: bytes) -> int:
        """How many of the bytes end the frame: up to the first line feed that makes it long enough; 0 for none."""
        missing = FRAME_BYTES - self._size
        return data.find(b"\n", max(0, missing - 1)) + 1 if len(data) >= missing else 0

    def _add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)

    def _end_frame(self) -> None:
        self._waiting.append(self._threads.submit(self._frame, self._pieces))
        self._pieces, self._size = [], 0

    def _frame(self, pieces: list[bytes]) -> bytes:
        compressor = self._compressors.get()
        frame: bytes = compressor.compress(b"".join(pieces))
        self._compressors.put(compressor)
        return frame

    def _take(self, left: int) -> list[bytes]:
        """The oldest frames, until so many are left."""
        return [self._waiting.popleft().result() for _ in range(len(self._waiting) - left)]

    def flush(self) -> bytes:
        """End the stream, and return its last frames."""
        if self._size:
            self._end_frame()
        frames = self._take(0)
        self._threads.shutdown()
        return b"".join(frames)
