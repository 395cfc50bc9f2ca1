"""Windows in the form of tables, for tests of what takes them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from everycall.instants import since_epoch_ms, text
from everycall.manifest import Written
from everycall.sinks.interface import Batch
from everycall.sinks.tables_form import FEW_VALUES, TablesForm

DAY = datetime(2026, 1, 5, tzinfo=UTC)
ORGANIZATION = "00000000-0000-4000-a000-000000000001"


def conversation(number: int, start: datetime) -> dict[str, Any]:
    """A conversation with a customer, one session, two segments and a metric."""
    begun, ended = text(start), text(start + timedelta(minutes=3))
    session = {
        "sessionId": f"00000000-0000-4000-9000-{number:012}",
        "mediaType": "voice",
        "segments": [
            {"segmentType": "ivr", "segmentStart": begun, "segmentEnd": begun},
            {"segmentType": "interact", "segmentStart": begun, "segmentEnd": ended, "queueId": f"queue-{number % 3}"},
        ],
        "metrics": [{"name": "tTalk", "value": 1000 * number, "emitDate": ended}],
    }
    return {
        "conversationId": f"00000000-0000-4000-8000-{number:012}",
        "conversationStart": begun,
        "conversationEnd": ended,
        "divisionIds": ["division-1", "division-2"],
        "participants": [{"participantId": f"p-{number}", "purpose": "customer", "sessions": [session]}],
    }


def batch(conversations: Sequence[dict[str, Any]], owner_times: Sequence[datetime] = ()) -> Batch:
    """These conversations; their owner times are their starts, unless others are given."""
    times = owner_times or [datetime.fromisoformat(one["conversationStart"]) for one in conversations]
    return Batch(
        records=[msgspec.json.encode(one) for one in conversations], owner_times_ms=[*map(since_epoch_ms, times)]
    )


def evenly(count: int, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """So many conversations, spread over [start, end)."""
    return [conversation(number, start + (end - start) * number / count) for number in range(count)]


def written(path: Path, batches: Iterable[Batch], few_values: int = FEW_VALUES) -> Written:
    """Write a window at `path`."""
    writer = TablesForm(ORGANIZATION, few_values=few_values).writer(path)
    for one in batches:
        writer.write(one)
    return writer.close()
