"""Whether an answer came from everycall's sandbox, where an org was asked. Pure.

The sandbox can stand in for the vendor's hosts (`everycall sandbox --tls`), and `HTTPS_PROXY` leads every program of a
terminal there. An export that asks for a real org must not take invented conversations for real ones.

Source: the sandbox's own header, which every answer of it carries; the API has none of that name.
"""

from everycall.api.auth import Hosts
from everycall.api.exchange import Response
from everycall.errors import SettingsError

HEADER = "x-everycall-sandbox"


def check_is_org(hosts: Hosts, response: Response) -> None:
    """Refuses an answer of the sandbox, unless GENESYS_ENV is the sandbox's own address.

    Raises:
        SettingsError: GENESYS_ENV names a region or a domain, and the sandbox answered in its place.
    """
    # Only a base URL serves API and login under one address: a region and a domain have a host for each.
    if HEADER in response.headers and hosts.api != hosts.login:
        raise SettingsError(
            f"everycall's sandbox answered in place of {hosts.api}: its data is invented.",
            hint="Unset HTTPS_PROXY to reach the org, or set GENESYS_ENV to the address that the sandbox printed.",
        )
