"""Orders of a test to somebody else's client, which runs in a process of its own.

An order is a line of JSON on standard input, `["query", {"interval": ..., "page_size": 100}]`; the answer is a line of
JSON on standard output: `{"answer": [...]}`, or `{"refused": {"status": 429, ...}}` where the client raises what it
raises for an error of the API. Whatever else the client raises ends it, and the test shows its standard error.
"""

import json
import sys
from typing import Any, Protocol


class Obedient(Protocol):
    """A client; each order is the name of one of its methods."""

    def refusal(self, error: Exception) -> dict[str, Any] | None:
        """What the client shows of an error of the API; None for any other error."""


def obey(client: Obedient) -> None:
    """Carries out orders until there are no more."""
    for line in sys.stdin:
        order, words = json.loads(line)
        try:
            answer = {"answer": getattr(client, order)(**words)}
        except Exception as error:
            refused = client.refusal(error)
            if refused is None:
                raise
            answer = {"refused": refused}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
