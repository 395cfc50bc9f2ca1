from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.api.oddities import Oddity
from everycall.manifest import Stray, WindowLoaded, WindowRead
from everycall.redaction import SECRET_MIN, SHOWN, Redaction

SECRET = "s3cr+t/ of=8 & more?"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LXBheWxvYWQ.q-_Zr84xT1"


def redaction(*secrets: str) -> Redaction:
    made = Redaction()
    for secret in secrets:
        made.learn(secret)
    return made


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        b64encode(SECRET.encode()).decode(),
        urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
        SECRET.upper(),
        msgspec.json.encode(SECRET).decode(),
    ],
)
def test_a_secret_is_hidden_in_every_form(form: str) -> None:
    shown = redaction(SECRET)(f"before {form} after")

    assert SHOWN in shown
    assert form.strip('"=')[1:-1] not in shown


@pytest.mark.parametrize("client_id", ["i", "id", "one", "c0ffee00-0000-4000-8000-000000000000"])
def test_a_basic_header_is_hidden_whatever_stands_before_the_secret(client_id: str) -> None:
    header = b64encode(f"{client_id}:{SECRET}".encode()).decode()
    shown = redaction(SECRET)(f"Authorization: Basic {header}")

    assert header[-20:] not in shown
    assert SHOWN in shown


def test_a_long_secret_that_is_cut_off_is_hidden() -> None:
    assert redaction(TOKEN)(f"Bearer {TOKEN[:30]}...") == f"Bearer {SHOWN}"


def test_all_secrets_that_were_learnt_are_hidden() -> None:
    assert redaction("first", "second")("first, second and third") == f"{SHOWN}, {SHOWN} and third"


@pytest.mark.parametrize(
    "start", ["Bearer ", "Basic ", "bearer ", '{"access_token":"', "access_token=", "access_token: "]
)
def test_an_unknown_value_in_the_place_of_a_token_is_hidden(start: str) -> None:
    assert Redaction()(f"{start}{TOKEN} x") == f"{start}{SHOWN} x"


def test_nothing_else_is_hidden() -> None:
    text = "The API refused the request (400 bad.request): Invalid interval. Basic authentication, Bearer token"

    assert redaction(SECRET, TOKEN)(text) == text
    assert Redaction()(text) == text


def test_a_text_too_short_to_be_a_secret_is_not_hidden() -> None:
    assert redaction("a", "", "xyz")("a xyz") == "a xyz"


@given(st.text(min_size=SECRET_MIN, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_hidden_whatever_surrounds_it(secret: str, before: str, after: str) -> None:
    shown = redaction(secret)(f"{before}{secret}{after}")

    assert secret not in shown.replace(SHOWN, "\x00") or secret in SHOWN


@given(st.binary(max_size=20), st.text(min_size=12, max_size=40), st.binary(max_size=20))
def test_no_secret_is_left_in_base64_of_something_longer(before: bytes, secret: str, after: bytes) -> None:
    whole = b64encode(before + secret.encode() + after).decode()

    assert SHOWN in redaction(secret)(whole)


def test_what_the_api_sent_is_written_down_without_secrets() -> None:
    odd = Oddity("unknown field", "c-1", f"participants.{TOKEN}", f'"Bearer {TOKEN}"', TOKEN)
    read = WindowRead(
        interval="2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z", route="query", verdict="unproven", reason=TOKEN,
        hits_before=1, hits_after=1, unique_ids=1, owned=1, carried_in=0, open=0, re_reads=0, provisional=False,
        counted_at="", strays=(Stray(conversation_id="c-1", start=TOKEN, reason="no date"),), unreadable=(odd,),
        correlation_ids=(TOKEN,),
    )  # fmt: skip
    loaded = WindowLoaded(
        interval=read.interval, rows=1, written={}, oddities={f"unknown field: {TOKEN}": 2}, oddity_examples=(odd,),
    )  # fmt: skip
    redact = redaction(TOKEN)
    written = msgspec.json.encode([read.redacted(redact), loaded.redacted(redact)]).decode()

    assert TOKEN not in written
    assert written.count(SHOWN) == 10
    assert loaded.redacted(redact).oddities == {f"unknown field: {SHOWN}": 2}
