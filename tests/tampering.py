"""An org behind a connection that rewrites questions and answers of the details query: a server that misbehaves."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from clocks import StillClock
from everycall.api.exchange import Response
from everycall.sandbox import QUERY, Sandbox
from inprocess import InProcess, Org, client_of

Tree = dict[str, Any]


class Tampering(InProcess):
    """A connection that rewrites what goes to the details query, and what comes from it."""

    def __init__(self, sandbox: Sandbox, clock: StillClock) -> None:
        super().__init__(sandbox, clock)
        self.ask: Callable[[Tree], Tree] = lambda asked: asked
        """Makes another body of the one that is sent."""
        self.answer: Callable[[Tree, Tree], Tree] = lambda _, answer: answer
        """Makes another answer out of the body that was sent and the answer to it."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        if not url.endswith(QUERY):
            return super().send(method, url, headers, body)
        asked = msgspec.json.decode(body or b"")
        response = super().send(method, url, headers, msgspec.json.encode(self.ask(asked)))
        if response.status != 200:
            return response
        content = msgspec.json.encode(self.answer(asked, msgspec.json.decode(response.body)))
        left = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return Response(response.status, left, content)


def tampered(*changes: Callable[[Tree, Tree], Tree], **settings: Any) -> Org:
    """An org whose answers are changed by these, one after the other; the settings are `Sandbox`'s."""
    clock = StillClock()
    sandbox = Sandbox(settings.pop("world", None), now=clock.now, monotonic=clock.monotonic, **settings)
    connection = Tampering(sandbox, clock)

    def answer(asked: Tree, found: Tree) -> Tree:
        for change in changes:
            found = change(asked, found)
        return found

    connection.answer = answer
    return Org(sandbox, clock, connection, client_of(sandbox, clock, connection))


def restarting(conversation_id: str, start: str) -> Callable[[Tree, Tree], Tree]:
    """Answers say that the conversation started then, whatever day it is filed under."""

    def change(_: Tree, found: Tree) -> Tree:
        for one in found.get("conversations", ()):
            if one["conversationId"] == conversation_id:
                one["conversationStart"] = start
        return found

    return change


def adding(conversation: Tree, *intervals: str) -> Callable[[Tree, Tree], Tree]:
    """Answers for these intervals have one conversation more, first on the first page, and count it."""

    def change(asked: Tree, found: Tree) -> Tree:
        if asked["interval"] not in intervals or not found.get("totalHits"):
            return found
        if "conversations" not in found:
            return found | {"totalHits": found["totalHits"] + 1}
        paging = asked["paging"]
        more = [conversation] if paging["pageNumber"] == 1 and paging["pageSize"] > 1 else []
        return {"conversations": more + found["conversations"], "totalHits": found["totalHits"] + 1}

    return change


def asked_by_id(where: Org) -> list[tuple[str, str]]:
    """(conversationId, interval) of each question about one conversation, in order."""
    found = []
    for served in where.queries:
        for one in served.body.get("conversationFilters", ()):
            found += [(each["value"], served.body["interval"]) for each in one["predicates"]]
    return found
