"""What an answer holds that we did not expect, named - and the rest of it, fitted to the records all the same. Pure.

The records are decoded strictly, at full speed, and nothing here runs. Where that fails - a field that the API added
yesterday, a malformed date, a number that came as text - the one conversation is walked through slowly:
what can be read is read, what cannot is left out, and each departure becomes an `Oddity` with its place.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import inspect

from everycall.printable import printable

T = TypeVar("T", bound=msgspec.Struct)

_ABSENT: Any = object()

ODDITIES_MAX = 1000
"""In one conversation, at most; what more there is stays unnamed, so that memory stays flat."""

PATH_MAX = 200
"""The API's longest path has some 80 characters; a longer one is cut."""

ID_MAX = 100
"""A conversation's id has 36 characters."""

TEXT_MAX = 60
"""No number and no instant is written in more characters; a longer text is not looked into."""

WHOLE_MAX = 2**53
"""A larger real number is not taken for a whole one: its last digits are anybody's guess."""


class Oddity(msgspec.Struct, frozen=True, rename="camel"):
    """One departure from what the API documents, in one place."""

    kind: Literal["unknown field", "unreadable value", "unusual value"]
    """"unknown field": not part of the record, left out of it. "unreadable value": left out, the field is empty.
    "unusual value": read all the same, as `read_as` says."""
    conversation_id: str
    """Where it was; empty where the conversation has no id."""
    path: str
    """The field, in the API's names: `participants[0].sessions[0].segments[0].segmentStart`."""
    value: str
    """What stood there, as JSON, at most 80 characters."""
    read_as: str = ""
    """What it was taken for; empty where it was left out."""

    @property
    def field(self) -> str:
        """The path without positions, to count by: `participants.sessions.segments.segmentStart`."""
        return _POSITION.sub("", self.path)

    def redacted(self, redact: Callable[[str], str]) -> "Oddity":
        """The same, its texts without secrets."""
        texts = {name: redact(getattr(self, name)) for name in ("conversation_id", "path", "value", "read_as")}
        return msgspec.structs.replace(self, **texts)

    def __str__(self) -> str:
        """One line for a reader."""
        read = f"; read as {self.read_as}" if self.read_as else "; left out" if self.kind != "unknown field" else ""
        return f"conversation {self.conversation_id or '(no id)'}: {self.path}: {self.kind} {self.value}{read}"


def may_overflow(body: bytes | msgspec.Raw) -> bool:
    """Whether an instant in the JSON may lie outside of what a datetime in UTC can hold.

    `9999-12-31T23:59:59-05:00` is decoded without complaint, and fails wherever it is calculated with. So a body for
    which this is true is not decoded strictly, but fitted.
    """
    data = bytes(body)
    return b'"9999-12-31' in data or b'"0001-01-01' in data


def fitted(tree: Any, record: type[T]) -> tuple[T | None, list[Oddity]]:
    """The record that the decoded JSON holds, and what did not fit.

    None in place of the record where not even what it requires can be read.
    """
    conversation_id = tree.get("conversationId") if isinstance(tree, dict) else None
    walk = _Walk(conversation_id if isinstance(conversation_id, str) else "")
    value = walk.value(tree, _kind_of(record), "")
    return (None if value is _ABSENT else msgspec.convert(value, record)), walk.oddities


def oddity(kind: Any, conversation_id: str, path: str, value: str, read_as: str = "") -> Oddity:
    """An oddity whose texts can be shown, and are short."""
    return Oddity(kind, conversation_id, printable(path, PATH_MAX) or "$", shortened(value), shortened(read_as))


@cache
def _kind_of(record: type) -> inspect.Type:
    """The type tree of a record: slow to make, and the same for every conversation."""
    return inspect.type_info(record)


@cache
def _fields_of(record: type) -> Mapping[str, inspect.Field]:
    kind = _kind_of(record)
    return {one.encode_name: one for one in kind.fields} if isinstance(kind, inspect.StructType) else {}


class _Walk:
    """One conversation's way through the type tree: values come back fitted, or `_ABSENT`."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = printable(conversation_id, ID_MAX)
        self.oddities: list[Oddity] = []

    def note(self, kind: Any, path: str, value: Any, read_as: str = "") -> None:
        if len(self.oddities) < ODDITIES_MAX:
            self.oddities.append(oddity(kind, self.conversation_id, path, _json(value), read_as))

    def value(self, value: Any, kind: inspect.Type, path: str) -> Any:
        if isinstance(kind, inspect.UnionType):
            return self._optional(value, kind, path)
        if value is None:
            self.note("unreadable value", path, value)
            return _ABSENT
        if isinstance(kind, inspect.StructType):
            return self._struct(value, kind, path)
        if isinstance(kind, inspect.VarTupleType):
            return self._items(value, kind.item_type, path)
        if isinstance(kind, inspect.DictType):
            return self._entries(value, kind.value_type, path)
        return self._leaf(value, kind, path)

    def _optional(self, value: Any, kind: inspect.UnionType, path: str) -> Any:
        """`X | None`, or `int | float | None`. A null stands for an absent field, which is how the API says it."""
        if value is None:
            return _ABSENT
        kinds = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        if any(_is_of(value, one) for one in kinds):
            return value
        return self.value(value, next((one for one in kinds if isinstance(one, inspect.FloatType)), kinds[0]), path)

    def _struct(self, value: Any, kind: inspect.StructType, path: str) -> Any:
        if not isinstance(value, dict):
            self.note("unreadable value", path, value)
            return _ABSENT
        fields = _fields_of(kind.cls)
        for name in [name for name in value if name not in fields]:
            self.note("unknown field", f"{path}.{name}".lstrip("."), value[name])
        found = {}
        for name, one in fields.items():
            place = f"{path}.{name}".lstrip(".")
            fit = self.value(value[name], one.type, place) if name in value else _ABSENT
            if fit is not _ABSENT:
                found[name] = fit
            elif one.required:
                self.note("unreadable value", path, value)
                return _ABSENT
        return found

    def _items(self, value: Any, kind: inspect.Type, path: str) -> Any:
        if not isinstance(value, list):
            self.note("unreadable value", path, value)
            return _ABSENT
        found = (self.value(item, kind, f"{path}[{index}]") for index, item in enumerate(value))
        return [item for item in found if item is not _ABSENT]

    def _entries(self, value: Any, kind: inspect.Type, path: str) -> Any:
        if not isinstance(value, dict):
            self.note("unreadable value", path, value)
            return _ABSENT
        found = ((key, self.value(item, kind, f"{path}.{key}")) for key, item in value.items())
        return {key: item for key, item in found if item is not _ABSENT}

    def _leaf(self, value: Any, kind: inspect.Type, path: str) -> Any:
        if _is_of(value, kind):
            return value
        for read in _readings(value, kind):
            self.note("unusual value", path, value, read if isinstance(read, str) else str(msgspec.to_builtins(read)))
            return read
        self.note("unreadable value", path, value)
        return _ABSENT


def _is_of(value: Any, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.DateTimeType):
        try:
            return _in_utc(msgspec.convert(value, datetime)) is not None
        except msgspec.ValidationError:
            return False
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(kind, inspect.FloatType):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return isinstance(value, {inspect.StrType: str, inspect.BoolType: bool}.get(type(kind), ()))


def _readings(value: Any, kind: inspect.Type) -> Iterator[Any]:
    """What an unusual value can safely be taken for: at most one."""
    if isinstance(kind, inspect.StrType) and isinstance(value, int | float):
        yield _json(value)
    elif (
        isinstance(kind, inspect.IntType) and isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_MAX
    ):
        yield int(value)
    elif isinstance(kind, inspect.IntType | inspect.FloatType) and isinstance(value, str):
        if _WHOLE.fullmatch(value):
            yield int(value)
        elif isinstance(kind, inspect.FloatType) and len(value) <= TEXT_MAX and _REAL.fullmatch(value):
            yield float(value)
    elif isinstance(kind, inspect.DateTimeType) and isinstance(value, str):
        instant = _loose_instant(value)
        if instant is not None:
            yield instant


def instant(text: str) -> datetime | None:
    """The instant that a text names, as strictly or as loosely as it takes; None where it names none."""
    try:
        found = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return _loose_instant(text)
    return _in_utc(found if found.tzinfo is not None else found.replace(tzinfo=UTC))


# None of these can match in two ways, so none of them tries again; the texts are short all the same.
_POSITION = re.compile(r"\[\d{1,9}\]")
_WHOLE = re.compile(r"-?\d{1,18}")
_REAL = re.compile(r"-?\d{1,40}\.\d{1,40}")
_LOOSE_INSTANT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[Tt ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,40}))?)? ?([Zz]|[+-]\d\d:?\d\d)?"
)


def _loose_instant(value: str) -> datetime | None:
    """An instant whose parts lack leading zeros or whose zone is missing (then UTC); None where it is none."""
    match = _LOOSE_INSTANT.fullmatch(value.strip()) if len(value) <= TEXT_MAX else None
    if not match:
        return None
    *parts, second, fraction, zone = match.groups()
    try:
        micros = int((fraction or "0")[:6].ljust(6, "0"))
        year, month, day, hour, minute = map(int, parts)
        return _in_utc(datetime(year, month, day, hour, minute, int(second or 0), micros, _offset(zone)))
    except ValueError:
        return None


def _offset(zone: str | None) -> timezone:
    if not zone or zone in "Zz":
        return UTC
    digits = zone[1:].replace(":", "")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(ahead if zone[0] == "+" else -ahead)


def _in_utc(instant: datetime) -> datetime | None:
    """The instant, if it has a zone and a date in UTC, too."""
    try:
        return instant.astimezone(UTC) if instant.tzinfo is not None else None
    except OverflowError:
        return None


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return "(nested too deeply)"


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def without_lone_surrogates(body: bytes) -> bytes:
    """The JSON with U+FFFD in place of each escape that is half of a surrogate pair.

    A server leaves such a half where it cuts a text in the middle of an emoji. No JSON reader has to take it.
    """
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["lone"] else escape[0], body)


def shortened(text: str) -> str:
    """At most 80 characters of it, in one line, so that it can be shown."""
    return printable(text, 80)
