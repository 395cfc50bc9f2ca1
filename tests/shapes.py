"""Whether JSON has the shape of one of the official SDK's models.

They are read as text, since importing them takes seconds.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SIMPLE: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "datetime": (str,),
    "date": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "object": (object,),
}


@dataclass(frozen=True)
class Field:
    type: str
    """`str`, `list[User]`, `dict(str, str)`..."""
    values: tuple[str, ...]
    """Those of its enumeration; empty where it has none."""


@cache
def model(name: str) -> dict[str, Field]:
    """The fields of a model, as they are called in JSON."""
    spec = find_spec("PureCloudPlatformClientV2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    source = (Path(spec.submodule_search_locations[0]) / "models" / f"{snake}.py").read_text("utf-8")
    types, names, allowed = {}, {}, {}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr="swagger_types")], value=value):
                types = ast.literal_eval(value)
            case ast.Assign(targets=[ast.Attribute(attr="attribute_map")], value=value):
                names = ast.literal_eval(value)
            case ast.FunctionDef(name=attribute):
                for inner in ast.walk(node):
                    match inner:
                        case ast.Assign(targets=[ast.Name(id="allowed_values")], value=value):
                            allowed[attribute] = tuple(ast.literal_eval(value))
    return {names[attribute]: Field(kind, allowed.get(attribute, ())) for attribute, kind in types.items()}


def complaints(kind: str, value: Any, where: str = "") -> list[str]:
    """What of a value is not as its type says: unknown fields, wrong types, values outside their enumeration."""
    if matched := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [
            complaint for at, inner in enumerate(value) for complaint in complaints(matched[1], inner, f"{where}[{at}]")
        ]
    if matched := re.fullmatch(r"dict\(str, (.+)\)", kind):
        return [
            complaint for name, inner in value.items() for complaint in complaints(matched[1], inner, f"{where}.{name}")
        ]
    if kind in SIMPLE:
        is_right = isinstance(value, SIMPLE[kind]) and (kind in {"bool", "object"} or not isinstance(value, bool))
        return [] if is_right else [f"{where} is {value!r}, no {kind}"]
    if not isinstance(value, dict):
        return [f"{where} is {value!r}, no {kind}"]
    fields, found = model(kind), []
    for name, inner in value.items():
        at = f"{where}.{name}"
        if name not in fields:
            found.append(f"{at} is not in {kind}")
        elif fields[name].values and inner not in fields[name].values:
            found.append(f"{at} is {inner!r}")
        else:
            found += complaints(fields[name].type, inner, at)
    return found
