"""Whole commands, from the network to a file, in interleaved rounds against one page server.

python -m bench.whole --per-day 4000 --rounds 2
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.commands import BASELINE, CLIENTS, COMMANDS, Command
from bench.figures import Line, Measured, Run
from bench.processes import compile_everycall, run
from bench.rendering import commands_table
from bench.serving import Served, page_server

ARCHIVE = "archive.jsonl"


DAYS = 16
"""Days with conversations. A window is a day here: of few, one of two workers would be idle for the last."""


def measured(
    per_day: int,
    rounds: int,
    report: Callable[[str], None],
    commands: Sequence[Command] = COMMANDS,
    *,
    days: int = DAYS,
) -> Measured:
    """Run every command once a round; the order turns around from round to round.

    Args:
        per_day: conversations of each day, a multiple of 400.
        rounds: how often.
        report: takes a line of text after each run.
        commands: what is run; the baseline has to be among them.
        days: how many days.
    """
    compile_everycall()
    with page_server(per_day, days=days) as served, tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages.gz"
        run([sys.executable, f"{CLIENTS}/raw_download.py", served.interval(), str(pages)], served.environ)
        if any("{archive}" in command.arguments for command in commands):
            run(_export_to(served, Path(folder) / ARCHIVE), served.environ)
        ceiling, page_bytes = _ceiling(served)
        runs: dict[str, list[Run]] = {command.name: [] for command in commands}
        for number in range(rounds):
            for command in commands[:: -1 if number % 2 else 1]:
                done = _run(command, served, Path(folder), pages)
                runs[command.name].append(done)
                report(f"{number + 1}/{rounds} {command.name}: {done.per_second:,.0f}/s, {done.cpu_s:.1f} CPU-s")
        lines = tuple(Line.of(name, found, runs[BASELINE]) for name, found in runs.items())
        return Measured(served.conversations, rounds, lines, ceiling, page_bytes)


def _export_to(served: Served, archive: Path) -> list[str]:
    """The command that makes the archive which others convert."""
    return [sys.executable, "-m", "everycall", "export", "--interval", served.interval(), "-o", str(archive), "--quiet"]


def _run(command: Command, served: Served, folder: Path, pages: Path) -> Run:
    output = folder / "output.csv"
    environ = {**served.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    usage = run(command.argv(served.interval(command.days), output, pages, folder / ARCHIVE), environ)
    conversations = (command.days or served.days) * served.per_day
    if command.rows is not None:
        rows = command.rows(output)
        assert rows == conversations, f"{command.name} wrote {rows} rows of {conversations}"
    for path in folder.glob("output*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Run(conversations, usage)


def _ceiling(served: Served) -> tuple[float, float]:
    pages = served.conversations // 100
    usage = run([sys.executable, f"{CLIENTS}/ceiling.py", served.interval(), str(pages)], served.environ)
    found = json.loads(usage.output)
    return found["pages_a_second"] * 100, found["bytes"] / pages


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--per-day", type=int, default=10_000, help="conversations of each day")
    arguments.add_argument("--days", type=int, default=DAYS)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", default="", help="parts of commands' names, separated by commas")
    options = arguments.parse_args()
    wanted = [command for command in COMMANDS if _is_wanted(command, options.only)]
    found = measured(
        options.per_day, options.rounds, lambda line: print(line, file=sys.stderr), wanted, days=options.days
    )
    print(commands_table(found))


def _is_wanted(command: Command, only: str) -> bool:
    return command.name == BASELINE or any(part in command.name for part in only.split(","))


if __name__ == "__main__":
    main()
