"""What the documentation takes from the code: each function is the Markdown between two cog markers.

`python -m cogapp -I docs -I tests -r README.md docs/*.md` writes it; `tests/test_docs.py` checks that it is up to date.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

from everycall import Options, cli, errors, privacy, sandbox
from everycall.api import auth
from everycall.cli import help_text
from everycall.cli.commands import COMMANDS
from everycall.cli.exit_codes import EXIT_CODES
from everycall.manifest import Header, Manifest, Output, Stray, WindowLoaded, WindowRead, Written, WrittenFile
from everycall.sandbox.faults import KINDS
from everycall.sandbox.routes import ROUTES
from everycall.sandbox.switches import Switches
from everycall.tables import flat as tables
from everycall.tables import kpis, relational
from everycall.tables.kpi_sql import in_parquet, kpi_query
from fault_table import ROWS, Row
from simulation import jobs
from simulation.bugs import BUGS

HELP_WIDTH = 100


def columns(*, default: bool) -> str:
    """The columns of the default view, or those that the extended view has on top."""
    default_names = {column.name for column in tables.DEFAULT}
    chosen = [column for column in tables.EXTENDED if (column.name in default_names) == default]
    return table(
        "column | type | holds | mind",
        ((f"`{one.name}`", one.type, one.doc, one.caveats) for one in chosen),
    )


def relational_tables() -> str:
    """All relational tables."""
    return table(
        "table | a row is | key",
        ((f"[`{one.name}`](#{one.name})", one.grain, _names(one.key)) for one in relational.TABLES),
    )


def relational_columns() -> str:
    """A section for each relational table, with its columns."""
    return "\n\n".join(
        f"### {one.name}\n\n{one.grain[0].upper()}{one.grain[1:]}.\n\n{_columns(one)}" for one in relational.TABLES
    )


def _columns(one: relational.Table) -> str:
    head = "column | type | unit | holds | mind"
    return table(
        head, ((f"`{column.name}`", column.type, column.unit, column.doc, column.caveats) for column in one.columns)
    )


def kpi_views() -> str:
    """All views with key figures."""
    return table("view | a row is", ((f"`{grain.view}`", grain.about) for grain in kpis.GRAINS))


def kpi_groups() -> str:
    """The columns of the views that are no measures, each with the views that have it."""
    found: dict[kpis.ViewColumn, list[kpis.Grain]] = {}
    for grain in kpis.GRAINS:
        for column in grain.columns[: -len(grain.measures)]:
            found.setdefault(column, []).append(grain)
    rows = (
        (f"`{one.name}`", f"{one.type}, {one.unit}" if one.unit else one.type, one.doc, _of_views(grains))
        for one, grains in found.items()
    )
    return table("column | type | holds | views", rows)


def _of_views(grains: Sequence[kpis.Grain]) -> str:
    """`kpi_queue_*` in place of all views of a subject, and so on."""
    subjects = dict.fromkeys(grain.subject for grain in grains)
    slices = dict.fromkeys(grain.slice for grain in grains)
    if len(grains) == len(kpis.GRAINS):
        return "all"
    if len(subjects) == len(kpis.DIMENSIONS):
        return ", ".join(f"`kpi_*_{one}`" for one in slices)
    return ", ".join(f"`kpi_{one}_*`" for one in subjects)


def kpi_measures() -> str:
    """All measures."""
    rows = (
        (f"`{one.name}`", one.unit, one.doc, one.formula, one.source, ", ".join(_subjects(one)))
        for one in kpis.MEASURES
    )
    return table("column | unit | is | counted as | source | views of", rows)


def _subjects(measure: kpis.Measure) -> Iterator[str]:
    return (f"`{subject}`" for subject in kpis.DIMENSIONS if subject in measure.subjects)


def kpi_missing() -> str:
    """What the details do not have."""
    return table(
        "what | instead",
        ((f"`{name}`" if " " not in name else name, instead) for name, instead in kpis.NOT_IN_DETAILS.items()),
    )


def kpi_sql(view: str, folder: str) -> str:
    """The query of a view over a Parquet folder."""
    [grain] = [one for one in kpis.GRAINS if one.view == view]
    return f"```sql\n{kpi_query(grain, 'duckdb', tables=in_parquet(folder))};\n```"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def exit_codes() -> str:
    """Every exit code, what it means, and the errors that end in it."""
    meanings = re.findall(r"^    (\d+) +(.+)$", cli.__doc__ or "", re.MULTILINE)
    rows = ((code, meaning, " ".join(_errors_of(int(code)))) for code, meaning in meanings)
    return table("code | means | errors", rows)


def _errors_of(code: int) -> Iterator[str]:
    for kind, its_code in EXIT_CODES.items():
        if its_code == code:
            kinds = (kind, *kind.__subclasses__())
            yield from (f"`{one.__name__}`" for one in kinds if one.__module__ == errors.__name__)


def error_tree() -> str:
    """The tree of errors, as `everycall.errors` draws it."""
    tree = re.search(r"^    EverycallError\n(?:    .*\n)+", errors.__doc__ or "", re.MULTILINE)
    return fenced(inspect.cleandoc("\n" + tree[0]) if tree else "")


def help_of(command: str) -> str:
    """What `everycall COMMAND --help` prints on a terminal of 100 columns."""
    return fenced(help_text.of_command(COMMANDS[command], width=HELP_WIDTH).strip())


def regions() -> str:
    """Every region, its domain and its places."""
    places: dict[str, list[str]] = {}
    for place, region in auth.CITIES.items():
        places.setdefault(region, []).append(f"`{place}`")
    rows = ((f"`{region}`", f"`{domain}`", ", ".join(places[region])) for region, domain in auth.REGIONS.items())
    return table("`GENESYS_ENV` | or | or", rows)


def options() -> str:
    """The fields of `Options`, with what they are unless given."""
    defaults = {one.name: one.default for one in fields(Options)}
    docs = field_docs(Options)
    return table(
        "field | default | meaning", ((f"`{name}`", _default(defaults[name]), doc) for name, doc in docs.items())
    )


def _default(value: object) -> str:
    return "`0o600`" if value == 0o600 else f"`{value!r}`"


def personal() -> str:
    """What `--redact personal` replaces, by the object that has it."""
    rows = (
        (f"`{path}`" if path else "the conversation", _fields_of(hashed), _fields_of(dropped))
        for path, hashed, dropped in privacy.described()
    )
    return table("of | hashed | dropped", rows)


def _fields_of(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def manifest() -> str:
    """The fields of the manifest itself."""
    return _fields(field_docs(Manifest))


def manifest_query() -> str:
    """The fields of the query in the manifest."""
    docs = field_docs(Header)
    return _fields({name: doc for name, doc in docs.items() if name != "format_version"})


def manifest_output() -> str:
    """The fields of the output in the manifest."""
    return _fields(field_docs(Output))


def manifest_files() -> str:
    """The fields of a file in the manifest of a folder."""
    return _fields(field_docs(WrittenFile))


def manifest_windows() -> str:
    """The fields of a window in the manifest: those of both of its lines in the ledger."""
    loaded = {name: doc for name, doc in field_docs(WindowLoaded).items() if name not in ("interval", "written")}
    return _fields(field_docs(WindowRead) | loaded | field_docs(Written))


def manifest_strays() -> str:
    """The fields of a stray in the manifest."""
    return _fields(field_docs(Stray))


def _fields(docs: Mapping[str, str]) -> str:
    names = {name: re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in docs}
    return table("field | meaning", ((f"`{names[name]}`", doc) for name, doc in docs.items()))


def faults() -> str:
    """Every kind of fault."""
    return table("fault | what goes wrong", ((f"`{name}`", kind.about) for name, kind in KINDS.items()))


def evidence() -> str:
    """Every row of the table that `tests/test_fault_table.py` runs."""
    head = "what happens | conversations there are | rows that come | windows | read again | exit code"
    numbers = ("conversations", "rows", "windows", "re_reads", "code")
    return table(head, ((_happens(row), *(f"{getattr(row, name):,}" for name in numbers)) for row in ROWS))


def planted_bugs() -> str:
    """Every bug that `tests/test_simulation.py` and `tests/test_jobs_simulation.py` plant."""
    return "\n".join(f"- {bug}" for bug in (*BUGS, *jobs.BUGS))


def _happens(row: Row) -> str:
    return f"{row.happens} (`{' '.join(row.options)}`)" if row.options else row.happens


def switches() -> str:
    """Every switch with its settings, the default first."""
    docs = field_docs(Switches)
    return table("switch | settings | says", ((f"`{name}`", _settings(name), doc) for name, doc in docs.items()))


def _settings(name: str) -> str:
    default = getattr(Switches(), name)
    annotation = str(Switches.__annotations__[name])
    others = ("False", "True") if isinstance(default, bool) else re.findall(r"'([^']*)'", annotation)
    settings = dict.fromkeys([str(default), *others])
    return ", ".join(f"`{one}`" for one in settings)


def routes() -> str:
    """Every endpoint of the sandbox."""
    return table(
        "endpoint | permission, one of",
        ((f"`{one.method} {one.path}`", " ".join(f"`{name}`" for name in one.permissions)) for one in ROUTES),
    )


def honesty() -> str:
    """What the sandbox does not do, and what in it is a guess, as it says itself."""
    text = (sandbox.__doc__ or "").partition("**What it does not do**")
    return re.sub(r"\n(?!- |\n|\*\*) *", " ", "".join(text[1:]).strip())


def field_docs(record: type) -> dict[str, str]:
    """Each field of a class and the text under it, in order; one line each."""
    body = ast.parse(textwrap.dedent(inspect.getsource(record))).body[0]
    docs: dict[str, str] = {}
    for node in body.body if isinstance(body, ast.ClassDef) else ():
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            docs[node.target.id] = ""
        elif docs and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs[list(docs)[-1]] = " ".join(str(node.value.value).split())
    return docs


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; `|` within a cell is escaped."""
    names = head.split(" | ")
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def fenced(text: str) -> str:
    """A block of text as it stands."""
    return f"```text\n{text}\n```"
