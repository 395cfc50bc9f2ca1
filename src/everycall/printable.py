"""Makes external text safe to print. Pure.

Text from a server, a file or a variable can contain characters that clear the screen, forge a line or reverse text.
All such text goes through `printable` before it is printed or logged.
"""

import re

PRINTABLE_MAX = 4000
"""Enough for a message of the API that lists about a hundred allowed values."""

_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0)]))
)
"""Characters without a visible shape, except U+FE0F, which makes an emoji colourful."""

_QUERY = re.compile(r"(https?://[^\s'\"?]*)\?[^\s'\"]*")
"""A URL and its query."""

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str, limit: int = PRINTABLE_MAX) -> str:
    r"""The text in one line of at most `limit` characters, with invisible characters as escapes such as `\x1b`.

    Invisible are control characters (C0, C1), line breaks, formatting such as direction marks, letters without a
    shape, lone surrogates, and unassigned code points. Blanks of any kind become a space.
    """
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(map(_shown, text))
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def without_queries(text: str) -> str:
    """The text with the URLs in it cut at their query, which contains a signature where an object store is asked."""
    return _QUERY.sub(r"\1?...", text)


def _shown(character: str) -> str:
    if character.isprintable() and character not in _INVISIBLE:
        return character
    if character.isspace() and character > "\x85" and character not in "\u2028\u2029":
        return " "
    code = ord(character)
    narrow = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return _SHORT.get(character, narrow if code < 0x10000 else f"\\U{code:08x}")
