"""What measures is checked too: pages that every client can read, and usage that counts children."""

import gzip
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench.conversations import Centre
from bench.figures import Line, Run
from bench.page_server import QUERY, Answer, Limit, Pages
from bench.plot import svg
from bench.processes import CommandFailed, Usage, run

MONDAY = date(2026, 1, 5)


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(MONDAY, 2, Centre.of(MONDAY, 400))


def asked(pages: Pages, number: int, *, size: int = 100, until: str = "2026-01-07", zipped: str = "gzip") -> Answer:
    query = {
        "interval": f"2026-01-05T00:00:00.000Z/{until}T00:00:00.000Z",
        "paging": {"pageSize": size, "pageNumber": number},
    }
    return pages.answer("POST", QUERY, {"accept-encoding": zipped}, json.dumps(query).encode())


def content(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(answer.body) if answer.zipped else answer.body)
    return found


def test_the_pages_hold_each_conversation_once_in_the_order_of_their_starts(pages: Pages) -> None:
    found = [each for number in range(1, 9) for each in content(asked(pages, number))["conversations"]]
    starts = [each["conversationStart"] for each in found]

    assert len({each["conversationId"] for each in found}) == 800
    assert starts == sorted(starts)
    assert all(MONDAY.isoformat() <= start < "2026-01-07" for start in starts)


def test_the_hits_are_those_of_the_interval_and_the_page_after_the_last_is_empty(pages: Pages) -> None:
    assert content(asked(pages, 1))["totalHits"] == 800
    assert content(asked(pages, 1, until="2026-01-06"))["totalHits"] == 400
    assert content(asked(pages, 4, until="2026-01-06"))["conversations"]
    assert asked(pages, 5, until="2026-01-06").body == b"{}"


def test_a_recount_and_a_client_that_does_not_unzip_get_plain_json(pages: Pages) -> None:
    first = content(asked(pages, 1))

    assert content(asked(pages, 1, size=1)) == {"conversations": first["conversations"][:1], "totalHits": 800}
    assert json.loads(asked(pages, 1, zipped="identity").body) == first


def test_the_server_counts_a_minute_from_the_first_request_on_and_then_by_its_own_clock() -> None:
    now = 1000.0
    limit = Limit(2, clock=lambda: now)
    through = [limit.arrive()[0] for _ in range(3)]
    now = 1130.0
    _, headers = limit.arrive()

    assert through == [True, True, False]
    assert limit.rejected == 1
    assert headers == {"inin-ratelimit-count": "1", "inin-ratelimit-allowed": "2", "inin-ratelimit-reset": "50"}


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
def test_usage_counts_the_cpu_and_the_memory_of_children() -> None:
    """The parent starts two children that hold 40 MB each for a while; none of them alone holds 80."""
    child = "import time; held = bytearray(b'x') * 40_000_000; time.sleep(0.5); sum(range(3_000_000))"
    parent = f"import subprocess, sys; c = [sys.executable, '-c', {child!r}]; "
    parent += "[each.wait() for each in [subprocess.Popen(c) for _ in range(2)]]; print('done')"

    usage = run([sys.executable, "-c", parent])

    assert usage.output == "done\n"
    assert usage.peak_mb > 80
    assert usage.cpu_s > 0.02
    assert usage.seconds > 0.5


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
def test_the_memory_of_the_process_that_measures_is_not_counted() -> None:
    held = bytearray(b"x") * 100_000_000

    usage = run([sys.executable, "-S", "-c", "import time; time.sleep(0.1)"])

    assert len(held) == 100_000_000
    assert 2 < usage.peak_mb < 50


def test_a_command_that_fails_is_not_a_measurement() -> None:
    with pytest.raises(CommandFailed, match="no luck"):
        run([sys.executable, "-c", "raise SystemExit('no luck')"])


def test_ratios_are_taken_round_by_round_so_that_a_slow_round_is_slow_for_both() -> None:
    def runs(*seconds: float) -> list[Run]:
        return [Run(100, Usage(each, each, 50.0, "")) for each in seconds]

    line = Line.of("ours", runs(1, 2, 9), runs(4, 8, 36))

    assert (line.speedup, line.cpu_ratio) == (4.0, 0.25)
    assert (line.per_second.least, line.per_second.median, line.per_second.most) == (100 / 9, 50.0, 100.0)


def test_the_plot_is_valid_svg_with_a_bar_for_each_command_and_panel() -> None:
    runs = [Run(100, Usage(1.0, 1.0, 50.0, ""))]
    lines = [
        Line.of(name, [Run(100, Usage(seconds, seconds, 50.0, ""))], runs)
        for name, seconds in (("a & b", 1), ("everycall", 20))
    ]

    drawn = ET.fromstring(svg(lines))

    assert sum(element.tag.endswith("rect") for element in drawn) == 4
