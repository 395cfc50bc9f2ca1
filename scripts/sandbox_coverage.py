"""Lists what the sandbox serves and settles by switches, counts what it emits, and writes docs/sandbox-coverage.md.

    python scripts/sandbox_coverage.py              # or with --print, on standard output

The models are those of the official Python SDK, read as text (importing it takes seconds); the conversations are four
weeks of a seeded contact centre, long after their end, with the attributes that jobs show.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from everycall.sandbox import Org, Switches
from everycall.sandbox.instants import DAY_MS, to_ms
from everycall.sandbox.routes import NOT_SERVED, ROUTES
from everycall.sandbox.stories import changes
from everycall.sandbox.switches import GROUNDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "sandbox-coverage.md"

SDK = "PureCloudPlatformClientV2"
TOP = "AnalyticsConversation"

FIRST_DAY = "2026-01-05T00:00:00Z"
DAYS = 28
CONVERSATIONS_PER_DAY = 1000
SETTLED_DAYS = 60
"""So much later nothing changes any more."""

METRIC_NAMES = ("ConversationDetailQueryPredicate", "metric")
"""Where the SDK lists the names that a metric can have; its response model leaves them open."""


@dataclass(frozen=True)
class Field:
    """A field of a model."""

    name: str
    """As in the JSON."""
    type: str
    """`str`, `datetime`, `list[AnalyticsSession]`..."""
    values: tuple[str, ...]
    """Those of its enumeration; empty where it has none."""

    @property
    def model(self) -> str | None:
        """The model that it holds, or a list of it."""
        name = self.type.removeprefix("list[").removesuffix("]")
        return name if name.startswith("Analytics") else None


Models = dict[str, tuple[Field, ...]]


@dataclass(frozen=True)
class Seen:
    """What was emitted."""

    fields: frozenset[tuple[str, str]]
    """(model, field)"""
    values: Mapping[tuple[str, str], frozenset[str]]
    """Of each field that has an enumeration."""


def models() -> Models:
    """The response models, from the conversation downward."""
    found: Models = {}
    wanted = [TOP]
    while wanted:
        name = wanted.pop(0)
        if name not in found:
            found[name] = fields_of(name)
            wanted += [field.model for field in found[name] if field.model]
    metric = next(field for field in fields_of(METRIC_NAMES[0]) if field.name == METRIC_NAMES[1])
    session_metric = [
        Field(field.name, field.type, metric.values) if field.name == "name" else field
        for field in found["AnalyticsSessionMetric"]
    ]
    return {**found, "AnalyticsSessionMetric": tuple(session_metric)}


def fields_of(model: str) -> tuple[Field, ...]:
    """The fields of a model of the SDK, in its order."""
    spec = find_spec(SDK)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in model).lstrip("_")
    tree = ast.parse((Path(spec.submodule_search_locations[0]) / "models" / f"{snake}.py").read_text("utf-8"))
    types = literal(tree, "swagger_types")
    names = literal(tree, "attribute_map")
    values = enumerations(tree)
    return tuple(Field(names[attribute], kind, values.get(attribute, ())) for attribute, kind in types.items())


def literal(tree: ast.AST, attribute: str) -> dict[str, str]:
    """The dictionary that is assigned to `self.attribute`."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr=assigned)], value=ast.Dict() as value) if assigned == attribute:
                found: dict[str, str] = ast.literal_eval(value)
                return found
    raise LookupError(attribute)


def enumerations(tree: ast.AST) -> dict[str, tuple[str, ...]]:
    """The values that the setters allow, by attribute."""
    found = {}
    for setter in ast.walk(tree):
        if not isinstance(setter, ast.FunctionDef):
            continue
        for node in ast.walk(setter):
            match node:
                case ast.Assign(targets=[ast.Name(id="allowed_values")], value=value):
                    found[setter.name] = tuple(ast.literal_eval(value))
    return found


def conversations() -> Iterator[dict[str, Any]]:
    """The seeded weeks."""
    org = Org(seed=1, conversations_per_day=CONVERSATIONS_PER_DAY)
    first = to_ms(FIRST_DAY) // DAY_MS
    now_ms = (first + DAYS + SETTLED_DAYS) * DAY_MS
    for day in range(first, first + DAYS):
        sketches = org.day(day)
        for at in range(len(sketches)):
            sketch = sketches[at]
            for then_ms in (*(change.at_ms for change in changes(sketch)), now_ms):
                yield org.with_attributes(sketch, then_ms)


def look(known: Models, emitted: Iterable[dict[str, Any]]) -> Seen:
    """What stands in conversations."""
    counted: defaultdict[str, set[str]] = defaultdict(set)
    values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    by_name = {model: {field.name: field for field in fields} for model, fields in known.items()}

    def walk(model: str, value: dict[str, Any]) -> None:
        counted[model] |= value.keys()
        fields = by_name[model]
        for name, held in value.items():
            field = fields[name]
            if field.model:
                for inner in held if isinstance(held, list) else (held,):
                    walk(field.model, inner)
            elif field.values:
                values[model, name].add(held)

    for conversation in emitted:
        walk(TOP, conversation)
    fields = frozenset((model, name) for model, names in counted.items() for name in names)
    return Seen(fields, {key: frozenset(seen) for key, seen in values.items()})


def page(known: Models, seen: Seen) -> str:
    """The page of the documentation."""
    missing_fields = [
        f"{model}.{field.name}" for model, field in all_fields(known) if (model, field.name) not in seen.fields
    ]
    missing_values = [
        (
            f"{model}.{field.name}",
            [value for value in field.values if value not in seen.values.get((model, field.name), ())],
        )
        for model, field in all_fields(known)
        if field.values
    ]
    lines = [
        "# What the sandbox covers",
        "",
        "Its endpoints and switches with their sources; then every field and every enumeration value of the API's",
        "response models, and whether the invented conversations hold it. Made by `scripts/sandbox_coverage.py`; a",
        "test fails where it is out of date.",
        "",
        *endpoints(),
        *switches(),
        "## Fields and values",
        "",
        f"- The models are those of the official Python SDK, {SDK} {version(SDK)}, from `{TOP}` downward.",
        f"- The conversations are {DAYS} days of seed 1, {CONVERSATIONS_PER_DAY:,} conversations a weekday, as jobs",
        f"  show them: {SETTLED_DAYS} days later, and whenever one of them changed after its end.",
        "- The SDK leaves the names of metrics open where it answers; they are those that a query can ask for.",
        "",
        "| model | fields emitted | of | enumeration values emitted | of |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| [{model}](#{model.lower()}) {cells(counts(model, known, seen))}" for model in known),
        total(counts(model, known, seen) for model in known),
        "",
        "### Not emitted",
        "",
        *([f"- Field `{name}`" for name in missing_fields] or ["- Fields: none"]),
        *(f"- Of `{name}`: {', '.join(f'`{value}`' for value in values)}" for name, values in missing_values if values),
    ]
    for model, fields in known.items():
        lines += ["", f"### {model}", "", "| field | type | emitted | values emitted | values not emitted |"]
        lines += ["| --- | --- | --- | --- | --- |", *(row(model, field, seen) for field in fields)]
    return "\n".join(lines) + "\n"


def endpoints() -> Iterator[str]:
    """Every endpoint, how surely it is known, and what is not served."""
    yield from ("## Endpoints", "")
    yield "**A** is the vendor's documentation, SDK or a verbatim capture, **B** several independent production"
    yield "sources or a real log, **C** one unofficial source, **D** an inference. A letter is for shape and behaviour"
    yield from ("together; what of it is a guess stands in the module that answers.", "")
    yield from ("| endpoint | sure | source |", "| --- | --- | --- |")
    yield from (f"| `{route.method} {route.path}` | {route.confidence} | {route.source} |" for route in ROUTES)
    yield from ("", "Not served, an honest 404 (or a 405 where the path has another method):", "")
    yield from (f"- {route}" for route in NOT_SERVED)
    yield ""


def switches() -> Iterator[str]:
    """Every switch, its default, and how surely that one is known."""
    yield from ("## Switches", "", "What each one settles stands in [the sandbox's page](sandbox.md#switches).", "")
    yield from ("| switch | default | sure | source |", "| --- | --- | --- | --- |")
    for name, (confidence, source) in GROUNDS.items():
        yield f"| `{name}` | `{getattr(Switches(), name)}` | {confidence} | {source} |"
    yield ""


def all_fields(known: Models) -> Iterator[tuple[str, Field]]:
    """(model, field) of each."""
    for model, fields in known.items():
        for field in fields:
            yield model, field


def counts(model: str, known: Models, seen: Seen) -> tuple[int, int, int, int]:
    """(fields emitted, fields, values emitted, values) of a model."""
    fields = known[model]
    emitted = sum((model, field.name) in seen.fields for field in fields)
    values = sum(len(seen.values.get((model, field.name), frozenset()) & set(field.values)) for field in fields)
    return emitted, len(fields), values, sum(len(field.values) for field in fields)


def total(rows: Iterable[tuple[int, ...]]) -> str:
    """The last line of the summary."""
    sums = (sum(column) for column in zip(*rows, strict=True))
    return f"| **all** {cells(sums)}"


def cells(numbers: Iterable[int]) -> str:
    """The rest of a line."""
    return f"| {' | '.join(map(str, numbers))} |"


def row(model: str, field: Field, seen: Seen) -> str:
    """A line of a model's table."""
    there = seen.values.get((model, field.name), frozenset())
    emitted = "yes" if (model, field.name) in seen.fields else "no"
    have = ", ".join(value for value in field.values if value in there)
    lack = ", ".join(value for value in field.values if value not in there)
    return f"| {field.name} | {field.type} | {emitted} | {have} | {lack} |"


def made() -> str:
    """The page as it is now."""
    known = models()
    return page(known, look(known, conversations()))


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(made())
    else:
        PAGE.write_text(made(), "utf-8")
