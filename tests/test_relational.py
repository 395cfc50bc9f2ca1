import re
from collections.abc import Iterator

import pytest

from everycall.errors import QueryError
from everycall.manifest import Entry
from everycall.tables.descriptions import CAVEATS, DESCRIPTIONS, UNITS
from everycall.tables.relational import OF_CONVERSATIONS, TABLES, WINDOWS, Column, Table, Type, table
from shapes import SIMPLE, model

ALL_COLUMNS = [(one, column) for one in TABLES for column in one.columns]


def fields_of_the_sdk(kind: str = "AnalyticsConversation", above: str = "") -> Iterator[tuple[str, str]]:
    """Every path of the official SDK's response, `participants[].sessions[].ani`, and its type there."""
    for name, field in model(kind).items():
        path = f"{above}{name}"
        listed = re.fullmatch(r"list\[(\w+)\]", field.type)
        if listed and listed[1] not in SIMPLE:
            yield from fields_of_the_sdk(listed[1], f"{path}[].")
        elif field.type in SIMPLE or listed or field.type.startswith("dict("):
            yield path, field.type
        else:
            yield from fields_of_the_sdk(field.type, f"{path}.")


def fields_of_the_tables() -> dict[str, Column]:
    """Every column that is read from a conversation, by its path in there."""
    return {
        "".join(f"{step}[]." for step in one.path) + column.path: column
        for one in OF_CONVERSATIONS
        for column in (*one.read, *([one.column("conversationId")] if not one.path else []))
        if not column.path.startswith("../")
    }


SDK_TYPES: dict[str, set[Type]] = {
    "str": {"text"},
    "datetime": {"instant"},
    "int": {"integer", "number"},  # scores may have decimals, as captured answers show
    "float": {"number"},
    "bool": {"boolean"},
    "list[str]": {"texts"},
    "list[int]": {"integers"},
}


def test_every_field_of_the_official_sdk_has_a_column() -> None:
    expected = {path for path, _ in fields_of_the_sdk()} - {"participants[].attributes"}

    made_here = {"participants[].attributes[].name", "participants[].attributes[].value", "divisionIds[].[]"}
    assert fields_of_the_tables().keys() - made_here == expected


def test_every_column_has_the_type_of_the_official_sdk() -> None:
    columns = fields_of_the_tables()
    for path, kind in fields_of_the_sdk():
        if path != "participants[].attributes":
            in_list: dict[Type, Type] = {"text": "texts", "integer": "integers"}
            allowed = {in_list[one] for one in SDK_TYPES[kind] & in_list.keys()} if _is_item(path) else SDK_TYPES[kind]
            assert columns[path].type in allowed, path


def _is_item(path: str) -> bool:
    """Whether it is a field of a list of records that has no table."""
    above = path.rpartition("[].")[0].rpartition(".")[2]
    return above in {"agentGroups", "proposedAgents", "scoredAgents", "properties"}


def test_answers_of_jobs_have_the_same_fields_but_for_the_attributes() -> None:
    without = {path for path, _ in fields_of_the_sdk("AnalyticsConversationWithoutAttributes")}

    assert {path for path, _ in fields_of_the_sdk()} - without == {"participants[].attributes"}


@pytest.mark.parametrize("one", TABLES, ids=lambda one: one.name)
def test_a_table_says_what_a_row_is_and_names_each_column_once(one: Table) -> None:
    names = [column.name for column in one.columns]

    assert one.grain
    assert len(set(names)) == len(names)
    assert set(one.key) <= set(names)
    assert names[0] == "organizationId"


@pytest.mark.parametrize("one", OF_CONVERSATIONS, ids=lambda one: one.name)
def test_a_table_of_conversations_begins_with_the_common_columns(one: Table) -> None:
    assert [column.name for column in one.columns[:3]] == ["organizationId", "conversationId", "ownerTime"]
    assert one.key[0] == "conversationId"


@pytest.mark.parametrize(("one", "column"), ALL_COLUMNS, ids=lambda one: getattr(one, "name", one))
def test_a_column_has_a_description(one: Table, column: Column) -> None:
    assert column.doc, f"{one.name}.{column.name}"


def test_descriptions_speak_of_columns_that_exist() -> None:
    known = {f"{one.name}.{column.name}" for one, column in ALL_COLUMNS}

    assert {*DESCRIPTIONS, *UNITS, *CAVEATS} <= known


def test_a_column_that_counts_time_says_its_unit() -> None:
    for one, column in ALL_COLUMNS:
        if re.search(r"(Ms|Seconds)$", column.name):
            assert column.unit == ("ms" if column.name.endswith("Ms") else "s"), f"{one.name}.{column.name}"


def test_the_windows_have_the_numbers_of_the_manifest() -> None:
    camel = {re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in Entry.__struct_fields__}
    left_out = {
        "interval",  # windowStart and windowEnd
        "isForgotten",  # then forgotten is as many as owned
        "openConversations", "leftOut", "correlationIds", "partSha256",  # for resuming and for support
        "rows", "sizeBytes", "sha256", "pages", "pagesChecked", "takenOver",  # of a file
        "outlasting", "oddities", "oddityExamples", "namesUnavailable",  # of one way of loading
    }  # fmt: skip
    names = {column.name for column in WINDOWS.columns}

    assert names == (camel - left_out) | {"organizationId", "windowStart", "windowEnd", "replacedAt"}


def test_a_table_is_found_by_its_name_in_any_case() -> None:
    assert table("Flow_Outcomes").name == "flow_outcomes"


def test_a_table_that_does_not_exist_is_refused_with_similar_ones() -> None:
    with pytest.raises(QueryError) as caught:
        table("session")

    assert caught.value.hint == "Similar tables: sessions."
