"""Tables of plain text."""

from collections.abc import Iterator, Sequence

from everycall.printable import printable


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table: columns as wide as their longest cell, two spaces between them."""
    lines = [head, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
