"""Where one conversation is: in an archive, in the tables of a destination, or in the org.

Each place is asked with few reads: an archive is searched for the id before a line is decoded, and tables are asked by
the conversation's id and its `ownerTime`, by which their files are divided.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from everycall.analysis.opening import OpenTables, open_tables
from everycall.api.names import Entity, Found, Kind, Names, look_up
from everycall.api.one_conversation import one_conversation
from everycall.api.records import Conversation, conversation_of
from everycall.client import Client
from everycall.errors import OutputRefused, QueryError
from everycall.load.names import NameSource
from everycall.load.unpacking import BOM, PIECE_BYTES, LineTooLong, Unpacked, compression_of, whole_lines
from everycall.sinks.day_folder import NAMES_FILE
from everycall.sinks.files import NAMES_SUFFIX
from everycall.sinks.names_form import names_in_lines
from everycall.sinks.targets import JSONL_DAYS, target_of
from everycall.tables.mentioned import mentioned
from everycall.tables.reference import KINDS
from everycall.tables.restored import restored, tables_read
from everycall.tables.sql import quoted


@dataclass(frozen=True, slots=True)
class Sought:
    """A conversation that was found."""

    conversation: Conversation
    body: bytes
    """Its JSON: as it came from the API or stands in the archive; as the tables have it otherwise."""
    names: Names
    source: str
    """Where it was found, for people."""
    notices: tuple[str, ...] = ()
    """What people should know: names that are missing, a damaged archive."""


@dataclass(slots=True)
class Missing:
    """Where it was looked for in vain."""

    places: list[str] = field(default_factory=list)

    def error(self, conversation_id: str, hint: str) -> QueryError:
        """The error for the user."""
        return QueryError(f"There is no conversation {conversation_id} in {', nor in '.join(self.places)}.", hint=hint)


IN_PLACES = (
    "Check the id. A destination has the conversations that began in its interval and match its filters. Without "
    "--from, the API is asked."
)

IN_ORG = (
    "Check the id and the org. The API finds a conversation some seconds after it began, as long as the org keeps it, "
    "and if this client may see one of its divisions."
)


def find_in_places(conversation_id: str, places: tuple[str, ...]) -> Sought:
    """The conversation, from the first of these places that has it.

    Args:
        conversation_id: in lower case.
        places: archives of JSON lines, and destinations as `analysis.opening` takes them.

    Raises:
        QueryError: none has it; the message names them.
        OutputRefused, OutputFailed, SettingsError: a place cannot be read.
    """
    missing = Missing()
    for place in places:
        target = target_of(place)
        if target.format == JSONL_DAYS and target.path is not None:
            found = _in_days(conversation_id, target.path, missing)
        elif target.format.startswith("jsonl") and target.path is not None:
            found = _in_archive(conversation_id, target.path, missing)
        else:
            found = _in_tables(conversation_id, place, missing)
        if found is not None:
            return found
    raise missing.error(conversation_id, IN_PLACES)


def find_in_org(conversation_id: str, client: Client, label: str) -> Sought:
    """The conversation as the API has it now, with names.

    Raises:
        QueryError: the API does not find it.
        EverycallError: what the client raises.
    """
    details = client.play(one_conversation(conversation_id))
    if details is None:
        raise Missing([label]).error(conversation_id, IN_ORG)
    source = NameSource(lambda kind, ids: client.play(look_up(kind, ids)).redacted(client.redact))
    names = source.prepare(mentioned(details.body))
    notices = [f"Names of {kind} are missing: {reason}." for kind, reason in source.unavailable.items()]
    return Sought(details.conversation, details.body, names, label, tuple(notices))


# --- an archive


def _in_days(conversation_id: str, folder: Path, missing: Missing) -> Sought | None:
    """The conversation from a folder of files by day."""
    if not folder.is_dir():
        raise OutputRefused(f"{folder} does not exist, or is no folder.", hint="Name a folder of files by day.")
    nowhere = Missing()
    days = sorted(folder.glob("*.jsonl"))
    found = (_in_archive(conversation_id, day, nowhere, folder / NAMES_FILE) for day in days)
    first = next((one for one in found if one is not None), None)
    if first is None:
        missing.places.append(str(folder))
    return first


def _in_archive(conversation_id: str, path: Path, missing: Missing, names_at: Path | None = None) -> Sought | None:
    if not path.is_file():
        raise OutputRefused(f"{path} does not exist, or is no file.", hint="Name an archive of JSON lines.")
    with path.open("rb") as file:
        beginning = file.read(4)
        file.seek(0)
        unpacked = Unpacked(iter(lambda: file.read(PIECE_BYTES), b""), compression_of(beginning))
        try:
            found = _last_line(conversation_id, unpacked)
        except LineTooLong as error:
            raise OutputRefused(f"{path} has no JSON lines: {error}.", hint="Name an archive of JSON lines.") from error
    damage = f"{path} is damaged: {unpacked.damage}." if unpacked.damage else ""
    if found is None:
        missing.places.append(f"{path} ({unpacked.damage})" if damage else str(path))
        return None
    body, conversation = found
    names, notices = _names_in_file(names_at or path.with_name(path.name + NAMES_SUFFIX))
    return Sought(conversation, body, names, str(path), tuple(filter(None, (damage, *notices))))


def _last_line(conversation_id: str, unpacked: Unpacked) -> tuple[bytes, Conversation] | None:
    """The last line with that conversation, since a later line replaces earlier ones."""
    needle, found = conversation_id.encode(), None
    for block in whole_lines(unpacked):
        if needle in block:
            for line in block.split(b"\n"):
                body = line.removeprefix(BOM)
                conversation = conversation_of(body)[0] if needle in body else None
                if conversation is not None and conversation.conversation_id == conversation_id:
                    found = body, conversation
    return found


def _names_in_file(path: Path) -> tuple[Names, list[str]]:
    names = Names()
    if not path.exists():
        return names, [f"There is no {path}: ids stand for names."]
    try:
        _learn(names, ((one.kind, one.id, one.name) for one in names_in_lines(path.read_bytes())))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return names, [f"{path} cannot be read ({str(error).rstrip('.')}): ids stand for names."]
    return names, []


_KINDS: Mapping[str, Kind] = {name: kind for kind, name in KINDS.items()}


def _learn(names: Names, found: Iterator[tuple[str, str, str | None]]) -> None:
    by_kind: dict[Kind, list[Entity]] = {}
    for kind, id_, name in found:
        if kind in _KINDS:
            by_kind.setdefault(_KINDS[kind], []).append(Entity(id_, name))
    for kind_, entities in by_kind.items():
        names.learn(Found(kind_, tuple(entities)))


# --- tables


def _in_tables(conversation_id: str, place: str, missing: Missing) -> Sought | None:
    with open_tables(place) as tables:
        tree = restored(_rows(tables, conversation_id))
        if tree is None:
            start, end = tables.interval.start, tables.interval.end
            ids = ", with redacted ids" if _has_redacted_ids(tables) else ""
            missing.places.append(f"{tables.name} ({start:{DAY_AND_TIME}} to {end:{DAY_AND_TIME}} UTC{ids})")
            return None
        body = msgspec.json.encode(tree)
        conversation, _ = conversation_of(body)
        if conversation is None:
            raise OutputRefused(f"{tables.name} has a conversation without a readable id.", hint="Export it again.")
        names = Names()
        _learn(names, _names_in(tables, body))
        return Sought(conversation, body, names, tables.name, tables.notices)


def _has_redacted_ids(tables: OpenTables) -> bool:
    """Whether conversations have hashes in place of their ids."""
    treated = {name: treatment for name, _, treatment in (one.partition("=") for one in tables.about.redacted)}
    return treated.get("conversationId", "keep") != "keep"


def _rows(tables: OpenTables, conversation_id: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of the conversation, by table; no table but the first is asked if that has none."""
    rows: dict[str, list[dict[str, Any]]] = {}
    parameters: list[object] = [conversation_id]
    for name in tables_read():
        where = '"conversationId" = $1' + (' AND "ownerTime" = $2' if rows else "")
        rows[name] = tables.query(f"SELECT * FROM {quoted(name)} WHERE {where}", parameters).to_pylist()
        if len(rows) == 1:
            if not rows[name]:
                return {}
            parameters.append(rows[name][-1]["ownerTime"])
    return rows


def _names_in(tables: OpenTables, body: bytes) -> Iterator[tuple[str, str, str | None]]:
    """Yield kind, id and name of what the conversation refers to."""
    ids = sorted({id_ for _, id_ in mentioned(body)})
    for at in range(0, len(ids), IDS_AT_A_TIME):
        batch = ids[at : at + IDS_AT_A_TIME]
        holders = ", ".join(f"${number}" for number in range(1, len(batch) + 1))
        query = f'SELECT "kind", "id", "name" FROM "names" WHERE "id" IN ({holders})'
        for row in tables.query(query, batch).to_pylist():
            yield row["kind"], row["id"], row["name"]


IDS_AT_A_TIME = 500

DAY_AND_TIME = "%Y-%m-%d %H:%M"
