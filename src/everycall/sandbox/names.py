"""The names under which the sandbox can be reached, beside the address of its port."""

from typing import Final

DOMAINS: Final = (
    "mypurecloud.com",
    "mypurecloud.ie",
    "mypurecloud.com.au",
    "mypurecloud.jp",
    "mypurecloud.de",
    "usw2.pure.cloud",
    "cac1.pure.cloud",
    "apne2.pure.cloud",
    "euw2.pure.cloud",
    "aps1.pure.cloud",
    "use2.us-gov-pure.cloud",
    "sae1.pure.cloud",
    "mec1.pure.cloud",
    "apne3.pure.cloud",
    "euc2.pure.cloud",
    "mxc1.pure.cloud",
    "apse1.pure.cloud",
    "edee1.eusc-pure.cloud",
)
"""The domains of the vendor's 18 regions. Source: SDK 269, PureCloudRegionHosts."""

VENDOR_HOSTS: Final = tuple(f"{part}.{domain}" for domain in DOMAINS for part in ("api", "login"))
"""The hosts that the sandbox stands in for."""

NAMES: Final = (*VENDOR_HOSTS, "localhost")
ADDRESSES: Final = ("127.0.0.1", "::1")
