"""A connection whose answers are anything: every status, header and body that a server, a gateway or an attacker sends.

A seed decides all of it. Whatever is asked through it, a client ends with a result or with an error of ours, in the
time that it has, and says no secret.
"""

import gzip
import json
import random
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import quote

from clocks import StillClock
from everycall.api.exchange import Broken, Response, TooSlow
from everycall.connection import Connection
from everycall.sandbox import Sandbox

CLIENT_ID, SECRET, TOKEN = "c0ffee00-0000-4000-8000-000000000000", "s3cr+t/of=the-client", "eyJ0.t0ken-of_the.session"
ECHO = (
    f"You sent Authorization: Bearer {TOKEN} and Basic {b64encode(f'{CLIENT_ID}:{SECRET}'.encode()).decode()}, "
    f"secret {SECRET}, {quote(SECRET, safe='')}, {b64encode(TOKEN.encode()).decode()}"
)

STATUSES = [
    *[200] * 12, *[400] * 3, *[401] * 2, *[429] * 2, *[500, 502, 503, 504] * 2,
    201, 202, 204, 206, 301, 302, 304, 307, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415,
    418, 422, 451, 501, 507, 599, 999,
]  # fmt: skip

ODD_TEXTS = [
    "", " ", "\x1b[2J\x1b]0;x\x07", "a\nProven: 9 conversations, none missing", "\u202etxt", "\u200b", "\x9b31m",
    "x" * 70_000, "2026-01-05T08:00" + " " * 60_000 + "x", "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00",
    "NaN", "1e999", "-0", "null", "ä\u0000ö", "\U0001f600", "{}", ECHO,
]  # fmt: skip

ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e300, -1e308, 10**30, 2**63, [], {}, [[]], [None], {"a": None}, {"id": 1},
    *ODD_TEXTS,
]  # fmt: skip

HEADERS: Mapping[str, list[str]] = {
    "content-type": ["application/json", "text/html", "application/json; charset=utf-16", "", "x" * 9000],
    "content-encoding": ["gzip", "GZIP", "x-gzip", "br", "deflate", "identity", "gzip, gzip", ""],
    "retry-after": [
        "0", "1", "60", "-5", "1e400", "nan", "inf", "soon", "9" * 400, "Thu, 01 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 99999999999 00:00:00 GMT", "Mon, 05 Jan 2026 12:00:33 GMT", "٣", ECHO,
    ],
    "inin-ratelimit-count": ["1", "300", "0", "-1", "nan", "1e9", "x"],
    "inin-ratelimit-allowed": ["300", "1", "0", "-1", "nan", "1e-9", "x"],
    "inin-ratelimit-reset": ["60", "0", "1e300", "-1", "nan", "x"],
    "inin-correlation-id": ["a-b-c", "\x1b[2J", ECHO, "x" * 70_000, ""],
    "location": ["http://evil.example/", ""],
    "set-cookie": ["session=" + TOKEN],
}  # fmt: skip


class Hostile:
    """A connection: logs in as it should, mostly, and answers anything to everything else. See `Connection`."""

    def __init__(self, seed: int, clock: StillClock, good: Callable[[str, str], Any]) -> None:
        """Make one.

        Args:
            seed: decides everything.
            clock: passes a little with each answer, and a lot with one that does not come.
            good: method and path -> what a sound server would answer; some answers are that.
        """
        self._rng = random.Random(seed)
        self._clock, self._good = clock, good
        self._answers: list[Callable[[str, str], Response]] = []
        self._length = self._rng.choice([1, 1, 2, 3, 5, 8])
        self._turn = 0
        self._odd_login = self._rng.random() < 0.15
        self.asked = 0

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:  # noqa: ARG002
        """One of a few answers, by turns, for ever: what goes wrong may never end."""
        self.asked += 1
        self._clock.advance(0.01)
        if url.endswith("/oauth/token") and not self._odd_login:
            return Response(200, {}, json.dumps({"access_token": TOKEN, "expires_in": 86399}).encode())
        if len(self._answers) < self._length:
            self._answers.append(self._answer())
        self._turn += 1
        return self._answers[self._turn % len(self._answers)](method, url)

    @property
    def forms(self) -> list[str]:
        """What must not be in any text that a person or a log gets: all secrets that the client was given."""
        secrets = [SECRET] if self._odd_login else [SECRET, TOKEN]
        plain = [*secrets, *(quote(secret, safe="") for secret in secrets)]
        return plain + [b64encode(secret.encode()).decode().rstrip("=")[:-1] for secret in secrets]

    def close(self) -> None:
        """See `Connection.close`."""

    def _answer(self) -> Callable[[str, str], Response]:
        rng = self._rng
        if rng.random() < 0.1:
            return self._nothing(rng.choice([Broken("the connection broke"), TooSlow("no answer in time")]))
        status = rng.choice(STATUSES)
        headers = {name: rng.choice(values) for name, values in HEADERS.items() if rng.random() < 0.25}
        if rng.random() < 0.35:
            return lambda method, url: self._zipped(status, headers, json.dumps(self._good(method, url)).encode())
        body = self._body()
        return lambda _method, _url: self._zipped(status, headers, body)

    def _nothing(self, broken: Broken) -> Callable[[str, str], Response]:
        def answer(_method: str, _url: str) -> Response:
            self._clock.advance(60.0)
            raise broken

        return answer

    def _zipped(self, status: int, headers: Mapping[str, str], body: bytes) -> Response:
        """As the headers say, or not quite."""
        is_zipped = "gzip" in headers.get("content-encoding", "").lower()
        return Response(status, headers, gzip.compress(body, 1, mtime=0) if is_zipped and len(body) % 4 else body)

    def _body(self) -> bytes:
        rng = self._rng
        kind = rng.choice(["json"] * 6 + ["mangled"] * 3 + ["bytes"] * 3)
        if kind == "bytes":
            return rng.choice(_bytes())
        whole = json.dumps(self._tree()).encode()
        if kind == "json" or not whole:
            return whole
        at = rng.randrange(len(whole))
        return rng.choice(
            [whole[:at], whole[:at] + b"\xff" + whole[at + 1 :], whole[:at] + whole[at + 1 :], whole + whole]
        )

    def _tree(self) -> Any:
        rng = self._rng
        kind = rng.choice(["page", "page", "error", "listing", "token", "odd"])
        if kind == "page":
            return self._mixed(
                {"conversations": [self._conversation() for _ in range(rng.choice([0, 1, 3]))], "totalHits": 3}
            )
        if kind == "error":
            codes = ["bad.request", "response.entity.too.large", "not.authorized", "\x1b[2J", ECHO]
            return self._mixed(
                {"message": rng.choice(ODD_TEXTS), "code": rng.choice(codes), "status": 400, "contextId": ECHO}
            )
        if kind == "listing":
            entities = [
                self._mixed({"id": f"u{rng.randrange(3)}", "name": "Ann"}) for _ in range(rng.choice([0, 1, 3]))
            ]
            return self._mixed({"entities": entities, "results": entities, "pageCount": rng.choice([1, 2, 10**9])})
        if kind == "token":
            return self._mixed(
                {"access_token": rng.choice([TOKEN, *ODD_TEXTS]), "expires_in": 1, "token_type": "bearer"}
            )
        return rng.choice(ODD_VALUES)

    def _conversation(self) -> dict[str, Any]:
        segment = {"segmentStart": "2026-01-05T08:00:00.000Z", "segmentType": "interact", "wrapUpNote": "x"}
        session = {
            "mediaType": "voice",
            "metrics": [{"name": "tTalk", "value": 1e308}] * 2,
            "segments": [self._mixed(segment)],
        }
        return self._mixed(
            {
                "conversationId": f"00000000-0000-4000-8000-{self._rng.randrange(9):012}",
                "conversationStart": "2026-01-05T08:00:00.000Z",
                "conversationEnd": "2026-01-05T08:05:00.000Z",
                "participants": [self._mixed({"purpose": "customer", "sessions": [self._mixed(session)]})],
            }
        )

    def _mixed(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields, some with odd values, some left out, some on top."""
        rng = self._rng
        mixed = {name: value if rng.random() < 0.9 else rng.choice(ODD_VALUES) for name, value in fields.items()}
        mixed = {name: value for name, value in mixed.items() if rng.random() < 0.95}
        if rng.random() < 0.15:
            mixed[rng.choice(["fieldOfTomorrow", "\x1b[2J", TOKEN, "x" * 5000])] = rng.choice(ODD_VALUES)
        return mixed


class Between(Hostile):
    """A connection to a sandbox, and somebody in between: some answers are the sandbox's, some are changed, some are
    anything. See `Connection`.

    What no client can tell from the truth - a sound page of conversations that do not exist, or none - is a lie, and
    only `lies` of the seeds have them.
    """

    def __init__(self, seed: int, clock: StillClock, inner: Connection, sandbox: Sandbox, *, lies: float = 0.1) -> None:
        """Make one; otherwise as `Hostile`."""
        super().__init__(seed, clock, lambda _method, _url: {})
        self._inner = inner
        self._rates = self._rng.choice([(0.02, 0.02), (0.1, 0.05), (0.2, 0.2), (0.0, 0.5), (0.5, 0.0), (0.9, 0.1)])
        self._losses = 0.2
        """How often a changed page has lost a conversation."""
        self._ways = ["headers", "status", "bytes", "value", "value", "value"]
        if self._rng.random() < 0.15:
            self._rates, self._ways, self._losses = (0.0, 1.0), ["value"], 0.8
        self._only = self._rng.choice(["", "", "", "details/query", "routing", "users"])
        """Where it meddles: in requests whose address holds this."""
        self._from = self._rng.choice([0, 0, 3, 10])
        self._odd_login = self._odd_login and self._only == ""
        basic = b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
        self._login, self._true_token = f"Basic {basic}", ""
        self.may_lie = self._rng.random() < lies

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """An answer of the sandbox, or another one."""
        self.asked += 1
        self._clock.advance(0.01)
        if url.endswith("/oauth/token") and not self._odd_login:
            return self._token(self._inner.send(method, url, {**headers, "authorization": self._login}, body))
        headers = {**headers, "authorization": f"Bearer {self._true_token}"} if "authorization" in headers else headers
        anything, changed = self._rates
        draw = self._rng.random()
        if self._only not in url or self.asked <= self._from or draw > anything + changed:
            return self._inner.send(method, url, headers, body)
        if draw > anything:
            return self._changed(self._inner.send(method, url, headers, body))
        while True:
            response = self._answer()(method, url)
            if self.may_lie or "details/query" not in url or not _is_a_page(response):
                return response

    def _token(self, true: Response) -> Response:
        """The token that the hostile answers echo, in the place of the sandbox's."""
        granted = json.loads(true.body)
        self._true_token = granted["access_token"]
        granted |= {"access_token": TOKEN, "expires_in": granted["expires_in"] - self.asked}
        return Response(true.status, {}, json.dumps(granted).encode())

    def _changed(self, true: Response) -> Response:
        """The true answer with a header, a status or a value that is not its own, or not all of it."""
        rng = self._rng
        match rng.choice(self._ways):
            case "headers":
                odd = {name: rng.choice(values) for name, values in HEADERS.items() if rng.random() < 0.3}
                return replace(true, headers={**odd, **_of_content(true.headers)})
            case "status":
                return replace(true, status=rng.choice(STATUSES))
            case "bytes":
                at = rng.randrange(len(true.content) + 1)
                return replace(true, content=rng.choice([true.content[:at], true.content[:at] + b"\xff", b""]))
        tree = json.loads(true.body or b"null")
        if isinstance(tree, dict):
            self._change(tree)
        headers = {name: value for name, value in true.headers.items() if name != "content-encoding"}
        return Response(true.status, headers, json.dumps(tree).encode())

    def _change(self, tree: dict[str, Any]) -> None:
        rng = self._rng
        conversations = tree.get("conversations") or []
        if conversations and rng.random() < self._losses:
            conversations[rng.randrange(len(conversations))] = rng.choice([*conversations, *ODD_VALUES])
        elif conversations and rng.random() < 0.8:
            one = rng.choice([one for one in conversations if isinstance(one, dict)] or [{}])
            name = rng.choice(["conversationStart", "conversationEnd", "participants", "originatingDirection", "new"])
            one[name] = rng.choice(ODD_VALUES)
            if name != "participants" and one.get("participants") and rng.random() < 0.5:
                one["participants"][0] = self._mixed(one["participants"][0])
        elif rng.random() < 0.5:
            tree["totalHits"] = rng.choice([*ODD_VALUES, 3])
        else:
            tree["new"] = rng.choice(ODD_VALUES)


def _of_content(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("content-")}


def _is_a_page(response: Response) -> bool:
    """Whether it could be a true answer of the details query."""
    try:
        tree = json.loads(response.body)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is no page
        return False
    is_page = isinstance(tree, dict) and (not tree or bool({"conversations", "totalHits", "aggregations"} & set(tree)))
    return response.status == 200 and is_page


@cache
def _bytes() -> list[bytes]:
    """Bodies that are no JSON, or hardly."""
    deep = b"[" * 20_000 + b"]" * 20_000
    return [
        b"", b" ", b"<html><body>Sign in</body></html>", b"OK", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\0" * 50,
        deep, b'{"conversations":%b,"totalHits":1}' % deep, b'{"conversations":[{"conversationId":"c","x":%b}]}' % deep,
        b'{"totalHits":1e999}', b'{"totalHits":' + b"9" * 5000 + b"}",
        rb'{"conversations":[{"conversationId":"\ud83d"}]}',
        b'{"conversations":[],"conversations":null,"totalHits":0,"totalHits":-1}', b"\x1f\x8b",
        b"\x1f\x8b\x08" + b"\0" * 60, gzip.compress(b"0" * (2 << 20), 1, mtime=0), ECHO.encode(),
        b'{"a":"' + ECHO.encode() + b'"}', b"{}" * 3, b'"' + b"x" * 90_000,
        b" " * 90_000 + b"{}",
    ]  # fmt: skip
