"""Faults as text, as a command line or an HTTP request gives them.

    on request 7: 429 retry_after=none
    on queries 5-8: 503
    on every 10th request: slow delay=0.4
    on job 2: job_failed error_message="Out of luck"
    on results 3: repeated_cursor
    on requests 2,4,9- to /api/v2/users: reset
    at random 2% seed=7: 429, 503, cut

What is counted: requests, queries (the details query), logins, jobs (submissions), polls of jobs and results, each
from 1; `to` and a part of the path narrows it down. After the kind come its options, `times` (at most so often)
and `delay`.
"""

import re
import shlex
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

JOBS: Final = "/api/v2/analytics/conversations/details/jobs"

PLACES: Final[Mapping[str, str]] = {
    "request": "",
    "requests": "",
    "query": "POST /api/v2/analytics/conversations/details/query",
    "queries": "POST /api/v2/analytics/conversations/details/query",
    "login": "POST /oauth/token",
    "logins": "POST /oauth/token",
    "job": f"POST {JOBS}",
    "jobs": f"POST {JOBS}",
    "poll": f"GET {JOBS}/",
    "polls": f"GET {JOBS}/",
    "results": "/results",
}
"""What is counted, and the part of `METHOD /path` that makes it one; polls are requests for results, too."""

UNITS: Final[Mapping[str, str]] = {"retry_after": "retry_after_s", "delay": "delay_s", "takes": "takes_s"}
"""Options that may be named without their unit."""

FOR_EVER: Final = 2**31

EXAMPLES: Final = "'on request 7: 429 retry_after=none', 'on queries 5-8: 503' or 'at random 2%'"

_ON = re.compile(
    r"(?:on\s+)?(?P<every>every\s+(?:(?P<step>\d+)(?:st|nd|rd|th)\s+)?)?(?P<what>[a-z]+)(?:\s+(?P<numbers>\d[\d,\s-]*?))?"
    r"(?:\s+to\s+(?P<path>\S+))?\s*:\s*(?P<kind>\w+)(?:\s+(?P<options>.*))?"
)
_AT_RANDOM = re.compile(
    r"at\s+random\s+(?P<rate>\d*\.?\d+)(?P<percent>\s*%)?(?:\s+to\s+(?P<path>\S+?))?(?:\s+seed=(?P<seed>\d+))?"
    r"(?:\s*:\s*(?P<kinds>.+))?"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault that is to be armed."""

    at: int | Container[int] | None
    """Which of the requests; None is each."""
    kind: str
    path: str = ""
    times: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chance:
    """Faults that strike at random."""

    rate: float
    kinds: tuple[str, ...] = ()
    """None is those that a client should outlive."""
    seed: int = 1
    path: str = ""


def read_plan(text: str) -> Plan | Chance:
    """The faults that a text describes.

    Raises:
        ValueError: it says nothing that can be understood; its text gives examples.
    """
    line = re.sub(r"(?<=\d) to (?=\d+(?: ?[:,]| to ))", "-", " ".join(text.split()))  # 5 to 8 is a range, and no path
    if matched := _AT_RANDOM.fullmatch(line):
        return _chance(matched)
    matched = _ON.fullmatch(line)
    if matched is None or matched["what"] not in PLACES or not (matched["every"] or matched["numbers"]):
        raise ValueError(f"{text!r} is no fault; write something like {EXAMPLES}")
    options = read_options(matched["options"] or "")
    times = options.pop("times", None)
    if times is not None and not isinstance(times, int):
        raise ValueError(f"times={times} is no whole number")
    path = matched["path"] or PLACES[matched["what"]]
    return Plan(_numbers(matched), matched["kind"], path, times, options)


def read_numbers(text: str) -> int | Container[int]:
    """The numbers of a text such as `7`, `5-8`, `3,9` or `5-`.

    Raises:
        ValueError: a part is no number and no range, or ends before it starts.
    """
    ranges = [_range(part.strip()) for part in text.split(",")]
    if len(ranges) > 1:
        return Numbers(tuple(ranges))
    return ranges[0][0] if len(ranges[0]) == 1 else ranges[0]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Several ranges of numbers."""

    ranges: tuple[range, ...]

    def __contains__(self, number: object) -> bool:
        return any(number in numbers for numbers in self.ranges)


def read_options(text: str) -> dict[str, Any]:
    """The options of a text such as `share=0.25 status=502 error_message="Out of luck"`.

    Raises:
        ValueError: a part has no equals sign.
    """
    options: dict[str, Any] = {}
    for part in shlex.split(text):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is no option; write NAME=VALUE")
        options[UNITS.get(name, name)] = _value(value)
    return options


def _chance(matched: re.Match[str]) -> Chance:
    rate = float(matched["rate"]) / (100 if matched["percent"] else 1)
    if rate > 1:
        raise ValueError(f"a rate of {matched['rate']} is above 1; write {matched['rate']}% for so many of a hundred")
    kinds = tuple(kind.strip() for kind in (matched["kinds"] or "").split(",") if kind.strip())
    return Chance(rate, kinds, int(matched["seed"] or 1), matched["path"] or "")


def _numbers(matched: re.Match[str]) -> int | Container[int] | None:
    if not matched["every"]:
        return read_numbers(matched["numbers"])
    step = int(matched["step"] or 1)
    if step < 1:
        raise ValueError("every 0th is none; write a whole number of at least 1")
    return None if step == 1 else range(step, FOR_EVER, step)


def _range(text: str) -> range:
    start, dash, stop = text.partition("-")
    try:
        first = int(start)
        last = (int(stop) if stop.strip() else FOR_EVER - 1) if dash else first
    except ValueError:
        raise ValueError(f"{text!r} is no number of a request, and no range such as 5-8") from None
    if not 1 <= first <= last:
        raise ValueError(f"requests {text} are none: they are counted from 1, upwards")
    return range(first, last + 1)


def _value(text: str) -> Any:
    named = {"none": None, "null": None, "true": True, "yes": True, "false": False, "no": False}
    if text.lower() in named:
        return named[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
