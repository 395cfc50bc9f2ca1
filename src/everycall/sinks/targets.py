"""Parses what `-o` names: an output's format and place, by its ending or as `FORMAT:PLACE`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING

from everycall.errors import AccessError, OutputRefused, QueryError, SettingsError
from everycall.filesystem import SystemFilesystem
from everycall.manifest import Manifest
from everycall.sinks import postgresql_address
from everycall.sinks.day_folder import DayFolder
from everycall.sinks.extras import extra
from everycall.sinks.files import FileDestination
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Destination
from everycall.sinks.places import LocalPlace, Place

if TYPE_CHECKING:
    from everycall.sinks.delta import DeltaFolder
    from everycall.sinks.table_folder import TableFolder

ENDINGS: Mapping[str, str] = {
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl.gz",
    ".jsonl.zst": "jsonl.zst",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
    ".delta": "delta",
    ".duckdb": "duckdb",
}
"""Endings of names, with their formats."""

POSTGRESQL = "postgresql"

CSV_FOLDER = "csv-folder"
"""The format of CSV files of the tables; `csv:FOLDER/` is the same."""

JSONL_DAYS = "jsonl-days"

DAYS: Mapping[str, str] = {"csv-days": "csv", JSONL_DAYS: "jsonl"}
"""The formats with a file for each UTC day, with the form of these files."""

FORMATS = (*dict.fromkeys(ENDINGS.values()), CSV_FOLDER, *DAYS, POSTGRESQL)

FOLDERS = ("parquet", "delta", CSV_FOLDER, *DAYS)
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
    """A path, or the address of an object store or a database."""

    @property
    def is_folder(self) -> bool:
        """Whether the output is a folder."""
        return self.format in FOLDERS

    @property
    def path(self) -> Path | None:
        """Where it is on this machine; None if it is elsewhere."""
        return None if self.format == POSTGRESQL or is_url(self.place) else Path(self.place)


STORES: Mapping[str, str] = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "abfss": "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET",
}
"""The schemes of object stores, and where their credentials are in the environment."""


def is_url(output: str) -> bool:
    """Whether an output is the URL of an object store."""
    scheme, separator, _ = output.partition("://")
    return bool(separator) and scheme.lower() in STORES


def is_elsewhere(output: str) -> bool:
    """Whether an output is the address of an object store or a database."""
    return is_url(output) or postgresql_address.is_address(output)


def target_of(output: str | Path, format_: str | None = None) -> Target:
    """Parse an output.

    Args:
        output: a path; or `FORMAT:PATH` or the address of a PostgreSQL database, where it is a text.
        format_: the format, whatever the ending is.

    Raises:
        SettingsError: the ending belongs to no format; the hint lists them. Or the address has a password.
    """
    text = str(output)
    if isinstance(output, str) and format_ in (None, POSTGRESQL) and postgresql_address.is_address(text):
        postgresql_address.parse(text)
        return Target(POSTGRESQL, text)
    named, separator, rest = text.partition(":")
    if format_ is None and isinstance(output, str) and separator and rest and named.lower() in FORMATS:
        _check_url(rest)
        is_folder = named.lower() == "csv" and rest.endswith(("/", os.sep))
        return Target(CSV_FOLDER, rest) if is_folder else target_of(rest, named.lower())
    if format_ == POSTGRESQL:
        raise SettingsError(
            "That is not the address of a PostgreSQL database.",
            hint="Write it as postgresql://USER@HOST/DATABASE, or as service=NAME.",
        )
    _check_url(text)
    return Target(format_ or _by_ending(text), text)


def _check_url(output: str) -> None:
    """Refuse the URL of a store that has more than a bucket and a path."""
    scheme, _, rest = output.partition("://")
    if is_url(output) and ("?" in rest or (scheme.lower() != "abfss" and "@" in rest.partition("/")[0])):
        raise SettingsError(
            f"The URL {scheme}://... has more than a bucket and a path.",
            hint=f"Credentials and the like come from the environment: {STORES[scheme.lower()]}. "
            "Others can read a command line.",
        )


def _by_ending(output: str) -> str:
    scheme, separator, _ = output.partition("://")
    if separator and not is_url(output):
        raise SettingsError(
            f"everycall writes nothing to {scheme}://.", hint="A database is postgresql://USER@HOST/DATABASE."
        )
    name = Path(output).name.lower()
    for ending, format_ in sorted(ENDINGS.items(), key=lambda pair: -len(pair[0])):
        if name.endswith(ending):
            return format_
    suffix = Path(name).suffix
    if suffix in WITHOUT_ENDING:
        return "csv"
    near = get_close_matches(suffix, ENDINGS, n=1)
    suggestion = f"Did you mean {near[0]}? " if near else ""
    raise SettingsError(
        f"The ending of '{output}' belongs to no format of everycall.",
        hint=f"{suggestion}The endings are {', '.join(ENDINGS)}. csv:{output} writes CSV under that name.",
    )


def destination(target: Target, maker: FormMaker, *, is_fresh: bool = False) -> Destination:
    """The destination of a target.

    Args:
        target: the output.
        maker: makes its forms.
        is_fresh: whether a database may replace the export of another query.

    Raises:
        SettingsError: what it needs is not installed.
        EverycallError: for tables, the org is asked for its id.
    """
    if target.format in FOLDERS:
        return _folder(target, maker)
    if target.format == "xlsx" and target.path is not None:
        from everycall.sinks.xlsx import XlsxDestination  # noqa: PLC0415 - only for such outputs

        return XlsxDestination(target.path, maker)
    if target.format in ("xlsx", "duckdb") and target.path is None:
        raise SettingsError(f"A .{target.format} file has to be on this machine.", hint="Name a path with -o.")
    if target.format == "duckdb":
        return _duckdb(target, maker, is_fresh)
    if target.format == POSTGRESQL:
        return _postgresql(target, maker, is_fresh)
    names, org = (maker.names(), partial(_id_if_known, maker)) if target.format.startswith("jsonl") else (None, str)
    if target.path is not None:
        return FileDestination(target.path, maker.file(target.format), maker.filesystem, names, org)
    with extra("parquet"):
        from everycall.sinks.remote import RemoteFile  # noqa: PLC0415 - only for such outputs

    return RemoteFile(target.place, maker.file(target.format), maker.filesystem, names, org)


def _id_if_known(maker: FormMaker) -> str:
    """The id of the org, or nothing: an archive is complete without it."""
    try:
        return maker.organization_id()
    except (AccessError, QueryError):
        return ""


def _folder(target: Target, maker: FormMaker) -> Destination:
    if target.format in DAYS:
        return _days(target, maker)
    kind = _kind_of_folder(target.format)
    tables = maker.tables(EXTRAS.get(target.format, "parquet"))
    return kind(_place(target, maker), target.format, tables, maker.names(), maker.filesystem)


def _days(target: Target, maker: FormMaker) -> Destination:
    form = DAYS[target.format]
    names, org = (maker.names(), partial(_id_if_known, maker)) if form == "jsonl" else (None, str)
    return DayFolder(_place(target, maker), target.format, maker.file(form), maker.filesystem, names, org)


def _place(target: Target, maker: FormMaker) -> Place:
    if target.path is not None:
        return LocalPlace(target.path, maker.filesystem)
    from everycall.sinks.remote import RemotePlace  # noqa: PLC0415 - needs pyarrow

    return RemotePlace(target.place, maker.filesystem)


def _duckdb(target: Target, maker: FormMaker, is_fresh: bool) -> Destination:
    with extra("duckdb"):
        import duckdb  # noqa: F401, PLC0415 - only for such outputs

        tables = maker.tables("duckdb")
        from everycall.sinks.duckdb import DuckDBDestination  # noqa: PLC0415 - needs pyarrow

    forms = tables, maker.names(), maker.flat()
    return DuckDBDestination(Path(target.place), forms, maker.filesystem, is_fresh=is_fresh)


def _postgresql(target: Target, maker: FormMaker, is_fresh: bool) -> Destination:
    with extra("postgres"):
        import adbc_driver_postgresql  # noqa: F401, PLC0415 - only for such outputs

        tables = maker.tables("postgres")
        from everycall.sinks.postgresql import PostgresDestination  # noqa: PLC0415 - needs pyarrow

    forms = tables, maker.names(), maker.flat()
    return PostgresDestination(postgresql_address.parse(target.place), forms, is_fresh=is_fresh)


def manifest_at(address: str) -> Manifest | None:
    """The manifest in an object store or a PostgreSQL database; None if there is no finished export.

    Raises:
        SettingsError: the extra is not installed.
        OutputRefused: another version of everycall wrote it.
        OutputFailed: the server is away, for example.
        msgspec.MsgspecError: it was changed and cannot be read.
    """
    if is_url(address):
        return destination(target_of(address), FormMaker((), SystemFilesystem(), str)).found()
    with extra("postgres"):
        import adbc_driver_postgresql  # noqa: F401, PLC0415 - only for such outputs

        from everycall.sinks.postgresql import manifest_at as found  # noqa: PLC0415 - needs pyarrow

    return found(postgresql_address.parse(address))


EXTRAS = {"delta": "delta"}
"""The extras of formats that need more than the tables do."""


def _kind_of_folder(format_: str) -> "type[DeltaFolder | TableFolder]":
    with extra(EXTRAS.get(format_, "parquet")):
        if format_ == "delta":
            from everycall.sinks.delta import DeltaFolder  # noqa: PLC0415 - needs deltalake

            return DeltaFolder
        if format_ == CSV_FOLDER:
            from everycall.sinks.csv_folder import CsvFolder  # noqa: PLC0415 - needs pyarrow

            return CsvFolder
        from everycall.sinks.parquet import ParquetFolder  # noqa: PLC0415 - needs pyarrow

        return ParquetFolder


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
