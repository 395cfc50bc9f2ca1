"""Lines that stay in the text where they stand."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.lines import Lines, chained, joined, lengths

LINES = st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"")), min_size=1)


@pytest.mark.parametrize(
    ("text", "lines"),
    [(b"", []), (b"a", [b"a"]), (b"a\n", [b"a"]), (b"a\nbc", [b"a", b"bc"]), (b"\n\na\n", [b"", b"", b"a"])],
)
def test_a_text_has_lines_whether_it_ends_with_a_line_feed_or_not(text: bytes, lines: list[bytes]) -> None:
    assert list(Lines.of(text)) == lines


@given(LINES, st.integers(0, 8), st.integers(0, 8))
def test_lines_are_what_a_list_of_them_is(lines: list[bytes], begin: int, end: int) -> None:
    found = Lines.of(b"\n".join(lines) + b"\n")

    assert list(found) == lines
    assert (len(found), found[0], found[-1]) == (len(lines), lines[0], lines[-1])
    assert list(found[begin:end]) == lines[begin:end]


@given(st.lists(LINES, min_size=1, max_size=4), st.integers(0, 8), st.integers(0, 8))
def test_lines_of_several_texts_are_joined_as_lists_are(texts: list[list[bytes]], begin: int, end: int) -> None:
    apart = [line for lines in texts for line in lines]
    found = cast("Lines", chained([Lines.of(b"\n".join(lines) + b"\n") for lines in texts]))

    assert isinstance(found, Lines)
    assert found[begin:end].joined() == joined(apart[begin:end]) == b"\n".join(apart[begin:end])
    assert list(lengths(found)) == list(lengths(apart))


def test_the_same_text_twice_is_two_texts() -> None:
    text = b"a\nb"

    assert joined(chained([Lines.of(text), Lines.of(text)])) == b"a\nb\na\nb"


def test_lists_and_lines_together_are_a_list() -> None:
    assert chained([Lines.of(b"a\nb\n"), [b"c"]]) == [b"a", b"b", b"c"]
