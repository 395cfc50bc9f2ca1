"""Answers of the real API, pseudonymised, from the vendor's and other public repositories."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "samples"


def body(name: str) -> bytes:
    """A sample as it came."""
    return (FOLDER / f"{name}.json").read_bytes()


def tree(name: str) -> Any:
    """A sample as plain Python values."""
    return json.loads(body(name))


def conversations() -> list[dict[str, Any]]:
    """Every conversation of the samples that are well formed."""
    pages = [tree("query_page_2016"), tree("query_page_voice_2025")]
    return [one for page in pages for one in page["conversations"]] + [tree("conversation_chat_2021")]
