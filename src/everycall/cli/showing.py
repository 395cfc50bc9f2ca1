"""`everycall show`."""

import sys
from datetime import tzinfo
from pathlib import Path

from everycall.analysis.sources import Sought, find_in_org, find_in_places
from everycall.analysis.timeline import Timeline, timeline
from everycall.api.asked import zone_of
from everycall.api.names import UUID
from everycall.cli.context import Context
from everycall.cli.options import Shown, Source
from everycall.cli.org import connected
from everycall.cli.parser import Arguments, UsageError
from everycall.errors import OutputRefused
from everycall.filesystem import SystemFilesystem

ENDINGS = (".svg", ".html", ".htm")


def run(arguments: Arguments, context: Context) -> int:
    """Find the conversation, show it, and return the exit code."""
    wanted = arguments.of(Shown)
    conversation_id = _id(wanted.conversation)
    clocks = zone_of(wanted.timezone)
    for output in wanted.output:
        _check(output)
    found = _found(conversation_id, wanted, arguments.of(Source))
    for notice in found.notices:
        context.display.notice(notice)
    if wanted.json:
        sys.stdout.buffer.write(found.body.strip() + b"\n")
        sys.stdout.buffer.flush()
    drawn = timeline(found.conversation, found.names)
    for output in wanted.output:
        _write(Path(output), drawn, clocks, wanted.timezone, found.source)
        context.display.print(f"Wrote {output}")
    if not wanted.output and not wanted.json:
        _print(drawn, clocks, wanted.timezone)
    return 0


def _id(written: str | None) -> str:
    """The id, in the API's case.

    Raises:
        UsageError: there is none, or it is none.
    """
    if not written:
        raise UsageError(
            "everycall show needs the id of a conversation.",
            hint="The ids are in the column conversationId of an export.",
        )
    if not UUID.fullmatch(written.strip()):
        raise UsageError(
            f"'{written}' is not the id of a conversation.",
            hint="It is a UUID such as 3fa85f64-5717-4562-b3fc-2c963f66afa6: the conversationId of an export.",
        )
    return written.strip().lower()


def _check(output: str) -> None:
    """Refuse a file that cannot be written, before anything is asked.

    Raises:
        UsageError, OutputRefused: it is no picture and no page, or its folder does not exist.
    """
    path = Path(output)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"'{output}' is no picture and no page.", hint="Name a file that ends with .svg or .html.")
    if path.is_dir():
        raise OutputRefused(f"{output} is a folder.", hint="Name a file in it with -o.")
    if not path.parent.is_dir():
        raise OutputRefused(f"{path.parent} is not a folder.", hint="Create it, or choose another output with -o.")


def _found(conversation_id: str, wanted: Shown, source: Source) -> Sought:
    if wanted.from_:
        if source.sandbox or source.profile is not None:
            raise UsageError("--from does not ask an org.", hint="Leave out --sandbox and --profile, or --from.")
        return find_in_places(conversation_id, wanted.from_)
    with connected(source) as org:
        return find_in_org(conversation_id, org.client, org.label)


def _write(path: Path, drawn: Timeline, clocks: tzinfo, zone_name: str, source: str) -> None:
    """Write a picture or a page, which only its owner can read, in one step."""
    from everycall.analysis.drawing import html, svg  # noqa: PLC0415 - only where they are asked for

    if path.suffix.lower() == ".svg":
        content = svg.svg(drawn, svg.Frame(clocks, zone_name))
    else:
        content = html.html(drawn, clocks, zone_name, source)
    filesystem = SystemFilesystem()
    aside = path.with_name(f".{path.name}.everycall")
    try:
        with filesystem.open(aside, "wb") as file:
            file.write(content.encode())
        filesystem.replace(aside, path)
    except BaseException:
        filesystem.unlink(aside)
        raise


def _print(drawn: Timeline, clocks: tzinfo, zone_name: str) -> None:
    """Print the time line on standard output, as wide as the terminal."""
    from rich.console import Console  # noqa: PLC0415 - only for people
    from rich.text import Text  # noqa: PLC0415

    from everycall.analysis.drawing.text import Terminal, lines  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
    encoding = sys.stdout.encoding or "ascii"
    is_unicode = encoding.lower().startswith("utf")
    terminal = Terminal(console.width, clocks, zone_name, is_ascii=not is_unicode)
    for line in lines(drawn, terminal):
        shown = [(text.encode(encoding, "replace").decode(encoding), style) for text, style in line]
        console.print(Text.assemble(*shown))
