from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.sandbox.rng import Rng, narrow, wide

PINNED = (857, 5, False, "a", 1.6319878660142422)
PINNED_UUID = "f9d7d259-72e9-461c-bffa-3cb854c76efe"
PINNED_WIDE = (15021518567167841499, 2077290419964990526)
PINNED_NARROW = (3497469836, 2801358043)


def test_the_draws_of_a_name_are_the_same_on_every_machine_and_version() -> None:
    rng = Rng("pinned")
    draws = (rng.below(1000), rng.between(5, 9), rng.chance(500), rng.pick("abc"), rng.real(1.0, 2.0))
    assert draws == PINNED
    assert rng.uuid() == PINNED_UUID
    assert wide("pinned", 2) == PINNED_WIDE
    assert narrow("pinned", 2) == PINNED_NARROW


def test_another_name_draws_otherwise() -> None:
    assert [Rng("a").below(1 << 30) for _ in range(3)] != [Rng("b").below(1 << 30) for _ in range(3)]


def test_draws_do_not_run_out_or_repeat() -> None:
    rng = Rng("long")
    assert len({rng.below(1 << 32) for _ in range(1000)}) > 995


def test_ids_are_not_spent_by_draws() -> None:
    drawn, fresh = Rng("x"), Rng("x")
    drawn.below(6)
    assert drawn.uuid() == fresh.uuid()


def test_a_thousand_ids_are_a_thousand() -> None:
    rng = Rng("ids")
    assert len({rng.uuid() for _ in range(1000)}) == 1000


@given(st.text(), st.integers(-(10**9), 10**9), st.integers(0, 10**9))
def test_a_number_between_two_is_between_them(name: str, low: int, width: int) -> None:
    assert low <= Rng(name).between(low, low + width) <= low + width


@pytest.mark.parametrize("faces", [1, 2, 6])
def test_every_face_comes_up_about_as_often(faces: int) -> None:
    rng = Rng("fair")
    counts = Counter(rng.below(faces) for _ in range(6000))
    assert len(counts) == faces
    assert min(counts.values()) > 0.85 * 6000 / faces


def test_a_chance_of_a_thousand_in_a_thousand_is_certain_and_of_none_is_none() -> None:
    rng = Rng("chance")
    assert all(rng.chance(1000) for _ in range(200))
    assert not any(rng.chance(0) for _ in range(200))
