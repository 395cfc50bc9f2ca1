"""Makes forms by name, so that a worker process can make those of the main process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from everycall import memory
from everycall.filesystem import Filesystem
from everycall.sinks.csv import CsvSink, PlainRows
from everycall.sinks.extras import extra
from everycall.sinks.interface import FileSink, Form
from everycall.sinks.jsonl import JsonlSink
from everycall.sinks.names_form import NamesForm
from everycall.sinks.style import PLAIN, Style
from everycall.tables.flat import Column

if TYPE_CHECKING:
    from everycall.sinks.flat_form import FlatForm
    from everycall.sinks.tables_form import TablesForm

FormName: TypeAlias = Literal["csv", "csv.gz", "rows", "jsonl", "jsonl.gz", "jsonl.zst", "names", "tables", "flat"]

TABLES = "tables"
"""The name of the form with one table for each kind of record, which needs the org's id."""

NAMES = "names"
"""The name of the form with the names that conversations refer to."""


def _unknown() -> str:
    raise ValueError("the id of the org is not known")


@dataclass(frozen=True, slots=True)
class FormMaker:
    """What the forms of an export need."""

    columns: tuple[Column, ...]
    """Of flat rows."""
    filesystem: Filesystem
    organization_id: Callable[[], str] = _unknown
    """The id of the org, which is asked for only if an output has tables."""
    style: Style = PLAIN
    """Of flat rows in CSV."""

    def file(self, name: str) -> FileSink:
        """The form of that name, which can be put together to a file."""
        if name == "csv":
            return CsvSink(self.columns, self.filesystem, style=self.style)
        if name == "csv.gz":
            return CsvSink(self.columns, self.filesystem, "gz", self.style)
        if name == "rows":
            return PlainRows(self.columns, self.filesystem)
        if name == "jsonl":
            return JsonlSink(self.filesystem)
        if name == "jsonl.gz":
            return JsonlSink(self.filesystem, "gz")
        if name == "jsonl.zst":
            return JsonlSink(self.filesystem, "zst")
        raise ValueError(f"there is no form {name!r}")

    def plain_rows(self) -> FileSink:
        """Flat rows as CSV in the default style; where CSV files have that style, too, they share it."""
        return self.file("csv" if self.style == replace(PLAIN, timezone=self.style.timezone) else "rows")

    def form(self, name: str) -> Form:
        """The form of that name."""
        if name == TABLES:
            return self.tables()
        if name == "flat":
            return self.flat()
        return self.names() if name == NAMES else self.file(name)

    def names(self) -> NamesForm:
        """The form of the names that conversations refer to."""
        return NamesForm(self.filesystem)

    def tables(self, extra_name: str = "parquet") -> "TablesForm":
        """The form of the tables.

        Args:
            extra_name: that of the output which takes them, for the message.

        Raises:
            SettingsError: the extra is not installed.
            EverycallError: the org cannot be asked for its id.
        """
        with extra(extra_name):
            from everycall.sinks.tables_form import TablesForm  # noqa: PLC0415 - only for such outputs

        memory.keep_batches()
        return TablesForm(self.organization_id(), self.filesystem)

    def flat(self) -> "FlatForm":
        """The form of flat rows for databases; after `tables`, which says what is not installed."""
        from everycall.sinks.flat_form import FlatForm  # noqa: PLC0415 - needs pyarrow

        return FlatForm(self.columns, self.filesystem)


def forms_of(names: Sequence[str], maker: FormMaker) -> tuple[Form, ...]:
    """The forms of these names."""
    return tuple(map(maker.form, names))
