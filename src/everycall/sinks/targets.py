"""Parses what `-o` names: an output's format and place, by its ending or as `FORMAT:PLACE`."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from os.path import normpath
from pathlib import Path

from everycall.errors import OutputRefused, SettingsError
from everycall.sinks.extras import extra
from everycall.sinks.files import FileDestination
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Destination
from everycall.sinks.places import LocalPlace

ENDINGS: Mapping[str, str] = {
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl.gz",
    ".jsonl.zst": "jsonl.zst",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
    ".delta": "delta",
}
"""Endings of names, with their formats."""

FORMATS = tuple(dict.fromkeys(ENDINGS.values()))

FOLDERS = ("parquet", "delta")
"""The formats that are folders."""

STREAMED = ("csv", "csv.gz", "jsonl", "jsonl.gz", "jsonl.zst")
"""The formats that standard output can have."""

WITHOUT_ENDING = ("", ".txt")
"""Endings that say nothing: such a file is CSV."""


@dataclass(frozen=True, slots=True)
class Target:
    """One output."""

    format: str
    place: str
    """A path."""

    @property
    def is_folder(self) -> bool:
        """Whether the output is a folder."""
        return self.format in FOLDERS

    @property
    def path(self) -> Path | None:
        """Where it is on this machine."""
        return Path(self.place)


def target_of(output: str | Path, format_: str | None = None) -> Target:
    """Parse an output.

    Args:
        output: a path; or `FORMAT:PATH`, where it is a text.
        format_: the format, whatever the ending is.

    Raises:
        SettingsError: the ending belongs to no format; the hint lists them.
    """
    text = str(output)
    named, separator, rest = text.partition(":")
    if format_ is None and isinstance(output, str) and separator and rest and named.lower() in FORMATS:
        return Target(named.lower(), rest)
    return Target(format_ or _by_ending(text), text)


def _by_ending(output: str) -> str:
    name = Path(output).name.lower()
    for ending, format_ in sorted(ENDINGS.items(), key=lambda pair: -len(pair[0])):
        if name.endswith(ending):
            return format_
    suffix = Path(name).suffix
    if suffix in WITHOUT_ENDING:
        return "csv"
    near = get_close_matches(suffix, ENDINGS, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    raise SettingsError(
        f"The ending of '{output}' belongs to no format of everycall.",
        hint=f"{meant}The endings are {', '.join(ENDINGS)}. csv:{output} writes CSV under that name.",
    )


def destination(target: Target, maker: FormMaker) -> Destination:
    """The destination of a target.

    Raises:
        SettingsError: what it needs is not installed.
        EverycallError: for tables, the org is asked for its id.
    """
    if target.format == "parquet":
        return _parquet(target, maker)
    if target.format == "delta":
        return _delta(target, maker)
    if target.format == "xlsx":
        from everycall.sinks.xlsx import XlsxDestination  # noqa: PLC0415 - only for such outputs

        return XlsxDestination(Path(target.place), maker)
    names = maker.names() if target.format.startswith("jsonl") else None
    return FileDestination(Path(target.place), maker.file(target.format), maker.filesystem, names)


def _parquet(target: Target, maker: FormMaker) -> Destination:
    tables = maker.tables("parquet")
    from everycall.sinks.parquet import ParquetFolder  # noqa: PLC0415 - needs pyarrow

    place = LocalPlace(Path(target.place), maker.filesystem)
    return ParquetFolder(place, target.format, tables, maker.names(), maker.filesystem)


def _delta(target: Target, maker: FormMaker) -> Destination:
    tables = maker.tables("delta")
    with extra("delta"):
        from everycall.sinks.delta import DeltaFolder  # noqa: PLC0415 - needs deltalake

    place = LocalPlace(Path(target.place), maker.filesystem)
    return DeltaFolder(place, target.format, tables, maker.names(), maker.filesystem)


def check_different(targets: list[Target]) -> None:
    """Refuse two outputs at the same place.

    Raises:
        OutputRefused: it names the place.
    """
    seen: set[str] = set()
    for target in targets:
        place = normpath(target.place) if target.path is not None else target.place
        if place in seen:
            raise OutputRefused(f"{target.place} is named twice.", hint="Name each output once with -o.")
        seen.add(place)
