import math
import random
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.api.limits import RATE_PER_MINUTE, RateLimit
from everycall.pacing import ASSUMED_WINDOW_S, IN_FLIGHT_BEST, RESET_MAX_S, Pace, in_flight
from limiting import ROUNDINGS, Rounding, Server, between, send_all

SILENT = RateLimit(None, None, None)


def hangs_at_times(rng: random.Random) -> float:
    return 170.0 if rng.random() < 0.005 else rng.uniform(0.01, 3.0)


def least_s(requests: int, latency_s: tuple[float, float]) -> float:
    """The least time that 300 a minute allow: full windows before the last one, and the mean latency."""
    return 60 * (math.ceil(requests / 300) - 1) + sum(latency_s) / 2


# Against a server that counts


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("latency_s", "ratio_max"), [((0.4, 0.4), 1.05), ((0.3, 2.0), 1.07)])
def test_850_to_950_requests_take_little_more_than_the_limit_allows(
    latency_s: tuple[float, float], ratio_max: float, rounding: Rounding
) -> None:
    """Whether windows begin with a request or at any second of the clock's minute, and whenever they are counted."""
    for requests in range(850, 951):
        by_request = Server(rounding=rounding, counts_at="arrival")
        by_clock = Server(rounding=rounding, counts_at="answer", aligned=True, phase_s=requests * 17.3 % 60)
        for server in (by_request, by_clock):
            run = send_all(
                Pace(), server, requests, latency_s=between(*latency_s), senders=IN_FLIGHT_BEST, seed=requests
            )

            assert run.rejected == 0
            assert run.seconds <= ratio_max * least_s(requests, latency_s)


@pytest.mark.parametrize("counts_at", ["arrival", "answer"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("aligned", [True, False], ids=["by the clock", "by the first request"])
@pytest.mark.parametrize("slowest_s", [0.05, 0.4, 3.0])
def test_every_rate_window_is_used_fully_and_no_request_is_refused(
    slowest_s: float, aligned: bool, rounding: Rounding, counts_at: Literal["arrival", "answer"]
) -> None:
    for seed in range(2):
        server = Server(aligned=aligned, rounding=rounding, counts_at=counts_at, phase_s=seed * 17.3)

        run = send_all(Pace(), server, 1500, latency_s=between(0.01, slowest_s), seed=seed)

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
    st.integers(1, 300),
    st.integers(0, 2**32),
)
def test_a_token_of_its_own_is_never_refused(server: Server, slowest_s: float, senders: int, seed: int) -> None:
    """Whatever the latency, the rounding and the phase of the service's windows: with no other program on the token,
    no request gets a 429.
    """
    run = send_all(Pace(), server, 500, latency_s=between(0.01, slowest_s), senders=senders, seed=seed)

    assert run.rejected == 0


@pytest.mark.parametrize("slowest_s", [0.05, 3.0, 20.0])
@pytest.mark.parametrize("aligned", [True, False])
def test_a_rate_share_of_one_half_uses_at_most_half_of_every_rate_window(aligned: bool, slowest_s: float) -> None:
    for seed in range(4):
        server = Server(aligned=aligned, phase_s=seed * 17.3)

        run = send_all(Pace(share=0.5), server, 600, latency_s=between(0.01, slowest_s), seed=seed)

        assert run.most <= 150
        assert run.rejected == 0


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_another_program_on_the_same_token_costs_few_refusals_and_no_standstill(
    rounding: Rounding, aligned: bool
) -> None:
    """The other program sends half of what is allowed, evenly."""
    evenly = [0.4 * number for number in range(3000)]
    server = Server(aligned=aligned, rounding=rounding)

    run = send_all(Pace(), server, 1500, others=evenly)

    assert run.rejected <= 60
    assert run.seconds <= 1500 / 150 * 63


@pytest.mark.parametrize("aligned", [True, False])
def test_a_request_that_hangs_does_not_delay_others(aligned: bool) -> None:
    for seed in range(3):
        server = Server(aligned=aligned)

        run = send_all(Pace(), server, 1500, latency_s=hangs_at_times, seed=seed)

        assert run.rejected == 0
        assert run.seconds <= 6 * 63 + 170


def test_requests_without_an_answer_are_counted() -> None:
    """The service may have counted a request whose answer was lost."""
    run = send_all(Pace(), Server(), 900, lost=0.05)

    assert run.rejected == 0
    assert run.seconds <= 4 * 63


@pytest.mark.parametrize("missing", [("count", "allowed", "reset_s"), ("reset_s",), ("count",), ("allowed",)])
def test_missing_headers_are_replaced_by_our_own_count(missing: tuple[str, ...]) -> None:
    run = send_all(Pace(), Server(missing=missing), 1500, latency_s=between(0.01, 1.5))

    assert run.rejected == 0
    assert run.seconds <= 5 * 64


class _Shrinking(Server):
    """Allows fewer from the second minute on."""

    def arrive(self, now: float) -> bool:
        self.allowed = 300 if now < 60 else 180
        return super().arrive(now)


def test_a_smaller_allowance_counts_from_the_next_answer_on() -> None:
    run = send_all(Pace(), _Shrinking(), 1200)

    assert run.rejected == 0
    assert [counted for _, counted in run.windows[1:-1]] == [180] * len(run.windows[1:-1])


class _Stuck(Server):
    """Says the same seconds in every answer."""

    reset_s = 0.0

    def headers(self, now: float) -> RateLimit:
        return replace(super().headers(now), reset_s=self.reset_s)


@pytest.mark.parametrize("reset_s", [0.0, 1.0, 60.0, 119.0, 1e8])
def test_a_reset_that_never_changes_does_not_stop_requests_for_ever(reset_s: float) -> None:
    """A broken or cached header must not delay an export for longer than some windows."""
    server = _Stuck()
    server.reset_s = reset_s

    run = send_all(Pace(), server, 900)

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


def test_with_a_token_of_its_own_room_is_what_is_allowed_less_what_was_sent() -> None:
    """A count of 2 is this request and the other one, which is still in flight: it is not counted twice."""
    pace = Pace(allowed=3)
    late, early = pace.sent(0.0), pace.sent(0.0)
    pace.answered(early, 0.5, RateLimit(2, 3, 60))

    assert pace.wait_s(0.5) == 0.0
    pace.sent(0.5)
    assert pace.wait_s(0.5) > 0.0
    pace.answered(late, 0.6, RateLimit(1, 3, 60))
    assert pace.wait_s(0.6) > 0.0


def with_others(allowed: int, count: int) -> Pace:
    """One request of ours was answered at 0.5 and is one of so many; the window ends between 60 and 61.5."""
    pace = Pace(allowed=allowed)
    pace.answered(pace.sent(0.0), 0.5, RateLimit(count, allowed, 60))
    return pace


def test_where_others_use_the_token_too_room_is_less_by_what_is_in_flight() -> None:
    """The service's count does not include our requests that are under way."""
    pace = with_others(allowed=300, count=298)

    assert pace.wait_s(0.5) == 0.0
    ticket = pace.sent(0.5)
    assert pace.wait_s(0.5) == 0.0  # 298 and one in flight: one more fits
    pace.sent(0.5)
    pace.answered(ticket, 0.9, RateLimit(299, 300, 60))
    assert pace.wait_s(0.9) > 0.0


def test_a_request_that_is_lost_where_others_use_the_token_counts_as_if_it_had_been_answered() -> None:
    pace = with_others(allowed=10, count=8)
    pace.sent(0.5)
    pace.sent(0.5)
    pace.lost()

    assert pace.wait_s(0.6) > 0.0


@pytest.mark.parametrize("limit", [SILENT, RateLimit(3, 10, None), RateLimit(None, 10, 60)])
def test_an_answer_without_a_count_that_can_be_used_adds_one_to_what_others_and_we_have_sent(limit: RateLimit) -> None:
    pace = with_others(allowed=10, count=8)
    pace.answered(pace.sent(0.5), 0.6, limit)

    assert pace.wait_s(0.6) == 0.0
    pace.sent(0.6)
    assert pace.wait_s(0.6) > 0.0


@pytest.mark.parametrize(("windows", "is_shared"), [(1, True), (2, False)])
def test_others_are_expected_for_one_more_window_after_they_were_seen(windows: int, is_shared: bool) -> None:
    """After one whole window without any other program, the token counts as ours alone."""
    pace = with_others(allowed=3, count=2)
    for number in range(1, windows + 1):
        assert pace.wait_s(100.0 * number) == 0.0
        pace.answered(pace.sent(100.0 * number), 100.0 * number, RateLimit(1, 3, 60))
    ticket, _late = pace.sent(100.0 * windows), pace.sent(100.0 * windows)
    pace.answered(ticket, 100.0 * windows, RateLimit(3, 3, 60))

    assert pace.used == 3
    assert pace._is_shared is is_shared


def test_the_end_of_a_window_is_bounded_from_both_sides() -> None:
    """Each answer bounds the end between the times of sending and of receiving it; together they bound it more
    closely.
    """
    pace = Pace(allowed=2)
    one, two = pace.sent(10.0), pace.sent(10.0)
    pace.answered(one, 13.0, RateLimit(1, 2, 40))  # ends between 49 and 54
    pace.answered(two, 11.0, RateLimit(2, 2, 39))  # ends between 48 and 51

    assert pace.wait_s(13.0) == 51.0 - 13.0


def test_the_next_window_begins_when_the_last_possible_end_has_passed() -> None:
    """The seconds until the reset are rounded, and count from somewhere between sending and receiving."""
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
    """A slow answer to a request of the window before must not raise the count of the present one."""
    pace = Pace(allowed=10)
    slow, quick = pace.sent(0.0), pace.sent(0.0)
    pace.answered(quick, 0.1, RateLimit(9, 10, 1))
    assert pace.wait_s(2.1) == 0.0  # the window has ended

    pace.answered(slow, 3.0, RateLimit(10, 10, 0))

    assert pace.wait_s(3.0) == 0.0
    assert pace.used == 0


def crossing(answered_at: float, limit: RateLimit) -> Pace:
    """A request of the window that ends at 2.1 is answered after that end."""
    pace = Pace(allowed=10)
    slow, quick = pace.sent(0.0), pace.sent(0.0)
    pace.answered(quick, 0.1, RateLimit(2, 10, 1))
    assert pace.wait_s(2.1) == 0.0
    pace.answered(slow, answered_at, limit)
    return pace


def test_an_answer_from_across_the_border_is_of_the_present_window_if_that_must_end_later() -> None:
    """It was sent at 0 and ends in 4 s or 3 s: after 2.1 in any case, or perhaps before."""
    assert crossing(3.0, RateLimit(10, 10, 4)).wait_s(3.0) == 5.0
    assert crossing(3.0, RateLimit(10, 10, 3)).wait_s(3.0) == 0.0


def test_an_answer_from_across_the_border_counts_unless_its_window_must_have_ended() -> None:
    """Sent before the border at 2.1; it says that its window ends now. A window is longer than two seconds."""
    assert crossing(3.1, RateLimit(10, 10, 0)).used == 0
    assert crossing(3.2, RateLimit(10, 10, 0)).used == 1


def test_an_answer_of_a_window_that_ends_before_the_present_one_does_not_count() -> None:
    """The present one ends after 61: not the first answer says so, which took long, but the second."""
    pace = Pace(allowed=10)
    hanging, quick = pace.sent(0.0), pace.sent(0.0)
    pace.answered(quick, 0.1, RateLimit(2, 10, 1))
    assert pace.wait_s(2.1) == 0.0
    pace.answered(pace.sent(2.1), 50.0, RateLimit(1, 10, 13))
    pace.answered(pace.sent(50.0), 50.1, RateLimit(2, 10, 12))

    pace.answered(hanging, 51.0, RateLimit(2, 10, 0))

    assert pace.used == 2


def test_a_count_that_an_earlier_window_s_request_seemed_to_explain_still_holds() -> None:
    """Two are counted at 100: one of ours, and, as it turns out, not the one that hung, but somebody else's."""
    pace = Pace(allowed=2)
    hanging, quick = pace.sent(0.0), pace.sent(0.0)
    pace.answered(quick, 0.1, RateLimit(1, 2, 60))
    assert pace.wait_s(100.0) == 0.0
    pace.answered(pace.sent(100.0), 100.1, RateLimit(2, 2, 60))
    pace.answered(hanging, 100.2, RateLimit(2, 2, 0))

    assert pace.used == 1
    assert pace.wait_s(100.2) > 0.0


def test_a_lost_request_uses_up_its_part_of_the_share() -> None:
    pace = Pace(share=0.5, allowed=4)
    pace.answered(pace.sent(0.0), 0.1, RateLimit(1, 4, 60))
    pace.sent(0.1)
    pace.lost()

    assert pace.wait_s(30.0) > 0.0


def test_without_headers_a_window_lasts_from_its_first_request_on() -> None:
    pace = Pace(allowed=2)
    for now in (10.0, 40.0):
        pace.answered(pace.sent(now), now, SILENT)

    assert pace.wait_s(40.0) == 10.0 + ASSUMED_WINDOW_S - 40.0


def test_waiting_is_for_the_end_of_the_window_even_while_an_answer_is_due() -> None:
    """Both requests of the window are sent, so no answer can make room."""
    pace = Pace(allowed=2)
    answered, _hanging = pace.sent(0.0), pace.sent(0.0)
    pace.answered(answered, 0.5, RateLimit(1, 2, 59))

    assert pace.wait_s(0.5) == 60.0


def test_after_a_429_nobody_sends_until_a_second_after_the_time_it_names() -> None:
    """Of two 429s the later time counts."""
    pace = Pace()
    pace.answered(pace.sent(0.0), 1.0, SILENT)
    pace.hold(31.0)
    pace.hold(11.0)

    assert pace.wait_s(1.0) == 31.0
    assert pace.wait_s(32.0) == 0.0
    assert pace.rejected == 2


def test_a_reset_in_the_far_future_is_ignored() -> None:
    pace = Pace(allowed=1)
    pace.answered(pace.sent(0.0), 1.0, RateLimit(1, 1, RESET_MAX_S + 1))

    assert pace.wait_s(1.0) == 61.0


@pytest.mark.parametrize("share", [0.0001, 0.001])
def test_the_smallest_share_still_lets_one_request_through_a_window(share: float) -> None:
    pace = Pace(share=share)

    assert pace.wait_s(0.0) == 0.0
    pace.sent(0.0)
    assert 0 < pace.wait_s(1.0) < math.inf


def test_when_the_next_request_may_go_out_is_known_only_where_it_is_later_than_now() -> None:
    pace = Pace(allowed=1)
    assert pace.free_at(5.0) is None

    pace.sent(5.0)

    assert pace.free_at(6.0) == 5.0 + ASSUMED_WINDOW_S


def test_without_headers_the_published_limit_holds() -> None:
    pace = Pace()

    for _ in range(RATE_PER_MINUTE):
        assert pace.wait_s(0.0) == 0.0
        pace.answered(pace.sent(0.0), 0.0, RateLimit(None, None, None))

    assert pace.wait_s(0.0) > 0.0


def test_a_rate_window_full_of_lost_requests_ends() -> None:
    """Requests that never got an answer must not block the budget for ever."""
    pace = Pace(allowed=2)
    pace.sent(0.0)
    pace.sent(0.0)
    assert pace.wait_s(100.0) > 0
    pace.lost()
    pace.lost()

    assert 0 < pace.wait_s(100.0) <= 62
    assert pace.wait_s(163.0) == 0


def test_as_many_requests_are_in_flight_as_their_latency_needs() -> None:
    assert [in_flight(latency_s) for latency_s in (0.0, 0.01, 0.1, 0.4, 2.0)] == [
        8,
        8,
        24,
        IN_FLIGHT_BEST,
        IN_FLIGHT_BEST,
    ]
