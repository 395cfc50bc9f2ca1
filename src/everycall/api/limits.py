"""The limits of the API, each with its source, and our own.

`*_DEFAULT`, and numbers marked "Ours", are our choices; all others are the API's. Sources were read on 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

PAGE_SIZE_MAX = 100
"""The most conversations on a page of the details query. Source: several production clients, which measured it."""

HITS_MAX = 100_000
"""pageNumber x pageSize beyond this is refused with 400, "Pagination may not exceed 100000 results."

Source: splunk/genesys_cloud_ta, CHANGELOG of 0.2.2, which has the message. A window must have *fewer* hits, so that a
conversation that arrives late can still be read.
"""

TOTAL_HITS_MAX = 10**9
"""Ours: a higher count is refused. The largest orgs have about ten million conversations a week."""

SPAN_UNFILTERED = timedelta(days=7)
"""Longest interval of a query without filters. Source: developer.genesys.cloud, analytics detail page."""

SPAN_FILTERED = timedelta(days=31)
"""Longest interval of a query with a filter. Source: the same page."""

RATE_PER_MINUTE = 300
"""Requests a minute for each token, until an answer's headers have another number.

Source: `client.credentials.token.rate.per.minute`, developer.genesys.cloud, platform limits.
"""

RATE_WINDOW_S = 60.0
"""The length of the fixed windows in which requests are counted. Source: captured headers."""

RETRY_AFTER_MAX_S = 180.0
"""The longest wait for a Retry-After. Source: the vendor's Go SDK does not wait longer either."""

IDS_MAX = 100
"""Ids in one bulk look-up of users. Source: production clients use 50 to 100."""

LISTING_PAGE_SIZE = 500
"""Entities on a page of a look-up. The server reduces it if it allows fewer; the answer has the reduced size."""

REBUILT_AFTER = timedelta(hours=48)
"""Every night the vendor rebuilds data that is at least this old, so younger data will change once more.

Source: help.mypurecloud.com, "Why can my data change?".
"""

SETTLED_AFTER = timedelta(days=4)
"""Ours: a window that ended this long ago has been rebuilt, with a day to spare."""

FRESHNESS = timedelta(minutes=1)
"""An interval ends this long ago at the latest. Source: the vendor's developer blog of 2022-04-21."""

RETENTION = timedelta(days=548)
"""Older data comes from a slower tier, and only for some orgs. Source: help.mypurecloud.com (1.5 years)."""

WINDOW_HITS_DEFAULT = 20_000
"""Ours: the most hits of a window of several days; `windows.split` splits larger ones."""

PASSES_MAX = 4
"""Ours: how often a window is read before it is unproven."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The `inin-ratelimit-*` headers of an answer; None if a header is missing or not a number.

    Source: the vendor's developer blog of 2021-05-06 and the JavaScript SDK's README.
    """

    count: float | None
    """Requests counted in the present window, including this one."""
    allowed: float | None
    """Requests allowed in a window: 180 in captures of 2021, 300 now."""
    reset_s: float | None
    """Seconds until the count starts again, up to about 61."""

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "RateLimit":
        """The three headers as numbers; `headers` with lower-case names."""
        count, allowed, reset_s = (
            _number(headers.get(f"inin-ratelimit-{name}")) for name in ("count", "allowed", "reset")
        )
        return cls(count, allowed or None, reset_s)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e9 else None
