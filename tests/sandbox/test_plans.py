from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import caller, spread

from everycall.sandbox import JOBS, QUERY, Faults
from everycall.sandbox.faults import AT_RANDOM
from everycall.sandbox.plans import EXAMPLES, FOR_EVER, Chance, Plan, read_numbers, read_options, read_plan

ME = "/api/v2/organizations/me"


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("on request 7: 429 retry_after=none", Plan(7, "429", "", None, {"retry_after_s": None})),
        ("request 7:429", Plan(7, "429")),
        ("  on   requests 5-8 :  503", Plan(range(5, 9), "503")),
        ("on requests 5-: 503", Plan(range(5, FOR_EVER), "503")),
        ("on query 3: cut share=0.25", Plan(3, "cut", f"POST {QUERY}", None, {"share": 0.25})),
        ("on queries 1-2: 429 as_date=true", Plan(range(1, 3), "429", f"POST {QUERY}", None, {"as_date": True})),
        ("on every request: slow delay=0.4 times=3", Plan(None, "slow", "", 3, {"delay_s": 0.4})),
        ("on every 10th login: 500", Plan(range(10, FOR_EVER, 10), "500", "POST /oauth/token")),
        ("on job 2: job_failed error_message='Out of luck'",
         Plan(2, "job_failed", f"POST {JOBS}", None, {"error_message": "Out of luck"})),
        ("on poll 1: 504", Plan(1, "504", f"GET {JOBS}/")),
        ("on results 3: repeated_cursor", Plan(3, "repeated_cursor", "/results")),
        ("on request 1 to /api/v2/users: 404", Plan(1, "404", "/api/v2/users")),
        ("at random 2%", Chance(0.02)),
        ("at random 0.5 seed=7: 429, 503 ,cut", Chance(0.5, ("429", "503", "cut"), 7)),
        ("at random 1% to /api/v2/users: 503", Chance(0.01, ("503",), 1, "/api/v2/users")),
    ],
)  # fmt: skip
def test_a_text_is_read_as_a_plan(text: str, plan: Plan | Chance) -> None:
    assert read_plan(text) == plan


@pytest.mark.parametrize("text", ["", "429", "on request: 429", "on request x: 429", "on visitor 3: 429",
                                  "on request 3 429", "at random: 429", "at random"])  # fmt: skip
def test_what_cannot_be_understood_is_answered_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is no fault; write something like") as caught:
        read_plan(text)

    assert EXAMPLES in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("on requests 8-5: 503", "requests 8-5 are none"),
        ("on request 0: 503", "requests 0 are none"),
        ("on requests 1-2-3: 503", "'1-2-3' is no number of a request"),
        ("on request 1: 503 soon", "'soon' is no option; write NAME=VALUE"),
        ("on request 1: 503 times=often", "times=often is no whole number"),
        ("on every 0th request: 503", "every 0th is none"),
        ("at random 2: 503", "a rate of 2 is above 1; write 2%"),
        ("on request 1: earthquake", "'earthquake' is no kind of fault; the kinds are revoked, 400"),
        ("at random 2%: earthquake", "'earthquake' is no kind of fault"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Faults.parse(text)


def test_an_option_that_the_kind_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="retry"):
        Faults.parse("on request 1: hang retry_after=3")
    with pytest.raises(TypeError, match="conversation_id"):
        Faults.parse("at random 2%: unseen")


def test_values_are_none_booleans_numbers_or_text() -> None:
    assert read_options("a=none b=yes c=false d=7 e=-2 f=0.5 g=x 'h=a b'") == {
        "a": None, "b": True, "c": False, "d": 7, "e": -2, "f": 0.5, "g": "x", "h": "a b",
    }  # fmt: skip


@given(st.sets(st.integers(1, 60), min_size=1))
def test_numbers_and_ranges_contain_the_requests_that_they_name(numbers: set[int]) -> None:
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    text = ",".join(f"{a}-{b}" if a < b else str(a) for a, b in spans)

    read: Any = read_numbers(text)

    assert {n for n in range(1, 70) if (n == read if isinstance(read, int) else n in read)} == numbers


def test_a_text_strikes_the_requests_that_it_names() -> None:
    faults = Faults.parse("on requests 2,4-5 to organizations: 503", "on query 1: 429 retry_after=none")
    client = caller(spread(3), faults=faults)

    asked = [client.get(ME)[0] for _ in range(6)]
    status, headers, _ = client.post(QUERY, {"interval": "2026-01-05T00:00:00Z/P1D"})

    assert asked == [200, 503, 200, 503, 503, 200]
    assert status == 429
    assert "Retry-After" not in headers


def test_at_random_strikes_with_what_a_client_should_outlive() -> None:
    faults = Faults.parse("at random 30% seed=3 ")
    client = caller([], faults=faults, rate_limit=10_000)
    for _ in range(100):
        try:
            client.get(ME)
        except (ValueError, ConnectionResetError):
            continue

    struck = {kind for served in client.sandbox.requests for kind in served.faults}
    assert struck <= set(AT_RANDOM)
    assert len(struck) > 5


def test_the_text_of_a_rule_says_which_requests() -> None:
    faults = Faults.parse("on requests 5-: 503", "on every 3rd request: 500", "on request 2: hang")

    assert [rule.text for rule in faults.armed()] == [
        "503 on every request from 5 on",
        "500 on one in 3 requests",
        "hang on request 2",
    ]


def test_a_range_may_be_written_with_to() -> None:
    assert read_plan("on requests 5 to 6: 503") == read_plan("on requests 5-6: 503")
    assert read_plan("on requests 5 to 6 to /api/v2/users: 503") == read_plan("on requests 5-6 to /api/v2/users: 503")
