"""`everycall schema`."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import Any

from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import write_lines
from everycall.cli.options import Declared
from everycall.cli.parser import Arguments, UsageError
from everycall.tables import relational
from everycall.tables.flat_sql import VIEW, flat_view
from everycall.tables.relational import Column, Table
from everycall.tables.sql import Dialect, sql

WIDTH = 100


def run(arguments: Arguments, context: Context) -> int:  # noqa: ARG001 - as every command
    """Print the tables, or the columns of one, and return the exit code."""
    options = arguments.of(Declared)
    if options.json and options.sql:
        raise UsageError("--json and --sql do not go together.", hint="Give one of them.")
    if options.table == VIEW and not options.sql:
        raise UsageError(f"{VIEW} is a view.", hint="Give --sql duckdb or --sql postgresql to print its statement.")
    if options.sql:
        write_lines(line for one in statements(options.table, options.sql) for line in f"{one};".split("\n"))
        return 0
    chosen = [relational.table(options.table)] if options.table else list(relational.TABLES)
    if options.json:
        outputs.write_json({"schemaVersion": relational.SCHEMA_VERSION, "tables": [as_json(table) for table in chosen]})
    else:
        write_lines(columns(chosen[0]) if options.table else tables(chosen))
    return 0


def statements(name: str | None, dialect: Dialect) -> Iterator[str]:
    """The statements that create a table, or the view of flat rows; without a name all of them.

    Raises:
        QueryError: there is neither of that name.
    """
    if name != VIEW:
        for table in [relational.table(name)] if name else relational.TABLES:
            yield from sql(table, dialect)
    if name in (None, VIEW):
        yield flat_view()


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
    yield "everycall schema TABLE lists the columns of a table."


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
