import inspect
import re

import pytest

from everycall import errors
from everycall.errors import CORRELATION_ID_MAX, EverycallError

TREE = re.findall(r"^    (?P<stem>[│ ├└─]*)(?P<name>[A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
CLASSES = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    parents: list[str] = []
    drawn = {}
    for stem, name in TREE:
        depth = len(stem) // 4
        parents[depth:] = [name]
        drawn[name] = parents[depth - 1] if depth else "Exception"

    assert drawn == {name: kind.__mro__[1].__name__ for name, kind in CLASSES.items()}


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_says_what_happened(name: str) -> None:
    assert inspect.getdoc(CLASSES[name])
    assert CLASSES[name].__doc__ is not EverycallError.__doc__ or name == "EverycallError"


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_an_error_carries_its_message_the_next_step_and_what_the_vendor_asks_for(kind: type[EverycallError]) -> None:
    error = kind("It broke.", hint="Mend it.", correlation_id="42")

    assert str(error) == "It broke."
    assert (error.hint, error.correlation_id) == ("Mend it.", "42")


def test_hint_and_correlation_id_are_empty_unless_given() -> None:
    error = EverycallError("It broke.")

    assert (error.hint, error.correlation_id) == ("", "")


def test_the_text_of_an_error_is_printable() -> None:
    error = EverycallError("No queue '\x1b[2J\nProven'.", hint="Near: \u202eselas", correlation_id="x" * 1000)

    assert str(error) == r"No queue '\x1b[2J\nProven'."
    assert error.hint == r"Near: \u202eselas"
    assert len(error.correlation_id) == CORRELATION_ID_MAX


def test_secrets_are_removed_from_every_text_of_an_error() -> None:
    error = EverycallError("hush: no", hint="say hush", correlation_id="hush")

    assert error.redacted(lambda text: text.replace("hush", "...")) is error
    assert (str(error), error.hint, error.correlation_id) == ("...: no", "say ...", "...")
