"""Faults on demand: which request, what goes wrong, how often.

    faults = Faults()
    faults.on(3, "429", path=QUERY, retry_after_s=42)      # the third query
    faults.on(range(5, 8), "503")                          # requests 5, 6 and 7
    faults.on(None, "slow", delay_s=0.4)                   # every request
    faults.on(range(1, 4), "unseen", path=QUERY, conversation_id="...")   # it arrives with the fourth query
    faults.at_random(0.02, seed=7)                         # two of a hundred, of the kinds in AT_RANDOM
    faults.arm("on query 3: 429 retry_after=42")           # as text, which `plans` parses
    Faults.parse("on query 3: 503", "at random 2%")        # the same, all at once

Requests are counted by each rule for itself, from 1, among those whose `METHOD /path` contains `path`, since it
was armed. Faults of jobs count submissions only, `repeated_cursor` pages of results only. `KINDS` is the table of
what can go wrong. A kind strikes at one of six moments:

- `before` the request is looked at (a token is revoked);
- `instead` of an answer (an error status);
- `scope`: the index has not seen a conversation yet;
- `job`: a job will end badly, or its results do;
- `content`: what the answer says is changed, before it becomes bytes;
- `wire`: the bytes are changed, or do not arrive.
"""

import copy
import inspect
import random
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Literal, Self

from isal import igzip

from everycall.sandbox.answers import GZIP_LEVEL, NO_HEADERS, ApiError, Request, Wire
from everycall.sandbox.jobs import Fate
from everycall.sandbox.oauth import Tokens
from everycall.sandbox.plans import FOR_EVER, Chance, read_plan

QUERY = "/api/v2/analytics/conversations/details/query"
"""For `path`: details queries only."""

JOBS = "/api/v2/analytics/conversations/details/jobs"
"""For `path`: everything about jobs."""

SUBMISSIONS = re.compile(f"^POST {JOBS}$")
RESULTS = re.compile(f"^GET {JOBS}/[^/]+/results$")

At = int | Container[int] | Callable[[Request], bool] | None
"""The number of a request, several numbers, a question about the request, or None for each."""

Moment = Literal["before", "instead", "scope", "job", "content", "wire"]

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>The page cannot be displayed.</body></html>"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a fault may look at."""

    request: Request
    now_s: float
    tokens: Tokens
    body: Any
    """The request's body, decoded; None where it is no JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can go wrong."""

    moment: Moment
    strike: Callable[..., Any]
    about: str
    counts: re.Pattern[str] = re.compile("")
    """Of which requests, as `METHOD /path`, it alone makes sense; others are not counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind with its options, about to strike."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Rule:
    """When a fault strikes."""

    at: At
    path: str
    """A part of `METHOD /path`."""
    times: int | None
    fault: Callable[[int], Fault | None]
    """What strikes the request of a number; None lets it pass."""
    counts: re.Pattern[str] = re.compile("")
    """Only requests whose `METHOD /path` it finds are counted."""
    text: str = ""
    """What it does, for people."""
    number: int = 0
    """By which it can be disarmed."""
    seen: int = 0
    struck: int = 0

    def look(self, request: Request) -> Fault | None:
        """The fault that strikes this request, if any."""
        what = f"{request.method} {request.path}"
        if self.path not in what or not self.counts.search(what):
            return None
        self.seen += 1
        if (self.times is not None and self.struck >= self.times) or not self._is_at(request):
            return None
        fault = self.fault(self.seen)
        self.struck += fault is not None
        return fault

    def _is_at(self, request: Request) -> bool:
        if self.at is None:
            return True
        if isinstance(self.at, int):
            return self.seen == self.at
        return self.at(request) if callable(self.at) else self.seen in self.at


class Faults:
    """The plan of what goes wrong; rules may be added and cleared while requests are served."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._armed = 0

    def on(self, at: At, kind: str, *, path: str = "", times: int | None = None, **options: Any) -> None:
        """Arms a fault.

        Args:
            at: which of the requests, counted from 1.
            kind: a name of `KINDS`.
            path: only requests whose `METHOD /path` contains it.
            times: at most so often.
            **options: of the kind; `delay_s`, the wait before the answer, goes with every kind.

        Raises:
            ValueError: there is no such kind.
            TypeError: the kind has no such option, or needs one that is missing.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of fault; the kinds are {', '.join(KINDS)}")
        check_options(KINDS[kind], options)
        fault = Fault(kind, options)
        self._arm(Rule(at, path, times, lambda _: fault, KINDS[kind].counts, described(at, kind, path, times, options)))

    def at_random(self, rate: float, *, kinds: Sequence[str] = (), seed: int = 1, path: str = "") -> None:
        """Strikes a share of all requests with one of the kinds; the same seed strikes the same requests.

        Raises:
            ValueError: there is no such kind.
            TypeError: a kind cannot do without an option.
        """
        names = tuple(kinds) or AT_RANDOM
        for kind in names:
            if kind not in KINDS:
                raise ValueError(f"{kind!r} is no kind of fault; the kinds are {', '.join(KINDS)}")
            check_options(KINDS[kind], {})

        def drawn(number: int) -> Fault | None:
            rng = random.Random(f"{seed} {number}")
            return Fault(rng.choice(names)) if rng.random() < rate else None

        text = f"{', '.join(names)} at random, {rate:g} of the requests{f' to {path}' if path else ''}, seed {seed}"
        self._arm(Rule(None, path, None, drawn, text=text))

    def arm(self, text: str) -> None:
        """Arms a fault given as text, such as `on query 3: 429 retry_after=none`; `plans` has all of them.

        Raises:
            ValueError: the text cannot be understood, or there is no such kind.
            TypeError: the kind has no such option, or needs one that is missing.
        """
        plan = read_plan(text)
        if isinstance(plan, Chance):
            self.at_random(plan.rate, kinds=plan.kinds, seed=plan.seed, path=plan.path)
        else:
            self.on(plan.at, plan.kind, path=plan.path, times=plan.times, **plan.options)

    @classmethod
    def parse(cls, *texts: str) -> Self:
        """The plan of several texts.

        Raises:
            ValueError, TypeError: as `arm`.
        """
        faults = cls()
        for text in texts:
            faults.arm(text)
        return faults

    def armed(self) -> list[Rule]:
        """The rules, in the order in which they were armed; to read."""
        return list(self._rules)

    def disarm(self, number: int) -> None:
        """Disarms the rule of a number.

        Raises:
            ValueError: none has it.
        """
        kept = [rule for rule in self._rules if rule.number != number]
        if len(kept) == len(self._rules):
            raise ValueError(f"no fault {number} is armed")
        self._rules = kept

    def clear(self) -> None:
        """Disarms everything."""
        self._rules.clear()

    def _arm(self, rule: Rule) -> None:
        self._armed += 1
        rule.number = self._armed
        self._rules.append(rule)

    def striking(self, request: Request) -> list[Fault]:
        """The faults that strike this request, in the order in which they were armed."""
        looks = [rule.look(request) for rule in list(self._rules)]
        return [fault for fault in looks if fault is not None]


def described(at: At, kind: str, path: str, times: int | None, options: Mapping[str, Any]) -> str:
    """What a rule does: `429 on requests 1 to 5 to .../query, retry_after_s=None`."""
    if isinstance(at, int):
        which = f"request {at}"
    elif isinstance(at, range) and at.stop == FOR_EVER:
        which = f"every request from {at[0]} on" if at.step == 1 else f"one in {at.step} requests"
    elif isinstance(at, range) and at.step == 1 and len(at) > 0:
        which = f"requests {at[0]} to {at[-1]}" if len(at) > 1 else f"request {at[0]}"
    else:
        which = "every request" if at is None else "some requests"
    details = [f"at most {times} times"] if times is not None else []
    details += [f"{name}={value}" for name, value in options.items()]
    return ", ".join([f"{kind} on {which}{f' to {path}' if path else ''}", *details])


def check_options(kind: Kind, options: Mapping[str, Any]) -> None:
    """Refuses options that a kind's function would not take.

    Raises:
        TypeError: naming the option.
    """
    own = {name: value for name, value in options.items() if name != "delay_s"}
    looks_at = () if kind.moment in {"scope", "job"} else (None,)
    inspect.signature(kind.strike).bind(*looks_at, **own)


def strike_before(faults: Sequence[Fault], situation: Situation) -> None:
    """Applies faults before the request is handled.

    Raises:
        ApiError: the answer is an error, whatever was asked.
    """
    for strike, options in of_moment(faults, "before", "instead"):
        refusal = strike(situation, **options)
        if refusal is not None:
            raise refusal


def unseen(faults: Sequence[Fault]) -> frozenset[str]:
    """The conversations that the index has not seen yet."""
    return frozenset(strike(**options) for strike, options in of_moment(faults, "scope"))


def fate(faults: Sequence[Fault]) -> Fate:
    """What becomes of the job that is being submitted; of several fates the last counts."""
    fates = [strike(**options) for strike, options in of_moment(faults, "job")]
    return next((found for found in reversed(fates) if isinstance(found, Fate)), Fate())


def repeats_cursor(faults: Sequence[Fault]) -> bool:
    """Whether the page of results gives the cursor again that it was asked with."""
    return any(fault.kind == "repeated_cursor" for fault in faults)


def strike_content(faults: Sequence[Fault], content: Any) -> Any:
    """Changes the content of an answer; answers without conversations stay as they are."""
    for strike, options in of_moment(faults, "content"):
        if isinstance(content, dict) and content.get("conversations"):
            content = strike(copy.deepcopy(content), **options)
    return content


def strike_wire(faults: Sequence[Fault], wire: Wire) -> Wire:
    """Changes what goes over the connection, and when."""
    for strike, options in of_moment(faults, "wire"):
        wire = strike(wire, **options)
    delay_s = sum(fault.options.get("delay_s", 0.0) for fault in faults)
    return replace(wire, delay_s=wire.delay_s + delay_s)


def of_moment(faults: Sequence[Fault], *moments: Moment) -> list[tuple[Callable[..., Any], dict[str, Any]]]:
    """The functions of the faults of some moments, each with its options."""
    return [
        (KINDS[fault.kind].strike, {k: v for k, v in fault.options.items() if k != "delay_s"})
        for fault in faults
        if KINDS[fault.kind].moment in moments
    ]


# --- before and instead
# --------------------------------------------------------------------------------------


def revoked(situation: Situation) -> None:
    """Revokes every token issued so far, from this request on."""
    situation.tokens.revoke()


def rate_limited(situation: Situation, retry_after_s: int | None = 2, *, as_date: bool = False) -> ApiError:
    """A 429 whose Retry-After is in seconds, a date, or missing."""
    seconds = 60 if retry_after_s is None else retry_after_s
    message = f"Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
    headers = retry_after(situation, retry_after_s, as_date=as_date)
    return ApiError(429, "too.many.requests.retry.after", message, headers)


def retry_after(situation: Situation, seconds: int | None, *, as_date: bool) -> Mapping[str, str]:
    """The header, in either of its forms."""
    if seconds is None:
        return NO_HEADERS
    return {"Retry-After": formatdate(situation.now_s + seconds, usegmt=True) if as_date else str(seconds)}


def error(status: int, code: str, message: str) -> Callable[..., ApiError]:
    """An error status; `retry_after_s` and `as_date` as for a 429."""

    def strike(situation: Situation, retry_after_s: int | None = None, *, as_date: bool = False) -> ApiError:
        return ApiError(status, code, message, retry_after(situation, retry_after_s, as_date=as_date))

    return strike


def response_too_large() -> ApiError:
    """Source: platform-client-sdk-cli, x-inin-error-codes; never seen of this part of the API."""
    return ApiError(
        400,
        "response.entity.too.large",
        "The response is over the size limit. Reduce pageSize or expand list to reduce response size if applicable",
    )


def too_large(situation: Situation, page_size: int = 50) -> ApiError | None:
    """Refuses a page above a size."""
    paging = situation.body.get("paging") if isinstance(situation.body, dict) else None
    asked = paging.get("pageSize", 25) if isinstance(paging, dict) else 25
    if asked <= page_size:
        return None
    return response_too_large()


# --- scope
# ---------------------------------------------------------------------------------------------------


def not_yet_seen(conversation_id: str) -> str:
    """The conversation does not match, and is not counted."""
    return conversation_id


# --- job
# ---------------------------------------------------------------------------------------------------


def job_stuck() -> Fate:
    """The job stays PENDING for ever."""
    return Fate("PENDING")


def job_slow(takes_s: float = 600.0) -> Fate:
    """The job takes `takes_s` seconds."""
    return Fate(takes_s=takes_s)


def job_failed(error_message: str = "An internal error occurred while the query was running.") -> Fate:
    """The job ends as FAILED."""
    return Fate("FAILED", error_message=error_message)


def job_expired() -> Fate:
    """The job is EXPIRED as soon as it is done."""
    return Fate("EXPIRED")


def job_cancelled() -> Fate:
    """Somebody else cancels the job."""
    return Fate("CANCELLED")


def job_gone() -> Fate:
    """The job is FULFILLED, but its results are a 404."""
    return Fate(loses_results=True)


def same_cursor() -> None:
    """Does nothing itself: `repeats_cursor` looks for this kind."""


# --- content
# -------------------------------------------------------------------------------------------------


def short_page(content: dict[str, Any], rows: int = 1) -> dict[str, Any]:
    """Rows are missing from the middle of the page, and still counted."""
    conversations = content["conversations"]
    middle = len(conversations) // 2
    del conversations[middle : middle + rows]
    return content


def duplicates(content: dict[str, Any], rows: int = 1) -> dict[str, Any]:
    """The first rows of the page come again at its end."""
    content["conversations"] += content["conversations"][:rows]
    return content


def total_hits(content: dict[str, Any], off: int = 3) -> dict[str, Any]:
    """The count is off by some; results of jobs have none."""
    if "totalHits" not in content:
        return content
    return content | {"totalHits": content["totalHits"] + off}


def new_field(content: dict[str, Any], name: str = "fieldOfTomorrow") -> dict[str, Any]:
    """Conversations and their sessions have a field that nobody knows yet."""
    for conversation in content["conversations"]:
        conversation[name] = "tomorrow"
        for session in sessions(conversation):
            session[name] = {"of": ["tomorrow"]}
    return content


def new_value(content: dict[str, Any], value: str = "hologram") -> dict[str, Any]:
    """The first session of each conversation has a mediaType that nobody knows yet."""
    for conversation in content["conversations"]:
        for session in sessions(conversation)[:1]:
            session["mediaType"] = value
    return content


def null(content: dict[str, Any], name: str = "originatingDirection") -> dict[str, Any]:
    """A field of each conversation is null, which the API otherwise leaves out."""
    for conversation in content["conversations"]:
        conversation[name] = None
    return content


def sessions(conversation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sessions of all participants."""
    return [session for person in conversation.get("participants", ()) for session in person.get("sessions", ())]


# --- wire
# ----------------------------------------------------------------------------------------------------


def slow(wire: Wire) -> Wire:
    """Nothing but the delay."""
    return wire


def hang(wire: Wire) -> Wire:
    """No answer, until the client goes away or the sandbox stops."""
    return replace(wire, delivery="hang")


def reset(wire: Wire) -> Wire:
    """The connection is reset without an answer."""
    return replace(wire, delivery="reset")


def cut(wire: Wire, share: float = 0.5) -> Wire:
    """The connection ends after a share of the body, which promised to be longer."""
    return replace(wire, body=wire.body[: int(len(wire.body) * share)], delivery="cut")


def drip(wire: Wire) -> Wire:
    """The body comes in ten pieces, each after `delay_s`."""
    return replace(wire, delivery="drip")


def cut_json(wire: Wire, share: float = 0.5) -> Wire:
    """A sound HTTP answer with a sound gzip body whose JSON ends in the middle."""
    if "Content-Encoding" not in wire.headers:
        return resized(wire, wire.body[: int(len(wire.body) * share)])
    text: bytes = igzip.decompress(wire.body)  # type: ignore[no-untyped-call]
    return resized(wire, igzip.compress(text[: int(len(text) * share)], compresslevel=GZIP_LEVEL, mtime=0))


def cut_gzip(wire: Wire, share: float = 0.5) -> Wire:
    """A sound HTTP answer whose gzip body ends in the middle."""
    return resized(wire, wire.body[: int(len(wire.body) * share)])


def bad_gzip(wire: Wire) -> Wire:
    """A body with Content-Encoding gzip that is not gzip."""
    headers = {**wire.headers, "Content-Encoding": "gzip"}
    return resized(replace(wire, headers=headers), bytes(byte ^ 0x5A for byte in wire.body))


def html(wire: Wire, status: int = 200) -> Wire:
    """An HTML page, such as a gateway sends."""
    headers = {name: value for name, value in wire.headers.items() if name != "Content-Encoding"}
    return resized(replace(wire, status=status, headers={**headers, "Content-Type": "text/html"}), HTML)


def resized(wire: Wire, body: bytes) -> Wire:
    """The answer with another body and its Content-Length."""
    return replace(wire, body=body, headers={**wire.headers, "Content-Length": str(len(body))})


KINDS: Mapping[str, Kind] = {
    "revoked": Kind("before", revoked, "tokens issued so far are dead: 401 until a new one is taken"),
    "400": Kind(
        "instead",
        error(400, "bad.request", "The request could not be understood by the server due to malformed syntax."),
        "400 bad.request, never to be retried",
    ),
    "401": Kind(
        "instead", error(401, "bad.credentials", "Invalid login credentials."), "401, though the token stays valid"
    ),
    "403": Kind(
        "instead",
        error(403, "not.authorized", "You are not authorized to perform the requested action."),
        "403 not.authorized",
    ),
    "404": Kind("instead", error(404, "not.found", "The requested resource was not found."), "404 not.found"),
    "408": Kind(
        "instead",
        error(
            408,
            "client.request.timeout",
            "The client did not produce a request within the server timeout limit. This can be caused by a slow "
            "network connection and/or large payloads.",
        ),
        "408 client.request.timeout",
    ),
    "429": Kind("instead", rate_limited, "429; retry_after_s=2, None for no header; as_date=True for an HTTP date"),
    "500": Kind(
        "instead",
        error(
            500,
            "internal.server.error",
            "The server encountered an unexpected condition which prevented it from fulfilling the request.",
        ),
        "500; retry_after_s and as_date here and below as for 429",
    ),
    "502": Kind("wire", lambda wire: html(wire, 502), "502 with the page of a gateway"),
    "503": Kind(
        "instead",
        error(503, "service.unavailable", "The server is currently unavailable."),
        "503 service.unavailable",
    ),
    "504": Kind("instead", error(504, "request.timeout", "The request timed out."), "504; delay_s=... before it"),
    "too_large": Kind("instead", too_large, "400 response.entity.too.large above page_size=50"),
    "unseen": Kind("scope", not_yet_seen, "conversation_id=... is not in the index yet"),
    "job_stuck": Kind("job", job_stuck, "the job stays PENDING for ever", SUBMISSIONS),
    "job_slow": Kind("job", job_slow, "the job takes takes_s=600 seconds", SUBMISSIONS),
    "job_failed": Kind("job", job_failed, "the job ends as FAILED, error_message=...", SUBMISSIONS),
    "job_expired": Kind("job", job_expired, "the job is EXPIRED once it is done", SUBMISSIONS),
    "job_cancelled": Kind("job", job_cancelled, "somebody else cancels the job", SUBMISSIONS),
    "job_gone": Kind("job", job_gone, "the job is FULFILLED, its results are a 404", SUBMISSIONS),
    "repeated_cursor": Kind("job", same_cursor, "a page of results gives the cursor it was asked with", RESULTS),
    "short_page": Kind("content", short_page, "rows=1 missing in the middle of a page, still counted"),
    "duplicates": Kind("content", duplicates, "rows=1 of a page come twice in it"),
    "total_hits": Kind("content", total_hits, "totalHits is off=3 too high; negative for too low"),
    "new_field": Kind("content", new_field, "an unknown field, name=... on conversations and sessions"),
    "new_value": Kind("content", new_value, "an unknown mediaType, value=..."),
    "null": Kind("content", null, "null in a conversation's field name=..."),
    "slow": Kind("wire", slow, "delay_s=... before the answer"),
    "hang": Kind("wire", hang, "no answer until the client goes away"),
    "reset": Kind("wire", reset, "connection reset"),
    "cut": Kind("wire", cut, "the connection ends after share=0.5 of the body"),
    "drip": Kind("wire", drip, "the body in ten pieces, delay_s=... before each"),
    "cut_json": Kind("wire", cut_json, "HTTP and gzip intact, JSON cut after share=0.5"),
    "cut_gzip": Kind("wire", cut_gzip, "HTTP intact, gzip cut after share=0.5"),
    "bad_gzip": Kind("wire", bad_gzip, "Content-Encoding: gzip on a body that is not gzip"),
    "html": Kind("wire", html, "status=200 with an HTML page"),
}
"""Everything that can go wrong: the moment, the function with its options, and a line for people."""

AT_RANDOM = ("429", "500", "502", "503", "504", "reset", "cut", "cut_json", "html", "revoked")
"""Faults that a client is expected to outlive without anybody's help."""
