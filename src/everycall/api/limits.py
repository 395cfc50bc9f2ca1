"""The API's numbers, each with its source, and ours beside them.

`*_MAX` and names without a suffix bind the API; `*_DEFAULT` are our choices. Read on 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

PAGE_SIZE_MAX = 100
"""Conversations on a page of the details query. Several production clients measured it; more is never sent."""

HITS_MAX = 100_000
"""pageNumber x pageSize beyond this is refused with 400, "Pagination may not exceed 100000 results."

Source: splunk/genesys_cloud_ta, CHANGELOG of 0.2.2, the answer verbatim. A window must have *fewer* hits, so that
one that comes late can still be reached.
"""

TOTAL_HITS_MAX = 10**9
"""Ours: an answer that counts more is not believed. The largest orgs have some ten million conversations a week."""

SPAN_UNFILTERED = timedelta(days=7)
"""Longest interval of a query without filters. Source: developer.genesys.cloud, analytics detail page."""

SPAN_FILTERED = timedelta(days=31)
"""Longest interval of a query with a filter. Source: the same page."""

RATE_PER_MINUTE = 300
"""Requests a minute and token, until the answers' headers say otherwise.

Source: `client.credentials.token.rate.per.minute`, developer.genesys.cloud, platform limits.
"""

RATE_WINDOW_S = 60.0
"""The budget is counted in fixed windows of about this length, as far as the captures tell."""

RETRY_AFTER_MAX_S = 180.0
"""A longer Retry-After is cut to this. Source: the vendor's Go SDK does not wait longer either."""

IDS_MAX = 100
"""Ids in one bulk look-up of users (50 to 100 per call are in production use)."""

LISTING_PAGE_SIZE = 500
"""Entities on a page of a look-up. The server cuts it silently where it allows fewer, and says so in the answer."""

REBUILT_AFTER = timedelta(hours=48)
"""The vendor rebuilds what is at least this old every night, so what is younger will be touched once more.

Source: help.mypurecloud.com, "Why can my data change?".
"""

SETTLED_AFTER = timedelta(days=4)
"""Ours: a window that ended this long ago has been through the nightly rebuild, with a day in hand."""

FRESHNESS = timedelta(minutes=1)
"""An interval never ends later than now minus this. Source: the vendor's developer blog of 2022-04-21."""

RETENTION = timedelta(days=548)
"""Older than 18 months is answered from a slower tier, and only for some orgs (1.5 years; help.mypurecloud.com)."""

WINDOW_HITS_DEFAULT = 20_000
"""Ours: days are put together into one window while it stays below this; see `windows.split`."""

PASSES_MAX = 4
"""Ours: how often a window is read before it is called unproven."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the `inin-ratelimit-*` headers of an answer say; None where a header is missing or not a number.

    Source: the vendor's developer blog of 2021-05-06 and the JavaScript SDK's README.
    """

    count: float | None
    """Requests counted in the present window, this one included."""
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
