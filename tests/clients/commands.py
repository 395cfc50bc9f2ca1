"""Commands of a test to somebody else's client, which runs in a process of its own.

A command is a line of JSON on standard input, `["query", {"interval": ..., "page_size": 100}]`; the answer is a line of
JSON on standard output: `{"answer": [...]}`, or `{"refused": {"status": 429, ...}}` where the client raises what it
raises for an error of the API. Any other exception ends the client, and the test shows its standard error.
"""

import json
import sys
from typing import Any, Protocol


class Commanded(Protocol):
    """A client; each command is the name of one of its methods."""

    def refusal(self, error: Exception) -> dict[str, Any] | None:
        """What the client shows of an error of the API; None for any other error."""


def run_commands(client: Commanded) -> None:
    """Runs commands until there are no more."""
    for line in sys.stdin:
        command, arguments = json.loads(line)
        try:
            answer = {"answer": getattr(client, command)(**arguments)}
        except Exception as error:
            refused = client.refusal(error)
            if refused is None:
                raise
            answer = {"refused": refused}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
