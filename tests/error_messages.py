"""Every message that a command can print, read out of the source where it is made.

`make docs` puts them into errors.md; `tests/test_error_messages.py` checks that they are up to date. A message is the
first argument of an error of `everycall.errors` (or of a class made from one), of the functions that show something
(`failure`, `notice`, `Noticed`), what a function returns that makes message and hint (`-> tuple[str, str]`), and, as a
part of others, why an answer is no answer. What is filled in stands in braces.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "everycall"

ROOT = "EverycallError"
REASONS = ("Broken", "BrokenAnswer", "TooSlow", "NotAnAnswer", "Damaged")
SHOWN = ("failure", "notice", "Noticed")
OTHER = "Notes, and errors without a class"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Message:
    """One message and what to do about it, as templates."""

    kind: str
    """The class of the error, `Broken` for a reason, or `OTHER`."""
    text: str
    hint: str = ""


def messages(trees: Iterable[ast.Module]) -> list[Message]:
    """All messages of the modules, each once, sorted."""
    trees = list(trees)
    errors = _errors(trees)
    found = {message for tree in trees for message in _Module(tree, errors).messages()}
    return sorted(found)


def sources(folder: Path = SOURCE) -> Iterator[ast.Module]:
    """Every module of the client side; the sandbox answers as the API does, and is a page of its own."""
    for path in sorted(folder.rglob("*.py")):
        if "sandbox" not in path.relative_to(folder).parts:
            yield ast.parse(path.read_text(encoding="utf-8"))


def page() -> str:
    """The messages as Markdown, by class."""
    found = messages(sources())
    kinds = sorted({one.kind for one in found} - {OTHER, REASONS[0]})
    parts = [_table(f"`{kind}`", [one for one in found if one.kind == kind]) for kind in kinds]
    parts.append(_table(OTHER, [one for one in found if one.kind == OTHER]))
    reasons = [f"- {_code(one.text)}" for one in found if one.kind == REASONS[0]]
    parts.append("\n".join(["### Why an answer is no answer", "", *reasons]))
    return "\n\n".join(parts)


def _table(heading: str, found: Iterable[Message]) -> str:
    rows = [f"| {_code(one.text)} | {_code(one.hint) if one.hint else ''} |" for one in found]
    return "\n".join([f"### {heading}", "", "| message | hint |", "| --- | --- |", *rows])


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _errors(trees: Iterable[ast.Module]) -> set[str]:
    """The names of all classes that are made from the root of the errors, over any number of steps."""
    bases = {
        node.name: {_name(base) for base in node.bases}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {ROOT}
    while more := {name for name, its in bases.items() if its & found} - found:
        found |= more
    return found


class _Module:
    """One module's messages."""

    def __init__(self, tree: ast.Module, errors: set[str]) -> None:
        self._tree, self._errors = tree, errors
        self._constants = _assigned(tree.body)

    def messages(self) -> Iterator[Message]:
        yield from self._in(self._tree, "", self._constants, {})

    def _in(
        self, node: ast.AST, in_class: str, known: Mapping[str, list[ast.expr]], classes: Mapping[str, set[str]]
    ) -> Iterator[Message]:
        """Those of a piece of code, with what is known there of names and of arguments that are classes."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                yield from self._in(child, child.name, known, classes)
            elif isinstance(child, Function):
                within = {**known, **_assigned(child.body)}
                yield from self._returned(child, within)
                yield from self._in(child, in_class, within, {**classes, **self._class_arguments(child)})
            else:
                if isinstance(child, ast.Call):
                    yield from self._called(child, in_class, known, classes)
                yield from self._in(child, in_class, known, classes)

    def _called(
        self, call: ast.Call, in_class: str, known: Mapping[str, list[ast.expr]], classes: Mapping[str, set[str]]
    ) -> Iterator[Message]:
        if not call.args or isinstance(call.args[0], ast.Starred):
            return
        hint = next((each.value for each in call.keywords if each.arg == "hint"), None)
        name = _name(call.func)
        if name in SHOWN and hint is None and len(call.args) > 1:
            hint = call.args[1]
        is_own = name == "__init__" and in_class in self._errors - {ROOT}
        kinds = {in_class} if is_own else {name} & self._errors or classes.get(name, set())
        if name in REASONS:
            kinds = {REASONS[0]}
        elif name in SHOWN:
            kinds = {OTHER}
        for kind in kinds:
            yield from _combined(kind, _templates(call.args[0], known), _templates(hint, known))

    def _returned(self, function: Function, known: Mapping[str, list[ast.expr]]) -> Iterator[Message]:
        if function.returns is None or ast.unparse(function.returns) != "tuple[str, str]":
            return
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
                message, hint = node.value.elts
                yield from _combined(OTHER, _templates(message, known), _templates(hint, known))

    def _class_arguments(self, function: Function) -> dict[str, set[str]]:
        """Arguments that are classes of errors: `error: type[Unreachable] | type[ServiceFailed]`."""
        found = {}
        for argument in [*function.args.args, *function.args.kwonlyargs]:
            named = {_name(node) for node in ast.walk(argument.annotation)} if argument.annotation else set()
            if "type" in named and named & self._errors:
                found[argument.arg] = named & self._errors
        return found


def _combined(kind: str, texts: list[str], hints: list[str]) -> Iterator[Message]:
    """Each message with its hint; where there are several of both, any may come with any."""
    for text in texts:
        hint = " / ".join(hints)
        if says_something(text + hint):  # what only passes on another's text is not a message of its own
            yield Message(kind, text, hint)


def says_something(template: str) -> bool:
    """Whether there is text outside of the braces."""
    return any(letter.isalpha() for part in template.split("{") for letter in part.rpartition("}")[2])


def _assigned(body: list[ast.stmt]) -> dict[str, list[ast.expr]]:
    """Names and the texts that they are given, anywhere in the statements."""
    found: dict[str, list[ast.expr]] = {}
    for node in (node for statement in body for node in ast.walk(statement)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_text(node.value):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.IfExp):
        return _is_text(node.body) or _is_text(node.orelse)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _templates(node: ast.expr | None, known: Mapping[str, list[ast.expr]]) -> list[str]:
    """What an expression can say; a piece that the code fills in is named in braces."""
    if node is None:
        return []
    if isinstance(node, ast.Constant | ast.JoinedStr):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        return [text] if (text := "".join(_piece(part) for part in parts)) else []
    if isinstance(node, ast.IfExp):
        return _templates(node.body, known) + _templates(node.orelse, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _templates(node.left, known) or [""], _templates(node.right, known) or [""]
        return [one + other for one in left for other in right]
    return _looked_up(node, known)


def _looked_up(node: ast.expr, known: Mapping[str, list[ast.expr]]) -> list[str]:
    if isinstance(node, ast.Call) and _name(node.func) == "printable" and node.args:
        return _templates(node.args[0], known)
    if isinstance(node, ast.Name) and node.id in known:
        rest = {name: texts for name, texts in known.items() if name != node.id}
        return [text for each in known[node.id] for text in _templates(each, rest)]
    return [f"{{{_placeholder(node)}}}"]


def _piece(part: ast.expr) -> str:
    """One piece of an f-string. One of two texts is shown as both."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    inner = part.value
    if isinstance(inner, ast.IfExp) and isinstance(inner.body, ast.Constant) and isinstance(inner.orelse, ast.Constant):
        both = [str(inner.body.value), str(inner.orelse.value)]
        return "/".join(both) if all(both) else f"[{''.join(both)}]"
    return f"{{{_placeholder(inner)}}}"


def _placeholder(node: ast.expr) -> str:
    """A name for what is filled in: the last name of the expression."""
    if isinstance(node, ast.Name | ast.Attribute):
        return _name(node).strip("_").lower() or "..."
    if isinstance(node, ast.Subscript):
        return _placeholder(node.value)
    if isinstance(node, ast.BoolOp):
        return _placeholder(node.values[0])
    if isinstance(node, ast.Call):
        first = node.args[0] if node.args else node.func
        is_method = isinstance(node.func, ast.Attribute)
        inner = node.func.value if is_method and isinstance(node.func, ast.Attribute) else first
        return _placeholder(first if node.args and not isinstance(first, ast.Constant | ast.Starred) else inner)
    names = [_name(each) for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute)]
    return names[0].strip("_").lower() if names else "..."


def _name(node: ast.AST) -> str:
    """`errors.SettingsError` and `SettingsError` are the same."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
