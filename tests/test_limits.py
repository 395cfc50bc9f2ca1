import ast
import inspect
from collections.abc import Iterator

import pytest

from everycall.api import limits
from everycall.api.limits import (
    FRESHNESS,
    HITS_MAX,
    PAGE_SIZE_MAX,
    REBUILT_AFTER,
    SETTLED_AFTER,
    SPAN_FILTERED,
    SPAN_UNFILTERED,
    WINDOW_HITS_DEFAULT,
    RateLimit,
)


def constants() -> Iterator[tuple[str, str]]:
    """Each constant of the module, and the docstring under it."""
    body = ast.parse(inspect.getsource(limits)).body
    for node, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            doc = below.value if isinstance(below, ast.Expr) else None
            yield node.targets[0].id, str(doc.value) if isinstance(doc, ast.Constant) else ""


@pytest.mark.parametrize(("name", "doc"), list(constants()))
def test_every_limit_has_a_description_and_a_source(name: str, doc: str) -> None:
    marks = ("Source", "Ours", "measured", "captures", "production", "help.mypurecloud.com", "server")

    assert name.isupper()
    assert any(mark in doc for mark in marks), f"{name} has no source"


def test_the_numbers_fit_together() -> None:
    assert HITS_MAX % PAGE_SIZE_MAX == 0
    assert WINDOW_HITS_DEFAULT < HITS_MAX
    assert SPAN_UNFILTERED < SPAN_FILTERED
    assert FRESHNESS < REBUILT_AFTER < SETTLED_AFTER


def test_the_rate_limit_is_three_headers() -> None:
    headers = {"inin-ratelimit-count": "17", "inin-ratelimit-allowed": "300", "inin-ratelimit-reset": "42"}

    assert RateLimit.read(headers) == RateLimit(17, 300, 42)


def test_missing_rate_limit_headers_are_none() -> None:
    assert RateLimit.read({"content-type": "application/json"}) == RateLimit(None, None, None)


@pytest.mark.parametrize("written", ["", "many", "-1", "nan", "inf", "1e12", "12;w=60"])
def test_a_header_that_is_no_sensible_number_counts_as_missing(written: str) -> None:
    names = ("count", "allowed", "reset")

    assert RateLimit.read({f"inin-ratelimit-{name}": written for name in names}) == RateLimit(None, None, None)


def test_a_reset_of_zero_counts_and_an_allowance_of_zero_does_not() -> None:
    zeros = {"inin-ratelimit-count": "0", "inin-ratelimit-allowed": "0", "inin-ratelimit-reset": "0"}

    assert RateLimit.read(zeros) == RateLimit(0, None, 0)
