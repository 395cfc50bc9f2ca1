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
from everycall.arrow.schemas import TYPES, schema, table_of
from everycall.instants import EPOCH
from everycall.tables.relational import OF_CONVERSATIONS
from everycall.tables.rows import Row, RowMaker

__all__ = ["ArrowTables", "schema", "table_of"]

BLOCK_BYTES = 64 * 2**20
"""The most JSON that is read at once: four times a batch of 1,000 large conversations."""


class ArrowTables:
    """Makes one Arrow table for each table of conversations. Use one object for all batches: it remembers the fields.

    Conversations are read by arrow-rs, or else by pyarrow, which refuses more. If that fails, those that do not fit the
    records are read leniently, one by one, as the flat table reads them, and the others by pyarrow again; if that
    fails, too (a number of a name comes twice, for example), all of them are read by the records.
    """

    def __init__(self, organization_id: str, *, block_bytes: int = BLOCK_BYTES) -> None:
        """Tables of this org; more JSON than `block_bytes` is read in several parts."""
        self._reader = NestedReader()
        self._organization_id = organization_id
        self._maker = RowMaker(organization_id)
        self._oddities: list[Oddity] = []
        self._block_bytes = block_bytes

    def tables(self, raws: Sequence[bytes], owner_times_ms: Sequence[int]) -> dict[str, pa.Table]:
        """One table for each of `relational.OF_CONVERSATIONS`, rows in the order of the conversations and their lists.

        A conversation without a readable id has no rows; `take_oddities` reports it, and every value that did not fit.

        Args:
            raws: the JSON of each conversation, which is valid. About a thousand at once is fastest.
            owner_times_ms: the `ownerTime` of each, in milliseconds since 1970.

        Raises:
            ValueError: there is not one time for each conversation.
        """
        if len(raws) != len(owner_times_ms):
            raise ValueError(f"{len(raws)} conversations have {len(owner_times_ms)} times")
        blocks = [
            self._block(raws[start:end], owner_times_ms[start:end]) for start, end in _blocks(raws, self._block_bytes)
        ]
        return {
            table.name: pa.concat_tables([block[table.name][0] for block in blocks], promote_options="none")
            if blocks
            else schema(table.name).empty_table()
            for table in OF_CONVERSATIONS
        }

    def take_oddities(self) -> list[Oddity]:
        """What did not fit the records since the last call."""
        taken, self._oddities = self._oddities, []
        return taken

    def _block(self, raws: Sequence[bytes], times_ms: Sequence[int]) -> Tables:
        if not self._reader.is_lenient:  # or there are fields in most conversations that are not declared
            with suppress(Unfit):
                return self._flattened(counted.read(raws), times_ms)
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
        return {name: (table_of(name, rows[name]), pa.array(positions[name], pa.int64())) for name in rows}


def _merged(fast: Tables, positions: pa.Int64Array, slow: Tables) -> Tables:
    """Both in the order of the conversations; `positions` are those of the conversations in `fast`."""
    merged = {}
    for name, (table, at) in fast.items():
        other, other_at = slow[name]
        all_at = pa.concat_arrays([positions.take(at), other_at])
        order = pc.sort_indices(all_at)  # stable, so that the rows of a conversation keep their order
        merged[name] = (pa.concat_tables([table, other]).take(order), all_at.take(order))
    return merged


def _blocks(raws: Sequence[bytes], most: int) -> list[tuple[int, int]]:
    """Where to divide the conversations, so that each part is small enough for one block of Arrow."""
    blocks: list[tuple[int, int]] = []
    start = size = 0
    for at, raw in enumerate(raws):
        if size and size + len(raw) > most:
            blocks.append((start, at))
            start, size = at, 0
        size += len(raw) + 1
    return [*blocks, (start, len(raws))] if raws else blocks
