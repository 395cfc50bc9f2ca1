"""JSON lines: one conversation a line, as the API sent it. This is the archive.

Nothing is decoded and nothing is lost: a field that this version of everycall does not know is in the file. Each line
has the bytes of the API's answer, except that line breaks between tokens are removed, since a conversation is one line.
"""

from collections.abc import Sequence

import msgspec

from everycall.filesystem import Filesystem
from everycall.sinks.interface import Batch, Wanted
from everycall.sinks.window_files import Compression, WindowFiles


class JsonlSink(WindowFiles):
    """Files of JSON lines."""

    wants: Wanted = "records"

    def __init__(self, filesystem: Filesystem | None = None, compression: Compression = "") -> None:
        """Write such files, by default to the disk of this machine."""
        super().__init__(compression, filesystem)
        self.name = self.format = f"jsonl.{compression}" if compression else "jsonl"
        self.suffix = f".{self.name}"

    def data(self, batch: Batch) -> bytes:
        """One line per conversation."""
        return lines(batch.records)

    def id_of(self, row: bytes) -> str:
        """The conversationId, wherever it is in the line."""
        return msgspec.json.decode(row, type=_Identified).conversation_id


class _Identified(msgspec.Struct, rename="camel"):
    conversation_id: str


def lines(records: Sequence[bytes]) -> bytes:
    """The conversations as lines."""
    text = b"\n".join(records)
    if text.count(b"\n") >= len(records) or b"\r" in text:  # JSON strings have no line breaks, but pretty JSON has
        text = b"\n".join(map(_one_line, records))
    return text + b"\n" if records else b""


def _one_line(record: bytes) -> bytes:
    if b"\n" not in record and b"\r" not in record:
        return record
    return msgspec.json.format(record, indent=-1)
