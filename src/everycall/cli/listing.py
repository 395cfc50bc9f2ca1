"""`everycall queues`, `users`, `wrapups`, `divisions` and `columns`: what the options accept."""

import sys
from collections.abc import Sequence
from functools import partial

import msgspec

from everycall.api.names import SINGULAR, Entity, Kind, Unavailable, listing
from everycall.cli.context import Context
from everycall.cli.display import write_lines, write_rows
from everycall.cli.options import Listed, Source
from everycall.cli.org import connected
from everycall.cli.parser import Arguments
from everycall.cli.tables import table
from everycall.errors import PermissionMissing, ServiceFailed
from everycall.printable import printable
from everycall.tables.flat import DEFAULT, EXTENDED

DOC_SHOWN = 90
"""A longer text is cut in the table of columns; CSV and JSON have all of it."""


def listed_of(kind: Kind, arguments: Arguments, context: Context) -> int:
    """List what the org has of a kind, and return the exit code."""
    listed = arguments.of(Listed)
    with connected(arguments.of(Source)) as org:
        found = org.client.play(listing(kind)).redacted(org.client.redact)
    if isinstance(found, Unavailable):
        raise _unavailable(found)
    if found.cut_short:
        context.display.notice(f"The list is incomplete: {found.cut_short}.")
    entities = sorted(found.entities, key=lambda entity: (entity.name or "").casefold())
    head = ("name", "email", "id") if kind == "users" else ("name", "id")
    rows = [[getattr(entity, field) or "" for field in head] for entity in entities if _has(entity, listed.word)]
    write(head, rows, listed.format)
    if not rows and listed.format == "table":
        context.display.notice(_nothing(kind, len(entities), listed.word))
    return 0


queues, users = partial(listed_of, "queues"), partial(listed_of, "users")
wrapups, divisions = partial(listed_of, "wrapupcodes"), partial(listed_of, "divisions")


def columns(arguments: Arguments, context: Context) -> int:
    """List the columns of the flat table, and return the exit code."""
    listed = arguments.of(Listed)
    default = {column.name for column in DEFAULT}
    head: tuple[str, ...] = ("name", "type", "view", "holds", "mind")
    rows = [
        [column.name, column.type, "default" if column.name in default else "extended", column.doc, column.caveats]
        for column in EXTENDED
    ]
    word = (listed.word or "").casefold()
    rows = [row for row in rows if word in " ".join(row).casefold()]
    if listed.format == "table":
        head, rows = head[:4], [[*row[:3], _cut(row[3])] for row in rows]
    write(head, rows, listed.format)
    if not rows and listed.format == "table":
        context.display.notice(f"No column has '{listed.word}' in its name or description.")
    return 0


def write(head: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> None:
    """Print rows as a table, CSV or JSON on standard output."""
    if form == "json":
        encoded = msgspec.json.encode([dict(zip(head, row, strict=True)) for row in rows])
        sys.stdout.buffer.write(msgspec.json.format(encoded) + b"\n")
        sys.stdout.buffer.flush()
    elif form == "csv":
        write_rows([head, *rows])
    elif rows:
        write_lines(table(head, rows))


def _has(entity: Entity, word: str | None) -> bool:
    """Whether the word is part of a name, an e-mail address or the id."""
    return not word or any(word.casefold() in text.casefold() for text in (*entity.aliases, entity.id))


def _nothing(kind: Kind, count: int, word: str | None) -> str:
    if not count:
        return f"This OAuth client sees no {SINGULAR[kind]} at all: check its roles and divisions."
    return f"None of {count:,} {SINGULAR[kind]}s has '{word}' in its name or id."


def _cut(text: str) -> str:
    return text if len(text) <= DOC_SHOWN else f"{text[: DOC_SHOWN - 4].rsplit(' ', 1)[0]} ..."


def _unavailable(found: Unavailable) -> PermissionMissing | ServiceFailed:
    message = f"The {SINGULAR[found.kind]}s cannot be listed ({printable(found.reason)})."
    if found.reason.startswith("403"):
        return PermissionMissing(message, hint="Add the permission to a role of the OAuth client.")
    return ServiceFailed(message, hint="Run the same command again; everycall doctor shows what is wrong.")
