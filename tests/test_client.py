import json
import random
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from clocks import NOON, StillClock
from everycall import (
    Client,
    Credentials,
    CredentialsMissing,
    CredentialsRefused,
    Interval,
    PermissionMissing,
    Query,
    QueryError,
    QueryRefused,
    ServiceFailed,
    SettingsError,
    TimedOut,
    UnknownName,
    Unreachable,
)
from everycall.api.auth import VARIABLES
from everycall.api.details_query import count
from everycall.api.exchange import Broken, Exchange, Request, Response, TooSlow
from everycall.api.limits import RETRY_AFTER_MAX_S
from everycall.api.names import Unavailable, listing
from everycall.client import PATIENCE_S, WAIT_MAX_S, Closed
from everycall.sandbox import QUERY
from everycall.sandbox.answers import Request as Asked
from inprocess import MONDAY, Org, client_of, org

ME = Request("GET", "/api/v2/organizations/me")
QUESTION = Query(Interval.read(MONDAY))
LOGIN = b'{"access_token":"hush","token_type":"bearer","expires_in":86399}'


class Scripted:
    """A connection that gives the answers of a list, one after the other, the last one for ever."""

    def __init__(self, *answers: Response | Broken, clock: StillClock | None = None, login: bytes = LOGIN) -> None:
        self._answers, self._login = list(answers), login
        self._clock = clock or StillClock()
        self.sent_s: list[float] = []
        """When each request came, logins apart."""
        self.logins = 0

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:  # noqa: ARG002
        if url.endswith("/oauth/token"):
            self.logins += 1
            return Response(200, {}, self._login)
        self.sent_s.append(self._clock.monotonic())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Broken):
            raise answer
        return answer

    def close(self) -> None:
        pass


def asked(*answers: Response | Broken, login: bytes = LOGIN) -> tuple[Client, Scripted, StillClock]:
    """A client whose questions get these answers."""
    clock = StillClock()
    connection = Scripted(*answers, clock=clock, login=login)
    credentials = Credentials("id", "swordfish", "http://127.0.0.1")
    return Client(credentials, connection=connection, clock=clock, rng=random.Random(1)), connection, clock


def counted(where: Org) -> int:
    return where.client.play(count(QUESTION, QUESTION.interval))


OK = Response(200, {}, b"{}")

MARGIN_S = 1.5
"""How much longer than it has to the pacer may wait."""


# Tokens


def test_a_token_is_taken_once_by_many_threads() -> None:
    where = org(conversations_per_day=5)
    threads = [threading.Thread(target=where.client.send, args=(ME,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert where.client.counts().tokens == 1
    assert [served.path for served in where.sandbox.requests].count("/oauth/token") == 1


def test_many_threads_replace_a_dead_token_once() -> None:
    """Each thread gets a 401, and only one of them logs in."""
    where = org(conversations_per_day=5)
    where.client.send(ME)
    where.sandbox.revoke_tokens()
    threads = [threading.Thread(target=where.client.send, args=(ME,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert where.client.counts().tokens == 2


def test_a_token_is_renewed_before_it_expires() -> None:
    where = org(conversations_per_day=5)
    where.client.send(ME)
    where.clock.advance(86_399 - 301)
    where.client.send(ME)
    assert where.client.counts().tokens == 1

    where.clock.advance(2)
    where.client.send(ME)

    assert where.client.counts().tokens == 2
    assert [served.status for served in where.sandbox.requests] == [200] * 5


def test_a_second_refusal_of_the_token_is_final() -> None:
    where = org(conversations_per_day=5)
    where.sandbox.faults.on(None, "401", path="/organizations")

    with pytest.raises(CredentialsRefused, match=r"401 bad\.credentials") as refused:
        where.client.send(ME)
    assert where.client.counts().tokens == 2
    assert refused.value.correlation_id


@pytest.mark.parametrize("life_s", [0, 1, 60])
def test_a_token_with_a_very_short_life_is_not_renewed_for_each_request(life_s: int) -> None:
    """A lifetime of some seconds must not lead to a login before every request."""
    login = b'{"access_token":"hush","expires_in":%d}' % life_s
    client, connection, _ = asked(OK, login=login)
    for _ in range(20):
        client.send(ME)

    assert connection.logins == 1


@pytest.mark.parametrize(("life_s", "used_s"), [(86_399, 86_099), (3_600, 3_300), (600, 540), (100, 90), (0, 60)])
def test_a_token_is_used_for_nine_tenths_of_its_life_or_until_five_minutes_before_its_end(
    life_s: int, used_s: float
) -> None:
    client, connection, clock = asked(OK, login=b'{"access_token":"hush","expires_in":%d}' % life_s)
    client.send(ME)
    clock.advance(used_s - 1)
    client.send(ME)
    assert connection.logins == 1

    clock.advance(1)
    client.send(ME)
    assert connection.logins == 2


def test_a_token_that_cannot_be_sent_is_an_error_that_does_not_show_it() -> None:
    client, connection, clock = asked(OK, login=b'{"access_token":"s3cret-t0ken\\n"}')
    with pytest.raises(CredentialsRefused, match="cannot be sent") as refused:
        client.send(ME)

    assert connection.logins == 1
    assert clock.waits_s == []
    assert "s3cret-t0ken" not in str(refused.value) + refused.value.hint


def test_a_login_that_is_refused_is_not_tried_again() -> None:
    where = org(conversations_per_day=5)
    client = client_of(where.sandbox, where.clock, where.connection, secret="wrong")
    with pytest.raises(CredentialsRefused):
        client.send(ME)

    assert len(where.sandbox.requests) == 1


def test_a_login_waits_when_it_is_rate_limited() -> None:
    where = org(conversations_per_day=5)
    where.sandbox.faults.on(range(1, 4), "429", path="/oauth", retry_after_s=7)
    where.client.send(ME)

    assert where.clock.monotonic() >= 21
    assert len(where.sandbox.requests) == 5


def test_a_login_is_retried_while_the_service_fails() -> None:
    where = org(conversations_per_day=5)
    where.sandbox.faults.on(range(1, 4), "503", path="/oauth")

    assert where.client.send(ME).status == 200
    assert where.client.counts().tokens == 1


# The rate limit


def test_a_429_waits_the_seconds_that_it_says() -> None:
    client, connection, _ = asked(Response(429, {"retry-after": "42"}), OK)
    client.send(ME)

    assert connection.sent_s == [0, pytest.approx(42, abs=MARGIN_S)]
    assert client.counts().rejected == 1


def test_a_429_waits_until_the_date_that_it_says() -> None:
    date = format_datetime(NOON + timedelta(seconds=33), usegmt=True)
    client, connection, _ = asked(Response(429, {"retry-after": date}), OK)
    client.send(ME)

    assert connection.sent_s == [0, pytest.approx(33, abs=MARGIN_S)]


def test_a_429_without_retry_after_waits_for_the_end_of_the_rate_window() -> None:
    client, connection, _ = asked(Response(429, {"inin-ratelimit-reset": "17"}), OK)
    client.send(ME)

    assert connection.sent_s[1] >= 17


@pytest.mark.parametrize("retry_after", [None, "", "soon", "0", "-3", "nan", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_repeated_429s_without_a_usable_retry_after_are_retried_after_growing_waits(retry_after: str | None) -> None:
    """The header is missing, in the past, or no number."""
    headers = {"retry-after": retry_after} if retry_after is not None else {}
    client, connection, _ = asked(*[Response(429, headers)] * 9, OK)
    client.send(ME)

    gaps = [b - a for a, b in zip(connection.sent_s, connection.sent_s[1:], strict=False)]
    assert all(gap > 0.4 for gap in gaps)
    assert gaps[-1] > 10 * gaps[0]


@pytest.mark.parametrize("odd", ["99999999999", "Thu, 01 Jan 99999999999 00:00:00 GMT", "9" * 5000, "1e400", "\x1b[2J"])
def test_an_invalid_retry_after_does_not_crash_the_client(odd: str) -> None:
    client, connection, _ = asked(Response(429, {"retry-after": odd}), Response(503, {"retry-after": odd}), OK)

    assert client.send(ME).status == 200
    assert connection.sent_s[-1] <= 2 * RETRY_AFTER_MAX_S + 2 * MARGIN_S


@pytest.mark.parametrize("asked_s", ["86400", "inf"])
def test_a_429_that_asks_for_a_day_is_retried_after_three_minutes(asked_s: str) -> None:
    client, connection, _ = asked(Response(429, {"retry-after": asked_s}), OK)
    client.send(ME)

    assert connection.sent_s == [0, pytest.approx(180, abs=MARGIN_S)]


def test_a_429_stops_all_threads() -> None:
    client, connection, _ = asked(Response(429, {"retry-after": "30"}), OK)
    client.send(ME)
    client.send(ME)

    assert connection.sent_s[1] == connection.sent_s[2] == pytest.approx(30, abs=MARGIN_S)


def test_a_rate_limit_that_never_lets_anything_through_ends_with_an_error() -> None:
    client, _, clock = asked(Response(429, {"retry-after": "60", "inin-correlation-id": "abc"}))

    with pytest.raises(ServiceFailed, match=r"allowed no request for 9\d\d s") as failed:
        client.send(ME)
    assert failed.value.correlation_id == "abc"
    assert clock.monotonic() == pytest.approx(PATIENCE_S, abs=60)


# What is tried again


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 507])
def test_a_request_to_a_failing_service_is_retried(status: int) -> None:
    client, connection, _ = asked(*[Response(status, {}, b"<html>")] * 3, OK)

    assert client.send(ME).decoded == {}
    assert len(connection.sent_s) == 4
    assert client.counts().retried == 3


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 415])
def test_a_refused_request_is_never_retried(status: int) -> None:
    client, connection, clock = asked(Response(status, {}, b"{}"), OK)

    assert client.send(ME).status == status
    assert len(connection.sent_s) == 1
    assert clock.waits_s == []


@pytest.mark.parametrize("status", [301, 302, 501])
def test_an_error_that_no_retry_can_change_ends_at_once(status: int) -> None:
    client, connection, _ = asked(Response(status, {}, b""))

    with pytest.raises(ServiceFailed, match=str(status)):
        client.send(ME)
    assert len(connection.sent_s) == 1


def test_the_waits_grow_and_are_capped_and_jittered() -> None:
    client, _, clock = asked(*[Broken("the connection broke")] * 12, OK)
    client.send(ME)

    longest = [min(WAIT_MAX_S, 2.0**n) for n in range(12)]
    assert all(top / 2 <= wait <= top for wait, top in zip(clock.waits_s, longest, strict=True))
    assert len({round(wait / top, 3) for wait, top in zip(clock.waits_s, longest, strict=True)}) == 12


def test_two_clients_do_not_retry_at_the_same_instant() -> None:
    credentials = Credentials("id", "secret", "http://127.0.0.1")
    waits = []
    for seed in (1, 2):
        clock = StillClock()
        connection = Scripted(OK, Broken("x"), Broken("x"), OK, clock=clock)
        client = Client(credentials, connection=connection, clock=clock, rng=random.Random(seed))
        client.send(ME)
        client.send(ME)
        waits.append(clock.waits_s)

    assert waits[0] != waits[1]


def test_the_retry_after_of_a_failing_service_is_respected() -> None:
    client, connection, _ = asked(Response(503, {"retry-after": "25"}), OK)
    client.send(ME)

    assert connection.sent_s == [0, 25]


def test_giving_up_on_a_service_mentions_that_the_export_resumes() -> None:
    client, _, clock = asked(OK, Response(503, {"inin-correlation-id": "abc"}, b'{"message":"Down."}'))
    client.send(ME)

    with pytest.raises(ServiceFailed, match="answered 503: Down") as failed:
        client.send(ME)
    assert failed.value.correlation_id == "abc"
    assert "continues from here" in failed.value.hint
    assert PATIENCE_S <= clock.monotonic() <= PATIENCE_S + WAIT_MAX_S


def test_a_network_that_never_answered_is_given_up_after_seconds() -> None:
    """A wrong proxy or region must not keep the user waiting for a quarter of an hour."""
    where = org(conversations_per_day=5)
    where.sandbox.faults.on(None, "reset")

    with pytest.raises(Unreachable, match="the connection broke") as unreachable:
        where.client.send(ME)
    assert where.clock.monotonic() < 60
    assert "GENESYS_ENV" in unreachable.value.hint


def test_a_first_request_that_hangs_is_retried() -> None:
    where = org(conversations_per_day=5)
    where.sandbox.faults.on(range(1, 3), "hang")

    assert where.client.send(ME).status == 200


@pytest.mark.parametrize("kind", ["hang", "reset", "cut", "cut_json", "cut_gzip", "bad_gzip", "html"])
def test_an_answer_broken_in_any_way_is_asked_for_again(kind: str) -> None:
    """Three answers in a row hang, break off or are no JSON; the fourth one counts."""
    where = org(conversations_per_day=50)
    truth = counted(where)
    where.sandbox.faults.on(range(1, 4), kind, path=QUERY)

    assert counted(where) == truth == len(where.truth())
    assert where.client.counts().retried == 3


# What a request bounds by itself


def test_a_request_can_limit_its_number_of_tries() -> None:
    client, connection, _ = asked(OK, Response(503))
    client.send(ME)

    with pytest.raises(ServiceFailed, match="after 3 tries"):
        client.send(replace(ME, tries=3))
    assert len(connection.sent_s) == 1 + 3


def test_a_request_can_limit_the_time_of_its_tries() -> None:
    client, _, clock = asked(OK, Response(503))
    client.send(ME)

    with pytest.raises(ServiceFailed):
        client.send(replace(ME, patience_s=20))
    assert 20 <= clock.monotonic() <= 21


def test_the_rate_limit_does_not_count_against_a_request_s_own_bounds() -> None:
    client, connection, _ = asked(OK, *[Response(429, {"retry-after": "60"})] * 5, Response(503), OK)
    client.send(ME)

    assert client.send(replace(ME, tries=2, patience_s=20)).status == 200
    assert len(connection.sent_s) == 8


@pytest.mark.parametrize("end", [Response(504), TooSlow("no answer in time")])
def test_a_request_can_ask_to_fail_after_several_timeouts_in_a_row(end: Response | Broken) -> None:
    client, connection, _ = asked(OK, end)
    client.send(ME)

    with pytest.raises(TimedOut, match="2 times in a row") as timed_out:
        client.send(replace(ME, attempts_on_timeout=2))
    assert len(connection.sent_s) == 1 + 2
    assert "shorter interval" in timed_out.value.hint


def test_only_consecutive_timeouts_count_as_timeouts_in_a_row() -> None:
    """Any other answer in between starts the count anew."""
    client, connection, _ = asked(OK, *[Response(504), Response(503)] * 3, OK)
    client.send(ME)

    assert client.send(replace(ME, attempts_on_timeout=2)).status == 200
    assert len(connection.sent_s) == 8


def test_an_exchange_that_can_do_without_an_answer_continues() -> None:
    client, _, _ = asked(OK, Response(503))
    client.send(ME)

    def patient() -> Exchange[str]:
        try:
            yield replace(ME, tries=1)
        except ServiceFailed as error:
            return f"without it: {error}"
        return "with it"

    assert client.play(patient()).startswith("without it: Gave up")


@pytest.mark.parametrize("status", [301, 302, 401, 405, 409, 410, 422, 500, 501, 503])
def test_a_look_up_of_names_that_fails_costs_seconds_and_names(status: int) -> None:
    client, _, clock = asked(OK, Response(status))
    client.send(ME)
    found = client.play(listing("queues"))

    assert isinstance(found, Unavailable)
    assert clock.monotonic() < 60


def test_a_look_up_of_names_that_the_rate_limit_always_turns_away_is_given_up() -> None:
    client, connection, clock = asked(OK, Response(429, {"retry-after": "1"}))
    client.send(ME)
    found = client.play(listing("queues"))

    assert isinstance(found, Unavailable)
    assert len(connection.sent_s) == 1 + 6
    assert clock.monotonic() < 60


def test_trouble_is_reported_while_it_lasts_and_no_longer() -> None:
    client, _, clock = asked(OK, Response(503, {}, b'{"message":"Down."}'), OK)
    client.send(ME)
    seen: list[str] = []
    clock.on_wait = lambda: seen.append(client.counts().trouble)
    client.send(ME)

    assert seen == ["the service answered 503: Down; trying again in 1 s"]
    assert client.counts().trouble == ""


# Refusals, through the exchange


def test_a_missing_permission_is_named() -> None:
    where = org(conversations_per_day=5)
    where.sandbox.faults.on(None, "403", path=QUERY)

    with pytest.raises(PermissionMissing, match=r"403 not\.authorized"):
        counted(where)
    assert len(where.queries) == 1


def test_a_refused_query_is_not_asked_again() -> None:
    where = org(conversations_per_day=5)
    where.sandbox.faults.on(None, "400", path=QUERY)

    with pytest.raises(QueryRefused, match=r"400 bad\.request"):
        counted(where)
    assert len(where.queries) == 1


# Secrets


def test_no_message_holds_the_secret_or_the_token() -> None:
    client, _, _ = asked(Response(401, {}, b'{"code":"bad.credentials"}'))
    with pytest.raises(CredentialsRefused) as refused:
        client.send(ME)
    words = [repr(client), repr(client.credentials), repr(client._token), repr(refused.value), str(client.counts())]
    words += [repr(Request("POST", "/oauth/token", login=("id", "swordfish")))]

    assert not any("swordfish" in one or "hush" in one for one in words)


def test_a_server_s_text_is_shown_without_secrets_and_control_characters() -> None:
    message = "You sent Basic aWQ6c3dvcmRmaXNo (id:swordfish), Bearer hush\x1b[2J\nProven: 7"
    body = json.dumps({"message": message, "code": "hush"}).encode()
    client, _, _ = asked(Response(400, {"inin-correlation-id": "hush"}, body))

    with pytest.raises(QueryRefused) as refused:
        client.play(count(QUESTION, QUESTION.interval))
    text = f"{refused.value} {refused.value.hint} {refused.value.correlation_id}"
    assert not [secret for secret in ("swordfish", "hush", "c3dvcmRmaXNo", "\x1b", "\n") if secret in text]


def test_trouble_that_is_reported_holds_neither_secret_nor_control_character() -> None:
    body = b'{"message":"Bearer hush \\u001b[2J"}'
    client, _, clock = asked(Response(503, {}, body), OK)
    seen: list[str] = []
    clock.on_wait = lambda: seen.append(client.counts().trouble)
    client.send(ME)

    assert seen == [r"the service answered 503: Bearer (secret) \x1b[2J; trying again in 1 s"]


def test_a_client_redacts_whatever_it_is_given() -> None:
    client, _, _ = asked(OK)
    client.send(ME)

    assert client.redact("swordfish and hush") == "(secret) and (secret)"


# Closing


class Holding(StillClock):
    """Holds who waits until somebody wakes them up."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()
        self.woken: list[bool] = []

    def wait(self, condition: threading.Condition, seconds: float) -> None:  # noqa: ARG002
        self.waiting.set()
        self.woken.append(condition.wait(20))


def test_closing_a_client_ends_the_threads_that_wait_in_it() -> None:
    """The thread waits for a rate limit that nobody will lift: only the close can end it."""
    where, clock = org(conversations_per_day=5), Holding()
    client = client_of(where.sandbox, clock, where.connection)
    where.sandbox.faults.on(1, "429", path="/organizations", retry_after_s=60)
    ended: list[bool] = []

    def ask() -> None:
        with pytest.raises(Closed):
            client.send(ME)
        ended.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    assert clock.waiting.wait(20)
    client.close()
    thread.join(20)

    assert clock.woken == ended == [True]
    assert where.connection.is_closed


def test_an_answer_wakes_the_threads_that_wait_for_room() -> None:
    """One asks first, and brings home how many may."""
    where, clock = org(conversations_per_day=5), Holding()
    client = client_of(where.sandbox, clock, where.connection)

    def before(request: Asked) -> None:
        assert "oauth" in request.path or clock.waiting.wait(20)

    where.connection.before = before
    threads = [threading.Thread(target=client.send, args=[ME]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert clock.woken == [True]


def test_a_closed_client_sends_nothing() -> None:
    where = org(conversations_per_day=5)
    with where.client as client:
        client.send(ME)
    with pytest.raises(Closed):
        client.send(ME)

    assert len(where.sandbox.requests) == 2


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_the_share_of_the_rate_limit_is_above_0_and_at_most_1(share: float) -> None:
    with pytest.raises(SettingsError, match="rate"):
        Client(Credentials("id", "secret", "eu-central-1"), connection=Scripted(OK), rate_share=share)


def test_an_invalid_region_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(SettingsError, match="not a region, domain or base URL"):
        Client(Credentials("id", "secret", "mars"), connection=Scripted(OK))


def test_http_to_another_machine_is_refused_unless_it_is_allowed() -> None:
    credentials = Credentials("id", "secret", "http://sandbox:8080")
    with pytest.raises(SettingsError, match="http://"):
        Client(credentials, connection=Scripted(OK))

    assert Client(credentials, connection=Scripted(OK), allow_http=True).send(ME).status == 200


# Made from the environment


def test_a_client_has_the_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    where = org(conversations_per_day=20)
    for name, value in where.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    with Client.from_env(connection=where.connection, clock=where.clock) as client:
        found = client.ids("queues", "billing")

    queues = where.sandbox.store.world.entities("queues")
    assert found == [queue["id"] for queue in queues if queue["name"] == "Billing"]
    assert client.credentials.source == "the environment"


def test_without_credentials_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CredentialsMissing, match="are not set") as caught:
        Client.from_env()

    assert "everycall profile add NAME" in caught.value.hint


def test_a_profile_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SettingsError, match="There is no profile 'live'"):
        Client.from_env("live")


def test_a_kind_of_names_that_does_not_exist_is_refused_with_those_that_do() -> None:
    where = org(conversations_per_day=20)
    with pytest.raises(QueryError, match="There is no kind 'agents' of names") as caught:
        where.client.ids("agents", "Ada")  # type: ignore[arg-type]

    assert caught.value.hint == "The kinds are queues, users, wrapupcodes, divisions."
    assert not where.sandbox.requests


def test_an_unknown_name_is_the_error_of_the_command() -> None:
    where = org(conversations_per_day=20)
    with pytest.raises(UnknownName, match="The org has no queue called 'Biling'") as caught:
        where.client.ids("queues", ["Billing", "Biling"])

    assert "Billing" in caught.value.hint
