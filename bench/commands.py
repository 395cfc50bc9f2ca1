"""What is measured, as data: adding a command is adding a line."""

import csv
import gzip
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pyarrow.parquet as pq

CLIENTS = "bench/clients"


def csv_rows(output: Path) -> int:
    """Rows below the head of one CSV file."""
    with output.open(newline="", encoding="utf-8") as lines:
        return _rows(lines)


def dlt_rows(output: Path) -> int:
    """Rows of dlt's table of conversations, which is several zipped CSV files."""
    total = 0
    for path in (output / "out" / "conversations").glob("*.csv.gz"):
        with gzip.open(path, "rt", newline="", encoding="utf-8") as lines:
            total += _rows(lines)
    return total


def parquet_rows(output: Path) -> int:
    """Rows of the table of conversations in a folder of Parquet."""
    return sum(pq.read_metadata(path).num_rows for path in (output / "conversations").rglob("*.parquet"))


def _rows(lines: Iterable[str] | TextIO) -> int:
    return sum(1 for _ in csv.reader(lines)) - 1


@dataclass(frozen=True, slots=True)
class Command:
    """One way to get conversations, measured as a whole process."""

    name: str
    arguments: str
    """Of Python, separated by spaces; {interval} and {output} are filled in, {pages} is a file of all pages, {archive}
    one of JSON lines."""
    days: int = 0
    """How many of the days it is asked for; 0 is all. The slow ones would take the whole afternoon."""
    rows: Callable[[Path], int] | None = csv_rows
    """Counts what it wrote; None where it writes no conversations."""

    def argv(self, interval: str, output: Path, pages: Path, archive: Path) -> list[str]:
        """The command line."""
        given = {"interval": interval, "output": output, "pages": pages, "archive": archive}
        filled = (word.format(**given) for word in self.arguments.split())
        return [sys.executable, *filled]


BASELINE = "requests + json + csv"

OWN = "everycall export"
CONVERT = "everycall convert, JSON lines to CSV"
CONVERT_TABLES = "everycall convert, JSON lines to Parquet"
SDK = "official SDK"

COMMANDS = (
    Command(OWN, "-m everycall export --route query --interval {interval} -o {output} --quiet"),
    Command(CONVERT, "-m everycall convert {archive} -o {output} --quiet"),
    Command(CONVERT_TABLES, "-m everycall convert {archive} -o parquet:{output} --quiet", rows=parquet_rows),
    Command(BASELINE, f"{CLIENTS}/with_requests.py {{interval}} {{output}}"),
    Command(SDK, f"{CLIENTS}/with_sdk.py {{interval}} {{output}}", days=1),
    Command("dlt rest_api, nested tables", f"{CLIENTS}/with_dlt.py {{interval}} {{output}} csv", days=1, rows=dlt_rows),
    Command("download and unzip", f"{CLIENTS}/raw_download.py {{interval}} {{output}}", rows=None),
    Command("json.loads alone", f"{CLIENTS}/decode_only.py {{pages}}", rows=None),
)
