"""The hosts of an org, the credentials, and the login. Pure.

    region or domain or URL -> Hosts
    client id and secret    -> token, an exchange with the login host

Sources: the regions are SDK 269, PureCloudRegionHosts; the two error answers of the login are those of
gildas/go-gcloudcx (login_test.go) and tishige/CallFlowVisualizer (issues 8 and 9).
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from everycall.api.exchange import REASON_MAX, Exchange, Request, Response, problem
from everycall.errors import CredentialsMissing, CredentialsRefused, SettingsError
from everycall.printable import printable

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
"""AWS region -> the domain of its orgs."""

CITIES: Mapping[str, str] = {
    "virginia": "us-east-1",
    "dublin": "eu-west-1",
    "ireland": "eu-west-1",
    "sydney": "ap-southeast-2",
    "tokyo": "ap-northeast-1",
    "frankfurt": "eu-central-1",
    "oregon": "us-west-2",
    "montreal": "ca-central-1",
    "canada": "ca-central-1",
    "seoul": "ap-northeast-2",
    "london": "eu-west-2",
    "mumbai": "ap-south-1",
    "ohio": "us-east-2",
    "sao paulo": "sa-east-1",
    "dubai": "me-central-1",
    "uae": "me-central-1",
    "osaka": "ap-northeast-3",
    "zurich": "eu-central-2",
    "mexico": "mx-central-1",
    "singapore": "ap-southeast-1",
    "brandenburg": "eusc-de-east-1",
}
"""The places by which people call a region -> the region. Source: the names that AWS gives its regions."""

VARIABLES = ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV")

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path, not a token


@dataclass(frozen=True, slots=True)
class Hosts:
    """The two base URLs of an org, without a trailing slash."""

    api: str
    """`https://api.mypurecloud.de`"""
    login: str
    """`https://login.mypurecloud.de`"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An OAuth client with the grant type "Client Credentials", and the region of its org."""

    client_id: str
    client_secret: str = field(repr=False)
    env: str
    """A region (`eu-central-1`), a place (`frankfurt`), a domain (`mypurecloud.de`) or a base URL
    (`http://127.0.0.1:8080`)."""
    source: str = field(default="", compare=False)
    """Where they come from, for messages: `the environment` or `.env`; empty if the caller gave them."""

    @classmethod
    def read(cls, environment: Mapping[str, str], dotenv: Mapping[str, str] | None = None) -> "Credentials | None":
        """Read the credentials from the environment, or from a `.env`; None if none of the three is set in either.

        All three have to come from one place. Otherwise a `.env` in a downloaded folder could send the secret from the
        environment to another address.

        Raises:
            CredentialsMissing: some are set, but not all; or they are spread over both places.
        """
        found, in_file = _values(environment), _values(dotenv or {})
        if not found and not in_file:
            return None
        if len(found) == len(VARIABLES):
            return cls(**_fields(found), source="the environment")
        if not found and len(in_file) == len(VARIABLES):
            return cls(**_fields(in_file), source=".env")
        if found and in_file.keys() - found.keys():
            raise CredentialsMissing(
                f"{_listed(found)} set in the environment, and {_listed(in_file)} set in .env: "
                "all three have to come from one place.",
                hint=f"Set all of {', '.join(VARIABLES)} in the environment, or unset them there to use .env.",
            )
        missing = [name for name in VARIABLES if name not in (found or in_file)]
        raise CredentialsMissing(
            f"{_listed(missing)} not set{'' if found else ' in .env'}.",
            hint=f"Set all of {', '.join(VARIABLES)}, in the environment or in .env.",
        )


def _values(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that are set, in the order of `VARIABLES`."""
    found = {name: variables.get(name, "").strip() for name in VARIABLES}
    return {name: value for name, value in found.items() if value}


def _fields(values: Mapping[str, str]) -> dict[str, str]:
    return dict(zip(("client_id", "client_secret", "env"), values.values(), strict=True))


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def hosts(env: str, *, allow_http: bool = False) -> Hosts:
    """The hosts for a region, domain or base URL.

    A base URL serves both API and login, unless it is one of the vendor's (`https://api.mypurecloud.de`).

    Args:
        env: the region, place (`frankfurt`), domain or base URL.
        allow_http: whether an `http://` address may be on another machine, although the network between can read the
            secret.

    Raises:
        SettingsError: `env` is none of the three, or not safe. The hint lists similar regions. The message contains
            nothing that could be a secret.
    """
    found = _hosts(env)
    if not allow_http and found.api.startswith("http://") and not _is_this_machine(urlsplit(found.api).hostname or ""):
        raise SettingsError(
            "GENESYS_ENV is an http:// address on another machine: others on the network could read the secret.",
            hint="Use https://. In a network that you trust, add --allow-http or set EVERYCALL_ALLOW_HTTP=1.",
        )
    return found


def _hosts(env: str) -> Hosts:
    env = env.strip().rstrip("/")
    domain = env.lower()
    domain = CITIES.get(_place(domain), domain)
    if domain in REGIONS:
        return _of_domain(REGIONS[domain])
    if "://" in env:
        return _of_url(env)
    for prefix in ("api.", "login.", "apps."):
        domain = domain.removeprefix(prefix)
    name, _, port = domain.partition(":")
    if name in ("localhost", "127.0.0.1") and (port.isdecimal() or domain == name):
        return _of_url(f"http://{domain}")
    if "." not in domain or not _DOMAIN.fullmatch(domain):
        raise _unknown(domain)
    return _of_domain(domain)


def _place(name: str) -> str:
    """A place as `CITIES` writes it: `São-Paulo` is `sao paulo`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return " ".join(plain.lower().replace("-", " ").replace("_", " ").split())


def region_of(env: str) -> str:
    """The region of a region, place, domain or base URL; empty if it is none of the vendor's."""
    api = _hosts(env).api
    return next((region for region, domain in REGIONS.items() if api == f"https://api.{domain}"), "")


_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.ASCII)


def _unknown(domain: str) -> SettingsError:
    """The error for an unknown region. It shows a value only if it is a misspelt region: others could be secrets."""
    known = [*REGIONS, *REGIONS.values(), *CITIES]
    similar = get_close_matches(domain, known, n=3, cutoff=0.5) if len(domain) < 40 else []
    value = f" is '{domain}', which" if similar else ""
    return SettingsError(
        f"GENESYS_ENV{value} is not a region, domain or base URL.",
        hint=f"{'Similar regions' if similar else 'The regions'}: {', '.join(similar or REGIONS)}. "
        "The org's own address contains its domain: apps.mypurecloud.de is mypurecloud.de.",
    )


def _is_this_machine(host: str) -> bool:
    """Whether requests to that host do not leave this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _of_domain(domain: str) -> Hosts:
    return Hosts(f"https://api.{domain}", f"https://login.{domain}")


def _of_url(url: str) -> Hosts:
    """The hosts of a base URL. Messages do not show it, since it may contain a password or be a secret."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:  # of the port, or of an IPv6 address
        parts, host = urlsplit(""), ""
    if "@" in url:
        raise SettingsError("GENESYS_ENV contains a user name or a password.", hint="Remove everything before the @.")
    prefix, _, domain = host.partition(".")
    is_vendors = domain in REGIONS.values() or domain.endswith("pure.cloud")
    if prefix in ("api", "login", "apps") and is_vendors:
        return _of_domain(domain)
    if parts.scheme not in ("http", "https") or not host or not _URL.fullmatch(url) or parts.query or parts.fragment:
        raise SettingsError(
            "GENESYS_ENV looks like a base URL, but is not a valid one.",
            hint="Give scheme, host and port, without a query: http://127.0.0.1:8080, for example.",
        )
    url = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return Hosts(url, url)


_URL = re.compile(r"[\x21-\x7e]+")


TOKEN_LIFE_S = 86_399.0
"""The life of a token in captures; the documentation has 86,400. There is no refresh token."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
"""The characters that a header can contain. Source: RFC 9110, field-vchar; real tokens have 86 characters."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token; never printed."""

    access_token: str
    """Visible ASCII characters without blanks."""
    expires_in: float = TOKEN_LIFE_S
    """Seconds from when it was issued."""

    def __repr__(self) -> str:
        """Show the life without the token."""
        return f"Token(expires_in={self.expires_in})"


class _Answer(msgspec.Struct):
    access_token: Any = None
    expires_in: Any = None


def token(credentials: Credentials) -> Exchange[Token]:
    """Request a new token. The caller reuses it, since the API counts requests for each token.

    Raises:
        CredentialsRefused: unknown client id (400), wrong secret or wrong region (401), or an answer without a token.

    Source: POST /oauth/token, grant type client_credentials; SDK 269, api_client.
    """
    response = yield Request("POST", TOKEN_PATH, login=(credentials.client_id, credentials.client_secret))
    if response.status != 200:
        raise _refused(response, credentials)
    try:
        answer = msgspec.convert(response.decoded, _Answer)
    except msgspec.ValidationError:
        answer = _Answer()
    if not isinstance(answer.access_token, str) or not answer.access_token:
        raise CredentialsRefused(
            f"The login at {_hosts(credentials.env).login} answered without a token.",
            hint="Check GENESYS_ENV: the address may belong to something else.",
        )
    if not _TOKEN.fullmatch(answer.access_token):
        raise CredentialsRefused(
            f"The login at {_hosts(credentials.env).login} answered with a token that cannot be sent: "
            "it is too long, or contains blanks, line breaks or other characters that are not valid in a token.",
            hint="Check GENESYS_ENV and the proxy settings: a proxy may have changed the answer.",
        )
    return Token(answer.access_token, _life_s(answer.expires_in))


def _life_s(expires_in: Any) -> float:
    """The life of a token in seconds, also if it came as text; `TOKEN_LIFE_S` if it cannot be read."""
    try:
        life_s = float(expires_in)
    except (ValueError, TypeError, OverflowError):
        return TOKEN_LIFE_S
    return TOKEN_LIFE_S if math.isnan(life_s) else min(max(life_s, 0.0), LIFE_MAX_S)


LIFE_MAX_S = 7 * TOKEN_LIFE_S
"""Ours: a token is never kept longer, whatever the login's answer says."""


class _LoginError(msgspec.Struct):
    error: str = ""
    description: str = ""
    error_description: str = ""


def _refused(response: Response, credentials: Credentials) -> CredentialsRefused:
    try:
        found = msgspec.json.decode(response.body, type=_LoginError)
    except (ValueError, RecursionError):
        found = _LoginError()
    reason = found.error_description or found.description or found.error or problem(response).message
    unknown = response.status == 400
    return CredentialsRefused(
        f"The login at {_hosts(credentials.env).login} refused ({response.status}): "
        f"{printable(reason, REASON_MAX) or 'no reason given'}",
        hint="Check GENESYS_CLIENT_ID and GENESYS_ENV: this region does not know that client."
        if unknown
        else "Check GENESYS_CLIENT_SECRET and GENESYS_ENV: a client of another region gets the same answer.",
        correlation_id=response.correlation_id,
    )
