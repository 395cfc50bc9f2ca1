"""Reads the JSON of conversations into Arrow's nested columns, by the declared types.

pyarrow reads JSON twice as fast as Python does, in threads that do not hold the interpreter's lock. Each declared field
costs time, even where no conversation has it. So only the fields that have come so far are read; if another one comes,
the reader refuses it, and is asked again with that field. After a field that is not declared has come, all declared
fields are read, and others are skipped.

Attributes have names of the org's own, for which Arrow has no type. They are cut out of the JSON, and numbered:

    "attributes":{"Customer Name":"Ann"}  ->  "attributes":{"everycall":0}
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
from pyarrow import json as arrow_json

from everycall.arrow.declared import MARKER, Path, declared, fields_of, paths
from everycall.lines import joined


class Unfit(Exception):
    """The JSON does not have the declared types, or is not JSON at all."""


@dataclass(frozen=True, slots=True)
class Nested:
    """Conversations in Arrow's nested columns."""

    records: pa.StructArray
    """One for each conversation, with the declared fields that some conversation has."""
    attributes: list[dict[str, str]] | None
    """Attributes of participants; each participant that has some has the position of its own in `attributes`. None if
    the participants have them themselves, as maps."""


@dataclass(slots=True)
class NestedReader:
    """Reads batches, and remembers which fields have come."""

    _present: set[Path] = field(default_factory=set)
    is_lenient: bool = False
    """Whether a field has come that is not declared."""
    _schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """Of the fields that are read."""

    def read(self, raws: Sequence[bytes]) -> Nested:
        """Read conversations, each in its own JSON.

        Raises:
            Unfit: some of them have to be read in another way.
        """
        text = joined(raws)
        if not is_utf8(text):
            raise Unfit
        without, attributes = _without_attributes(text)
        try:
            records = self._records(without).to_struct_array().combine_chunks()
            decoded = _ATTRIBUTES.decode(b"[" + b",".join(attributes) + b"]")
        except (pa.ArrowInvalid, msgspec.DecodeError) as error:
            raise Unfit from error
        if len(records) != len(raws):
            raise Unfit
        return Nested(records, decoded)

    def _records(self, lines: bytes) -> pa.Table:
        try:
            return self._parsed(lines)
        except pa.ArrowInvalid:
            if self.is_lenient or not self._widen(lines):
                raise
            return self._parsed(lines)

    def _parsed(self, lines: bytes) -> pa.Table:
        return _parsed(lines, schema=self._schema, unexpected="ignore" if self.is_lenient else "error")

    def _widen(self, lines: bytes) -> bool:
        """Add the fields of these conversations; return whether there are new ones."""
        found = set(paths(pa.struct(_parsed(lines, schema=None, unexpected="infer").schema)))
        known = set(paths(pa.struct(fields_of(declared(), None))))
        new = found & known - self._present
        self._present |= new
        self.is_lenient = not found <= known
        self._schema = pa.schema(fields_of(declared(), None if self.is_lenient else self._present))
        return bool(new) or self.is_lenient


def _parsed(lines: bytes, *, schema: pa.Schema | None, unexpected: str) -> pa.Table:
    return arrow_json.read_json(
        pa.BufferReader(lines),
        # One block: a conversation that reaches into a second one is refused.
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
    )


def is_utf8(text: bytes) -> bool:
    """Whether Arrow can take it as text; its JSON reader does not check."""
    offsets = pa.array([0, len(text)], pa.int32()).buffers()[1]
    try:
        pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(text)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


# --- attributes

_NAME = b'"attributes"'
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_SPACE = rb"[ \t\r\n]*+"
_OBJECT = re.compile(
    rb"%(space)s:%(space)s(?P<object>\{(?:%(space)s%(text)s%(space)s:%(space)s%(text)s%(space)s,?+)*+%(space)s\})?+"
    % {b"space": _SPACE, b"text": _TEXT},
    re.DOTALL,
)
"""What follows the name of the field: an object of texts. Where it is only a text itself, no colon follows."""

_ATTRIBUTES = msgspec.json.Decoder(list[dict[str, str]])


def _without_attributes(lines: bytes) -> tuple[bytes, list[bytes]]:
    """The JSON with a marker in place of each object of attributes, and those objects.

    Raises:
        Unfit: some attributes are not an object of texts.
    """
    pieces: list[bytes] = []
    objects: list[bytes] = []
    done = 0
    at = lines.find(_NAME)
    while at >= 0:
        after = at + len(_NAME)
        if found := _OBJECT.match(lines, after):
            if found["object"] is None:
                raise Unfit
            pieces += (lines[done:after], b':{"%s":%d}' % (MARKER.encode(), len(objects)))
            objects.append(found["object"])
            done = after = found.end()
        at = lines.find(_NAME, after)
    return (b"".join((*pieces, lines[done:])) if objects else lines), objects
