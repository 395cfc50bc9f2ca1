"""The start of a conversation in milliseconds, by a short way for the form that the API uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.acquire.details_query import start_ms_of
from everycall.api.oddities import instant
from everycall.instants import since_epoch_ms

NEAR = "2026-01-05T08:30:12.345Z"
"""In the form that the API uses."""


@given(st.integers(0, len(NEAR) - 1), st.sampled_from("0123456789:.-TZ +²٣"))
def test_the_short_way_agrees_with_the_long_one(at: int, character: str) -> None:
    text = NEAR[:at] + character + NEAR[at + 1 :]
    found = instant(text)

    assert start_ms_of(text) == (None if found is None else since_epoch_ms(found))


@pytest.mark.parametrize("text", [None, "", "tomorrow", "2026-01-05T08:30:1².345Z", "2026-01-05T08:30:12.34²Z"])
def test_what_is_no_instant_has_no_start(text: str | None) -> None:
    assert start_ms_of(text) is None
