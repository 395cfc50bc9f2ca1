"""`doctor` names what is wrong, and the next step: one planted fault at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from clocks import StillClock
from everycall.api.exchange import Response
from everycall.doctor import Finding, State, examine, in_role
from everycall.sandbox import JOBS, QUERY, Faults, Sandbox, Switches
from everycall.sandbox import Client as SandboxClient
from everycall.sandbox.oauth import PERMISSIONS
from inprocess import InProcess, Org, client_of, org


def healthy() -> Org:
    return org(conversations_per_day=50)


def with_client(**client: Any) -> Callable[[], Org]:
    """An org whose OAuth client has other permissions or divisions."""
    return lambda: org(conversations_per_day=50, clients=[SandboxClient("someone", "secret", **client)])


def without(*permissions: str) -> Callable[[], Org]:
    return with_client(permissions=PERMISSIONS - set(permissions))


def switched(**switches: Any) -> Callable[[], Org]:
    return lambda: org(conversations_per_day=50, switches=Switches(**switches))


def faulty(kind: str, *, path: str = "", at: object = None, **options: Any) -> Callable[[], Org]:
    def made() -> Org:
        faults = Faults()
        faults.on(at, kind, path=path, **options)  # type: ignore[arg-type]
        return org(conversations_per_day=50, faults=faults)

    return made


def clock_off(ahead: timedelta) -> Callable[[], Org]:
    """A client whose clock is ahead of the org's."""

    def made() -> Org:
        clock = StillClock()
        where = org(clock, conversations_per_day=50)
        off = StillClock(clock.utc() + ahead)
        return replace(where, client=client_of(where.sandbox, off, InProcess(where.sandbox, off)))

    return made


def logging_in(**credentials: str) -> Callable[[], Org]:
    """A client with other credentials than the org has."""

    def made() -> Org:
        where = healthy()
        return replace(where, client=client_of(where.sandbox, where.clock, where.connection, **credentials))

    return made


@dataclass
class Changing(InProcess):
    """A connection on which answers are changed on their way."""

    sandbox: Sandbox
    clock: StillClock
    change: Callable[[Response], Response] = field(default=lambda response: response)

    def __post_init__(self) -> None:
        super().__init__(self.sandbox, self.clock)

    def send(self, *request: Any, **more: Any) -> Response:
        return self.change(super().send(*request, **more))


def changed(change: Callable[[Response], Response]) -> Callable[[], Org]:
    def made() -> Org:
        where = healthy()
        connection = Changing(where.sandbox, where.clock, change)
        return replace(where, client=client_of(where.sandbox, where.clock, connection))

    return made


def without_date(response: Response) -> Response:
    return replace(response, headers={name: value for name, value in response.headers.items() if name != "date"})


def shared_token(response: Response) -> Response:
    counted = {"inin-ratelimit-count": "250"} if "inin-ratelimit-count" in response.headers else {}
    return replace(response, headers={**response.headers, **counted})


@dataclass(frozen=True)
class Fault:
    """What is wrong with the org, and what the doctor has to say about it."""

    happens: str
    made: Callable[[], Org]
    check: str
    state: State
    message: str
    hint: str


FAULTS = (
    Fault("the secret is wrong", logging_in(secret="another secret"), "login", "wrong",
          "authentication failed", "Check GENESYS_CLIENT_SECRET and GENESYS_ENV"),
    Fault("the region does not know the client", logging_in(client_id="5e1ec7ed"), "login", "wrong",
          "client not found", "Check GENESYS_CLIENT_ID and GENESYS_ENV"),
    Fault("every token is refused", faulty("401", path="GET "), "login", "wrong",
          "refused a token that was just issued", "Check that GENESYS_ENV is the region"),
    Fault("the service is down", faulty("503"), "connection", "wrong",
          "answered 503", "Check the network, the proxy settings (HTTPS_PROXY) and GENESYS_ENV"),
    Fault("the address is another service's", faulty("404", path="GET "), "connection", "wrong",
          "404", "Check GENESYS_ENV: the address may belong to something else"),
    Fault("no answer comes", faulty("hang"), "connection", "wrong",
          "no answer in time", "Check the network"),
    Fault("the client has no role", with_client(permissions=frozenset()), "conversations", "wrong",
          "lacks analytics:conversationDetail:view or analytics:agentConversationDetail:view",
          "Analytics > Conversation Detail > View"),
    Fault("queue names are not permitted", without("routing:queue:view"), "names of queues", "warning",
          "lacks routing:queue:view. Rows have ids", "Routing > Queue > View"),
    Fault("wrap-up names are not permitted", without("routing:wrapupCode:view"), "names of wrap-up codes", "warning",
          "lacks routing:wrapupCode:view. Rows have ids", "Routing > Wrapup Code > View"),
    Fault("names of users fail", faulty("500", path="/users"), "names of users", "warning",
          "so rows have ids instead", "Give ids instead of names"),
    Fault("jobs are forbidden", without("analytics:conversationDetail:view"), "jobs", "warning",
          "lacks analytics:conversationDetail:view", "Analytics > Conversation Detail > View"),
    Fault("the org has no jobs", faulty("404", path=JOBS), "jobs", "warning",
          "cannot be used", "Use --route query"),
    Fault("the lake is 40 hours behind", switched(data_lake_lag_s=40 * 3600), "jobs", "warning",
          "40 h ago: more than usual", "Use --route query or auto"),
    Fault("the lake is 60 hours behind", switched(data_lake_lag_s=60 * 3600), "jobs", "warning",
          "bound of 48 hours", "ask the vendor's support"),
    Fault("the org deletes after 90 days", switched(retention_days=90), "retention", "warning",
          "deletes conversations after 90 days", "Export at least every 90 days"),
    Fault("the retention is not permitted", without("analytics:dataRetention:view"), "retention", "warning",
          "cannot be seen", "Analytics > Data Retention > View"),
    Fault("the clock is ten minutes ahead", clock_off(timedelta(minutes=10)), "clock", "wrong",
          "10 min ahead of the API's", "Set the clock"),
    Fault("the clock is ten minutes behind", clock_off(timedelta(minutes=-10)), "clock", "warning",
          "10 min behind the API's", "Set the clock"),
    Fault("answers have no Date", changed(without_date), "clock", "warning",
          "cannot be checked", "time server"),
    Fault("the limit is lowered", lambda: org(conversations_per_day=50, rate_limit=60), "limits", "warning",
          "allows 60 requests a minute", "can raise client.credentials.token.rate.per.minute"),
    Fault("the limits cannot be seen", faulty("403", path="limits"), "limits", "warning",
          "cannot be seen", "assume 300 requests a minute"),
    Fault("the limit is used up by others", faulty("429", at=3, retry_after_s=2), "rate", "warning",
          "refused because the rate limit was used up", "Another program may use the same OAuth client"),
    Fault("others use the token", changed(shared_token), "rate", "warning",
          "but only", "Another program may use the same OAuth client"),
    Fault("one division of three is seen", with_client(division_ids=frozenset()), "divisions", "warning",
          "sees 0 of 3 divisions: none", "add their divisions to the roles"),
    Fault("the divisions cannot be seen", switched(divisions_permitted="400"), "divisions", "warning",
          "cannot be seen (400", "Look at the divisions of each role"),
    Fault("no conversation is seen", lambda: org(conversations=[]), "conversations", "warning",
          "sees no conversation of the last 24 hours", "add their divisions"),
    Fault("the org refuses the count", faulty("400", path=QUERY), "conversations", "wrong",
          "They cannot be counted", "Change the query"),
    Fault("personal data is masked", switched(pii_masking=True), "masking", "warning",
          "mask personal data in reports", "Look at a small export first"),
    Fault("the settings cannot be seen", faulty("403", path="reporting/settings"), "masking", "warning",
          "cannot be seen", "Ask an administrator"),
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.happens)
def test_a_planted_fault_is_named_with_its_next_step(fault: Fault) -> None:
    found = {finding.check: finding for finding in examine(fault.made().client)}

    finding = found[fault.check]
    assert finding.state == fault.state
    assert fault.message in finding.message
    assert fault.hint in finding.hint


CHECKS = [
    "login", "limits", "clock", "conversations", "names of queues", "names of wrap-up codes", "names of users",
    "divisions", "jobs", "retention", "masking", "rate",
]  # fmt: skip


def test_a_healthy_org_has_no_finding_that_needs_a_step() -> None:
    where = healthy()
    findings = list(examine(where.client))

    assert [finding.check for finding in findings] == CHECKS
    assert {finding.state for finding in findings} == {"ok"}
    assert not any(finding.hint for finding in findings)


def test_it_asks_few_requests_and_exports_nothing() -> None:
    where = healthy()
    list(examine(where.client))

    assert len(where.sandbox.requests) <= 14
    assert [served.body["paging"]["pageSize"] for served in where.queries] == [1]
    assert not [served for served in where.sandbox.requests if served.method == "POST" and served.path == JOBS]


def test_what_is_not_ok_always_has_a_next_step() -> None:
    for fault in FAULTS:
        for finding in examine(fault.made().client):
            assert (finding.state == "ok") != bool(finding.hint), finding


def test_nothing_is_asked_after_a_login_that_fails() -> None:
    where = logging_in(secret="another secret")()

    assert [finding.check for finding in examine(where.client)] == ["login"]


def test_no_finding_holds_the_secret_or_the_token() -> None:
    for fault in FAULTS:
        where = fault.made()
        texts = "".join(f"{finding.message}{finding.hint}" for finding in examine(where.client))

        assert where.client.redact(texts) == texts
        assert where.client.credentials.client_secret not in texts


def test_a_few_seconds_of_network_are_no_clock_that_is_off() -> None:
    where = org(conversations_per_day=50, latency_s=8.0)
    clock = next(finding for finding in examine(where.client) if finding.check == "clock")

    assert clock == Finding("clock", "ok", "This machine's clock agrees with the API's.")


def test_a_permission_is_shown_as_a_role_has_it() -> None:
    assert in_role("analytics:conversationDetail:view") == "Analytics > Conversation Detail > View"
