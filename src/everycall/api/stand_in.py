"""Detects answers of everycall's sandbox in place of a real org. Pure.

The sandbox can stand in for the vendor's hosts (`everycall sandbox --tls`), and `HTTPS_PROXY` sends all programs of a
terminal there. An export of a real org must not contain invented conversations.

Source: every answer of the sandbox has its own header, which the API does not use.
"""

from everycall.api.auth import Hosts
from everycall.api.exchange import Response
from everycall.errors import SettingsError

HEADER = "x-everycall-sandbox"


def check_is_org(hosts: Hosts, response: Response) -> None:
    """Refuse an answer of the sandbox, unless GENESYS_ENV is the sandbox's own address.

    Raises:
        SettingsError: GENESYS_ENV names a region or a domain, and the sandbox answered in its place.
    """
    # Only a base URL has the same host for API and login: a region and a domain have one for each.
    if HEADER in response.headers and hosts.api != hosts.login:
        raise SettingsError(
            f"everycall's sandbox answered in place of {hosts.api}, with invented data.",
            hint="Unset HTTPS_PROXY to reach the org, or set GENESYS_ENV to the address that the sandbox printed.",
        )
