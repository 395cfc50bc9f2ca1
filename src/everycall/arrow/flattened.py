"""Makes the relational tables from Arrow's nested columns."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from everycall.arrow.declared import MARKER
from everycall.arrow.nested import Nested, Unfit
from everycall.arrow.schemas import REPEATED, TYPES, filled_schema
from everycall.instants import since_epoch_ms
from everycall.tables.relational import ELEMENT, OF_CONVERSATIONS, Column, Table

EARLIEST_MS, LATEST_MS = (since_epoch_ms(one.replace(tzinfo=UTC)) for one in (datetime.min, datetime.max))

EXACT = pa.scalar(2.0**53)
"""The first floating-point number that may have been another integer."""

Tables = dict[str, tuple[pa.Table, pa.Int64Array]]
"""By name: the table, and for each row the position of its conversation."""


@dataclass(frozen=True, slots=True)
class _Level:
    """The records of one list in the conversations, flattened."""

    records: pa.Array
    conversations: pa.Int64Array
    """For each record, the position of its conversation."""
    ordinals: tuple[pa.Int64Array, ...]
    """For each record, its position in each list on the way to it."""
    parents: pa.Int64Array | None = None
    """For each record, the position of the record above it in its level."""


def flattened(nested: Nested, organization_id: str, owner_times: pa.TimestampArray) -> Tables:
    """The tables of these conversations, whose `ownerTime`s are given.

    Raises:
        Unfit: a value does not fit the declared type.
    """
    try:
        return _Flattener(nested, organization_id, owner_times).tables()
    except pa.ArrowInvalid as error:
        raise Unfit from error


class _Flattener:
    def __init__(self, nested: Nested, organization_id: str, owner_times: pa.TimestampArray) -> None:
        self._nested = nested
        self._organization_ids = pa.array([organization_id], pa.string())
        self._owner_times = owner_times
        ids = nested.records.field("conversationId")
        if ids.null_count:
            raise Unfit
        self._ids = ids.dictionary_encode()
        self._repeated: dict[tuple[tuple[str, ...], str], pa.DictionaryArray] = {}
        """Ids of the records of a list."""
        root = _Level(nested.records, _positions(len(nested.records)), ())
        self._levels: dict[tuple[str, ...], _Level | None] = {(): root}

    def tables(self) -> Tables:
        return {table.name: self._table(table) for table in OF_CONVERSATIONS}

    def _table(self, table: Table) -> tuple[pa.Table, pa.Int64Array]:
        if table.name == "participant_attributes":
            return self._attributes(table)
        level = self._level(table.path)
        if level is None:
            return filled_schema(table.name).empty_table(), _positions(0)
        columns = [self._column(column, level, table.path) for column in table.read]
        return self._with_common(table, level, columns)

    def _with_common(self, table: Table, level: _Level, columns: list[pa.Array]) -> tuple[pa.Table, pa.Int64Array]:
        at = level.conversations
        first = pa.repeat(pa.scalar(0, pa.int32()), len(at))
        organization_ids = pa.DictionaryArray.from_arrays(first, self._organization_ids)
        arrays = [organization_ids, _taken(self._ids, at), self._owner_times.take(at), *level.ordinals, *columns]
        return pa.Table.from_arrays(arrays, schema=filled_schema(table.name)), at

    def _level(self, path: tuple[str, ...]) -> _Level | None:
        """The records of a list; None if no conversation has it."""
        if path not in self._levels:
            above = self._level(path[:-1])
            lists = None if above is None else _field(above.records, path[-1])
            self._levels[path] = None if above is None or lists is None else _below(above, lists)
        return self._levels[path]

    def _column(self, column: Column, level: _Level, path: tuple[str, ...]) -> pa.Array:
        if column.path.startswith("../"):
            return _taken(self._repeated_of(column, column.path[3:], path[:-1]), level.parents)
        if column.name in REPEATED:
            return self._repeated_of(column, column.path, path)
        return self._column_of(column, column.path, level.records)

    def _repeated_of(self, column: Column, name: str, path: tuple[str, ...]) -> pa.DictionaryArray:
        """The ids of the records of a list, which the rows below them have, too."""
        if (path, name) not in self._repeated:
            level = self._level(path)
            assert level is not None
            self._repeated[path, name] = self._column_of(column, name, level.records).dictionary_encode()
        return self._repeated[path, name]

    def _column_of(self, column: Column, path: str, records: pa.Array) -> pa.Array:
        if path == ELEMENT:
            return records
        list_path, _, item = path.rpartition("[].")
        found = _field(records, list_path or item)
        if found is None:
            return pa.nulls(len(records), TYPES[column.type])
        return _converted(found, column, item) if list_path else _converted(found, column)

    def _attributes(self, table: Table) -> tuple[pa.Table, pa.Int64Array]:
        participants = self._level(("participants",))
        found = None if participants is None else self._attribute_rows(participants.records)
        if participants is None or found is None:
            if self._nested.attributes:
                raise Unfit
            return filled_schema(table.name).empty_table(), _positions(0)
        parents, names, values = found
        ids = _field(participants.records, "participantId")
        ids = pa.nulls(len(parents), pa.string()) if ids is None else ids.take(parents)
        ids = ids.dictionary_encode()
        level = _Level(
            values, participants.conversations.take(parents), tuple(one.take(parents) for one in participants.ordinals)
        )
        return self._with_common(table, level, [ids, names, values])

    def _attribute_rows(self, participants: pa.StructArray) -> tuple[pa.Int64Array, pa.Array, pa.Array] | None:
        """The participant, name and value of each attribute; None if there are none."""
        if self._nested.attributes is None:
            return _of_maps(participants.field("attributes"))
        numbers = _field(participants, f"attributes.{MARKER}")
        return None if numbers is None else _of_numbers(numbers, self._nested.attributes)


def _of_maps(maps: pa.MapArray) -> tuple[pa.Int64Array, pa.Array, pa.Array]:
    """Participant, name and value of each attribute."""
    names, values = maps.keys, maps.items
    parents = pc.list_parent_indices(pa.ListArray.from_arrays(maps.offsets, names)).cast(pa.int64())
    each = pa.table({"participant": parents, "name": names})
    if values.null_count or each.group_by(["participant", "name"], use_threads=False).aggregate([]).num_rows < len(
        each
    ):
        raise Unfit
    return parents, names, values


def _of_numbers(numbers: pa.Int64Array, each: list[dict[str, str]]) -> tuple[pa.Int64Array, pa.Array, pa.Array]:
    """Participant, name and value of each attribute; participants refer to their attributes by number."""
    holders = pc.indices_nonzero(numbers.is_valid())
    if not numbers.take(holders).equals(_positions(len(each))):
        raise Unfit  # some did not stand where attributes stand
    counts = pa.array([len(one) for one in each], pa.int64())
    names = pa.array([name for one in each for name in one], pa.string())
    values = pa.array([value for one in each for value in one.values()], pa.string())
    return holders.take(_repeated(counts)).cast(pa.int64()), names, values


def _below(above: _Level, lists: pa.ListArray) -> _Level:
    records = lists.flatten()
    if records.null_count:
        raise Unfit
    parents = pc.list_parent_indices(lists).cast(pa.int64())
    starts = lists.offsets.slice(0, len(lists)).cast(pa.int64())
    positions = pc.subtract(_positions(len(records)), starts.take(parents))
    return _Level(
        records,
        above.conversations.take(parents),
        (*(one.take(parents) for one in above.ordinals), positions),
        parents,
    )


def _taken(ids: pa.DictionaryArray, at: pa.Int64Array) -> pa.DictionaryArray:
    """The ids at these positions. A table of few rows has a dictionary of only those that it mentions."""
    taken = ids.take(at)
    return taken if len(taken) >= len(ids.dictionary) else taken.dictionary_decode().dictionary_encode()


def _field(records: pa.Array, path: str) -> pa.Array | None:
    """A field of records, `flow.flowId`; None if none of them has it."""
    for name in path.split("."):
        at = records.type.get_field_index(name)
        if at < 0:
            return None
        records = pc.struct_field(records, name) if records.null_count else records.field(at)
    return records


def _converted(found: pa.Array, column: Column, item: str = "") -> pa.Array:
    """A column in its declared type; `item` is the field of a list of records."""
    if column.type == "instant":
        return _instants(found)
    if column.type == "integer":
        return _integers(found)
    if column.type == "number" and not pc.all(pc.is_finite(found), min_count=0).as_py():
        raise Unfit
    return _list(found, column, item) if column.type in {"texts", "integers"} else found


def _instants(found: pa.StringArray) -> pa.TimestampArray:
    """The instants of texts. Python cannot represent those before year 1 and after year 9999."""
    try:
        instants = found.cast(TYPES["instant"])
    except pa.ArrowInvalid:
        instants = _cut(found.cast(pa.timestamp("us", "UTC")))
    bounds = pc.min_max(instants.cast(pa.int64()))
    if bounds["min"].is_valid and not EARLIEST_MS <= bounds["min"].as_py() <= bounds["max"].as_py() <= LATEST_MS:
        raise Unfit
    return instants


def _cut(instants: pa.TimestampArray) -> pa.TimestampArray:
    """Microseconds, cut to milliseconds: rounded down, also before 1970."""
    micros = instants.cast(pa.int64())
    return pc.divide(pc.if_else(pc.less(micros, 0), pc.subtract(micros, 999), micros), 1000).cast(TYPES["instant"])


def _integers(found: pa.Array) -> pa.Int64Array:
    """Integers, which may have been read as floating-point numbers: those have 53 bits."""
    if pa.types.is_int64(found.type):
        return found
    if pc.any(pc.greater_equal(pc.abs(found), EXACT), min_count=0).as_py():
        raise Unfit
    return found.cast(pa.int64())  # refuses fractions


def _list(found: pa.ListArray, column: Column, item: str) -> pa.Array:
    """A list; an empty one becomes null."""
    values = found.values
    if values.null_count:
        raise Unfit
    if item:
        values = _field(values, item)
        values = pa.nulls(len(found.values), TYPES[column.type].value_type) if values is None else values
    if column.type == "integers":
        values = _integers(values)
    is_empty = pc.equal(pc.fill_null(pc.list_value_length(found), 0), 0)
    return pa.ListArray.from_arrays(found.offsets, values, type=TYPES[column.type], mask=is_empty)


def _positions(count: int) -> pa.Int64Array:
    """0, 1, 2 ... without Python's integers."""
    return pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), count)), 1)


def _repeated(counts: pa.Int64Array) -> pa.Int64Array:
    """Each position as often as its count says: [2, 1] -> [0, 0, 1]."""
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(counts)]).cast(pa.int32())
    total = offsets[-1].as_py()
    return pc.list_parent_indices(pa.ListArray.from_arrays(offsets, pa.nulls(total))).cast(pa.int64())
