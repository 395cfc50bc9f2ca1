"""Conversations, a clock and a caller for the tests of the sandbox's HTTP side."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from everycall.sandbox import JOBS, QUERY, Sandbox
from everycall.sandbox.instants import to_ms, to_text

MONDAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"
NOON_S = to_ms("2026-03-02T12:00:00Z") / 1000
"""Weeks after everything that happens in the tests."""


class Clock:
    """A clock that stands still until a test advances it."""

    def __init__(self, at: str | None = None) -> None:
        self.now_s = NOON_S if at is None else to_ms(at) / 1000

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


def conversation(
    number: int = 1,
    start: str = "2026-01-05T09:00:00.000Z",
    seconds: float | None = 300,
    *,
    segments: list[dict[str, Any]] | None = None,
    session: Mapping[str, Any] | None = None,
    participant: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """A conversation of one participant with one session; it lives where `seconds` is None."""
    end = None if seconds is None else to_text(to_ms(start) + int(seconds * 1000))
    whole: dict[str, Any] = {"conversationEnd": end} if end else {}
    whole |= {"conversationId": f"00000000-0000-4000-8000-{number:012}", "conversationStart": start}
    whole |= {"originatingDirection": "inbound", **fields}
    whole["participants"] = [
        {
            "participantId": f"p{number}",
            "purpose": "agent",
            **(participant or {}),
            "sessions": [
                {
                    "mediaType": "voice",
                    "sessionId": f"s{number}",
                    **(session or {}),
                    "segments": segments or [{"segmentStart": start, "segmentType": "interact"}],
                }
            ],
        }
    ]
    return whole


def spread(count: int, every_s: int = 60, start: str = "2026-01-05T00:00:00.000Z") -> list[dict[str, Any]]:
    """So many conversations, one after the other, each half as long as the time to the next."""
    return [conversation(n + 1, to_text(to_ms(start) + n * every_s * 1000), every_s / 2) for n in range(count)]


def ids(conversations: list[dict[str, Any]]) -> list[int]:
    """The numbers of conversations made here."""
    return [int(conversation["conversationId"][-12:]) for conversation in conversations]


class Caller:
    """A client that is logged in."""

    def __init__(self, sandbox: Sandbox, client_id: str | None = None, secret: str | None = None) -> None:
        self.sandbox = sandbox
        self._basic = f"{client_id or sandbox.client_id}:{secret or sandbox.client_secret}"
        self.token = self.login()

    def login(self) -> str:
        """A new token."""
        headers = {
            "Authorization": f"Basic {base64.b64encode(self._basic.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        status, _, body = self.sandbox.handle("POST", "/oauth/token", headers, b"grant_type=client_credentials")
        assert status == 200
        token: str = json.loads(body)["access_token"]
        return token

    def get(self, target: str, **headers: str) -> tuple[int, dict[str, str], Any]:
        """(status, headers, JSON) of a GET."""
        return self._asked("GET", target, b"", headers)

    def post(self, target: str, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
        """(status, headers, JSON) of a POST with a JSON body."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._asked("POST", target, sent, {"Content-Type": "application/json", **headers})

    def query(self, interval: str = MONDAY, size: int = 100, number: int = 1, **fields: Any) -> Any:
        """The JSON of a details query that succeeds."""
        paging = {"pageSize": size, "pageNumber": number}
        status, _, content = self.post(QUERY, {"interval": interval, "paging": paging, **fields})
        assert status == 200, content
        return content

    def submit(self, interval: str = MONDAY, **fields: Any) -> str:
        """The id of a new job."""
        status, _, content = self.post(JOBS, {"interval": interval, **fields})
        assert status == 202, content
        job_id: str = content["jobId"]
        return job_id

    def page(self, job_id: str, cursor: str = "", size: int | None = None) -> Any:
        """The JSON of a page of a job's results."""
        asked = {"cursor": cursor} if cursor else {}
        asked |= {"pageSize": str(size)} if size else {}
        status, _, content = self.get(f"{JOBS}/{job_id}/results?{urlencode(asked)}")
        assert status == 200, content
        return content

    def pages(self, job_id: str, *sizes: int) -> list[Any]:
        """All pages of a job's results; the last size goes on for the rest."""
        pages = [self.page(job_id, size=sizes[0] if sizes else None)]
        while "cursor" in pages[-1]:
            size = sizes[min(len(pages), len(sizes) - 1)] if sizes else None
            pages.append(self.page(job_id, pages[-1]["cursor"], size))
        return pages

    def delete(self, target: str) -> tuple[int, bytes]:
        """(status, body) of a DELETE."""
        status, _, body = self.sandbox.handle("DELETE", target, {"Authorization": f"Bearer {self.token}"})
        return status, body

    def found(self, interval: str = MONDAY, **fields: Any) -> list[int]:
        """The numbers of the conversations that a query finds on its first page."""
        return ids(self.query(interval, **fields).get("conversations", []))

    def refused(self, **body: Any) -> tuple[int, str, str]:
        """(status, code, message) of a details query that is refused."""
        status, _, content = self.post(QUERY, body)
        return status, content["code"], content["message"]

    def _asked(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], Any]:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        status, received, answer = self.sandbox.handle(method, target, sent, body)
        return status, received, json.loads(answer)


def caller(conversations: list[dict[str, Any]], clock: Callable[[], float] | None = None, **settings: Any) -> Caller:
    """A client of a sandbox that serves the conversations, weeks after they happened."""
    return Caller(Sandbox(conversations=conversations, now=clock or Clock(), **settings))
