"""Plays an exchange with answers that were written down."""

import json
from typing import Any, TypeVar

from everycall.api.exchange import Exchange, Request, Response, received
from everycall.errors import EverycallError

T = TypeVar("T")


def played(exchange: Exchange[T], *responses: Response | EverycallError) -> tuple[list[Request], T]:
    """What the exchange asked for, in order, and what it found. Every answer has to be used up.

    An error stands for a request that the client gave up.
    """
    asked = [next(exchange)]
    left = list(responses)
    try:
        while left:
            came = left.pop(0)
            if isinstance(came, EverycallError):
                asked.append(exchange.throw(came))
            else:
                asked.append(exchange.send(received(asked[-1], came)))
    except StopIteration as found:
        assert not left, f"{len(left)} answers too many"
        value: T = found.value
        return asked, value
    raise AssertionError(f"no answer is left for {asked[-1]}")


def answer(body: Any = None, status: int = 200, **headers: str) -> Response:
    """An answer with that JSON; header names with underscores instead of hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, b"" if body is None else json.dumps(body).encode())
