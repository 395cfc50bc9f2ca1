"""What a reader sees of a verification."""

from rich.console import Console
from rich.text import Text

from everycall.cli.face import counted, span
from everycall.verification import Verification

SHOWN_MAX = 15
"""Windows that are named one by one; --json names all."""


def show(where: Console, found: Verification, *, is_repaired: bool = False) -> None:
    """The verdict, and each window that does not hold, on one screen; what to do, unless it is being done."""
    wrong = [finding for finding in found.findings if finding.state != "holds"]
    windows = counted(len(found.findings), "window")
    if not wrong:
        verdict = Text("Holds: ", style="bold green") + Text(f"all of {found.output}, {windows}.")
    else:
        verdict = Text("DOES NOT HOLD: ", style="bold red") + Text(f"{len(wrong)} of {windows} of {found.output}.")
    where.print(verdict, soft_wrap=True)
    if wrong:
        where.print()
    for finding in wrong[:SHOWN_MAX]:
        where.print(Text(f"  {span(finding.window)}  {finding}"), soft_wrap=True)
    if len(wrong) > SHOWN_MAX:
        where.print(f"  ... and {len(wrong) - SHOWN_MAX} more; --json lists them all")
    if wrong and not is_repaired:
        where.print()
        where.print(Text("hint: ", style="bold cyan") + Text("--repair exports these windows again, and only these."))
