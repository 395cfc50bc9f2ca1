"""What lets a page in a browser use the sandbox, as it can use the real API: CORS.

The vendor's JavaScript SDK and one of its blueprints run in pages of any origin, with an Authorization header. So the
API answers preflights, and so does this; which headers it exposes is a guess: those that a client needs.

    OPTIONS /api/v2/users, Origin: https://example.com, Access-Control-Request-Method: GET
    -> 204, Access-Control-Allow-Origin: https://example.com, ...

The page at `/` and the controls below `/__admin/` are left out: pages of other origins must not reach them.
"""

from collections.abc import Mapping
from typing import Final

from everycall.sandbox import admin, controls
from everycall.sandbox.answers import NO_HEADERS, Request, Wire

EXPOSED: Final = (
    "ININ-Correlation-Id",
    "inin-ratelimit-count",
    "inin-ratelimit-allowed",
    "inin-ratelimit-reset",
    "Retry-After",
    "X-Everycall-Sandbox",
)
METHODS: Final = "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD"
HEADERS: Final = "Authorization, Content-Type, Accept"
"""Allowed where a preflight names none."""

KEPT_S: Final = 86_400
"""How long a browser may keep the answer to a preflight."""


def preflight(request: Request) -> Wire | None:
    """The answer to a preflight; None for any other request. It needs no token and counts as no request."""
    if request.method != "OPTIONS" or "access-control-request-method" not in request.headers or not allowed(request):
        return None
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": request.headers.get("access-control-request-headers") or HEADERS,
        "Access-Control-Max-Age": str(KEPT_S),
    }
    return Wire(204, headers, b"")


def allowed(request: Request) -> Mapping[str, str]:
    """The headers with which a page may read an answer; none where no page of another origin asks, or must not."""
    origin = request.headers.get("origin")
    if not origin or request.path == admin.PATH or request.path.startswith(controls.PREFIX):
        return NO_HEADERS
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": ", ".join(EXPOSED),
        "Vary": "Origin",
    }
