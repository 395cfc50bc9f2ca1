r"""Foreign text in XML and HTML: escaped, without characters that XML forbids or that reorder other text. Pure.

Names and notes come from the org and its customers. Control characters, direction marks and lone surrogates become
visible escapes such as `\x1b`, as everywhere in everycall, so that the result is valid XML and reads in its own order.
"""

from html import escape

from everycall.printable import printable

NOTE_MAX = 20_000
"""Longer texts are cut, far above a note."""


def inline(text: str) -> str:
    """A text in one line, escaped for content and quoted attributes."""
    return escape(printable(" ".join(text.split())))


def lines(text: str) -> str:
    """A text with its line breaks, escaped for content."""
    return "\n".join(escape(printable(line, NOTE_MAX)) for line in text[:NOTE_MAX].splitlines())
