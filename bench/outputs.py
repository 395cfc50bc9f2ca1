"""Whole commands to every kind of output, in interleaved rounds with the flat script against one page server.

python -m bench.outputs --per-day 4000 --rounds 3
"""

import argparse
import json
from pathlib import Path

import zstandard
from deltalake import DeltaTable
from pyarrow import parquet

from bench.commands import BASELINE, CLIENTS, COMMANDS, Command
from bench.rendering import commands_table
from bench.whole import DAYS, measured


def parquet_rows(output: Path) -> int:
    """Conversations in a folder of Parquet."""
    return sum(parquet.read_metadata(path).num_rows for path in (output / "conversations").glob("*.parquet"))


def dlt_parquet_rows(output: Path) -> int:
    """Rows of dlt's table of conversations."""
    return sum(parquet.read_metadata(path).num_rows for path in (output / "out" / "conversations").glob("*.parquet"))


def delta_rows(output: Path) -> int:
    """Conversations in Delta tables."""
    return int(DeltaTable(output / "conversations").to_pyarrow_dataset().count_rows())


def csv_folder_rows(output: Path) -> int:
    """Conversations in a folder of CSV, by its manifest."""
    return int(json.loads(output.with_name(output.name + ".manifest.json").read_bytes())["rows"])


def archive_rows(output: Path) -> int:
    """Conversations in JSON lines, compressed."""
    with output.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as lines:
        count = 0
        while piece := lines.read(1 << 20):
            count += piece.count(b"\n")
    return count


EXPORT = "-m everycall export --route query --interval {interval} --quiet -o"

NO_WORKER = "everycall to Parquet, no worker"

OUTPUTS = (
    *(command for command in COMMANDS if command.name == BASELINE),
    Command("everycall to Parquet", f"{EXPORT} parquet:{{output}}", rows=parquet_rows),
    Command(NO_WORKER, f"{EXPORT} parquet:{{output}} --workers 0", rows=parquet_rows),
    Command(
        "dlt rest_api to Parquet",
        f"{CLIENTS}/with_dlt.py {{interval}} {{output}} parquet",
        days=1,
        rows=dlt_parquet_rows,
    ),
    Command("everycall to Delta", f"{EXPORT} delta:{{output}}", rows=delta_rows),
    Command("everycall to CSV of the tables", f"{EXPORT} csv-folder:{{output}}", rows=csv_folder_rows),
    Command("everycall to .jsonl.zst", f"{EXPORT} jsonl.zst:{{output}}", rows=archive_rows),
)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-day", type=int, default=20_000, help="conversations of each day")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="only commands whose names have this, and the script")
    arguments = parser.parse_args()
    commands = [one for one in OUTPUTS if arguments.only in one.name or one.name == BASELINE]
    found = measured(
        arguments.per_day, arguments.rounds, lambda line: print(line, flush=True), commands, days=arguments.days
    )
    print(commands_table(found))


if __name__ == "__main__":
    main()
