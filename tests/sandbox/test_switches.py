import inspect
from dataclasses import fields

import pytest
from made import MONDAY, caller, spread

from everycall.sandbox import Switches
from everycall.sandbox.switches import GROUNDS

TWO_WEEKS = "2026-01-05T00:00:00Z/2026-01-19T00:00:00Z"


def test_without_arguments_every_switch_is_at_its_default() -> None:
    assert Switches.parse() == Switches()


def test_arguments_set_switches_in_the_type_that_they_have() -> None:
    arguments = ("match=day", "count_rejected=true", "job_takes_s=0.5", "ids_max=7", "job_cancelled_status=202",
             "empty_answer=empty list", "interval_text=a=b")  # fmt: skip

    assert Switches.parse(*arguments) == Switches(
        match="day",
        count_rejected=True,
        job_takes_s=0.5,
        ids_max=7,
        job_cancelled_status=202,
        empty_answer="empty list",
        interval_text="a=b",
    )


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        (
            "mtach=day",
            "'mtach=day' sets no switch; write NAME=VALUE, where NAME is one of login_credentials, login_grant",
        ),
        ("match", "'match' sets no switch"),
        ("match=night", "'night' is no value of the switch match; its values are overlap, day"),
        ("count_rejected=1", "'1' is no value of the switch count_rejected; its values are False, True"),
        ("ids_max=many", "'many' is no value of the switch ids_max, which is int"),
        ("job_cancelled_status=500", "its values are 204, 200, 202"),
    ],
)
def test_a_wrong_switch_is_an_error_that_lists_the_right_ones(argument: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("(", r"\(")):
        Switches.parse(argument)


def test_every_switch_says_what_it_switches() -> None:
    source = inspect.getsource(Switches)

    for field in fields(Switches):
        _, _, after = source.partition(f"    {field.name}: ")
        assert after.partition("\n")[2].lstrip().startswith('"""'), field.name


def test_every_switch_says_how_surely_its_default_is_known_and_from_where() -> None:
    assert set(GROUNDS) == {field.name for field in fields(Switches)}
    assert all(confidence in {"A", "B", "C", "D"} and source for confidence, source in GROUNDS.values())


def test_the_code_and_the_text_of_a_limit_are_switches() -> None:
    known = caller([]).refused(interval=TWO_WEEKS)
    other = caller([], switches=Switches(limit_code="invalid.interval", interval_text="At most {days}."))

    text = "You must specify a search interval as part of your query that does not exceed 7 days."
    assert known == (400, "bad.request", text)
    assert other.refused(interval=TWO_WEEKS) == (400, "invalid.interval", "At most 7.")
    assert other.refused(interval=MONDAY, paging={"pageSize": 100, "pageNumber": 1001})[:2] == (400, "invalid.interval")


def test_the_last_reachable_page_is_the_one_whose_last_or_whose_first_row_is_within_100000() -> None:
    last, first = caller(spread(1)), caller(spread(1), switches=Switches(results_limit="first row"))
    over = {"interval": MONDAY, "paging": {"pageSize": 99, "pageNumber": 1011}}

    assert last.refused(**over)[0] == 400
    assert first.query(size=99, number=1011) == {"totalHits": 1}
    assert first.refused(interval=MONDAY, paging={"pageSize": 99, "pageNumber": 1012})[0] == 400
