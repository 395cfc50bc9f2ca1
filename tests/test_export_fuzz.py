"""Whatever answers, an export ends in order: proven only where it holds the truth, and without saying a secret."""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from clocks import StillClock
from everycall import Client, Credentials, EverycallError, Interval, Query, export
from everycall.cli import exporting, parser
from everycall.cli.commands import EXPORT
from everycall.cli.exit_codes import EXIT_CODES, FAILED_HERE, NOT_PROVEN
from everycall.cli.failures import guarded
from everycall.cli.options import Source
from everycall.cli.org import Org
from everycall.executor import SerialExecutor
from everycall.progress import Event, Noticed
from everycall.sandbox import Sandbox
from everycall.setup import Environment, Options
from hostile import CLIENT_ID, SECRET, Between
from inprocess import InProcess, read_csv

SEEDS = int(os.environ.get("EVERYCALL_FUZZ", "750"))
"""How many exports are tried; `make soak` tries more."""

LOTS = 6
COMMANDS = 40
"""How many of them are tried once more as a command, with threads."""

INTERVAL = "2026-01-05T00:00:00.000Z/2026-01-20T00:00:00.000Z"
PAGE_SIZE = 5
CONVERSATIONS_PER_DAY = 2

CPU_MAX_S = 10.0
CLOCK_MAX_S = 24 * 3600
REQUESTS_MAX = 3000


class World:
    """An org, somebody in between, and a client that does not know of him."""

    def __init__(self, seed: int) -> None:
        self.clock = StillClock()
        self.sandbox = Sandbox(
            conversations_per_day=CONVERSATIONS_PER_DAY, flat=True, now=self.clock.now, monotonic=self.clock.monotonic,
            rate_limit=1_000_000,
        )  # fmt: skip
        self.connection = Between(seed, self.clock, InProcess(self.sandbox, self.clock), self.sandbox)
        credentials = Credentials(CLIENT_ID, SECRET, self.sandbox.url)
        self.client = Client(credentials, connection=self.connection, clock=self.clock, rng=random.Random(seed))
        self.shown: list[str] = []
        self.clock.on_wait = lambda: self.shown.append(self.client.counts().trouble)

    def report(self, event: Event) -> None:
        """See `Progress.report`."""
        if isinstance(event, Noticed):
            self.shown.append(event.message)

    def export(self, output: Path) -> str:
        """How one export ends: its verdict, or the kind of its error."""
        query = Query(Interval.read(INTERVAL))
        try:
            summary = export(
                self.client, query, output, options=Options(page_size=PAGE_SIZE), progress=self,
                environment=Environment(executor=SerialExecutor()),
            )  # fmt: skip
        except EverycallError as error:
            self.shown += [str(error), error.hint, error.correlation_id]
            return type(error).__name__
        return summary.verdict

    def command(self, output: Path) -> int:
        """The exit code of one run of the command."""
        arguments = parser.parse(EXPORT, ["--interval", INTERVAL, "-o", str(output), "--page-size", str(PAGE_SIZE)])
        return guarded(partial(exporting.run, arguments, connect=self.connect), tuple)

    def connect(self, _source: Source) -> AbstractContextManager[Org]:
        """See `everycall.cli.org.connected`."""

        @contextmanager
        def connected() -> Iterator[Org]:
            with self.client:
                yield Org(self.client, "an org", "an org")

        return connected()

    def check_files(self, output: Path, *, is_proven: bool) -> None:
        """What is called proven is the truth, and no file but the rows holds a secret."""
        for path in output.parent.rglob("*"):
            if path.is_file() and path.suffix not in (".csv", ".rows", ".part", ".unzipped"):
                self.check_text(path.read_text(errors="replace"))
        if is_proven and not self.connection.may_lie:
            there = self.sandbox.store.conversations(INTERVAL)
            assert sorted(row["conversationId"] for row in read_csv(output)) == sorted(
                one["conversationId"] for one in there
            )

    def check_text(self, text: str) -> None:
        """No secret is in it."""
        assert not [secret for secret in self.connection.forms if secret in text], "a secret is shown"


def exported(seed: int, folder: Path) -> str:
    """How the export of a seed ends, and what it leaves, checked."""
    began, world, output = time.process_time(), World(seed), folder / "x.csv"
    ended = world.export(output)
    world.check_files(output, is_proven=ended == "proven")
    world.check_text("\n".join(world.shown))
    assert all(each.isprintable() for each in world.shown), "something that cannot be seen is shown"
    assert world.connection.asked <= REQUESTS_MAX, f"{world.connection.asked} requests"
    assert world.clock.monotonic() <= CLOCK_MAX_S, f"{world.clock.monotonic():.0f} s passed"
    assert time.process_time() - began <= CPU_MAX_S
    return ended


@pytest.mark.parametrize("lot", range(LOTS))
def test_whatever_answers_an_export_ends_in_order(lot: int, tmp_path: Path) -> None:
    endings: Counter[str] = Counter()
    for seed in range(lot, SEEDS, LOTS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            endings[exported(seed, folder)] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed is what matters
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")
    sys.stdout.write(f"{dict(endings)}\n")
    assert {"proven", "unproven", "QueryRefused", "ServiceFailed"} <= set(endings)


@pytest.mark.parametrize("lot", range(4))
def test_whatever_answers_the_command_ends_with_a_documented_code(
    lot: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documented = {0, NOT_PROVEN, FAILED_HERE, *EXIT_CODES.values()}
    for seed in range(lot, COMMANDS, 4):
        output = tmp_path / str(seed) / "x.csv"
        output.parent.mkdir()
        world = World(seed)
        code = world.command(output)

        shown = capsys.readouterr()
        assert code in documented, seed
        assert "Something unexpected" not in shown.err, f"seed {seed}: {shown.err}"
        is_proven = any(line.startswith("Proven: ") for line in shown.err.splitlines())  # a note can quote the words
        assert (code == 0) == is_proven or code not in (0, NOT_PROVEN), seed
        assert not shown.out
        world.check_text(shown.err)
        world.check_files(output, is_proven=code == 0)
