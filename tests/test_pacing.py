import math
import random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.api.limits import RATE_PER_MINUTE, RateLimit
from everycall.pacing import RESET_MAX_S, UNTOLD_MARGIN_S, Pace
from limiting import ROUNDINGS, Rounding, Server, between, crowd

SILENT = RateLimit(None, None, None)


def hangs_at_times(rng: random.Random) -> float:
    return 170.0 if rng.random() < 0.005 else rng.uniform(0.01, 3.0)


# Against a server that counts


@pytest.mark.parametrize("counts_at", ["arrival", "answer"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("aligned", [True, False], ids=["by the clock", "by the first request"])
@pytest.mark.parametrize("slowest_s", [0.05, 0.4, 3.0])
def test_every_window_is_used_up_and_nothing_is_refused(
    slowest_s: float, aligned: bool, rounding: Rounding, counts_at: Literal["arrival", "answer"]
) -> None:
    for seed in range(2):
        server = Server(aligned=aligned, rounding=rounding, counts_at=counts_at, phase_s=seed * 17.3)

        run = crowd(Pace(), server, 1500, latency_s=between(0.01, slowest_s), seed=seed)

        assert run.rejected == 0
        assert all(counted >= 0.97 * server.allowed for _, counted in run.windows[1:-1])
        first_s, last_s = run.windows[0][0], run.windows[-1][0]
        burst_s = server.allowed / 40 * slowest_s / 2 + 3 * slowest_s
        assert last_s - first_s <= (60 + 1 + 1 + slowest_s / 6) * (len(run.windows) - 1)
        assert run.seconds - last_s <= 2 + burst_s


@settings(max_examples=60)
@given(
    st.builds(
        Server,
        allowed=st.integers(40, 400),
        aligned=st.booleans(),
        rounding=st.sampled_from(sorted(ROUNDINGS)),
        counts_at=st.sampled_from(["arrival", "answer"]),
        phase_s=st.floats(0, 60),
    ),
    st.floats(0.01, 80),
    st.integers(1, 40),
    st.integers(0, 2**32),
)
def test_a_token_of_its_own_is_never_refused(server: Server, slowest_s: float, senders: int, seed: int) -> None:
    run = crowd(Pace(), server, 500, latency_s=between(0.01, slowest_s), senders=senders, seed=seed)

    assert run.rejected == 0


@pytest.mark.parametrize("slowest_s", [0.05, 3.0, 20.0])
@pytest.mark.parametrize("aligned", [True, False])
def test_half_a_share_uses_at_most_half_of_every_window(aligned: bool, slowest_s: float) -> None:
    for seed in range(4):
        server = Server(aligned=aligned, phase_s=seed * 17.3)

        run = crowd(Pace(share=0.5), server, 600, latency_s=between(0.01, slowest_s), seed=seed)

        assert run.most <= 150
        assert run.rejected == 0


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_another_program_on_the_same_token_costs_few_refusals_and_no_standstill(
    rounding: Rounding, aligned: bool
) -> None:
    evenly = [0.4 * number for number in range(3000)]
    server = Server(aligned=aligned, rounding=rounding)

    run = crowd(Pace(), server, 1500, others=evenly)

    assert run.rejected <= 60
    assert run.seconds <= 1500 / 150 * 63


@pytest.mark.parametrize("aligned", [True, False])
def test_a_request_that_hangs_holds_nobody_else_up(aligned: bool) -> None:
    for seed in range(3):
        server = Server(aligned=aligned)

        run = crowd(Pace(), server, 1500, latency_s=hangs_at_times, seed=seed)

        assert run.rejected == 0
        assert run.seconds <= 6 * 63 + 170


def test_requests_that_get_no_answer_are_counted_all_the_same() -> None:
    run = crowd(Pace(), Server(), 900, lost=0.05)

    assert run.rejected == 0
    assert run.seconds <= 4 * 63


@pytest.mark.parametrize("missing", [("count", "allowed", "reset_s"), ("reset_s",), ("count",), ("allowed",)])
def test_headers_that_are_missing_are_made_up_for_by_counting(missing: tuple[str, ...]) -> None:
    run = crowd(Pace(), Server(missing=missing), 1500, latency_s=between(0.01, 1.5))

    assert run.rejected == 0
    assert run.seconds <= 5 * 64


class _Shrinking(Server):
    """Allows fewer from the second minute on."""

    def arrive(self, now: float) -> bool:
        self.allowed = 300 if now < 60 else 180
        return super().arrive(now)


def test_a_budget_that_shrinks_is_kept_from_the_next_answer_on() -> None:
    run = crowd(Pace(), _Shrinking(), 1200)

    assert run.rejected == 0
    assert [counted for _, counted in run.windows[1:-1]] == [180] * len(run.windows[1:-1])


class _Liar(Server):
    """Says the same seconds in every answer."""

    reset_s = 0.0

    def says(self, now: float) -> RateLimit:
        said = super().says(now)
        return RateLimit(said.count, said.allowed, self.reset_s)


@pytest.mark.parametrize("reset_s", [0.0, 1.0, 60.0, 119.0, 1e8])
def test_a_reset_that_says_nothing_true_stops_nobody_for_good(reset_s: float) -> None:
    server = _Liar()
    server.reset_s = reset_s

    run = crowd(Pace(), server, 900)

    assert run.seconds <= 3 * 130


# Step by step


def test_the_first_request_goes_alone_and_then_the_rest_of_the_budget_at_once() -> None:
    """How many are allowed is known from the first answer: an org that allows few would refuse a burst of many."""
    pace = Pace()
    first = pace.sent(100.0)

    assert pace.wait_s(100.0) > 0
    pace.answered(first, 100.5, RateLimit(count=1, allowed=3, reset_s=60))

    waits = []
    for _ in range(3):
        waits.append(pace.wait_s(101.0))
        pace.sent(101.0)
    assert waits[:2] == [0.0, 0.0]
    assert waits[2] > 0


def test_room_is_what_is_allowed_less_the_highest_count_and_what_is_in_flight() -> None:
    pace = Pace(allowed=300)
    early, _late = pace.sent(0.0), pace.sent(0.0)

    pace.answered(early, 0.5, RateLimit(298, 300, 50))

    assert pace.wait_s(0.5) == 0.0  # 298 and one in flight: one more fits
    pace.sent(0.5)
    assert pace.wait_s(0.5) > 0.0


def test_the_end_of_a_window_is_bounded_from_both_sides() -> None:
    pace = Pace(allowed=2)
    one, two = pace.sent(10.0), pace.sent(10.0)
    pace.answered(one, 13.0, RateLimit(1, 2, 40))  # ends between 49 and 54
    pace.answered(two, 11.0, RateLimit(2, 2, 39))  # ends between 48 and 51

    assert pace.wait_s(13.0) == 51.0 - 13.0


def test_the_next_window_is_believed_in_once_the_last_possible_end_has_passed() -> None:
    pace = Pace(allowed=1)
    pace.answered(pace.sent(0.0), 0.5, RateLimit(1, 1, 59))

    assert pace.wait_s(60.4) == pytest.approx(0.1)
    assert pace.wait_s(60.5) == 0.0


def test_an_answer_of_a_later_window_begins_it_with_its_count() -> None:
    pace = Pace(allowed=10)
    pace.answered(pace.sent(0.0), 0.1, RateLimit(9, 10, 1))
    late = pace.sent(0.1)

    pace.answered(late, 2.0, RateLimit(7, 10, 60))

    assert pace.wait_s(2.0) == 0.0
    assert pace.used == 1


def test_an_answer_of_an_earlier_window_says_nothing_of_the_present_one() -> None:
    pace = Pace(allowed=10)
    slow, quick = pace.sent(0.0), pace.sent(0.0)
    pace.answered(quick, 0.1, RateLimit(9, 10, 1))
    assert pace.wait_s(2.1) == 0.0  # the window has ended

    pace.answered(slow, 3.0, RateLimit(10, 10, 0))

    assert pace.wait_s(3.0) == 0.0
    assert pace.used == 0


def test_waiting_is_for_the_end_of_the_window_even_while_an_answer_is_due() -> None:
    pace = Pace(allowed=2)
    answered, _hanging = pace.sent(0.0), pace.sent(0.0)
    pace.answered(answered, 0.5, RateLimit(1, 2, 59))

    assert pace.wait_s(0.5) == 60.0


def test_after_a_429_nobody_sends_until_a_second_after_the_time_it_names() -> None:
    pace = Pace()
    pace.answered(pace.sent(0.0), 1.0, SILENT)
    pace.hold(31.0)
    pace.hold(11.0)

    assert pace.wait_s(1.0) == 31.0
    assert pace.wait_s(32.0) == 0.0
    assert pace.rejected == 2


def test_a_reset_in_the_far_future_is_not_believed() -> None:
    pace = Pace(allowed=1)
    pace.answered(pace.sent(0.0), 1.0, RateLimit(1, 1, RESET_MAX_S + 1))

    assert pace.wait_s(1.0) == 61.0


@pytest.mark.parametrize("share", [0.0001, 0.001])
def test_the_smallest_share_still_lets_one_request_through_a_window(share: float) -> None:
    pace = Pace(share=share)

    assert pace.wait_s(0.0) == 0.0
    pace.sent(0.0)
    assert 0 < pace.wait_s(1.0) < math.inf


def test_when_the_next_request_may_go_out_is_told_only_where_it_is_later_than_now() -> None:
    pace = Pace(allowed=1)
    assert pace.free_at(5.0) is None

    pace.sent(5.0)

    assert pace.free_at(6.0) == 5.0 + 60.0 + UNTOLD_MARGIN_S


def test_without_headers_the_published_limit_holds() -> None:
    pace = Pace()

    for _ in range(RATE_PER_MINUTE):
        assert pace.wait_s(0.0) == 0.0
        pace.answered(pace.sent(0.0), 0.0, RateLimit(None, None, None))

    assert pace.wait_s(0.0) > 0.0


def test_a_window_that_is_full_of_what_was_lost_before_it_began_ends_all_the_same() -> None:
    pace = Pace(allowed=2)
    pace.sent(0.0)
    pace.sent(0.0)
    assert pace.wait_s(100.0) > 0
    pace.lost()
    pace.lost()

    assert 0 < pace.wait_s(100.0) <= 62
    assert pace.wait_s(163.0) == 0
