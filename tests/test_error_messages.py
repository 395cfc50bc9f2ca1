import ast
import sys

import pytest

from documents import ROOT

sys.path.insert(0, str(ROOT / "docs"))

from error_messages import OTHER, Message, messages, page, says_something, sources
from everycall import errors

ERRORS = """
class EverycallError(Exception): ...
class Refused(EverycallError): ...
class Worse(errors.Refused):
    def __init__(self, window):
        super().__init__(f"{window} is worse.", hint="Run.")
"""


def found(code: str) -> list[Message]:
    return messages([ast.parse(ERRORS), ast.parse(code)])[:-1]  # the last one is that of `Worse`


@pytest.mark.parametrize(
    ("code", "text", "hint"),
    [
        ("raise Refused('No.')", "No.", ""),
        ("raise errors.Refused('No.', hint='Go.') from error", "No.", "Go."),
        ("raise Refused(f'{self._path} has {len(rows)} {\"a\" if one else \"b\"}.')", "{path} has {rows} a/b.", ""),
        ("raise Refused('No' f' {name!r:>9}' '.')", "No {name}.", ""),
        ("def f():\n  return Refused('No.', hint='A.' if x else f'B {c}.')", "No.", "A. / B {c}."),
        ("HINT = 'Go.'\nraise Refused('No.', hint=HINT)", "No.", "Go."),
        ("def f():\n  reason = 'a' if x else 'b'\n  raise Refused('No: ' + reason)", "No: b", ""),
        ("raise Refused(printable(f'No {x}.'))", "No {x}.", ""),
        ("def f(error: type[Refused]):\n  raise error('No.')", "No.", ""),
    ],
)  # fmt: skip
def test_a_message_is_found_where_an_error_is_made(code: str, text: str, hint: str) -> None:
    assert Message("Refused", text, hint) in found(code)


def test_a_message_that_an_error_makes_itself_is_found() -> None:
    assert messages([ast.parse(ERRORS)]) == [Message("Worse", "{window} is worse.", "Run.")]


def test_a_note_that_is_printed_without_an_error_is_found() -> None:
    code = "display.notice('Note.')\ndef f() -> tuple[str, str]:\n  return f'{x} broke.', 'Mend it.'"

    assert found(code) == [Message(OTHER, "Note."), Message(OTHER, "{x} broke.", "Mend it.")]


def test_reasons_of_broken_answers_are_found() -> None:
    assert Message("Broken", "no answer in time") in found("raise TooSlow('no answer in time')")


def test_every_error_in_the_source_says_something() -> None:
    found = messages(sources())

    assert len(found) > 100
    assert {one.kind for one in found} >= {name for name, kind in vars(errors).items() if is_final(kind)}
    assert all(says_something(one.text + one.hint) for one in found)


def is_final(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.EverycallError) and not kind.__subclasses__()


def test_the_page_has_every_message() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    shown = text.partition("error_messages.page()) ]]] -->\n")[2].partition("<!-- [[[end]]] -->")[0]

    assert shown.strip() == page(), "make docs"
