"""The page of `everycall report` in a real browser, at the width of a phone and at that of a desk."""

import html
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from browsing import visit

from centre_by_sql import NOW, SIZE_MAX, Centre, opened
from everycall.analysis.report.gathering import ReportOptions, gather
from everycall.analysis.report.page import page

HOSTILE = (
    "</script><script>top.document.title='run'</script><img src=x onerror=\"top.document.title='run'\">\u2028\"'<!--"
)

PHONE, DESK = 390, 1400

HARNESS = Path(__file__).with_name("report_harness.html")
"""A page that uses a report as a person would, at both widths, and prints what it found."""


def used(whole: bytes, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What the script found on the page, and the lines of the browser's console."""
    (folder / "page.html").write_bytes(whole)
    (folder / "harness.html").write_bytes(HARNESS.read_bytes())
    done = visit(
        (folder / "harness.html").as_uri(), folder, "--allow-file-access-from-files", "--enable-logging=stderr",
        "--virtual-time-budget=60000", "--dump-dom",
    )  # fmt: skip
    shown = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert shown is not None
    assert shown[1] != "nothing", done.stderr
    return json.loads(html.unescape(shown[1])), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def made(centre: Centre) -> bytes:
    with opened(centre) as tables:
        data = gather(tables, ReportOptions(timezone="Europe/Berlin", with_agents=True), NOW)
    return page(data, centre.count)


def test_the_page_draws_filters_and_stays_within_its_width(tmp_path: Path) -> None:
    """400 conversations, 100 of each queue, 90 of these answered, all of voice and chat in turn."""
    centre = Centre(count=400, media=2, queue_names=[HOSTILE], provisional_days=3)
    found, console = used(made(centre), tmp_path)

    assert console == []
    assert found.pop("title") == "calm"
    for width in found.values():
        first = width["at_first"]
        assert (first["offered"], first["answered"]) == ("400", "360")
        assert first["pictures"] == list(first["tables"])
        assert {name for name, rows in first["tables"].items() if rows == 0} == set()
        assert any(name.startswith("</script>") for name in first["names"])
        assert any(text.startswith("</script>") for text in first["axis"])
        assert width["without_a_queue"]["offered"] == "300"
        assert width["without_a_medium"]["offered"] != "300"
        assert len(width["without_a_queue"]["names"]) == len(first["names"]) - 1
        assert width["of_nothing"]["offered"] == "0"
        assert set(width["of_nothing"]["empty"]) == set(first["pictures"]) - {"coverage"}
        assert [step["overflow_px"] for step in width.values()] == [0] * len(width)
        assert {step["failure"] for step in width.values()} == {""}


@pytest.mark.parametrize(("count", "pictures"), [(0, 1), (1, 10)])
def test_a_page_of_hardly_anything_is_a_page(count: int, pictures: int, tmp_path: Path) -> None:
    found, console = used(made(Centre(count=count, days=1)), tmp_path)

    assert console == []
    for width in (str(PHONE), str(DESK)):
        first = found[width]["at_first"]
        assert (first["offered"], len(first["pictures"]), first["overflow_px"]) == (str(count), pictures, 0)
        assert sorted([*first["pictures"], *first["empty"]]) == sorted(first["tables"])


def test_a_page_of_a_large_centre_is_small_and_works(tmp_path: Path) -> None:
    """A thirteen months' export of 300 queues; `make acceptance` takes a million conversations."""
    count = int(os.environ.get("EVERYCALL_REPORT", "10000"))
    whole = made(Centre(count=count, days=400, queues=300, agents=2000, codes=150, media=3))
    found, console = used(whole, tmp_path)

    assert len(whole) < SIZE_MAX
    assert console == []
    for width in (str(PHONE), str(DESK)):
        assert found[width]["at_first"]["offered"] == f"{count:,}"
        assert found[width]["with_tables"]["overflow_px"] == 0
        assert found[width]["at_first"]["names"][-1].endswith(" other queues")


def test_the_policy_stops_whatever_else_would_run_or_load(tmp_path: Path) -> None:
    before, _, after = made(Centre(count=10)).rpartition(b"</body>")
    run, load = b"<script>top.document.title = 'run'</script>", b"<img src='http://127.0.0.1:9/a'"
    found, console = used(before + run + load + b" onerror=\"top.document.title = 'run'\"></body>" + after, tmp_path)

    assert found["title"] == "calm"
    for kind in ("inline script", "inline event handler", "the image"):
        assert any("Content Security Policy" in line and kind in line for line in console), kind
