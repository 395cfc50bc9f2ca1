"""Arrow tables of sums -> cubes: ids become numbers, and what has no number of its own is added up as one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from everycall.analysis.report.figures import Cube
from everycall.printable import printable

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_MAX = 80


class Numbered:
    """Ids with numbers: their positions among the first `most`; the others share the number after those."""

    def __init__(self, ids: Sequence[str | None], most: int | None = None) -> None:
        """Number ids that are in order of importance; None is that of what has no id."""
        self.ids = tuple(ids)
        self.named = self.ids if most is None or len(ids) <= most else self.ids[:most]
        self.others = len(self.ids) - len(self.named)
        self._numbers = {one: number for number, one in enumerate(self.named)}

    def number_of(self, one: str | None) -> int | None:
        """Its own number; None if it has none."""
        return self._numbers.get(one)

    def numbers(self, column: "pa.ChunkedArray") -> "pa.Array":
        """The number of each value of a column."""
        import pyarrow as pa  # noqa: PLC0415 - only for reports
        import pyarrow.compute as pc  # noqa: PLC0415

        found = pc.index_in(column, value_set=pa.array(self.named, column.type))
        return pc.fill_null(found, len(self.named))


Keys: TypeAlias = Mapping[str, tuple[str, Numbered | None]]
"""The column of a cube -> the column of a table, and its numbers; None if it holds numbers itself."""


def by_total(table: "pa.Table", dimension: str, measures: Sequence[str]) -> list[str | None]:
    """The values of a dimension, those with the largest sum of the measures first; ties by value."""
    totals: Counter[str | None] = Counter()
    columns = [table.column(name).to_pylist() for name in measures]
    for one, *figures in zip(table.column(dimension).to_pylist(), *columns, strict=True):
        totals[one] += sum(figures)
    return sorted(totals, key=lambda one: (-totals[one], one or ""))


def cube(table: "pa.Table", keys: Keys, measures: Sequence[str]) -> Cube:
    """The sums of the measures by numbered keys, in the order of the keys.

    Args:
        table: one row or more for each combination.
        keys: by what, and how it is numbered.
        measures: columns of the table.
    """
    import pyarrow as pa  # noqa: PLC0415 - only for reports

    columns = {
        name: numbered.numbers(table.column(column)) if numbered else table.column(column)
        for name, (column, numbered) in keys.items()
    }
    columns |= {name: table.column(name) for name in measures}
    grouped = pa.table(columns).group_by(list(keys)).aggregate([(name, "sum") for name in measures])
    ordered = grouped.sort_by([(name, "ascending") for name in keys])
    return {name: ordered.column(name if name in keys else f"{name}_sum").to_pylist() for name in (*keys, *measures)}


def labels(numbered: Numbered, names: Mapping[str | None, str], noun: str) -> tuple[str, ...]:
    """A label for each number, no two alike: names, else ids, else `no queue`; `12 other queues` at the end."""
    found = [names.get(one, one) if one else f"no {noun}" for one in numbered.named]
    shown = [printable(str(one), LABEL_MAX) for one in found]
    count = Counter(shown)
    unique = [
        f"{text} ({printable(str(one), 8).removesuffix('...')})" if count[text] > 1 else text
        for text, one in zip(shown, numbered.named, strict=True)
    ]
    if numbered.others:
        unique.append(f"{numbered.others:,} other {noun}s")
    return tuple(unique)
