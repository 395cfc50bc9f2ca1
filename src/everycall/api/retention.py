"""The org's retention of conversations. Pure.

    GET /api/v2/analytics/dataretention/settings -> {"retentionDays": 730}

It needs the permission analytics:dataRetention:view, which most clients do not have, since nothing else needs it.
Sources: the vendor's API explorer for the endpoint; help.mypurecloud.com for "at least 90 days, at most 5 years".
"""

from datetime import timedelta

import msgspec

from everycall.api.exchange import Exchange, Request

RETENTION_PATH = "/api/v2/analytics/dataretention/settings"

TRIES, PATIENCE_S = 3, 10.0
"""Ours: a low limit, since an export does not need the answer."""

RETENTION_MIN = timedelta(days=90)
"""Every org keeps conversations at least this long, so for younger intervals the retention is not requested."""


class _Settings(msgspec.Struct, rename="camel"):
    retention_days: int | None = None


def retention() -> Exchange[timedelta | None]:
    """How long conversations are kept; None if the client lacks the permission, or the answer has no number."""
    response = yield Request("GET", RETENTION_PATH, tries=TRIES, patience_s=PATIENCE_S)
    if response.status != 200:
        return None
    try:
        days = msgspec.json.decode(response.body, type=_Settings).retention_days
        return timedelta(days=days) if days and days > 0 else None
    except (msgspec.MsgspecError, OverflowError):
        return None
