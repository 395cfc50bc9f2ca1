"""Who may reach a sandbox that listens on a port: by which names, with how large a body, and who may use its controls.

- The Host header names this machine, or a request is a 421. Otherwise a page of any site could lead its own name to
  this address (DNS rebinding) and read the sandbox, its client secret included, with the visitor's browser.
- A body is read up to the API's limit and no further, and what is announced as far larger is not read at all.
- The controls (`/__admin/...` and the page at `/`) need the sandbox's admin token, unless it listens on loopback and
  the request is no other site's.

    Authorization: Bearer TOKEN          for programs
    GET /?token=TOKEN                    in a browser, which keeps it as a cookie

None of it is part of the API, and no request that is refused here is counted.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request as HttpRequest

from everycall.sandbox import admin, controls
from everycall.sandbox.answers import ApiError, Request, Wire, encoded
from everycall.sandbox.app import REQUEST_BYTES_MAX, body_too_large

DRAINED_BYTES_MAX: Final = 8_000_000
"""A body that is too large is read to its end up to here, so that its sender gets to read the 413."""

COOKIE: Final = "everycall_admin"

HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]]*)(:\d{1,5})?")

VENDOR: Final = re.compile(
    r"(api|login|apps)\.([a-z0-9.-]+\.)?(mypurecloud\.(com|ie|com\.au|jp|de)|[a-z-]*pure\.cloud)"
)
"""The vendor's own names, by which clients that hard-code them come over TLS; nobody else can lead them anywhere."""

LOCAL: Final = re.compile(r"[a-z0-9_-]+|([a-z0-9_.-]+\.)?localhost|host\.(docker|containers)\.internal")
"""Names that no public name server gives: those without a dot, as containers have, and those of this machine."""

LOGIN_PAGE: Final = (
    '<!doctype html><html lang="en"><title>The sandbox\'s token</title><p>This sandbox can be reached from other '
    "machines, so its page needs the admin token that it printed when it started."
    '<form><label>Token <input name="token" type="password" autofocus></label> <button>Open</button></form></html>'
)


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one port."""

    token: str
    """Of the controls; empty where there are none."""
    is_loopback: bool
    """Whether it listens for this machine only."""
    names: Collection[str] = ()
    """Host names that it answers to as well."""

    def refusal(self, request: Request) -> Wire | None:
        """The answer to a request that may not come in; None lets it pass."""
        if not self.knows(request.headers.get("host", "")):
            return encoded(wrong_host(request.headers.get("host", "")).answer("none"))
        if not self.token or (request.path != admin.PATH and not request.path.startswith(controls.PREFIX)):
            return None
        if (self.is_loopback and is_own(request)) or self._shows_token(request):
            return self._with_cookie(request)
        if request.path == admin.PATH:
            return admin.html(401, LOGIN_PAGE)
        return encoded(token_missing().answer("none"))

    def knows(self, host: str) -> bool:
        """Whether a Host header names this machine: an address, a local name, or one that it was given."""
        matched = HOST.fullmatch(host.lower())
        if matched is None:
            return False
        name = matched["name"]
        if name in {allowed.lower() for allowed in self.names} or LOCAL.fullmatch(name) or VENDOR.fullmatch(name):
            return True
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _shows_token(self, request: Request) -> bool:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        shown = (bearer.strip() if scheme.lower() == "bearer" else "", cookie_of(request), asked_token(request))
        return any(compare_digest(token.encode(), self.token.encode()) for token in shown)

    def _with_cookie(self, request: Request) -> Wire | None:
        """A token in the address of the page becomes a cookie, so that it does not stay in the address."""
        if request.path != admin.PATH or request.method != "GET" or not asked_token(request):
            return None
        cookie = f"{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        return Wire(303, {"Location": admin.PATH, "Set-Cookie": cookie, "Content-Length": "0"}, b"")


def is_own(request: Request) -> bool:
    """Whether a request comes from a program, or from a page of the sandbox itself."""
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def asked_token(request: Request) -> str:
    """The token in the address of the page."""
    return request.parameter("token") or ""


def cookie_of(request: Request) -> str:
    """The token in the cookie."""
    try:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def wrong_host(host: str) -> ApiError:
    """The 421 for a name that is not this machine's."""
    message = (
        f"This sandbox does not answer to the host name {host!r}. Use localhost, an address such as 127.0.0.1 or a "
        "name without a dot, or start it with server(names=[...])."
    )
    return ApiError(421, "misdirected.request", message)


def token_missing() -> ApiError:
    """The 401 of the controls."""
    message = "Send Authorization: Bearer TOKEN, with the admin token that the sandbox printed when it started."
    return ApiError(401, "authentication.required", message)


async def read_body(http: HttpRequest) -> bytes | None:
    """The body, or None where it is larger than the API's limit; no more than the limit is ever kept."""
    announced = http.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > DRAINED_BYTES_MAX:
        return None
    body, size = bytearray(), 0
    async for piece in http.stream():
        size += len(piece)
        if size <= REQUEST_BYTES_MAX:
            body += piece
        if size > DRAINED_BYTES_MAX:
            return None
    return bytes(body) if size <= REQUEST_BYTES_MAX else None


def too_large() -> Wire:
    """The 413, after which the connection ends, since its body was not read."""
    wire = encoded(body_too_large().answer("none"))
    return Wire(wire.status, {**wire.headers, "Connection": "close"}, wire.body)
