"""Rows of the tables that are not made from conversations: names, queues, queue_media, windows. Pure.

Entities are those of the API's listings, as plain values. What does not fit is left out, as a name that is missing.
Source: SDK 269, models `Queue`, `QueueMediaSettings`, `MediaSettings`, `ServiceLevel`, `AcwSettings`, `User`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from everycall.api.interval import Interval
from everycall.api.names import Kind
from everycall.api.oddities import fitted, instant
from everycall.api.records import Instant, Integer
from everycall.instants import floor_ms
from everycall.tables.relational import WINDOWS
from everycall.tables.rows import Row

T = TypeVar("T", bound=msgspec.Struct)

KINDS: Mapping[Kind, str] = {
    "queues": "queue",
    "users": "user",
    "wrapupcodes": "wrapUpCode",
    "divisions": "division",
}
"""How the names table calls each kind."""

MEDIA = {"call": "voice"}
"""Settings of media whose sessions have another name."""


class _Entity(msgspec.Struct, rename="camel"):
    pass


class _Division(_Entity):
    id: str | None = None


class _Named(_Entity):
    id: str
    name: str | None = None
    division: _Division | None = None
    state: str | None = None


class _ServiceLevel(_Entity):
    percentage: float | None = None
    duration_ms: Integer | None = None


class _Medium(_Entity):
    service_level: _ServiceLevel | None = None
    alerting_timeout_seconds: Integer | None = None
    enable_auto_answer: bool | None = None


class _AcwSettings(_Entity):
    wrapup_prompt: str | None = None
    timeout_ms: Integer | None = None


class _Queue(_Named, kw_only=True):
    description: str | None = None
    date_created: Instant | None = None
    date_modified: Instant | None = None
    member_count: Integer | None = None
    scoring_method: str | None = None
    skill_evaluation_method: str | None = None
    acw_settings: _AcwSettings | None = None
    media_settings: dict[str, _Medium] = {}


def name_rows(organization_id: str, kind: Kind, entities: Iterable[Any], looked_up_at: datetime) -> Iterator[Row]:
    """The rows of names: one for each entity that has an id.

    Args:
        organization_id: the org.
        kind: what they are.
        entities: as the API lists them.
        looked_up_at: when; aware.
    """
    for entity in _read(entities, _Named):
        yield (
            organization_id, KINDS[kind], entity.id, entity.name, _division(entity), entity.state,
            floor_ms(looked_up_at),
        )  # fmt: skip


def queue_rows(organization_id: str, queues: Iterable[Any], looked_up_at: datetime | None) -> dict[str, list[Row]]:
    """The rows of queues and of queue_media, from queues as the API lists them."""
    at = _cut(looked_up_at)
    rows: dict[str, list[Row]] = {"queues": [], "queue_media": []}
    for queue in _read(queues, _Queue):
        acw = queue.acw_settings or _AcwSettings()
        rows["queues"].append((
            organization_id, queue.id, queue.name, _division(queue), queue.description, _cut(queue.date_created),
            _cut(queue.date_modified), queue.member_count, queue.scoring_method, queue.skill_evaluation_method,
            acw.wrapup_prompt, acw.timeout_ms, at,
        ))  # fmt: skip
        for name, medium in sorted(queue.media_settings.items()):
            target = medium.service_level or _ServiceLevel()
            rows["queue_media"].append((
                organization_id, queue.id, MEDIA.get(name, name), target.percentage, target.duration_ms,
                medium.alerting_timeout_seconds, medium.enable_auto_answer, at,
            ))  # fmt: skip
    return rows


def window_row(organization_id: str, window: Mapping[str, Any]) -> Row:
    """The row of a window.

    Args:
        organization_id: the org.
        window: its entry in the manifest, by the names there.

    Raises:
        KeyError: a field is missing.
        QueryError: the interval is not valid.
    """
    interval = Interval.read(window["interval"])
    made: dict[str, Any] = {
        "organizationId": organization_id,
        "windowStart": interval.start,
        "windowEnd": interval.end,
        "strays": len(window["strays"]),
        "forgotten": window["owned"] if window["isForgotten"] else len(window["forgotten"]),
        "unreadable": len(window["unreadable"]),
        "countedAt": instant(window["countedAt"]),
        "replaced": len(window["replaced"]),
        "replacedAt": instant(max((one["asOf"] for one in window["replaced"]), default="")),
        "removed": len(window["removed"]),
        "reason": window["reason"] or None,
    }
    return tuple(made[name] if name in made else window[name] for name in _WINDOW_COLUMNS)


_WINDOW_COLUMNS = tuple(column.name for column in WINDOWS.columns)


def _read(entities: Iterable[Any], record: type[T]) -> Iterator[T]:
    for entity in entities:
        found, _ = fitted(entity, record)
        if found is not None:
            yield found


def _division(entity: _Named) -> str | None:
    return entity.division.id if entity.division else None


def _cut(at: datetime | None) -> datetime | None:
    return None if at is None else floor_ms(at)
