"""Clients, the tokens they are given, and the check of a request's token.

    POST /oauth/token, Authorization: Basic base64(id:secret), grant_type=client_credentials
    -> 200 {"access_token": ..., "token_type": "bearer", "expires_in": 86399}

Id and secret may also stand in the form, and grant_type in the query string; both are switches.

Source: SDK 269, api_client.py; the two error answers are those of gildas/go-gcloudcx, login_test.go; the 401 bodies
are captures. Guesses: how the text for an unknown client goes on after "client not found", and that its body has an
`error_description` as the captured one has; what the API says to another grant type.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from everycall.sandbox.answers import Answer, ApiError, Request
from everycall.sandbox.switches import Switches

EXPIRES_IN_S = 86_399
"""The life of a token as captures show it; the documentation says 86400."""

PERMISSIONS = frozenset(
    {
        "analytics:conversationDetail:view",
        "analytics:agentConversationDetail:view",
        "analytics:conversationAggregate:view",
        "routing:queue:view",
        "routing:queue:search",
        "routing:wrapupCode:view",
        "routing:skill:view",
        "architect:flow:view",
        "outbound:campaign:view",
        "groups:team:view",
        "outbound:messagingCampaign:view",
        "outbound:emailCampaign:view",
        "analytics:queueObservation:view",
        "analytics:userDetail:view",
        "conversation:communication:view",
        "analytics:dataRetention:view",
    }
)
"""Every permission that some route asks for. Source: platform-client-sdk-cli."""


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client with the client-credentials grant, and what its roles let it see."""

    client_id: str
    client_secret: str
    permissions: frozenset[str] = PERMISSIONS
    division_ids: frozenset[str] | None = None
    """The divisions of its roles; None is all of them."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token that is in force."""

    text: str
    client: Client
    expires_at_s: float


class Tokens:
    """Who may log in, and which tokens are in force.

    Args:
        clients: those that may log in.
        now: epoch seconds.
        seed: of the tokens' texts, so that the same seed gives the same tokens in the same order.
        switches: where a login may carry what.
    """

    def __init__(
        self, clients: Iterable[Client], now: Callable[[], float], seed: int, switches: Switches | None = None
    ) -> None:
        self.clients = {client.client_id: client for client in clients}
        self._now = now
        self._seed = seed
        self._switches = switches or Switches()
        self._issued = 0
        self._in_force: dict[str, Token] = {}

    def grant(self, request: Request) -> Answer:
        """The answer to `POST /oauth/token`."""
        client_id, secret = credentials(request, self._switches)
        client = self.clients.get(client_id)
        if client is None:
            return refusal(400, "invalid_client", f"client not found: {client_id}")
        if secret != client.client_secret:
            return refusal(401, "invalid_client", "authentication failed")
        if grant_type(request, self._switches) != "client_credentials":
            return refusal(400, "unsupported_grant_type", "grant type is not supported for this client")
        token = self.issue(client)
        content = {"access_token": token.text, "token_type": "bearer", "expires_in": EXPIRES_IN_S}
        return Answer(200, content)

    def issue(self, client: Client) -> Token:
        """A new token; those issued before stay in force."""
        self._issued += 1
        digest = hashlib.sha256(f"{self._seed} {client.client_id} {self._issued}".encode()).digest()
        text = base64.urlsafe_b64encode(digest + digest[:21]).decode().rstrip("=")
        token = Token(text, client, self._now() + EXPIRES_IN_S)
        self._in_force = {text: other for text, other in self._in_force.items() if other.expires_at_s > self._now()}
        self._in_force[text] = token
        return token

    def revoke(self) -> None:
        """Ends every token issued so far; their next request is a 401."""
        self._in_force.clear()

    def bearer(self, request: Request) -> Token:
        """The token that a request carries.

        Raises:
            ApiError: 401, where there is none, or one that never was, was revoked, or has expired.
        """
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            message = "No authentication bearer token specified in authorization header."
            raise ApiError(401, "authentication.required", message)
        token = self._in_force.get(text.strip())
        if token is None or token.expires_at_s <= self._now():
            raise ApiError(401, "bad.credentials", "Invalid login credentials.")
        return token


def credentials(request: Request, switches: Switches) -> tuple[str, str]:
    """Client id and secret of the Basic header, or else of the form; empty ones where there are none."""
    if "authorization" in request.headers or switches.login_credentials == "header":
        return basic_credentials(request)
    form = form_of(request)
    return form.get("client_id", ""), form.get("client_secret", "")


def basic_credentials(request: Request) -> tuple[str, str]:
    """Client id and secret of the Authorization header; empty ones where it holds none."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret


def grant_type(request: Request, switches: Switches) -> str:
    """The grant type of the form, or else of the query string."""
    in_query = request.parameter("grant_type") if switches.login_grant_type == "form or query" else None
    return form_of(request).get("grant_type") or in_query or ""


def form_of(request: Request) -> dict[str, str]:
    """The fields of the form; the last one where a name is repeated."""
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def refusal(status: int, error: str, description: str) -> Answer:
    """An OAuth error, which is not of the API's envelope."""
    content = {"error": error, "description": description, "error_description": description}
    return Answer(status, content)


def require(client: Client, permissions: tuple[str, ...]) -> None:
    """Refuses a client that has none of the permissions; a route that asks for none is open.

    Raises:
        ApiError: 403. Source of the texts: terraform-provider-genesyscloud issue 277 (any of several),
            platform-client-sdk-python issue 1 (a single one).
    """
    if not permissions or not client.permissions.isdisjoint(permissions):
        return
    names = ", ".join(sorted(permissions))
    sentence = "Unable to perform the requested action. You "
    if len(permissions) == 1:
        message = f"{sentence}are missing the following permission(s): [{names}]"
        raise ApiError(403, "missing.permissions", message)
    message = f"{sentence}must have at least one of the following permissions assigned: [{names}]"
    raise ApiError(403, "missing.any.permissions", message)
