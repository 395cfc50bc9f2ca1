from typing import Any

import pytest
from made import caller

from everycall.sandbox import Switches

LIMITS = "/api/v2/organizations/limits"


def values(namespace: str, *, rate_limit: int = 300, **switches: Any) -> dict[str, int]:
    """The values of a namespace by their keys."""
    client = caller([], rate_limit=rate_limit, switches=Switches(**switches))
    content = client.get(f"{LIMITS}/namespaces/{namespace}")[2]
    assert all(entity["namespace"] == namespace.partition("/")[0] for entity in content["entities"])
    return {entity["key"]: entity["value"] for entity in content["entities"]}


def test_the_limits_of_requests_are_those_that_the_sandbox_keeps() -> None:
    assert values("platform.api", rate_limit=30) == {
        "client.credentials.token.rate.per.minute": 30,
        "token.rate.per.minute": 300,
        "org.app.user.rate.per.minute": 3000,
        "request.bytes.max": 512_000,
    }
    assert values("platform.api/defaults", rate_limit=30)["client.credentials.token.rate.per.minute"] == 300


def test_limits_of_jobs_are_listed_where_a_switch_sets_them() -> None:
    assert values("analytics") == {}
    assert values("analytics", jobs_at_a_time_max=5, jobs_per_second_max=2) == {
        "details.jobs.concurrent.access.max": 5,
        "details.jobs.rate.per.second": 2,
    }
    assert values("analytics/defaults", jobs_at_a_time_max=5) == {}


@pytest.mark.parametrize("path", ["nonsense", "nonsense/defaults"])
def test_an_unknown_namespace_is_a_404(path: str) -> None:
    assert caller([]).get(f"{LIMITS}/namespaces/{path}")[0] == 404


def test_every_namespace_that_is_listed_can_be_asked_for() -> None:
    client = caller([])
    names = client.get(f"{LIMITS}/namespaces?pageSize=100")[2]["entities"]

    assert {client.get(f"{LIMITS}/namespaces/{name}")[0] for name in names} == {200}
    assert names == [namespace["name"] for namespace in client.get(f"{LIMITS}/docs")[2]["namespaces"]]


def test_a_default_that_nobody_knows_is_not_documented() -> None:
    docs = caller([]).get(f"{LIMITS}/docs")[2]["namespaces"]
    defaults = {limit["key"]: limit.get("defaultValue") for namespace in docs for limit in namespace["limits"]}

    assert defaults["details.jobs.concurrent.access.max"] is None
    assert defaults["client.credentials.token.rate.per.minute"] == 300


def test_limits_need_no_permission_and_nothing_is_masked() -> None:
    assert caller([]).get("/api/v2/analytics/reporting/settings")[2] == {
        "piiMaskingEnabled": False,
        "queueAgentAccessObfuscation": False,
        "myInteractionsPiiMaskingEnabled": False,
    }


def test_masking_is_a_setting_that_a_switch_turns_on() -> None:
    client = caller([], switches=Switches(pii_masking=True))

    assert client.get("/api/v2/analytics/reporting/settings")[2]["piiMaskingEnabled"] is True
