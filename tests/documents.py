"""The documentation's blocks, and running them as a reader would: each in an empty folder, against a sandbox.

    ```console    each line after `$ ` is a command (`> ` goes on with it); what follows is what it prints
    ```python     the blocks of a page are one program, from top to bottom
    ```text       right after a python block: what that block prints; elsewhere just text
    ```sh         is not run: it needs a real org, or changes the machine

`GENESYS_*` lead to a sandbox of 2,000 conversations a day. `<!-- org: NAME -->` in the line before a console block
chooses another one of `ORGS`. A line `...` stands for any lines. What a command prints is compared in shape: numbers,
instants and ids may differ, the rest may not.

`python tests/documents.py` writes what is printed today into the pages where their shape is no longer right; with
`--all`, wherever anything differs.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from everycall.sandbox import QUERY, Client, Faults, Sandbox, server

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LIMIT_S = 60
CUT = "\x1e"
"""Printed between the commands of a block, and between the blocks of a program."""


def _org(**settings: object) -> Callable[[], AbstractContextManager[Sandbox]]:
    return lambda: server(**settings)  # type: ignore[arg-type]


def _failing(*rules: tuple[object, str, Mapping[str, object]]) -> Callable[[], AbstractContextManager[Sandbox]]:
    faults = Faults()
    for at, kind, options in rules:
        faults.on(at, kind, path=QUERY, **options)  # type: ignore[arg-type]
    return _org(faults=faults)


def _without(*permissions: str) -> Callable[[], AbstractContextManager[Sandbox]]:
    every = Client("", "").permissions
    client = Client("5e1ec7ed-0000-4000-8000-000000000001", "secret", permissions=every - set(permissions))
    return _org(clients=[client])


ORGS: Mapping[str, Callable[[], AbstractContextManager[Sandbox]]] = {
    "": _org(),
    "no permission": _without("analytics:conversationDetail:view", "analytics:agentConversationDetail:view"),
    "no wrap-up names": _without("routing:wrapupCode:view"),
    "refuses every token": _failing((None, "401", {})),
    "busy": _failing((range(2, 5), "429", {"retry_after_s": 1})),
    "miscounts": _failing((None, "total_hits", {"off": 2})),
    "loses a row once": _failing((2, "short_page", {})),
    "of tomorrow": _failing((1, "new_field", {})),
    "thirty a minute": _org(rate_limit=30),
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """Of its first line within the fence, from 1."""
    language: str
    org: str
    text: str
    at: int
    """Where the text begins on the page, in characters."""
    prints: "Block | None" = None
    """The text block right after a python block."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


_FENCE = re.compile(
    r"(?:<!-- org: (?P<org>.+?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```\n", re.MULTILINE | re.DOTALL
)


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    after_python: int | None = None
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        block = Block(page, line, match["language"], match["org"] or "", match["text"], match.start("text"))
        if after_python is not None and block.language == "text" and not text[after_python : match.start()].strip():
            found[-1] = Block(**{**vars(found[-1]), "prints": block})
        else:
            found.append(block)
        after_python = match.end() if block.language == "python" else None
    return found


class Terminal:
    """A terminal of 100 columns without colours, with everycall on its path and an org behind the three variables."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._orgs: dict[str, Sandbox] = {}

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def empty_folder(self) -> Path:
        """It goes when the terminal is closed."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="reader-")))

    def run(self, command: list[str], folder: Path, org: str = "") -> str:
        """What a command prints, on both streams."""
        done = subprocess.run(
            command, cwd=folder, env=self._environ(folder, org), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8", timeout=LIMIT_S, check=False,
        )  # fmt: skip
        return done.stdout

    def _environ(self, folder: Path, org: str) -> dict[str, str]:
        if org not in self._orgs:
            self._orgs[org] = self._stack.enter_context(ORGS[org]())
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        fixed = {"PATH": path, "HOME": str(folder), "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TZ": "UTC"}
        return {**fixed, "LC_ALL": "C.UTF-8", **self._orgs[org].environ}


@dataclass(frozen=True)
class Step:
    """A command, or a python block, and what it should print."""

    block: Block
    command: str
    """The lines of the command as they stand on the page; empty for python."""
    shown: str


def steps(block: Block) -> list[Step]:
    """The commands of a console block."""
    found: list[Step] = []
    command, shown = "", ""
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            found += [Step(block, command, shown)] if command else []
            command, shown = line, ""
        elif (line.startswith("> ") or line == ">\n") and not shown:
            command += line
        else:
            shown += line
    return [*found, Step(block, command, shown)]


def command_of(step: Step) -> str:
    """The command without its prompts."""
    return "".join(line[2:] or "\n" for line in step.command.splitlines(keepends=True))


def run_console(block: Block, terminal: Terminal) -> Iterator[tuple[Step, str]]:
    """Each command of the block with what it printed; they run in one shell."""
    todo = steps(block)
    cut = f'__code=$?; printf "{CUT}"; (exit $__code)\n'
    script = cut.join(command_of(step) for step in todo)
    printed = terminal.run(["bash", "-c", script], terminal.empty_folder(), block.org).split(CUT)
    yield from zip(todo, printed, strict=True)


def run_python(page: Path, terminal: Terminal) -> Iterator[tuple[Step, str]]:
    """Each python block of the page with what it printed, they being one program; nothing where there is none."""
    found = [block for block in blocks(page) if block.language == "python"]
    if not found:
        return
    program = ""
    for block in found:  # at the page's own lines, so that a traceback leads there
        program += "\n" * (block.line - 1 - program.count("\n")) + block.text + f"print({CUT!r}, end='', flush=True)\n"
    path = terminal.empty_folder() / f"{page.stem}.py"
    path.write_text(program, encoding="utf-8")
    printed = terminal.run([sys.executable, path.name], path.parent).split(CUT)
    if len(printed) != len(found) + 1 or printed[-1]:
        raise AssertionError(f"the program of {page.name} broke off:\n{printed[-1]}")
    for block, one in zip(found, printed, strict=False):
        yield Step(block, "", block.prints.text if block.prints else ""), one


def run_page(page: Path) -> Iterator[tuple[Step, str]]:
    """Every step of a page with what it printed."""
    with Terminal() as terminal:
        for block in blocks(page):
            if block.language == "console":
                yield from run_console(block, terminal)
        yield from run_python(page, terminal)


_SHAPES = (
    (re.compile(r"^note: Some of this is older than 18 months.*\n", re.MULTILINE), ""),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "URL"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{64}\b|\b[0-9a-f]{16}\b"), "ID"),
    (re.compile(r"\d[\d.,:T-]*( (k|M)?B\b| bytes| s\b)?Z?"), "0"),
    (re.compile(r"(windows?|rows?)\b"), "some"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" +$", re.MULTILINE), ""),
)


def shape(text: str) -> str:
    """The text without what may differ from run to run."""
    text = "".join(_row_shape(line) for line in text.splitlines(keepends=True))
    for pattern, stands in _SHAPES:
        text = pattern.sub(stands, text)
    return text.strip()


def _row_shape(line: str) -> str:
    """Rows of an export have a shape of their own: so many cells."""
    if not re.match(r"[0-9a-f]{8}-[0-9a-f]{4}-", line):
        return line
    return "a row of" + " a cell" * len(next(csv.reader([line]))) + "\n"


def agrees(shown: str, printed: str) -> bool:
    """Whether what a page shows has the shape of what was printed."""
    pattern = "\n".join(r"(?s:.*)" if line.strip() == "..." else re.escape(line) for line in shape(shown).splitlines())
    return re.fullmatch(pattern, shape(printed)) is not None


def refresh(page: Path, *, everything: bool = False) -> list[str]:
    """Write what is printed today where the page shows something of another shape; return where it did."""
    changes: list[str] = []
    anew: dict[Block, str] = {}
    for step, answer in run_page(page):
        printed = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8080", answer)
        is_open = "..." in step.shown.splitlines()
        is_right = agrees(step.shown, printed) if is_open or not everything else step.shown == printed
        if is_open and not is_right:
            changes.append(f"{step.block}: correct it by hand; it prints now:\n{printed}")
        elif not is_right and (step.command or step.block.prints):
            changes.append(f"{step.block}: rewritten")
        keeps = is_right or is_open
        target = step.block if step.command else step.block.prints
        if target:
            anew[target] = anew.get(target, "") + step.command + (step.shown if keeps else printed)
    text = page.read_text(encoding="utf-8")
    for block, new in sorted(anew.items(), key=lambda pair: -pair[0].at):
        text = text[: block.at] + new + text[block.at + len(block.text) :]
    page.write_text(text, encoding="utf-8")
    return changes


if __name__ == "__main__":
    for each in PAGES:
        for line in refresh(each, everything="--all" in sys.argv):
            print(line)  # noqa: T201
