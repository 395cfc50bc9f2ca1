import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.printable import PRINTABLE_MAX, printable, without_queries

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize("text", ["Back Office", "Küche – 日本語", "C:\\Users\\ann", "don't", "❤️", ""])
def test_visible_characters_are_unchanged(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\nProven: 5", r"a\nProven: 5"),
        ("a\r\nb\x0b\x0c\x85", r"a\r\nb\x0b\x0c\x85"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202etxt.exe\u2066", r"\u202etxt.exe\u2066"),
        ("zero\u200bwidth\ufeff\u00ad", r"zero\u200bwidth\ufeff\xad"),
        ("\u3164\u2800", r"\u3164\u2800"),
        ("\U000e0041\U000e0101", r"\U000e0041\U000e0101"),
        ("\ud83d", r"\ud83d"),
        ("\0\x7f", r"\x00\x7f"),
    ],
)
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_any_white_space_becomes_a_space() -> None:
    assert printable("1\u00a0000\u202f000\u3000€") == "1 000 000 €"


def test_a_long_text_is_cut() -> None:
    assert printable("x" * 10_000) == "x" * (PRINTABLE_MAX - 3) + "..."
    assert printable("\x1b" * 30, limit=20) == (r"\x1b" * 8)[:17] + "..."


@given(ANY_TEXT, st.integers(10, 200))
def test_any_text_becomes_one_short_line_of_visible_characters(text: str, limit: int) -> None:
    shown = printable(text, limit)

    assert len(shown) <= limit
    assert shown.isprintable()
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode()


@given(ANY_TEXT)
def test_making_text_printable_twice_changes_nothing(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'https://a.example/c?sig=S&sv=1' failed. Why?", "'https://a.example/c?...' failed. Why?"),
        ("GET http://a.example/x?y=1 in 3 s", "GET http://a.example/x?... in 3 s"),
        ("https://a.example/c failed?", "https://a.example/c failed?"),
    ],
)
def test_urls_lose_their_queries(text: str, shown: str) -> None:
    assert without_queries(text) == shown
