"""Fills the relational tables from conversations as the API sent them."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from everycall.api.oddities import Oddity
from everycall.api.records import Conversation, conversation_of
from everycall.arrow import counted
from everycall.arrow.flattened import Tables, flattened
from everycall.arrow.nested import Nested, NestedReader, Unfit
from everycall.arrow.schemas import TYPES, filled_schema, schema, table_of
from everycall.instants import EPOCH
from everycall.lines import lengths
from everycall.tables.relational import OF_CONVERSATIONS
from everycall.tables.rows import Row, RowMaker

__all__ = ["ArrowTables", "schema", "table_of"]

CHUNK = 250
"""Conversations that are looked at by themselves where something does not fit."""

CHUNK_BYTES = 4 << 20
"""Of JSON, after which such a chunk ends early."""

BLOCK_BYTES = 8 << 20
"""The most JSON that pyarrow reads at once, if it reads all of it: half as many conversations took a tenth longer."""


class ArrowTables:
    """Makes one Arrow table for each table of conversations. Use one object for all batches: it remembers the fields.

    Conversations are read by arrow-rs. If something in them does not fit, they are read once more in chunks, and the
    chunks that have it by pyarrow, which refuses more. If that fails, those conversations that do not fit the records
    are read leniently, one by one, as the flat table reads them, and the others by pyarrow again; if that fails, too
    (a number of a name comes twice, for example), all of the chunk are read by the records.
    """

    def __init__(self, organization_id: str, *, block_bytes: int = BLOCK_BYTES) -> None:
        """Tables of this org; pyarrow reads more JSON than `block_bytes` in several parts."""
        self._reader = NestedReader()
        self._organization_id = organization_id
        self._maker = RowMaker(organization_id)
        self._oddities: list[Oddity] = []
        self._block_bytes = block_bytes

    def tables(self, raws: Sequence[bytes], owner_times_ms: Sequence[int]) -> dict[str, pa.Table]:
        """One table for each of `relational.OF_CONVERSATIONS`, rows in the order of the conversations and their lists.

        They have the columns of `filled_schema`. A conversation without a readable id has no rows; `take_oddities`
        reports it, and every value that did not fit.

        Args:
            raws: the JSON of each conversation, which is valid. Some thousands at once are fastest.
            owner_times_ms: the `ownerTime` of each, in milliseconds since 1970.

        Raises:
            ValueError: there is not one time for each conversation.
        """
        if len(raws) != len(owner_times_ms):
            raise ValueError(f"{len(raws)} conversations have {len(owner_times_ms)} times")
        made = self._tables(raws, owner_times_ms) if raws else []
        return {table.name: _joined(table.name, [one[table.name][0] for one in made]) for table in OF_CONVERSATIONS}

    def take_oddities(self) -> list[Oddity]:
        """What did not fit the records since the last call."""
        taken, self._oddities = self._oddities, []
        return taken

    def _tables(self, raws: Sequence[bytes], times_ms: Sequence[int]) -> list[Tables]:
        """The tables of these conversations: one of each or, where something does not fit, several."""
        is_lenient = self._reader.is_lenient
        if not is_lenient:  # or most of them have fields that are not declared, which arrow-rs refuses
            with suppress(Unfit):
                return [self._flattened(counted.read(raws), times_ms)]
        size, count = (self._block_bytes, len(raws)) if is_lenient else (min(self._block_bytes, CHUNK_BYTES), CHUNK)
        parts = _divided(raws, size, count)
        if len(parts) < 2:
            return [self._by_pyarrow(raws, times_ms)]
        return [one for start, end in parts for one in self._tables(raws[start:end], times_ms[start:end])]

    def _by_pyarrow(self, raws: Sequence[bytes], times_ms: Sequence[int]) -> Tables:
        was_lenient = self._reader.is_lenient
        try:
            tables = self._fast(raws, times_ms)
        except Unfit:
            return self._slow(raws, times_ms)
        if self._reader.is_lenient and not was_lenient:  # name the new field, once
            self._oddities += [oddity for raw in raws for oddity in conversation_of(raw)[1]]
        return tables

    def _fast(self, raws: Sequence[bytes], times_ms: Sequence[int]) -> Tables:
        return self._flattened(self._reader.read(raws), times_ms)

    def _flattened(self, nested: Nested, times_ms: Sequence[int]) -> Tables:
        times = pa.array(times_ms, pa.int64()).cast(TYPES["instant"])
        return flattened(nested, self._organization_id, times)

    def _slow(self, raws: Sequence[bytes], times_ms: Sequence[int]) -> Tables:
        """Read each conversation by the records; those that fit once more by Arrow."""
        records: dict[int, Conversation] = {}
        fitting: list[int] = []
        for at, raw in enumerate(raws):
            record, oddities = conversation_of(raw)
            self._oddities += oddities
            if not oddities:
                fitting.append(at)
            if record is not None:
                records[at] = record
        try:
            fast = self._fast([raws[at] for at in fitting], [times_ms[at] for at in fitting])
        except Unfit:
            return self._of_records(records, times_ms)
        others = {at: record for at, record in records.items() if at not in set(fitting)}
        return _merged(fast, pa.array(fitting, pa.int64()), self._of_records(others, times_ms))

    def _of_records(self, records: dict[int, Conversation], times_ms: Sequence[int]) -> Tables:
        rows: dict[str, list[Row]] = {table.name: [] for table in OF_CONVERSATIONS}
        positions: dict[str, list[int]] = {table.name: [] for table in OF_CONVERSATIONS}
        for at, record in records.items():
            found = self._maker.rows(record, EPOCH + timedelta(milliseconds=times_ms[at]))
            for name, its_rows in found.items():
                rows[name] += its_rows
                positions[name] += [at] * len(its_rows)
        return {
            name: (table_of(name, rows[name]).cast(filled_schema(name)), pa.array(positions[name], pa.int64()))
            for name in rows
        }


def _joined(name: str, pieces: Sequence[pa.Table]) -> pa.Table:
    """Pieces of one table as a whole, which has one dictionary for each column."""
    if not pieces:
        return filled_schema(name).empty_table()
    return pa.concat_tables(pieces, promote_options="none").unify_dictionaries() if len(pieces) > 1 else pieces[0]


def _merged(fast: Tables, positions: pa.Int64Array, slow: Tables) -> Tables:
    """Both in the order of the conversations; `positions` are those of the conversations in `fast`."""
    merged = {}
    for name, (table, at) in fast.items():
        other, other_at = slow[name]
        all_at = pa.concat_arrays([positions.take(at), other_at])
        order = pc.sort_indices(all_at)  # stable, so that the rows of a conversation keep their order
        both = pa.concat_tables([table, other]).unify_dictionaries()
        merged[name] = (both.take(order), all_at.take(order))
    return merged


def _divided(raws: Sequence[bytes], most_bytes: int, most: int) -> list[tuple[int, int]]:
    """Where to divide the conversations, so that each part has at most so many, and no more bytes if it has several."""
    parts: list[tuple[int, int]] = []
    start = size = 0
    for at, length in enumerate(lengths(raws)):
        if at - start == most or (size and size + length > most_bytes):
            parts.append((start, at))
            start, size = at, 0
        size += length + 1
    return [*parts, (start, len(raws))] if raws else parts
