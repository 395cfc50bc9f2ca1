"""The page of a time line in a real browser, at the widths of a phone, a tablet and a desk."""

import html as escaping
import json
import re
from datetime import UTC
from pathlib import Path
from string import Template
from typing import Any

import pytest
from browsing import browse

from drawn import every_kind, hostile
from everycall.analysis.drawing.html import html
from everycall.analysis.drawing.svg import Frame, svg
from everycall.analysis.timeline import Timeline

WIDTHS = (390, 800, 1400)

OUTER = Template("""<!doctype html><meta charset="utf-8"><pre id="found">nothing</pre><script>
const found = [];
const measure = (frame) => {
    const page = frame.contentDocument, shown = (one) => getComputedStyle(one).display !== "none";
    found.push({
        page: frame.dataset.page,
        width: frame.clientWidth,
        scrolls: page.documentElement.scrollWidth > frame.clientWidth,
        shown: [...page.querySelectorAll("figure > div")].filter(shown).map((one) => one.className).join(),
        font: getComputedStyle(page.body).fontSize,
        lines: [...page.querySelectorAll("svg.timeline")].filter((one) => one.getBoundingClientRect().width).length,
        scripts: page.scripts.length,
        heading: page.querySelector("h1").textContent,
    });
    document.getElementById("found").textContent = JSON.stringify(found);
};
for (const page of $pages) for (const width of $widths) {
    const frame = document.createElement("iframe");
    Object.assign(frame, {src: page, width, height: 900, frameBorder: 0, onload: () => measure(frame)});
    frame.dataset.page = page;
    document.body.append(frame);
}
</script>""")


def measured(lines: list[Timeline], folder: Path) -> list[dict[str, Any]]:
    """What a page around them finds in the pages of these time lines, at each width."""
    pages = [f"{at}.html" for at in range(len(lines))]
    for name, line in zip(pages, lines, strict=True):
        (folder / name).write_text(html(line, UTC, "UTC", "calls.parquet"), "utf-8")
    outer = folder / "outer.html"
    outer.write_text(OUTER.substitute(pages=json.dumps(pages), widths=json.dumps(WIDTHS)), "utf-8")
    text = browse(outer.as_uri(), folder, "--allow-file-access-from-files", "--dump-dom")
    shown = re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)
    assert shown is not None
    found: list[dict[str, Any]] = json.loads(escaping.unescape(shown[1]))
    return found


@pytest.mark.slow
def test_pages_fit_every_width_with_the_picture_for_it(tmp_path: Path) -> None:
    lines = [*every_kind()[:6], hostile()]
    found = measured(lines, tmp_path)

    assert len(found) == len(lines) * len(WIDTHS)
    assert [one for one in found if one["scrolls"]] == []
    assert {(one["width"], one["shown"]) for one in found} == {(390, "narrow"), (800, "middle"), (1400, "wide")}
    assert {(one["font"], one["lines"], one["scripts"]) for one in found} == {("15px", 1, 0)}
    assert any("</script><script>alert(1)" in one["heading"] for one in found)


@pytest.mark.slow
def test_a_picture_opens_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "hostile.svg"
    file.write_text(svg(hostile(), Frame(UTC, "UTC")), "utf-8")

    assert "parsererror" not in browse(file.as_uri(), tmp_path, "--dump-dom")
