"""The rate limit: so many requests in a window of 60 seconds, for each token by itself.

A window begins with the token's first request in it. Every answer to a token says how many it has used, how
many it has, and in how many seconds the window ends; what comes on top is a 429 that says when to come again.

Source: 300 a minute is `client.credentials.token.rate.per.minute` (community.genesys.com); header names and
values are of the developer-center-blog, 2021-05-06; the 429 is verbatim from developer.genesys.cloud forum
thread 12028. That the window is a fixed one is what those values look like.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from everycall.sandbox.answers import ApiError

WINDOW_S = 60.0


@dataclass(slots=True)
class Window:
    """What a token has used since its window began."""

    began_s: float
    count: int


class RateLimit:
    """The windows of all tokens.

    Args:
        allowed: requests in a window.
        clock: seconds, from any zero, never going back.
        count_rejected: whether a 429 goes up in the count, too.
    """

    def __init__(self, allowed: int, clock: Callable[[], float], *, count_rejected: bool = False) -> None:
        self.allowed = allowed
        self._clock = clock
        self._count_rejected = count_rejected
        self._windows: dict[str, Window] = {}

    def take(self, token: str) -> Mapping[str, str]:
        """Counts a request; the headers that say where the token stands.

        Raises:
            ApiError: 429, where the window is used up. Retry-After seconds from now it is over.
        """
        now_s = self._clock()
        window = self._window(token, now_s)
        reset_s = math.ceil(window.began_s + WINDOW_S - now_s)
        if window.count >= self.allowed:
            window.count += self._count_rejected
            raise too_many_requests(reset_s)
        window.count += 1
        return {
            "inin-ratelimit-count": str(window.count),
            "inin-ratelimit-allowed": str(self.allowed),
            "inin-ratelimit-reset": str(reset_s),
        }

    def _window(self, token: str, now_s: float) -> Window:
        window = self._windows.get(token)
        if window is None or now_s >= window.began_s + WINDOW_S:
            self._windows = {text: other for text, other in self._windows.items() if now_s < other.began_s + WINDOW_S}
            window = self._windows[token] = Window(now_s, 0)
        return window


def too_many_requests(retry_after_s: int, limit: Mapping[str, Any] | None = None) -> ApiError:
    """The normalized 429, verbatim; `limit` is SDK 269's `Limit`: key, namespace and value."""
    message = f"Rate limit exceeded the maximum. Retry the request in [{retry_after_s}] seconds"
    headers = {"Retry-After": str(retry_after_s), "Strict-Transport-Security": "max-age=600; includeSubDomains"}
    return ApiError(429, "too.many.requests.retry.after", message, headers, limit)
