import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall import SettingsError
from everycall.sinks.postgresql_address import is_address, parse


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:pw-4711@db.example.com/warehouse",
        "postgresql://:pw-4711@db.example.com/warehouse",
        "postgresql://ann:pw-4711@one,two:5433/warehouse",
        "postgresql://db.example.com/warehouse?password=pw-4711",
        "postgresql://db.example.com/warehouse?p%61ssword=pw-4711",
        "postgresql://db.example.com/warehouse?sslmode=require&sslpassword=pw-4711",
        "service=warehouse password=pw-4711",
        "service=warehouse password = 'pw-4711 and more'",
    ],
)
def test_a_password_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="list of processes") as caught:
        parse(text)

    assert "4711" not in f"{caught.value} {caught.value.hint}"
    assert "PGPASSWORD" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:pw/4711@db.example.com/warehouse",
        "postgresql://db/ware@4711",
        "service=a =4711",
        "service='4711",
    ],
)
def test_a_malformed_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)

    assert "4711" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("postgresql://db.example.com/warehouse", "postgresql://db.example.com/warehouse"),
        ("postgres://ann@db:5433/warehouse", "postgresql://ann@db:5433/warehouse"),
        ("postgresql:///warehouse?host=/run/postgresql", "postgresql:///warehouse?host=%2Frun%2Fpostgresql"),
        ("postgresql://db/warehouse?sslkey=/home/ann/key&user=ann", "postgresql://db/warehouse?user=ann"),
        ("postgresql://db?options=-csearch_path%3Dcalls", "postgresql://db?options=-csearch_path%3Dcalls"),
        ("postgresql://db?options=-capp.key%3D1234", "postgresql://db"),
        ("postgresql://ann@one,two/warehouse", "postgresql://ann@one,two/warehouse"),
        ("service=warehouse", "service=warehouse"),
        ("service=warehouse sslkey=/home/ann/key dbname='a b'", "service=warehouse dbname='a b'"),
        (r"service='it\'s' user=ann", r"service='it\'s' user=ann"),
    ],
)
def test_the_name_says_where_the_database_is_and_nothing_else(text: str, name: str) -> None:
    address = parse(text)

    assert (address.connection, address.name) == (text, name)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("postgresql://db/warehouse", True),
        ("postgres://db", True),
        ("service=warehouse", True),
        ("service = warehouse", True),
        ("postgresql.csv", False),
        ("services=1.csv", False),
    ],
)
def test_an_address_is_told_from_a_path(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one


@given(st.text(), st.text(min_size=4).filter(lambda text: "@" not in text and "/" not in text))
def test_no_credentials_appear_in_a_name(user: str, password: str) -> None:
    """Whatever stands before the @, the name never has a colon with something behind it there."""
    try:
        name = parse(f"postgresql://{user}:{password}@db/warehouse").name
    except SettingsError:
        return

    assert f":{password}@" not in name
