"""Tables in Markdown of what was measured."""

from bench.commands import BASELINE, OWN, SDK
from bench.figures import Line, Measured, Spread


def commands_table(found: Measured) -> str:
    """Every command's line, and beneath it what bounds them all."""
    return f"""\
| command | conversations | a second | CPU-s per 100,000 | peak MB | speed, against `{BASELINE}` | CPU, against it |
| --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(map(_line, found.lines))}

Medians of {found.rounds} interleaved rounds, least and most in brackets. The page server gave
{found.ceiling_per_second:,.0f} conversations a second ({found.page_bytes / 1e3:.0f} kB a page of 100) to a client that
does nothing with them, so it bounds nobody.{_against_sdk(found)}"""


def _against_sdk(found: Measured) -> str:
    lines = {line.name: line for line in found.lines}
    if not {OWN, SDK} <= set(lines):
        return ""
    own, sdk = lines[OWN], lines[SDK]
    return (
        f"\nAgainst the {SDK}, `{OWN}` has {own.speedup / sdk.speedup:.0f} times the speed, "
        f"and takes {own.cpu_ratio / sdk.cpu_ratio:.3f} times the CPU."
    )


def _line(line: Line) -> str:
    cells = [
        f"`{line.name}`" if line.name.startswith("everycall") else line.name,
        f"{line.conversations:,}",
        spread(line.per_second),
        spread(line.cpu_s),
        spread(line.peak_mb),
        f"{line.speedup:.3g}",
        f"{line.cpu_ratio:.3g}",
    ]
    return f"| {' | '.join(cells)} |"


def spread(found: Spread) -> str:
    """`2,670 (2,600 to 2,700)`; one decimal where the numbers are small."""
    form = ",.0f" if found.median >= 30 else ".1f"
    return f"{found.median:{form}} ({found.least:{form}} to {found.most:{form}})"
