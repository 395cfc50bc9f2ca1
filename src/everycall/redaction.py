"""Removes secrets from texts. Safe to use from many threads.

    redaction = Redaction()
    redaction.learn(token)
    redaction("Authorization: Bearer eyJ...")     # "Authorization: Bearer (secret)"

The value after `Bearer`, `Basic` or `access_token` is hidden even if it was not learned. A learned secret is found
plain, URL-encoded, escaped as in JSON, in hexadecimal digits and in base64 (standard and for URLs), in base64 also in
the middle of a longer text, such as a Basic header. A truncated secret is found by its beginning.
"""

import re
from base64 import b64encode
from urllib.parse import quote, quote_plus

import msgspec

SECRET_MIN = 4
"""Shorter secrets are ignored: they would match parts of ordinary words."""

PREFIX = 12
"""This many characters of a long secret identify it."""

SHOWN = "(secret)"

_ANYBODYS = re.compile(
    r"""((?:\b(?:Bearer|Basic)\s)|access_token["']?\s?[:=]\s?["']?)[\w.~+/=-]{16,}""",
    re.IGNORECASE,
)
"""A text in the place of a token, and as long as a token."""


class Redaction:
    """A function that replaces all learned secrets in a text."""

    def __init__(self) -> None:
        self._forms: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secret: str) -> None:
        """Hide this secret from now on."""
        if len(secret) < SECRET_MIN:
            return
        forms = {**self._forms, **dict.fromkeys(_forms(secret))}
        longest_first = sorted(forms, key=len, reverse=True)
        pattern = re.compile("|".join(map(_expression, longest_first)), re.IGNORECASE)
        self._forms, self._pattern = forms, pattern

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        text = self._pattern.sub(SHOWN, text) if self._pattern else text
        return _ANYBODYS.sub(rf"\1{SHOWN}", text)


def _forms(secret: str) -> list[str]:
    """The secret in all encodings in which it may appear."""
    data = secret.encode("utf-8", "surrogatepass")
    escaped = msgspec.json.encode(secret.encode("utf-8", "replace").decode()).decode()[1:-1]
    cores = [core for shift in range(3) if len(core := _base64_core(data, shift)) >= 2 * SECRET_MIN]
    for_urls = [core.translate({ord("+"): "-", ord("/"): "_"}) for core in cores]
    return [secret, quote(data, safe=""), quote(data), quote_plus(data), escaped, data.hex(), *cores, *for_urls]


def _base64_core(data: bytes, shift: int) -> str:
    """The base64 digits that depend on the data only, if `shift` bytes (modulo 3) come before it."""
    digits = b64encode(b"\0" * shift + data).decode().rstrip("=")
    first = (shift * 8 + 5) // 6
    last = (shift + len(data)) * 8 // 6
    return digits[first:last]


def _expression(form: str) -> str:
    if len(form) < 2 * PREFIX:
        return re.escape(form)
    return f"(?:{re.escape(form)}|{re.escape(form[:PREFIX])}[\\w.~%+/=-]*)"
