"""The routes of jobs in the simulation; `python -m tests.simulation --jobs --count 20000` runs more seeds."""

import sys

import pytest

from simulation.jobs import BUGS, live
from simulation.oracle import Wrong

SEEDS = 400
LOTS = 20
FOUND_WITHIN = 1000


@pytest.mark.parametrize("lot", range(LOTS))
def test_whatever_happens_to_jobs_the_promise_holds(lot: int) -> None:
    for seed in range(lot, SEEDS, LOTS):
        try:
            live(seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed is what matters
            pytest.fail(f"{error!r}\n\n    python -m tests.simulation --jobs --seed {seed}\n")


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_of_jobs_is_found(bug: str) -> None:
    for seed in range(FOUND_WITHIN):
        try:
            live(seed, BUGS[bug])
        except Wrong as wrong:
            sys.stdout.write(f"{bug}: seed {seed}: {wrong}\n")
            return
    pytest.fail(f"{bug} was not found in {FOUND_WITHIN} seeds")
