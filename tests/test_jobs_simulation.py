"""The routes of jobs in the simulation; `python -m simulation.jobs 0 20000` in `tests` runs more seeds."""

import pytest

from everycall.acquire.details_job import JobReading
from simulation.jobs import BUGS, live
from simulation.oracle import Wrong

SEEDS = 150
FOUND_WITHIN = 200


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_to_jobs_the_promise_holds(seed: int) -> None:
    live(seed)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_of_jobs_is_found(bug: type[JobReading]) -> None:
    for seed in range(FOUND_WITHIN):
        try:
            live(seed, bug)
        except Wrong:
            return
    pytest.fail(f"{bug.__name__} was not found in {FOUND_WITHIN} seeds")
