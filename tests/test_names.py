from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.api.exchange import Request, Response
from everycall.api.names import (
    PATHS,
    WORDS,
    Entity,
    Found,
    Kind,
    Names,
    Unavailable,
    ids_named,
    listing,
    look_up,
    users,
)
from everycall.errors import QueryRefused, UnknownName
from playing import answer, played

KINDS: list[Kind] = ["queues", "users", "wrapupcodes", "divisions"]
FORBIDDEN = {"message": "You are missing routing:queue:view", "code": "missing.permissions", "status": 403}


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def entities(*named: str, **fields: Any) -> Response:
    """A listing of entities with these names, their ids numbered from 1."""
    listed = [{"id": uuid(number), "name": name, "selfUri": "x"} for number, name in enumerate(named, 1)]
    return answer({"entities": listed, "pageSize": 500, "pageNumber": 1, "pageCount": 1, **fields})


# Listings


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_listed_in_pages_of_five_hundred_and_users_of_any_state(kind: Kind) -> None:
    asked, found = played(listing(kind), entities("Ann"))

    state = {"state": "any"} if kind == "users" else {}
    assert asked == [Request("GET", PATHS[kind], {**state, "pageSize": "500", "pageNumber": "1"})]
    assert found == Found(kind, (Entity(uuid(1), "Ann"),))


def test_pages_are_read_to_the_last_however_few_the_server_gives_on_each() -> None:
    first = entities("A", "B", pageSize=2, pageCount=3)

    asked, found = played(listing("queues"), first, entities("C", "D", pageCount=3), entities("E", pageCount=3))

    assert [request.params["pageNumber"] for request in asked] == ["1", "2", "3"]
    assert isinstance(found, Found)
    assert [one.name for one in found.entities] == ["A", "B", "C", "D", "E"]


def test_without_a_page_count_the_next_uri_tells_whether_there_is_more() -> None:
    first = entities("A", pageCount=None, nextUri="/api/v2/routing/queues?pageNumber=2")

    asked, _ = played(listing("queues"), first, entities("B", pageCount=None))

    assert len(asked) == 2


def test_an_empty_page_is_the_end_whatever_the_count_says() -> None:
    asked, found = played(listing("queues"), entities("A", pageCount=9), entities(pageCount=9))

    assert len(asked) == 2
    assert isinstance(found, Found)
    assert len(found.entities) == 1


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_look_up_that_the_org_does_not_allow_or_have_is_unavailable_and_no_error(status: int) -> None:
    _, found = played(listing("queues"), answer(FORBIDDEN, status))

    assert found == Unavailable("queues", f"{status} missing.permissions: You are missing routing:queue:view")


@pytest.mark.parametrize("body", [b"[]", b'{"entities":[{"name":"no id"}]}', b"7"])
def test_a_listing_that_cannot_be_read_is_unavailable(body: bytes) -> None:
    _, found = played(listing("queues"), Response(200, content=body))

    assert isinstance(found, Unavailable)
    assert "cannot be read" in found.reason


def test_any_other_refusal_is_an_error() -> None:
    with pytest.raises(QueryRefused):
        played(listing("queues"), answer(FORBIDDEN, 409))


def test_an_entity_may_lack_its_name() -> None:
    _, found = played(listing("users"), answer({"entities": [{"id": "u", "name": None}, {"id": "v"}]}))

    assert found == Found("users", (Entity("u"), Entity("v")))


def test_users_are_looked_up_by_their_ids_deleted_ones_too() -> None:
    asked, found = played(users(["u1", "u2"]), entities("Ann"))

    params = {"id": "u1,u2", "state": "any", "pageSize": "100", "pageNumber": "1"}
    assert asked == [Request("GET", PATHS["users"], params)]
    assert isinstance(found, Found)


def test_users_by_id_are_read_to_the_last_page_where_the_server_cuts_them() -> None:
    asked, found = played(users(["u1", "u2", "u3"]), entities("A", "B", pageCount=2), entities("C", pageCount=2))

    assert [request.params["pageNumber"] for request in asked] == ["1", "2"]
    assert isinstance(found, Found)
    assert len(found.entities) == 3


def test_only_users_are_looked_up_by_id_and_at_most_a_hundred_at_once() -> None:
    many = [uuid(number) for number in range(150)]

    [by_id], _ = played(look_up("users", many), entities())
    [whole], _ = played(look_up("queues", many), entities())

    assert by_id.params["id"] == ",".join(many[:100])
    assert "id" not in whole.params


# What is known


def test_what_is_learnt_has_a_name_and_what_was_asked_in_vain_has_none() -> None:
    known = Names()
    known.learn(Found("users", (Entity(uuid(1), "Ann"),)), [uuid(1), uuid(2)])

    assert known.name("users", uuid(1)) == "Ann"
    assert known.name("users", uuid(2)) is None
    assert known.wanted([("users", uuid(1)), ("users", uuid(2))]) == {}
    assert known.wanted([("users", uuid(3))]) == {"users": [uuid(3)]}


def test_a_kind_that_was_listed_whole_is_settled_for_every_id() -> None:
    known = Names()
    known.learn(Found("queues", (Entity(uuid(1), "Sales"),)))

    assert known.is_settled("queues", uuid(9))
    assert not known.is_settled("divisions", uuid(9))


def test_a_kind_that_cannot_be_looked_up_is_settled_with_its_reason() -> None:
    known = Names()
    known.learn(Unavailable("queues", "403"))

    assert known.wanted([("queues", uuid(1))]) == {}
    assert known.unavailable == {"queues": "403"}


@pytest.mark.parametrize("code", ["ININ-WRAP-UP-TIMEOUT", "ININ-OUTBOUND-NUMBER_COULD_NOT_BE_DIALED", "", "x"])
def test_what_is_no_uuid_is_never_looked_up(code: str) -> None:
    assert Names().wanted([("wrapupcodes", code)]) == {}


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5).map(uuid))))
def test_what_is_wanted_is_each_id_once_in_the_order_in_which_it_came(pairs: list[tuple[Kind, str]]) -> None:
    wanted = Names().wanted(pairs)

    assert wanted == {kind: list(dict.fromkeys(one for each, one in pairs if each == kind)) for kind, _ in pairs}


# Ids for names


def test_ids_are_taken_as_they_are_and_cost_no_request() -> None:
    exchange = ids_named("queues", [uuid(1), f" {'ABCDEF00-0000-4000-8000-000000000001'} "])

    with pytest.raises(StopIteration) as done:
        next(exchange)
    assert done.value.value == [uuid(1), "abcdef00-0000-4000-8000-000000000001"]


def test_system_wrap_up_codes_are_ids_already() -> None:
    with pytest.raises(StopIteration) as done:
        next(ids_named("wrapupcodes", ["inin-wrap-up-timeout"]))
    assert done.value.value == ["ININ-WRAP-UP-TIMEOUT"]


def test_names_are_found_without_regard_to_case_beside_ids_and_in_their_order() -> None:
    upper_id = "ABCDEF00-0000-4000-8000-000000000001"

    _, found = played(ids_named("queues", ["care", upper_id, "Sales "]), entities("Sales", "Care"))

    assert found == [uuid(2), upper_id.lower(), uuid(1)]


def test_of_two_that_differ_in_case_the_exact_one_is_meant() -> None:
    _, found = played(ids_named("queues", ["sales"]), entities("Sales", "sales"))

    assert found == [uuid(2)]


def test_a_user_may_be_named_by_address() -> None:
    listed = {"entities": [{"id": "u1", "name": "Ann", "email": "Ann@example.com"}, {"id": "u2", "name": "Ben"}]}

    _, found = played(ids_named("users", ["ann@EXAMPLE.com"]), answer(listed))

    assert found == ["u1"]


def test_a_name_that_several_have_is_refused_with_their_ids() -> None:
    with pytest.raises(UnknownName, match="2 queues are called 'Sales'") as refused:
        played(ids_named("queues", ["Sales"]), entities("Sales", "Sales"))

    assert uuid(1) in refused.value.hint
    assert uuid(2) in refused.value.hint


@pytest.mark.parametrize("word", ["Salse", "sale", "Support DE"])
def test_a_name_that_nobody_has_is_refused_with_the_near_ones(word: str) -> None:
    with pytest.raises(UnknownName, match=f"no queue called '{word}'") as refused:
        played(ids_named("queues", [word]), entities("Sales", "Support", "Billing"))

    assert refused.value.hint.startswith("Near: S")


def test_a_part_of_a_name_finds_what_contains_it() -> None:
    with pytest.raises(UnknownName) as refused:
        played(ids_named("queues", ["care"]), entities("Customer Care Team North America", "Billing"))

    assert refused.value.hint == "Near: Customer Care Team North America."


def test_where_nothing_is_near_all_are_listed() -> None:
    with pytest.raises(UnknownName) as refused:
        played(ids_named("queues", ["zzz"]), entities(*(f"Queue {letter}" for letter in "ABCDEFGHIJ")))

    assert refused.value.hint.startswith("It has 10: Queue A, Queue B")
    assert refused.value.hint.endswith("...")


@pytest.mark.parametrize("kind", KINDS)
def test_an_oauth_client_that_sees_none_is_told_to_look_at_its_roles(kind: Kind) -> None:
    with pytest.raises(UnknownName) as refused:
        played(ids_named(kind, ["x"]), entities())

    assert f"sees no {WORDS[kind]} at all" in refused.value.hint


def test_an_empty_name_is_nobodys() -> None:
    with pytest.raises(UnknownName):
        played(ids_named("users", [" "]), entities("Ann"))


def test_where_names_cannot_be_looked_up_the_id_is_asked_for() -> None:
    with pytest.raises(UnknownName, match="queue 'Sales' cannot be looked up") as refused:
        played(ids_named("queues", ["Sales"]), answer(FORBIDDEN, 403))

    assert "Give the queue's id" in refused.value.hint
