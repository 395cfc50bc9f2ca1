"""The pages: what they show is what happens, and nothing is left out."""

import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import everycall
from clocks import StillClock
from documents import PAGES, ROOT, Block, Terminal, agrees, blocks, run_console, run_python, steps
from everycall import Client, Credentials, Interval, Query, Unreachable, client, conversations
from everycall.api import auth, limits
from everycall.api.exchange import Broken, Response
from everycall.cli import INTERRUPTED
from everycall.cli.commands import COMMANDS
from everycall.cli.exit_codes import EXIT_CODES, FAILED_HERE, NOBODY_READS, NOT_PROVEN
from everycall.cli.parser import options_of
from everycall.manifest import Stray, WrittenFile, plain
from inprocess import manifest_of, org

DOCS = ROOT / "docs"
REFRESH = "`make docs` rewrites it."


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


CONSOLES = [block for page in PAGES for block in blocks(page) if block.language == "console"]
PROGRAMS = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("block", CONSOLES, ids=str)
def test_the_pages_show_what_the_commands_print(block: Block) -> None:
    """Each console block of the documentation is run in an empty folder against a sandbox."""
    with Terminal() as terminal:
        for step, printed in run_console(block, terminal):
            assert agrees(step.shown, printed), f"{step.command}prints\n{printed}\n{REFRESH}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS, ids=page_id)
def test_the_python_of_the_pages_runs_and_prints_what_they_show(page: Path) -> None:
    """All Python blocks of a page are one program."""
    with Terminal() as terminal:
        for step, printed in run_python(page, terminal):
            assert not step.block.prints or agrees(step.shown, printed), f"{step.block} prints\n{printed}\n{REFRESH}"


def test_the_generated_parts_of_the_pages_are_up_to_date() -> None:
    generated = [str(page) for page in PAGES if "[[[cog import" in page.read_text("utf-8")]
    found_in = ["-I", str(DOCS), "-I", str(ROOT / "tests")]
    command = [sys.executable, "-m", "cogapp", *found_in, "--check", "--diff", *generated]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{REFRESH}"


def links(page: Path) -> Iterator[str]:
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if not link.startswith(("https://", "http://")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page

            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in links(ROOT / "README.md")}

    assert {f"docs/{page.name}" for page in DOCS.glob("*.md") if page.name != "sandbox-coverage.md"} <= linked


def test_every_public_name_is_on_the_page_of_the_library() -> None:
    page = text_of("docs/library.md")

    assert [name for name in everycall.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_every_exit_code_is_on_the_page_of_the_errors() -> None:
    codes = {0, FAILED_HERE, NOT_PROVEN, INTERRUPTED, NOBODY_READS, *EXIT_CODES.values()}

    assert set(re.findall(r"^\| (\d+) \|", text_of("docs/errors.md"), re.MULTILINE)) == {str(code) for code in codes}


def test_the_design_lists_every_command_in_the_order_of_the_help() -> None:
    table = text_of("DESIGN.md").partition("## Commands\n")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `everycall (\w+)` \|", table, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_on_the_page_of_the_commands(command: str) -> None:
    page = text_of("docs/commands.md").partition(f"## everycall {command}\n")[2].partition("\n## ")[0]
    options = [name for names, _, _ in options_of(COMMANDS[command]) for name in names]

    assert options
    assert [name for name in options if not re.search(rf"{name}\b", page)] == []


def test_every_key_of_a_manifest_is_explained(output: Path) -> None:
    where = org(conversations_per_day=20)
    where.export(output)
    manifest: dict[str, Any] = manifest_of(output)
    page = text_of("docs/how-it-works.md").partition("## The manifest")[2]

    keys = {*manifest, *manifest["query"], *manifest["output"], *manifest["windows"][0]}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_the_page_explains_exactly_the_keys_that_a_manifest_has(output: Path) -> None:
    where = org(conversations_per_day=20)
    where.export(output)
    manifest: dict[str, Any] = manifest_of(output)
    page = text_of("docs/how-it-works.md").partition("## The manifest")[2]
    explained = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    stray = set(plain(Stray(conversation_id="", start=None, reason="")))

    keys = {*manifest, *manifest["query"], *manifest["output"], *manifest["windows"][0]}
    assert explained == keys | stray | {*plain(WrittenFile(path="", rows=0, size_bytes=0, sha256=""))}


def test_the_numbers_in_how_it_works_are_those_of_the_code() -> None:
    page = text_of("docs/how-it-works.md")

    assert f"at most {limits.SPAN_UNFILTERED.days} days without a filter, {limits.SPAN_FILTERED.days} days" in page
    assert f"fewer than {limits.HITS_MAX:,} conversations" in page
    assert f"more than {limits.WINDOW_HITS_DEFAULT:,} is split" in page
    assert limits.PASSES_MAX == 4
    assert "at most four times" in page
    assert limits.SETTLED_AFTER.days == 4
    assert "four days" in page


def test_the_retry_times_on_the_pages_are_those_of_the_client() -> None:
    errors = text_of("docs/errors.md")

    assert f"for {client.FIRST_PATIENCE_S:.0f} seconds where nothing has ever answered" in errors
    assert f"for {client.PATIENCE_S / 60:.0f} minutes where something has" in errors
    waits = (
        f"from {client.WAIT_FIRST_S:.0f} to {client.WAIT_MAX_S:.0f} seconds, for {client.PATIENCE_S / 60:.0f} minutes"
    )
    assert waits in text_of("docs/how-it-works.md")


class NoNetwork:
    """Nobody answers."""

    def send(self, *_: Any, **__: Any) -> Response:
        raise Broken("no connection")

    def close(self) -> None:
        pass


def test_the_page_shows_the_message_of_an_unreachable_service() -> None:
    clock = StillClock()
    lonely = Client(Credentials("id", "secret", "eu-central-1"), connection=NoNetwork(), clock=clock)
    with pytest.raises(Unreachable) as caught:
        next(conversations(lonely, Query(Interval.parse("2026-01-05", now=clock.utc()))))

    message = f"error: {caught.value}\n\nhint: {caught.value.hint}\n"
    shown = next(block.text for block in blocks(DOCS / "errors.md") if "Gave up" in block.text)
    assert agrees(shown, message), message


@pytest.mark.slow
def test_the_sandbox_prints_the_variables_that_the_page_shows() -> None:
    arguments = re.findall(r"^everycall (sandbox .+)$", text_of("docs/sandbox.md"), re.MULTILINE)[0]
    command = [sys.executable, "-m", "everycall", *arguments.replace("--port 8080", "--port 0").split()]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with running:
        assert running.stdout
        lines = [running.stdout.readline() for _ in range(3)]
        running.send_signal(signal.SIGINT)

    assert [line.partition("=")[0] for line in lines] == [f"export {name}" for name in auth.VARIABLES]


def layout_of_the_design() -> dict[str, set[str]]:
    """Each folder of the layout ("" is the package) and what the design lists in it."""
    layout = text_of("DESIGN.md").partition("## The way of the data")[2].partition("## ")[0]
    found: dict[str, set[str]] = {"": set()}
    folder = ""
    for indent, name in re.findall(r"^( {2}| {4})(\w+(?:\.py|/)) ", layout, re.MULTILINE):
        folder = folder if len(indent) == 4 else name
        found.setdefault(folder if len(indent) == 4 else "", set()).add(name)
    return found


def test_every_module_is_in_the_layout_of_the_design() -> None:
    package = ROOT / "src" / "everycall"
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    layout = layout_of_the_design()

    assert layout[""] == {path.name for path in package.glob("*.py")} | folders
    for folder in folders - {"cli/", "sandbox/"}:
        inner = {f"{path.parent.name}/" for path in (package / folder).glob("*/__init__.py")}  # with maps of their own
        assert layout[folder] == {path.name for path in (package / folder).glob("*.py")} - {"__init__.py"} | inner


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]

    assert everycall.__version__ == project["version"]
    assert f"## [{everycall.__version__}]" in text_of("CHANGELOG.md")


def test_what_a_command_shows_ends_at_the_next_command() -> None:
    block = Block(ROOT / "README.md", 1, "console", "", "$ one\n1\n$ two \\\n> three\n2\n> 3\n", 0)

    assert [(step.command, step.shown) for step in steps(block)] == [
        ("$ one\n", "1\n"),
        ("$ two \\\n> three\n", "2\n> 3\n"),
    ]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("7 rows in 1 window\n", "1,234 rows in 5 windows\n"),
        ("as of 2026-11-22T21:07:37Z.\n", "as of 2027-01-01T00:00:00Z.\n"),
        ("took  0.3 s\n", "took        12.1 s\n"),
        ("first\n...\nlast\n", "first\nsecond\nthird\nlast\n"),
        ("56babc00-fdbb-4672-aa24-25b17a940591,voice,Billing\n", "9637acc2-e94c-46c2-be56-6f65eb889559,chat,\n"),
    ],
)
def test_numbers_times_and_ids_are_no_difference(shown: str, printed: str) -> None:
    """What a page shows is compared in shape."""
    assert agrees(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("proven\n", "unproven\n"),
        ("first\nlast\n", "first\nsecond\nlast\n"),
        ("first\n...\nlast\n", "first\nsecond\n"),
        ("56babc00-fdbb-4672-aa24-25b17a940591,voice,Billing\n", "9637acc2-e94c-46c2-be56-6f65eb889559,chat\n"),
        ("", "Traceback\n"),
    ],
)
def test_different_text_is_a_difference(shown: str, printed: str) -> None:
    assert not agrees(shown, printed)


def test_contributing_explains_every_kind_of_block() -> None:
    kinds = {block.language for page in PAGES for block in blocks(page)}
    explained = set(re.findall(r"^\| ` ```(\w+) ` \|", text_of("CONTRIBUTING.md"), re.MULTILINE))

    assert kinds <= explained


def test_every_fence_has_a_language() -> None:
    for page in PAGES:
        fences = re.findall(r"^```(\w*)$", page.read_text("utf-8"), re.MULTILINE)

        assert all(fences[::2]), page
        assert not any(fences[1::2]), page
