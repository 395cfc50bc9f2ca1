"""What is logged: paths without ids, and nothing that is nobody's business."""

import logging
from collections.abc import Iterator

import pytest

from everycall.api.interval import Interval
from everycall.api.names import ids_named
from everycall.api.query import Query
from everycall.attributes import seen_attributes
from everycall.errors import UnknownName
from everycall.logs import LOG, event_of, fields_of, path_template
from everycall.sandbox import Faults
from inprocess import org

UUID = "5e1ec7ed-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/oauth/token", "/oauth/token"),
        ("/api/v2/analytics/conversations/details/jobs", "/api/v2/analytics/conversations/details/jobs"),
        ("/api/v2/analytics/conversations/details/jobs/availability",
         "/api/v2/analytics/conversations/details/jobs/availability"),
        (f"/api/v2/analytics/conversations/details/jobs/{UUID}/results",
         "/api/v2/analytics/conversations/details/jobs/{id}/results"),
        ("/api/v2/analytics/conversations/details/jobs/abc", "/api/v2/analytics/conversations/details/jobs/{id}"),
        (f"/api/v2/users/{UUID}", "/api/v2/users/{id}"),
        ("/api/v2/users/ada%40example.com", "/api/v2/users/{id}"),
        ("/api/v2/limits/namespaces/platform.api", "/api/v2/limits/namespaces/platform.api"),
    ],
)  # fmt: skip
def test_a_path_is_logged_without_ids(path: str, template: str) -> None:
    assert path_template(path) == template


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """Everything that is logged."""
    found: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Keeping(logging.DEBUG)
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    yield found
    LOG.removeHandler(handler)
    LOG.setLevel(logging.NOTSET)


def test_each_request_is_one_record_with_these_fields_and_no_others(records: list[logging.LogRecord]) -> None:
    where = org(conversations_per_day=50, latency_s=0.25)
    where.client.play(ids_named("queues", ["Billing"]))
    requests = [fields_of(record) for record in records if event_of(record) == "request"]

    assert len(requests) == len(where.sandbox.requests) == 2
    assert {frozenset(fields) for fields in requests} == {
        frozenset({"method", "path", "status", "seconds", "correlation_id"})
    }
    assert {**requests[1], "correlation_id": ""} == {
        "method": "GET", "path": "/api/v2/routing/queues", "status": 200, "seconds": 0.25, "correlation_id": "",
    }  # fmt: skip
    assert len(requests[1]["correlation_id"]) == 36


def test_no_record_holds_a_secret_a_query_string_a_body_or_a_name(records: list[logging.LogRecord]) -> None:
    faults = Faults()
    faults.on(4, "503")
    faults.on(6, "429", retry_after_s=1)
    where = org(conversations_per_day=50, faults=faults)
    seen_attributes(where.client, Query(Interval.parse("2026-02-20", now=where.clock.utc())))
    with pytest.raises(UnknownName):
        where.client.play(ids_named("users", ["ada.lovelace@example.com"]))
    text = "\n".join(f"{record.getMessage()} {fields_of(record)}" for record in records)

    assert "503" in text
    assert where.client.redact(text) == text
    for private in ("ada.lovelace", "pageSize", "cursor", "interval", "?", where.client.credentials.client_secret):
        assert private not in text


def test_a_retry_is_a_warning(records: list[logging.LogRecord]) -> None:
    faults = Faults()
    faults.on(2, "503")
    where = org(conversations_per_day=50, faults=faults)
    where.client.play(ids_named("queues", ["Billing"]))

    warnings = [record.getMessage() for record in records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "answered 503" in warnings[0]


def test_nothing_is_printed_unless_a_handler_is_added(capfd: pytest.CaptureFixture[str]) -> None:
    faults = Faults()
    faults.on(2, "503")
    where = org(conversations_per_day=50, faults=faults)
    where.client.play(ids_named("queues", ["Billing"]))

    assert capfd.readouterr() == ("", "")
