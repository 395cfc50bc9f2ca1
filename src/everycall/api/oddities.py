"""Reads conversations that do not fit the records, and reports each deviation as an `Oddity`. Pure.

Conversations are normally decoded strictly, at full speed. If that fails - because of a new field, a malformed date, a
number that came as text - `fitted` walks through that one conversation slowly: it reads what it can, leaves out the
rest, and reports each deviation with its path.
"""

import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import inspect

from everycall.printable import printable

T = TypeVar("T", bound=msgspec.Struct)

_ABSENT: Any = object()

ODDITIES_MAX = 1000
"""The most oddities reported for one conversation, so that memory stays flat."""

PATH_MAX = 200
"""Longer paths are cut; the API's longest has about 80 characters."""

ID_MAX = 100
"""A conversation's id has 36 characters."""

TEXT_MAX = 60
"""Longer texts are not parsed as numbers or instants."""

INTEGER_MAX = 2**63 - 1
"""The largest integer: the API's types have 64 bits."""

REDACTED = "(redacted)"
"""In place of a value in an export that is redacted."""

WHOLE_MAX = 2**53
"""A larger real number is not read as a whole one, since its last digits are not exact."""


class Oddity(msgspec.Struct, frozen=True, rename="camel"):
    """One deviation from what the API documents."""

    kind: Literal["unknown field", "unreadable value", "unusual value"]
    """"unknown field": left out of the record. "unreadable value": left out, so that the field is empty. "unusual
    value": read as `read_as`."""
    conversation_id: str
    """The id of the conversation; empty if it has none."""
    path: str
    """The field, in the API's names: `participants[0].sessions[0].segments[0].segmentStart`."""
    value: str
    """The value as JSON, at most 80 characters."""
    read_as: str = ""
    """How the value was read; empty if it was left out."""

    @property
    def field(self) -> str:
        """The path without positions, to count by: `participants.sessions.segments.segmentStart`."""
        return _POSITION.sub("", self.path)

    def redacted(self, redact: Callable[[str], str]) -> "Oddity":
        """The same oddity without secrets: the value may contain anything."""
        texts = {name: redact(getattr(self, name)) for name in ("conversation_id", "path", "value", "read_as")}
        return msgspec.structs.replace(self, **texts)

    def without_value(self) -> "Oddity":
        """The same oddity without what it shows of the conversation."""
        return msgspec.structs.replace(self, value=REDACTED, read_as=REDACTED if self.read_as else "")

    def __str__(self) -> str:
        """One line for the user."""
        read = ""
        if self.read_as:
            read = f"; read as {self.read_as}"
        elif self.kind != "unknown field":
            read = "; left out"
        return f"conversation {self.conversation_id or '(no id)'}: {self.path}: {self.kind} {self.value}{read}"


def may_overflow(body: bytes | msgspec.Raw) -> bool:
    """Whether an instant in the JSON may be out of range for a datetime in UTC.

    `9999-12-31T23:59:59-05:00` can be decoded, but later calculations fail. A body for which this is true is therefore
    not decoded strictly, but fitted.
    """
    data = bytes(body)
    return b'"9999-12-31' in data or b'"0001-01-01' in data


def fitted(tree: Any, record: type[T]) -> tuple[T | None, list[Oddity]]:
    """The record of a decoded JSON value, and what did not fit. No record if a required field is missing."""
    conversation_id = tree.get("conversationId") if isinstance(tree, dict) else None
    walk = _Walk(conversation_id if isinstance(conversation_id, str) else "")
    value = walk.value(tree, _kind_of(record), "")
    return (None if value is _ABSENT else msgspec.convert(value, record)), walk.oddities


def oddity(kind: Any, conversation_id: str, path: str, value: str, read_as: str = "") -> Oddity:
    """An oddity with short texts that are safe to print."""
    return Oddity(kind, conversation_id, printable(path, PATH_MAX) or "$", shortened(value), shortened(read_as))


@cache
def _kind_of(record: type) -> inspect.Type:
    """The type tree of a record, cached since it is slow to make."""
    return inspect.type_info(record)


@cache
def _fields_of(record: type) -> Mapping[str, inspect.Field]:
    kind = _kind_of(record)
    return {field.encode_name: field for field in kind.fields} if isinstance(kind, inspect.StructType) else {}


class _Walk:
    """Walks through one conversation along the type tree. Methods return the fitted value, or `_ABSENT`."""

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
        """Fit `X | None`, or `int | float | None`. A null counts as an absent field."""
        if value is None:
            return _ABSENT
        kinds = [option for option in kind.types if not isinstance(option, inspect.NoneType)]
        fitting = next((option for option in kinds if _is_of(value, option)), None)
        if fitting is not None:
            return float(value) if isinstance(fitting, inspect.FloatType) else value
        real = next((option for option in kinds if isinstance(option, inspect.FloatType)), None)
        return self.value(value, real or kinds[0], path)

    def _struct(self, value: Any, kind: inspect.StructType, path: str) -> Any:
        if not isinstance(value, dict):
            self.note("unreadable value", path, value)
            return _ABSENT
        fields = _fields_of(kind.cls)
        for name in [name for name in value if name not in fields]:
            self.note("unknown field", f"{path}.{name}".lstrip("."), value[name])
        found = {}
        for name, field in fields.items():
            field_path = f"{path}.{name}".lstrip(".")
            fit = self.value(value[name], field.type, field_path) if name in value else _ABSENT
            if fit is not _ABSENT:
                found[name] = fit
            elif field.required:
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
        read = _reading(value, kind)
        if read is None:
            self.note("unreadable value", path, value)
            return _ABSENT
        self.note("unusual value", path, value, read if isinstance(read, str) else str(msgspec.to_builtins(read)))
        return read


def _is_of(value: Any, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.DateTimeType):
        try:
            return _in_utc(msgspec.convert(value, datetime)) is not None
        except msgspec.ValidationError:
            return False
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool) and -INTEGER_MAX - 1 <= value <= INTEGER_MAX
    if isinstance(kind, inspect.FloatType):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return isinstance(value, {inspect.StrType: str, inspect.BoolType: bool}.get(type(kind), ()))


def _reading(value: Any, kind: inspect.Type) -> Any:
    """How an unusual value can safely be read; None if it cannot."""
    if isinstance(kind, inspect.StrType) and isinstance(value, int | float):
        return _json(value)
    if isinstance(kind, inspect.IntType) and isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < WHOLE_MAX else None
    if isinstance(kind, inspect.IntType | inspect.FloatType) and isinstance(value, str):
        if _WHOLE.fullmatch(value):
            return int(value)
        is_real = isinstance(kind, inspect.FloatType) and len(value) <= TEXT_MAX and _REAL.fullmatch(value)
        return float(value) if is_real else None
    if isinstance(kind, inspect.DateTimeType) and isinstance(value, str):
        return _loose_instant(value)
    return None


def instant(text: str) -> datetime | None:
    """Parse an instant, strictly or else loosely; None if that fails."""
    try:
        found = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return _loose_instant(text)
    return _in_utc(found if found.tzinfo is not None else found.replace(tzinfo=UTC))


# None of these can match in two ways, so none of them backtracks.
_POSITION = re.compile(r"\[\d{1,9}\]")
_WHOLE = re.compile(r"-?\d{1,18}")
_REAL = re.compile(r"-?\d{1,40}\.\d{1,40}")
_LOOSE_INSTANT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[Tt ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,40}))?)? ?([Zz]|[+-]\d\d:?\d\d)?"
)


def _loose_instant(value: str) -> datetime | None:
    """Parse an instant without leading zeros or without a zone (then UTC); None if it is not an instant."""
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
    """The instant in UTC; None if it has no zone, or is out of range in UTC."""
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
    """The JSON with U+FFFD in place of each lone surrogate.

    A server that cuts a text in the middle of an emoji leaves such a half. JSON readers may refuse it.
    """
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["lone"] else escape[0], body)


def shortened(text: str) -> str:
    """At most 80 characters of the text, in one line, safe to print."""
    return printable(text, 80)
