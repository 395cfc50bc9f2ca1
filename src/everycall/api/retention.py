"""How long the org keeps conversations. Pure.

    GET /api/v2/analytics/dataretention/settings -> {"retentionDays": 730}

Needs the permission analytics:dataRetention:view, which is of no use for anything else, so most clients will not have
it. Sources: the vendor's API explorer for the endpoint; help.mypurecloud.com for "at least 90 days, at most 5 years".
"""

from datetime import timedelta

import msgspec

from everycall.api.exchange import Exchange, Request

RETENTION_PATH = "/api/v2/analytics/dataretention/settings"

TRIES, PATIENCE_S = 3, 10.0
"""Ours: an export can do without the answer, so it is not waited for any longer."""

RETENTION_MIN = timedelta(days=90)
"""No org keeps less, so an interval that begins later need not ask."""


class _Settings(msgspec.Struct, rename="camel"):
    retention_days: int | None = None


def retention() -> Exchange[timedelta | None]:
    """How long conversations are kept; None where the client may not know, or the answer does not say."""
    response = yield Request("GET", RETENTION_PATH, tries=TRIES, patience_s=PATIENCE_S)
    if response.status != 200:
        return None
    try:
        days = msgspec.json.decode(response.body, type=_Settings).retention_days
        return timedelta(days=days) if days and days > 0 else None
    except (msgspec.MsgspecError, OverflowError):
        return None
