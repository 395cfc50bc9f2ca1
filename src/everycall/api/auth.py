"""Where an org is, and how its token is got. Pure.

    region or domain or URL -> Hosts
    client id and secret    -> token, an exchange with the login host

Sources: the regions are SDK 269, PureCloudRegionHosts; the two error answers of the login are those of
gildas/go-gcloudcx (login_test.go) and tishige/CallFlowVisualizer (issues 8 and 9).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from everycall.api.exchange import Exchange, Request, Response, problem
from everycall.errors import CredentialsMissing, CredentialsRefused, SettingsError

REGIONS: Mapping[str, str] = {
    "us-east-1": "mypurecloud.com",
    "eu-west-1": "mypurecloud.ie",
    "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp",
    "eu-central-1": "mypurecloud.de",
    "us-west-2": "usw2.pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "ap-northeast-2": "apne2.pure.cloud",
    "eu-west-2": "euw2.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "us-east-2": "use2.us-gov-pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
    "eu-central-2": "euc2.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
}
"""AWS region -> the domain of the orgs that live there."""

VARIABLES = ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV")

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path, not a token


@dataclass(frozen=True, slots=True)
class Hosts:
    """The two places that an org is reached at, without a trailing slash."""

    api: str
    """`https://api.mypurecloud.de`"""
    login: str
    """`https://login.mypurecloud.de`"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An OAuth client of the grant type "Client Credentials", and where its org lives."""

    client_id: str
    client_secret: str = field(repr=False)
    env: str
    """A region (`eu-central-1`), a domain (`mypurecloud.de`) or a base URL (`http://127.0.0.1:8080`)."""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Credentials | None":
        """The credentials in the environment's variables; None where none of the three is set.

        Raises:
            CredentialsMissing: some are set, but not all.
        """
        found = {name: variables.get(name, "").strip() for name in VARIABLES}
        missing = [name for name, value in found.items() if not value]
        if len(missing) == len(VARIABLES):
            return None
        if missing:
            raise CredentialsMissing(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
                hint=f"Set all of {', '.join(VARIABLES)}, in the environment or in .env; or none, for the sandbox.",
            )
        return cls(*found.values())


def hosts(env: str) -> Hosts:
    """Where the org of that region, domain or base URL is reached.

    A base URL serves both API and login, unless it is one of the vendor's (`https://api.mypurecloud.de`).

    Raises:
        SettingsError: it is none of the three; the hint lists near regions.
    """
    env = env.strip().rstrip("/")
    if env.lower() in REGIONS:
        return _of_domain(REGIONS[env.lower()])
    if env.startswith(("http://", "https://")):
        return _of_url(env)
    domain = env.lower()
    for prefix in ("api.", "login.", "apps."):
        domain = domain.removeprefix(prefix)
    if domain.split(":")[0] in ("localhost", "127.0.0.1"):
        return Hosts(f"http://{domain}", f"http://{domain}")
    if "." not in domain or not all(part.replace("-", "").isalnum() for part in domain.split(".")):
        near = get_close_matches(domain, [*REGIONS, *REGIONS.values()], n=3, cutoff=0.5) or list(REGIONS)
        raise SettingsError(
            f"GENESYS_ENV is '{env}', which is no region, domain or base URL.",
            hint=f"Near: {', '.join(near)}. The org's own address tells it: apps.mypurecloud.de is mypurecloud.de.",
        )
    return _of_domain(domain)


def _of_domain(domain: str) -> Hosts:
    return Hosts(f"https://api.{domain}", f"https://login.{domain}")


def _of_url(url: str) -> Hosts:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:  # of the port, or of an IPv6 address
        host = ""
    if "@" in url:
        raise SettingsError("GENESYS_ENV holds a user name or a password.", hint="Leave out what stands before the @.")
    if not host:
        raise SettingsError(
            f"GENESYS_ENV is '{url}', which names no host and port.", hint="Write http://127.0.0.1:8080, say."
        )
    prefix, _, domain = host.partition(".")
    is_vendors = domain in REGIONS.values() or domain.endswith("pure.cloud")
    return _of_domain(domain) if prefix in ("api", "login", "apps") and is_vendors else Hosts(url, url)


class Token(msgspec.Struct, frozen=True):
    """A bearer token; never printed."""

    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: float = 86_399
    """Seconds from its making: 86,399 in captures, 86,400 in the documentation. There is no refresh token."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"Token(expires_in={self.expires_in})"


def token(credentials: Credentials) -> Exchange[Token]:
    """A new token. Each has a rate budget of its own, so none is made without need.

    Raises:
        CredentialsRefused: unknown client id (400), wrong secret or wrong region (401).

    Source: POST /oauth/token, grant type client_credentials; SDK 269, api_client.
    """
    response = yield Request("POST", TOKEN_PATH, login=(credentials.client_id, credentials.client_secret))
    if response.status != 200:
        raise _refused(response, credentials)
    try:
        return msgspec.convert(response.decoded, Token, strict=False)
    except msgspec.MsgspecError as error:
        raise CredentialsRefused(
            f"The login at {hosts(credentials.env).login} answered without a token.",
            hint="Check GENESYS_ENV: the address may belong to something else.",
        ) from error


class _LoginError(msgspec.Struct):
    error: str = ""
    description: str = ""
    error_description: str = ""


def _refused(response: Response, credentials: Credentials) -> CredentialsRefused:
    try:
        said = msgspec.json.decode(response.body, type=_LoginError)
    except (ValueError, RecursionError):
        said = _LoginError()
    reason = said.error_description or said.description or said.error or problem(response).message or "no reason given"
    unknown = response.status == 400
    return CredentialsRefused(
        f"The login at {hosts(credentials.env).login} refused ({response.status}): {reason}",
        hint="Check GENESYS_CLIENT_ID and GENESYS_ENV: this region does not know that client."
        if unknown
        else "Check GENESYS_CLIENT_SECRET and GENESYS_ENV; a client of another region is refused in the same words.",
        correlation_id=response.correlation_id,
    )
