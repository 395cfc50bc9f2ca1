"""Whatever answers, the client ends with a result or with an error of ours, in time, and says no secret."""

import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from clocks import StillClock
from everycall import Client, Credentials, EverycallError, Interval, Query
from everycall.api.details_query import PageHead, TooLarge, answer, count, page
from everycall.api.exchange import Exchange, Response
from everycall.api.names import Found, Unavailable, ids_named, listing, users
from everycall.api.query import Filters
from everycall.client import FIRST_PATIENCE_S, PATIENCE_S
from hostile import CLIENT_ID, SECRET, Hostile

SEEDS = int(os.environ.get("EVERYCALL_FUZZ", "1000"))
"""How many answers are tried; `make soak` tries more."""

LOTS = 8

CPU_MAX_S = 5.0
"""Of one seed; most take a few milliseconds."""

CLOCK_MAX_S = 3 * (PATIENCE_S + 60) + FIRST_PATIENCE_S
"""A login and the request behind it, each as long as patience lasts, twice where a token dies."""

DAY = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
QUERY = Query(DAY, Filters.of(media_types=["voice"]))

ASKED: list[Callable[[], Exchange[Any]]] = [
    lambda: count(QUERY, DAY),
    lambda: answer(QUERY, DAY, 1, 100),
    lambda: page(QUERY, DAY, 2, 100),
    lambda: listing("queues"),
    lambda: users(["u1", "u2"]),
    lambda: ids_named("users", ["Ann"]),
    lambda: ids_named("queues", ["Sales"]),
]


def good(_method: str, url: str) -> Any:
    """What a sound server would answer."""
    if "/details/query" in url:
        return {
            "conversations": [{"conversationId": "c", "conversationStart": "2026-01-05T08:00:00.000Z"}],
            "totalHits": 1,
        }
    ann = {"id": "u1", "name": "Ann"}
    return {"results": [ann]} if url.endswith("/search") else {"entities": [ann], "pageCount": 1}


def ended(seed: int, clock: StillClock, connection: Hostile) -> tuple[Any, list[str]]:
    """What came of one question: the result or the error, and all that a reader would be shown."""
    shown: list[str] = []
    client = Client(
        Credentials(CLIENT_ID, SECRET, "http://127.0.0.1"), connection=connection, clock=clock, rng=random.Random(seed)
    )
    clock.on_wait = lambda: shown.append(client.counts().trouble)
    result: Any
    try:
        result = client.play(ASKED[seed % len(ASKED)]())
    except EverycallError as error:
        result = error
        shown += [str(error), error.hint, error.correlation_id]
    if isinstance(result, Unavailable):
        shown.append(result.redacted(client.redact).reason)
    if isinstance(result, Found):
        shown.append(result.redacted(client.redact).cut_short)
    return result, [*shown, client.counts().trouble]


def check(seed: int) -> None:
    began = time.process_time()
    clock = StillClock()
    connection = Hostile(seed, clock, good)
    result, shown = ended(seed, clock, connection)

    assert isinstance(result, (EverycallError, int, list, Response, TooLarge, Found, Unavailable)) or hasattr(
        result, "conversations"
    ), f"{result!r} is no result"
    if isinstance(result, Response):
        assert result.status == 200
        assert isinstance(result.decoded, PageHead)
    text = "\n".join(shown)
    assert not [form for form in connection.forms if form in text], "a secret is shown"
    assert all(each.isprintable() for each in shown), "something that cannot be seen is shown"
    assert clock.monotonic() <= CLOCK_MAX_S, f"{clock.monotonic():.0f} s passed"
    assert time.process_time() - began <= CPU_MAX_S


@pytest.mark.parametrize("lot", range(LOTS))
def test_the_client_ends_with_a_result_or_its_own_error_whatever_answers(lot: int) -> None:
    for seed in range(lot, SEEDS, LOTS):
        try:
            check(seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed is what matters
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")


def test_the_generator_reaches_results_and_every_kind_of_error() -> None:
    kinds = set()
    for seed in range(400):
        clock = StillClock()
        kinds.add(type(ended(seed, clock, Hostile(seed, clock, good))[0]).__name__)

    assert kinds >= {
        "int", "list", "Page", "Response", "TooLarge", "Found", "Unavailable",
        "ServiceFailed", "Unreachable", "QueryRefused", "PermissionMissing", "CredentialsRefused", "UnknownName",
    }  # fmt: skip
