"""Makes foreign text fit to be shown. Pure; the one place that does it.

A server, a file or a variable can hold characters that clear a screen, forge a line or turn text around. Whatever
comes from outside goes through `printable` before a person or a log sees it.
"""

PRINTABLE_MAX = 4000
"""The API lists some hundred allowed values in one message; more than this is not read by anybody."""

_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0)]))
)
"""Letters, marks and signs without a shape of their own. U+FE0F, which makes an emoji colourful, is none of them."""

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str, limit: int = PRINTABLE_MAX) -> str:
    r"""The text in one line, at most `limit` characters long; what cannot be seen is shown as an escape such as `\x1b`.

    That is: control characters (C0, C1), line breaks, marks of direction and other formatting, invisible letters, half
    a surrogate pair, and what no version of Unicode knows. Blanks of any kind become a space.
    """
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(map(_shown, text))
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _shown(character: str) -> str:
    if character.isprintable() and character not in _INVISIBLE:
        return character
    if character.isspace() and character > "\x85" and character not in "\u2028\u2029":
        return " "
    code = ord(character)
    narrow = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return _SHORT.get(character, narrow if code < 0x10000 else f"\\U{code:08x}")
