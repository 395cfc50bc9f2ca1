"""The routes below `/__admin/`: the plan of faults as JSON, for programs in any language. No part of the API.

    GET    /__admin/faults      -> 200 {"armed": [{"number", "text", "seen", "struck"}], "kinds": {name: about}}
    POST   /__admin/faults      <- {"fault": "on request 7: 429"} or {"kind": "429", "at": 7, "options": {...}}
                                -> 201 {"number": 1, "text": ...}
    DELETE /__admin/faults/{n}  -> 204
    DELETE /__admin/faults      -> 204

They need no token, count as no request, and no fault strikes them. In the second form `at` is a number, a list of
them, a text such as `5-8`, or null for each; `path` and `times` are as `Faults.on` takes them.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from everycall.sandbox.answers import Answer, ApiError, Request, Wire, bad_request, encoded, malformed, not_found
from everycall.sandbox.faults import KINDS, Faults, Rule
from everycall.sandbox.plans import read_numbers

PREFIX: Final = "/__admin/"
FAULTS: Final = "/__admin/faults"


def respond(faults: Faults, request: Request) -> Wire:
    """The answer to a request for a control."""
    try:
        return encoded(answer(faults, request))
    except ApiError as refusal:
        return encoded(refusal.answer("none"))
    except (ValueError, TypeError) as error:
        return encoded(bad_request(str(error)).answer("none"))


def answer(faults: Faults, request: Request) -> Answer:
    """Carries out a request for a control; the result as JSON.

    Raises:
        ApiError: there is no such control, or the body is no JSON.
        ValueError, TypeError: what is wrong with the fault.
    """
    if request.path == FAULTS and request.method == "GET":
        armed = [shown(rule) | {"seen": rule.seen, "struck": rule.struck} for rule in faults.armed()]
        return Answer(200, {"armed": armed, "kinds": {name: kind.about for name, kind in KINDS.items()}})
    if request.path == FAULTS and request.method == "POST":
        arm(faults, body_of(request))
        return Answer(201, shown(faults.armed()[-1]))
    if request.path == FAULTS and request.method == "DELETE":
        faults.clear()
        return Answer(204, None)
    number = request.path.removeprefix(f"{FAULTS}/")
    if request.method == "DELETE" and number.isascii() and number.isdigit():
        faults.disarm(int(number))
        return Answer(204, None)
    raise not_found()


def shown(rule: Rule) -> dict[str, Any]:
    """A rule by its number and its text."""
    return {"number": rule.number, "text": rule.text}


def body_of(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request whose Content-Type is JSON.

    A page of another origin in the same browser can send no such request.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError(415, "unsupported.media.type", "Send JSON, with Content-Type: application/json.")
    try:
        found = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        raise malformed() from None
    if not isinstance(found, dict):
        raise malformed()
    return found


def arm(faults: Faults, body: Mapping[str, Any]) -> None:
    """Arms the fault of a body.

    Raises:
        ValueError, TypeError: what is wrong with it.
    """
    if set(body) == {"fault"} and isinstance(body["fault"], str):
        faults.arm(body["fault"])
        return
    unknown = set(body) - {"kind", "at", "path", "times", "options"}
    if unknown or not isinstance(body.get("options", {}), dict):
        raise ValueError('write {"fault": "on request 7: 429"} or {"kind": "429", "at": 7, "options": {}}')
    at = body.get("at")
    if isinstance(at, str):
        at = read_numbers(at)
    elif not (at is None or isinstance(at, int | list)):
        raise ValueError(f"at is {at!r}, and no number, list, text or null")
    faults.on(at, str(body.get("kind")), path=body.get("path", ""), times=body.get("times"), **body.get("options", {}))
