"""JSON lines: one conversation a line, as the API sent it. This is the archive.

Nothing is decoded and nothing is lost: a field that this version of everycall does not know is in the file. Each line
has the bytes of the API's answer, except that line breaks between tokens are removed, since a conversation is one line.
"""

from collections.abc import Iterator, Sequence

import msgspec

from everycall.filesystem import Filesystem
from everycall.sinks.interface import Batch, Wanted
from everycall.sinks.window_files import Compression, WindowFiles

LINES_AT_ONCE = 100
"""Lines that are joined at a time: a megabyte stays in the processor's cache, and its memory is used again and again. A
thousand lines took four times the CPU."""


class JsonlSink(WindowFiles):
    """Files of JSON lines."""

    wants: Wanted = "records"

    def __init__(self, filesystem: Filesystem | None = None, compression: Compression = "") -> None:
        """Write such files, by default to the disk of this machine."""
        super().__init__(compression, filesystem)
        self.name = self.format = f"jsonl.{compression}" if compression else "jsonl"
        self.suffix = f".{self.name}"

    def data(self, batch: Batch) -> Iterator[bytes]:
        """One line per conversation."""
        for at in range(0, len(batch.records), LINES_AT_ONCE):
            yield lines(batch.records[at : at + LINES_AT_ONCE])

    def id_of(self, row: bytes) -> str:
        """The conversationId, wherever it is in the line."""
        return msgspec.json.decode(row, type=_Identified).conversation_id


class _Identified(msgspec.Struct, rename="camel"):
    conversation_id: str


def lines(records: Sequence[bytes]) -> bytes:
    """The conversations as lines."""
    return b"\n".join([*map(_one_line, records), b""])


def _one_line(record: bytes) -> bytes:
    if b"\n" not in record and b"\r" not in record:  # JSON strings have no line breaks, but pretty JSON has
        return record
    return msgspec.json.format(record, indent=-1)
