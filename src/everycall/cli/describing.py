"""`everycall schema`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import write_lines
from everycall.cli.options import Declared
from everycall.cli.parser import Arguments, UsageError
from everycall.sinks.targets import target_of
from everycall.tables import relational
from everycall.tables.flat_sql import VIEW, flat_view
from everycall.tables.kpi_sql import Tables, in_delta, in_parquet, kpi_query, kpi_views
from everycall.tables.kpis import GRAINS, Grain
from everycall.tables.relational import Column, Table
from everycall.tables.sql import Dialect, sql

WIDTH = 100


KPI_VIEWS: Mapping[str, Grain] = {grain.view: grain for grain in GRAINS}
"""The views with the key figures, by name."""


def run(arguments: Arguments, context: Context) -> int:  # noqa: ARG001 - as every command
    """Print the tables or views, or the columns of one, and return the exit code."""
    options = arguments.of(Declared)
    _check(options)
    grain = KPI_VIEWS.get(options.table or "")
    if options.over is not None and grain is not None:
        write_lines(f"{kpi_query(grain, 'duckdb', tables=_files(options.over))};".split("\n"))
    elif options.sql:
        write_lines(line for one in statements(options.table, options.sql) for line in f"{one};".split("\n"))
    elif options.json:
        outputs.write_json(described(options))
    elif grain is not None:
        write_lines(view_columns(grain))
    elif options.table:
        write_lines(columns(relational.table(options.table)))
    else:
        write_lines(views() if options.views else tables(relational.TABLES))
    return 0


def _check(options: Declared) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: it says which.
    """
    if options.json and (options.sql or options.over is not None):
        other = "--sql" if options.sql else "--over"
        raise UsageError(f"--json and {other} do not go together.", hint="Give one of them.")
    if options.table == VIEW and not options.sql:
        raise UsageError(f"{VIEW} is a view.", hint="Give --sql duckdb or --sql postgresql to print its statement.")
    if options.over is not None and options.table not in KPI_VIEWS:
        raise UsageError("--over needs a view with key figures.", hint="everycall schema --views lists them.")


def _files(output: str) -> Tables:
    """The tables of a folder by its ending.

    Raises:
        UsageError: it is neither a Parquet nor a Delta folder.
    """
    target = target_of(output)
    if target.format not in ("parquet", "delta"):
        raise UsageError(
            f"{output} is neither a Parquet nor a Delta folder.",
            hint="Name one that ends in .parquet or .delta. A database has the views: SELECT * FROM kpi_queue_day.",
        )
    place = target.place.rstrip("/")
    return in_parquet(place) if target.format == "parquet" else in_delta(place)


def statements(name: str | None, dialect: Dialect) -> Iterator[str]:
    """The statements that create a table or a view; without a name all of them, each after those that it reads.

    Raises:
        QueryError: there is neither of that name.
    """
    if name != VIEW and name not in KPI_VIEWS:
        for table in [relational.table(name)] if name else relational.TABLES:
            yield from sql(table, dialect)
    if name in (None, VIEW):
        yield flat_view()
    for grain, statement in kpi_views(dialect):
        if name in (None, grain.view):
            yield statement


def described(options: Declared) -> dict[str, Any]:
    """The tables, views, or one of them, as JSON has it."""
    if options.table in KPI_VIEWS or options.views:
        chosen = [KPI_VIEWS[options.table]] if options.table else GRAINS
        return {"views": [view_as_json(grain) for grain in chosen]}
    found = [relational.table(options.table)] if options.table else relational.TABLES
    return {"schemaVersion": relational.SCHEMA_VERSION, "tables": [as_json(table) for table in found]}


def view_as_json(grain: Grain) -> dict[str, Any]:
    """A view with its columns."""
    columns = [
        {
            "name": column.name,
            "type": column.type,
            "unit": column.unit,
            "description": column.doc,
            "formula": column.formula,
            "source": column.source,
        }
        for column in grain.columns
    ]
    return {"name": grain.view, "grain": grain.doc, "columns": columns}


def views() -> Iterator[str]:
    """A line or two for each view."""
    width = max(map(len, KPI_VIEWS))
    for name, grain in KPI_VIEWS.items():
        yield from _beside(name, width, [grain.doc])
    yield ""
    yield "everycall schema VIEW lists the columns of a view, and --over OUT.parquet prints its query."


def view_columns(grain: Grain) -> Iterator[str]:
    """The columns of a view: name, type, what they hold, and how it is counted."""
    yield f"{grain.view}: {grain.doc}"
    yield ""
    width = max(len(column.name) for column in grain.columns)
    for column in grain.columns:
        kind = f"{column.type}, {column.unit}" if column.unit else column.type
        yield from _beside(column.name, width, [f"{kind}. {column.doc}", column.formula])


def as_json(table: Table) -> dict[str, Any]:
    """A table with its columns, by the names of its declaration."""
    columns = [
        {
            "name": column.name,
            "type": column.type,
            "unit": column.unit,
            "path": path_of(table, column),
            "description": column.doc,
            "caveats": column.caveats,
            "required": column.is_required,
        }
        for column in table.columns
    ]
    return {"name": table.name, "grain": table.grain, "key": list(table.key), "columns": columns}


def path_of(table: Table, column: Column) -> str:
    """Where the value stands in a conversation: `participants[].sessions[].flow.flowId`; empty for added columns."""
    if not table.is_of_conversations or not column.path:
        return ""
    steps = [f"{step}[]" for step in table.path]
    if column.path.startswith("../"):
        return ".".join([*steps[:-1], column.path[3:]])
    return ".".join(steps) if column.path == relational.ELEMENT else ".".join([*steps, column.path])


def tables(chosen: Sequence[Table]) -> Iterator[str]:
    """A line or two for each table."""
    width = max(len(table.name) for table in chosen)
    for table in chosen:
        yield from _beside(table.name, width, [table.grain, f"key: {', '.join(table.key)}"])
    yield ""
    yield "everycall schema TABLE lists the columns of a table, and everycall schema --views the views."


def columns(table: Table) -> Iterator[str]:
    """The columns of a table: name, type, and what they hold."""
    yield f"{table.name}: {table.grain}"
    yield f"key: {', '.join(table.key)}"
    yield ""
    width = max(len(column.name) for column in table.columns)
    for column in table.columns:
        kind = f"{column.type}, {column.unit}" if column.unit else column.type
        yield from _beside(column.name, width, [f"{kind}. {column.doc}", column.caveats])


def _beside(name: str, width: int, texts: Iterable[str]) -> Iterator[str]:
    """A name, and texts beside it, each on lines of its own."""
    lines = [line for text in texts for line in wrap(text, WIDTH - width - 2)]
    for at, line in enumerate(lines):
        yield f"{name if at == 0 else '':<{width}}  {line}"
