import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.sandbox.instants import to_ms, to_text


@pytest.mark.parametrize(
    ("text", "instant_ms"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2026-01-05T09:30:00.250Z", 1767605400250),
        ("2026-01-05T09:30:00Z", 1767605400000),
        ("2026-01-05T09:30Z", 1767605400000),
        ("2026-01-05T09:30:00", 1767605400000),
        ("2026-01-05T09:30:00.25Z", 1767605400250),
        ("2026-01-05T09:30:00.2509999Z", 1767605400250),
        ("2026-01-05T10:30:00+01:00", 1767605400000),
        ("2026-01-05T04:30:00-0500", 1767605400000),
        ("2026-01-05T10:30:00+01", 1767605400000),
    ],
)
def test_an_instant_has_several_forms(text: str, instant_ms: int) -> None:
    assert to_ms(text) == instant_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-05",
        "2021-04-2T15:30:51.418Z",
        "2026-02-30T00:00:00Z",
        "2026-01-05T24:01:00Z",
        "now",
        "٢٠٢٦-01-05T09:30Z",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        to_ms(text)


@settings(max_examples=200)
@given(st.integers(0, 4_000_000_000_000))
def test_an_instant_is_written_as_it_is_read(instant_ms: int) -> None:
    assert to_ms(to_text(instant_ms)) == instant_ms


def test_instants_are_written_with_milliseconds_and_z() -> None:
    assert to_text(1767605400250) == "2026-01-05T09:30:00.250Z"
