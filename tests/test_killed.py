"""The real command, killed in the course of an export. `make kill` does it two hundred times."""

import pytest

from killing import killed


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_ends_with_the_bytes_of_an_undisturbed_one() -> None:
    """A dozen random kills of the real command, most of them SIGKILL."""
    outcome = killed(kills=12, seed=1)

    assert sum(outcome.kills.values()) == 12
    assert outcome.differing == 0, outcome
    assert not outcome.asked_again, outcome
    assert not outcome.codes, outcome
