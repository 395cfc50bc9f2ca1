"""Takes secrets out of texts. The one place that knows them; safe to use from many threads.

    redaction = Redaction()
    redaction.learn(token)
    redaction("Authorization: Bearer eyJ...")     # "Authorization: Bearer (secret)"

What follows `Bearer`, `Basic` or `access_token` is hidden even where it was not learnt: it is somebody's.
A secret that was learnt is found as it is, URL-encoded, escaped as in JSON, in hexadecimal digits, and in base64 (plain
and for URLs), there also in the middle of something longer, such as a Basic header. One that is cut off is found by its
beginning.
"""

import re
from base64 import b64encode
from urllib.parse import quote, quote_plus

import msgspec

SECRET_MIN = 4
"""A shorter one is not looked for: it would be found in every other word, and it is no secret."""

PREFIX = 12
"""Of a long secret, so much is enough to know it by."""

SHOWN = "(secret)"

_ANYBODYS = re.compile(
    r"""((?:\b(?:Bearer|Basic)\s)|access_token["']?\s?[:=]\s?["']?)[\w.~+/=-]{16,}""",
    re.IGNORECASE,
)
"""What stands where a token does, and is as long as one. No word of a message is."""


class Redaction:
    """A function from text to text that hides all secrets which it has learnt."""

    def __init__(self) -> None:
        self._forms: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secret: str) -> None:
        """From now on, hide this one too."""
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
    """What the secret looks like in other people's hands."""
    data = secret.encode("utf-8", "surrogatepass")
    escaped = msgspec.json.encode(secret.encode("utf-8", "replace").decode()).decode()[1:-1]
    cores = [core for shift in range(3) if len(core := _base64_core(data, shift)) >= 2 * SECRET_MIN]
    for_urls = [core.translate({ord("+"): "-", ord("/"): "_"}) for core in cores]
    return [secret, quote(data, safe=""), quote(data), quote_plus(data), escaped, data.hex(), *cores, *for_urls]


def _base64_core(data: bytes, shift: int) -> str:
    """The digits that stand for the data alone, where so many bytes stand before it, modulo 3."""
    digits = b64encode(b"\0" * shift + data).decode().rstrip("=")
    first = (shift * 8 + 5) // 6
    last = (shift + len(data)) * 8 // 6
    return digits[first:last]


def _expression(form: str) -> str:
    if len(form) < 2 * PREFIX:
        return re.escape(form)
    return f"(?:{re.escape(form)}|{re.escape(form[:PREFIX])}[\\w.~%+/=-]*)"
