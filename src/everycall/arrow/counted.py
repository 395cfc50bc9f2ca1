"""Reads the JSON of conversations into Arrow's nested columns with arrow-rs, in half the time that pyarrow takes.

arrow-rs skips fields that it does not expect, takes the last of several with one name, and "5" for a number. So the
quotes are counted afterwards: every name and every text has two, and nothing else has any. If the columns account for
every quote in the JSON, then every field was read, once, and each text as a text. Otherwise `nested.NestedReader` has
to read the conversations.

It takes 3.0 for the integer 3, which is the same number in JSON.
"""

from collections.abc import Sequence
from functools import cache

import pyarrow as pa

from everycall.arrow.declared import declared, fields_of
from everycall.arrow.nested import Nested, Unfit, is_utf8
from everycall.lines import joined

try:
    from arro3.io import read_json
except ModuleNotFoundError:  # there are no wheels for every machine
    HAS_ARRO3 = False
else:
    HAS_ARRO3 = True

AT_ONCE = 250
"""Conversations that arrow-rs decodes at a time: their two megabytes stay in the processor's cache. It needs twice the
time for five thousand."""

_NUL = rb"\u0000"
"""Where a text with it does not fit, arro3 ends the process, as it cannot put it into its message."""


def read(raws: Sequence[bytes]) -> Nested:
    """Read conversations, each in its own JSON, which is valid.

    Some thousands at once are fastest: the schema crosses from Arrow to arrow-rs and back with each call.

    Integers are read as floating-point numbers, since arrow-rs cuts 1.5 to 1 without an error; attributes as maps.

    Raises:
        Unfit: some of them have to be read in another way.
    """
    if not HAS_ARRO3:
        raise Unfit
    structs, quotes = _decoded(joined(raws))
    try:
        records = pa.concat_arrays(structs)
    except pa.ArrowInvalid as error:  # more texts than one array can hold, or no conversations
        raise Unfit from error
    if len(records) != len(raws) or 2 * _names_and_texts(records) != quotes:
        raise Unfit
    return Nested(records, None)


def _decoded(text: bytes) -> tuple[list[pa.StructArray], int]:
    """Lines as arrow-rs reads them, and how many quotes are around the names and texts in them."""
    quotes = _quotes(text)
    if not is_utf8(text):
        raise Unfit
    try:
        reader = pa.RecordBatchReader.from_stream(read_json(text, _schema(), batch_size=AT_ONCE))
        return [batch.to_struct_array() for batch in reader], quotes
    except Exception as error:  # arro3 has no class of its own for it
        raise Unfit from error


def _quotes(text: bytes) -> int:
    """How many quotes are not within texts; `find` jumps from one backslash to the next.

    Raises:
        Unfit: a text has a NUL character.
    """
    escaped = 0
    at = text.find(b"\\")
    while at >= 0:
        changed = text[at + 1 : at + 2]
        escaped += changed == b'"'
        if changed == b"u" and text.startswith(_NUL, at):
            raise Unfit
        at = text.find(b"\\", at + 2)
    return text.count(b'"') - escaped


@cache
def _schema() -> pa.Schema:
    return pa.schema([pa.field(one.name, _type(one.type)) for one in fields_of(declared(), None)])


def _type(kind: pa.DataType, name: str = "") -> pa.DataType:
    """A declared type as it is read."""
    if name == "attributes":
        return pa.map_(pa.string(), pa.string())
    if pa.types.is_list(kind):
        return pa.list_(_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(inner.name, _type(inner.type, inner.name)) for inner in kind])
    return pa.float64() if pa.types.is_int64(kind) else kind


def _names_and_texts(column: pa.Array) -> int:
    """How many names of fields and texts were read for this column; its own name is not among them."""
    kind = column.type
    if pa.types.is_string(kind):
        return _present(column)
    if pa.types.is_map(kind):
        return _names_and_texts(column.keys) + _names_and_texts(column.items)
    if pa.types.is_list(kind):
        return _names_and_texts(column.values)
    if pa.types.is_struct(kind):
        fields = [column.field(at) for at in range(kind.num_fields)]
        return sum(_present(field) + _names_and_texts(field) for field in fields)
    return 0


def _present(column: pa.Array) -> int:
    return len(column) - int(column.null_count)
