"""Thousands of worlds in which much goes wrong; and bugs, planted, that the same worlds bring to light."""

import random
import sys
from contextlib import suppress

import pytest

from simulation.bugs import BUGS
from simulation.disk import FOLDER, Crash, SimDisk
from simulation.oracle import Wrong
from simulation.world import live

SEEDS = 1200
LOTS = 20
CAUGHT_WITHIN = 1000


@pytest.mark.parametrize("lot", range(LOTS))
def test_nothing_is_lost_or_doubled_or_called_proven_wrongly(lot: int) -> None:
    for seed in range(lot, SEEDS, LOTS):
        try:
            live(seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed is what matters
            pytest.fail(f"{error!r}\n\n    python -m tests.simulation --seed {seed}\n")


def test_a_seed_goes_the_same_way_every_time() -> None:
    for seed in range(12):
        assert live(seed) == live(seed)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    for seed in range(CAUGHT_WITHIN):
        try:
            live(seed, BUGS[bug])
        except Wrong as wrong:
            sys.stdout.write(f"{bug}: seed {seed}: {wrong}\n")
            return
    pytest.fail(f"{CAUGHT_WITHIN} seeds have not found: {bug}")


def test_a_process_that_dies_while_it_writes_writes_nothing_more() -> None:
    def dies(what: str) -> None:
        if what == "write":
            raise Crash

    disk = SimDisk(random.Random(1), dies, [FOLDER])
    with suppress(Crash), disk.open(FOLDER / "file", "wb") as file:
        file.write(bytes(range(100)))
        disk.sync(file)
    assert bytes(range(100)).startswith(disk.read(FOLDER / "file"))
