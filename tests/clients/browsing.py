"""A real browser, without a window."""

import shutil
import subprocess
from pathlib import Path

from needing import needs

WIDTH, HEIGHT = 800, 560
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=3000",
    f"--window-size={WIDTH},{HEIGHT}",
)


def browse(url: str, folder: Path, *flags: str) -> str:
    """What the browser prints when it opens the address; its profile goes into the folder."""
    return visit(url, folder, *flags).stdout


def visit(url: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """The same with what it says on standard error."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    needs(browser, "a browser (Debian: chromium)")
    command = [str(browser), *FLAGS, f"--user-data-dir={folder}/profile", *flags, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
