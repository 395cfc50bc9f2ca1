"""Which everycall this is; the one place that says so is matched with pyproject.toml by a test."""

VERSION = "0.1.0"
