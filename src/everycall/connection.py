"""Where requests go, and how long an answer may take. The sockets are in `http_connection`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from everycall.api.exchange import Response


class Connection(Protocol):
    """Where requests go: a socket, or a sandbox in the same process."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """Send a request and return the answer, with its body as it came over the wire.

        Raises:
            Broken: no complete answer came.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an answer may take, in seconds."""

    connect_s: float = 10.0
    read_s: float = 60.0
    """Between two pieces of an answer; a late page of a large org takes tens of seconds."""
    total_s: float = 180.0
    """From the first byte sent to the last one received: an answer that arrives byte by byte ends, too."""

    @classmethod
    def of(cls, read_s: float) -> "Timeouts":
        """Wait `read_s` for each piece of an answer, and three times as long for all of it."""
        return cls(read_s=read_s, total_s=3 * read_s)
