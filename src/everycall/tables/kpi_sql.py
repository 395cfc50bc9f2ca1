"""The key figures in SQL, for DuckDB and PostgreSQL, from their declaration in `kpis`. Pure.

    queue_span    from when until when a session was in a queue; code_span: the same of wrap-up codes
    emitted       the metrics, each with its time slice, its queue and the other dimensions
    counted       how often each metric was emitted in each group, with the sum and the largest of its values
    measured      a row for each group, with the measures that are counted
    the view      the same with the measures that are made of others, names, and targets

A session is in a queue from the first segment with that queueId on. A metric that is emitted in the very millisecond in
which a segment begins belongs to what was before. Values are rounded to whole numbers, and those beyond 2^53 count as
none, so that sums are exact and the same in each database.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from textwrap import indent, wrap

from everycall.tables.kpis import GRAINS, REQUIRED, SLICES, TARGETS, Dimension, Grain, Measure, Slice
from everycall.tables.legs import METRIC_MAX
from everycall.tables.sql import Dialect, literal, quoted

Tables = Callable[[str], str]
"""What stands in FROM for a table of that name."""

SESSION = ("conversationId", "participantOrdinal", "sessionOrdinal")
"""The key of a session."""

WIDTH = 110
"""Of the lines with names of metrics."""


def in_schema(schema: str = "") -> Tables:
    """The tables of a schema; of the current one if it is empty."""
    return lambda name: f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)


def in_parquet(folder: str) -> Tables:
    """The tables of a Parquet folder, for DuckDB."""
    return lambda name: f"read_parquet({literal(f'{folder}/{name}/*.parquet')}, union_by_name = true)"


def in_delta(folder: str) -> Tables:
    """The tables of a folder of Delta tables, for DuckDB with its extension `delta`."""
    return lambda name: f"delta_scan({literal(f'{folder}/{name}')})"


def kpi_query(
    grain: Grain,
    dialect: Dialect,  # noqa: ARG001 - both take the same text so far
    *,
    timezone: str = "",
    tables: Tables = in_schema(),  # noqa: B008 - a function
    interval: tuple[str, str] | None = None,
) -> str:
    """The query whose rows are those of a view.

    Args:
        grain: what one row is.
        dialect: the database.
        timezone: of local days, by its IANA name; that of the session if it is empty.
        tables: where the tables are.
        interval: only metrics emitted from the first instant on and before the second; ISO 8601 with an offset.
    """
    return "\n".join(_lines(grain, timezone, tables, interval))


def emitted_query(
    grain: Grain,
    *,
    timezone: str = "",
    tables: Tables = in_schema(),  # noqa: B008 - a function
    interval: tuple[str, str] | None = None,
) -> str:
    """The query whose rows are the metrics that a view counts, with `name` and `value` beside the view's dimensions.

    The arguments are those of `kpi_query`, and it is the same in both dialects.
    """
    names = [dimension.name for dimension in grain.dimensions]
    spans = [f"{span} AS (\n{indent(_spans(name, tables), '    ')}\n)" for name, span in SPANS.items() if name in names]
    return f"WITH {', '.join(spans)}\n{_emitted(grain, timezone, tables, interval)}"


def kpi_views(dialect: Dialect, schema: str = "", grains: Sequence[Grain] = GRAINS) -> Iterator[tuple[Grain, str]]:
    """Each view, and the statement that creates it in the schema, or replaces one with the same columns."""
    tables = in_schema(schema)
    for grain in grains:
        yield grain, f"CREATE OR REPLACE VIEW {tables(grain.view)} AS\n{kpi_query(grain, dialect, tables=tables)}"


def _lines(grain: Grain, timezone: str, tables: Tables, interval: tuple[str, str] | None) -> Iterator[str]:
    names = [dimension.name for dimension in grain.dimensions]
    steps = {span: _spans(name, tables) for name, span in SPANS.items() if name in names}
    steps["emitted"] = _emitted(grain, timezone, tables, interval)
    group = [quoted(SLICES[grain.slice][0]), *map(quoted, names)]
    steps["counted"] = _counted(group)
    steps["measured"] = _measured(group, grain.measures)
    yield "WITH " + ",\n".join(f"{name} AS (\n{indent(query, '    ')}\n)" for name, query in steps.items())
    yield from _view(grain, tables)


# --- the steps

SPANS = {"queueId": "queue_span", "wrapUpCode": "code_span"}
"""Dimensions that stand in segments and can change during a session, with the step that says when."""


def _spans(column: str, tables: Tables) -> str:
    """From when (exclusive) until when (inclusive) each session had a value; the first one counts from the start."""
    return f"""\
SELECT {_KEY}, {quoted(column)},
    CASE WHEN before_it IS NULL THEN TIMESTAMPTZ '-infinity' ELSE started END AS since,
    coalesce(lead(started) OVER in_order, TIMESTAMPTZ 'infinity') AS until
FROM (
    SELECT segment.*, lag({quoted(column)}) OVER in_order AS before_it
    FROM (
        SELECT {_KEY}, "segmentOrdinal", {quoted(column)},
            coalesce("segmentStart", TIMESTAMPTZ '-infinity') AS started
        FROM {tables("segments")}
        WHERE {quoted(column)} <> ''
    ) segment
    {_IN_ORDER}
) compared
WHERE before_it IS NULL OR before_it <> {quoted(column)}
{_IN_ORDER}"""


_KEY = ", ".join(map(quoted, SESSION))

_IN_ORDER = f'WINDOW in_order AS (PARTITION BY {_KEY} ORDER BY started, "segmentOrdinal")'


def _emitted(grain: Grain, timezone: str, tables: Tables, interval: tuple[str, str] | None) -> str:
    names = [dimension.name for dimension in grain.dimensions]
    cells = [f"    {_CELLS[name]} AS {quoted(name)}," for name in names]
    return "\n".join([
        f"SELECT {_time(grain.slice, timezone)} AS {quoted(SLICES[grain.slice][0])},",
        *cells,
        '    m."name",',
        f'    CASE WHEN abs(m."value") <= {METRIC_MAX} THEN CAST(floor(m."value" + 0.5) AS bigint) END AS value',
        f"FROM {tables('metrics')} m",
        *_joined("JOIN", tables("sessions"), "s", SESSION),
        *_joins(names, tables),
        *_conditions(grain, interval),
    ])  # fmt: skip


def _joined(verb: str, source: str, alias: str, key: Iterable[str], *others: str) -> Iterator[str]:
    """The lines of a join to the metrics."""
    conditions = [*(f"{alias}.{quoted(name)} = m.{quoted(name)}" for name in key), *others]
    yield f"{verb} {source} {alias}" if source != alias else f"{verb} {alias}"
    yield f"    ON {conditions[0]}"
    yield from (f"    AND {one}" for one in conditions[1:])


def _joins(names: Iterable[str], tables: Tables) -> Iterator[str]:
    for name in names:
        if name in SPANS:
            span = SPANS[name]
            during = (f'm."emitDate" > {span}.since', f'm."emitDate" <= {span}.until')
            yield from _joined("LEFT JOIN", span, span, SESSION, *during)
        if name == "userId":
            yield from _joined("JOIN", tables("participants"), "p", SESSION[:2])


def _conditions(grain: Grain, interval: tuple[str, str] | None) -> Iterator[str]:
    metrics = sorted({metric for measure in grain.measures for metric in measure.metrics})
    yield 'WHERE m."emitDate" IS NOT NULL'
    if interval is not None:
        start, end = (f"TIMESTAMPTZ {literal(one)}" for one in interval)
        yield f'    AND m."emitDate" >= {start} AND m."emitDate" < {end}'
    if grain.subject in REQUIRED:
        yield f"    AND {_CELLS[REQUIRED[grain.subject]]} <> ''"
    yield '    AND m."name" IN ('
    yield from wrap(", ".join(map(literal, metrics)), WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    yield "    )"


_CELLS = {
    "queueId": 'queue_span."queueId"',
    "mediaType": 's."mediaType"',
    "flowOutType": "nullif(s.\"flowOutType\", '')",
    "userId": 'p."userId"',
    "wrapUpCode": 'code_span."wrapUpCode"',
}
"""Where the dimensions stand in the query of `emitted`."""


def _time(slice_: Slice, timezone: str) -> str:
    """The expression of the time slice of a metric."""
    if slice_ == "half_hour":
        return 'to_timestamp(floor(extract(epoch FROM m."emitDate") / 1800) * 1800)'
    zone = "'UTC'" if slice_ == "day" else literal(timezone) if timezone else "current_setting('TimeZone')"
    return f'CAST(m."emitDate" AT TIME ZONE {zone} AS date)'


def _counted(group: Sequence[str]) -> str:
    return f"""\
SELECT {", ".join(group)}, "name", count(*) AS n, sum(value) AS total, max(value) AS largest
FROM emitted
GROUP BY {", ".join(group)}, "name\""""


def _measured(group: Sequence[str], measures: Sequence[Measure]) -> str:
    columns = (f"    {_counting(one)} AS {quoted(one.name)}" for one in measures if one.metrics)
    return f"SELECT {', '.join(group)},\n" + ",\n".join(columns) + f"\nFROM counted\nGROUP BY {', '.join(group)}"


def _counting(measure: Measure) -> str:
    """The expression of a measure that is counted."""
    names = ", ".join(map(literal, measure.metrics))
    of_these = f'FILTER (WHERE "name" {f"IN ({names})" if len(measure.metrics) > 1 else f"= {names}"})'
    if measure.statistic == "max":
        return f"CAST(max(largest) {of_these} AS bigint)"
    value = "n" if measure.statistic == "count" else "total"
    return f"CAST(coalesce(sum({value}) {of_these}, 0) AS bigint)"


def _view(grain: Grain, tables: Tables) -> Iterator[str]:
    columns = [f"measured.{quoted(SLICES[grain.slice][0])}"]
    joins: list[str] = []
    for dimension in grain.dimensions:
        columns.append(f"measured.{quoted(dimension.name)}")
        if dimension.named:
            alias = f"name_of_{dimension.kind.lower()}"
            columns.append(f'{alias}."name" AS {quoted(dimension.named)}')
            joins += _name_join(dimension, alias, tables)
    if grain.has_target:
        columns += [f"target.{quoted(column)} AS {quoted(name)}" for name, (column, _, _) in TARGETS.items()]
        joins.append(f"LEFT JOIN {tables('queue_media')} target")
        joins.append('    ON target."queueId" = measured."queueId" AND target."mediaType" = measured."mediaType"')
    columns += [quoted(one.name) if one.metrics else f"{one.sql} AS {quoted(one.name)}" for one in grain.measures]
    yield "SELECT " + ",\n    ".join(columns)
    yield "FROM measured"
    yield from joins


def _name_join(dimension: Dimension, alias: str, tables: Tables) -> Iterator[str]:
    yield f"LEFT JOIN {tables('names')} {alias}"
    yield f'    ON {alias}."kind" = {literal(dimension.kind)} AND {alias}."id" = measured.{quoted(dimension.name)}'


# --- the rows themselves


def rows_query(metrics: Iterable[str], interval: tuple[str, str], *, tables: Tables = in_schema()) -> str:  # noqa: B008
    """The query of the rows of metrics themselves, each with the half hour, queue and medium in which it counts.

    Its columns are conversationId, halfHour, queueId and mediaType (empty where there is none), name, and value: an
    integer, null beyond 2^53.

    Args:
        metrics: their names.
        interval: only metrics emitted from the first instant on and before the second; ISO 8601 with an offset.
        tables: where the tables are.
    """
    start, end = (f"TIMESTAMPTZ {literal(one)}" for one in interval)
    names = ", ".join(map(literal, metrics))
    is_wanted = f'm."name" IN ({names}) AND m."emitDate" >= {start} AND m."emitDate" < {end}'
    # Without this, every segment of the export would be put in order.
    ids = f'SELECT m."conversationId" FROM {tables("metrics")} m WHERE {is_wanted}'
    segments = f'(SELECT * FROM {tables("segments")} WHERE "conversationId" IN ({ids})) found'
    return "\n".join([
        f"WITH queue_span AS (\n{indent(_spans('queueId', lambda _: segments), '    ')}\n)",
        f'SELECT m."conversationId", {_time("half_hour", "")} AS "halfHour",',
        """    coalesce(queue_span."queueId", '') AS "queueId",""",
        """    coalesce(s."mediaType", '') AS "mediaType", m."name",""",
        f'    CASE WHEN abs(m."value") <= {METRIC_MAX} THEN CAST(floor(m."value" + 0.5) AS bigint) END AS value',
        f"FROM {tables('metrics')} m",
        *_joined("JOIN", tables("sessions"), "s", SESSION),
        *_joins(["queueId"], tables),
        f"WHERE {is_wanted}",
    ])  # fmt: skip
