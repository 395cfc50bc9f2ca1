"""Makes forms by name, so that a worker process can make those of the main process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from everycall.filesystem import Filesystem
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import FileSink, Form
from everycall.sinks.jsonl import JsonlSink
from everycall.tables.flat import Column

FormName: TypeAlias = Literal["csv", "csv.gz", "jsonl", "jsonl.gz", "jsonl.zst"]


@dataclass(frozen=True, slots=True)
class FormMaker:
    """What the forms of an export need."""

    columns: tuple[Column, ...]
    """Of flat rows."""
    filesystem: Filesystem

    def file(self, name: str) -> FileSink:
        """The form of that name, which can be put together to a file."""
        if name == "csv":
            return CsvSink(self.columns, self.filesystem)
        if name == "csv.gz":
            return CsvSink(self.columns, self.filesystem, "gz")
        if name == "jsonl":
            return JsonlSink(self.filesystem)
        if name == "jsonl.gz":
            return JsonlSink(self.filesystem, "gz")
        if name == "jsonl.zst":
            return JsonlSink(self.filesystem, "zst")
        raise ValueError(f"there is no form {name!r}")

    def form(self, name: str) -> Form:
        """The form of that name."""
        return self.file(name)


def forms_of(names: Sequence[str], maker: FormMaker) -> tuple[Form, ...]:
    """The forms of these names."""
    return tuple(map(maker.form, names))
