from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.api.exchange import Request, Response
from everycall.api.names import (
    LISTING_PAGES_MAX,
    LOOK_UP_PATIENCE_S,
    LOOK_UP_TRIES,
    PATHS,
    SINGULAR,
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
from everycall.errors import CredentialsRefused, EverycallError, ServiceFailed, UnknownName, Unreachable
from playing import answer, played

KINDS: list[Kind] = ["queues", "users", "wrapupcodes", "divisions"]
FORBIDDEN = {"message": "You are missing routing:queue:view", "code": "missing.permissions", "status": 403}


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def entities(*named: str, first: int = 1, **fields: Any) -> Response:
    """A listing of entities with these names, their ids numbered from the first."""
    listed = [{"id": uuid(number), "name": name, "selfUri": "x"} for number, name in enumerate(named, first)]
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

    asked, found = played(
        listing("queues"), first, entities("C", "D", first=3, pageCount=3), entities("E", first=5, pageCount=3)
    )

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


@pytest.mark.parametrize("status", [302, 405, 409, 410, 422, 429, 501, 503])
def test_any_other_refused_look_up_costs_only_names(status: int) -> None:
    _, found = played(listing("queues"), answer(FORBIDDEN, status))

    assert isinstance(found, Unavailable)
    assert found.reason.startswith(str(status))


@pytest.mark.parametrize("error", [ServiceFailed("Gave up."), Unreachable("No."), CredentialsRefused("401")])
def test_a_failed_look_up_costs_only_names(error: EverycallError) -> None:
    _, found = played(listing("queues"), error)

    assert found == Unavailable("queues", str(error))


def test_a_look_up_is_tried_a_few_times_and_not_for_long() -> None:
    for exchange in (listing("queues"), users(["u"]), ids_named("users", ["Ann"])):
        asked = next(exchange)
        assert (asked.tries, asked.patience_s) == (LOOK_UP_TRIES, LOOK_UP_PATIENCE_S)


@pytest.mark.parametrize("end", [answer({"message": "No more than 10,000."}, 400), ServiceFailed("Gave up.")])
def test_a_look_up_that_is_cut_short_keeps_what_it_got(end: Response | EverycallError) -> None:
    _, found = played(listing("users"), entities("Ann", pageCount=9), end)

    assert isinstance(found, Found)
    assert [one.name for one in found.entities] == ["Ann"]
    assert found.cut_short


def test_a_listing_that_repeats_its_first_page_ends() -> None:
    asked, found = played(listing("queues"), entities("A", pageCount=9999), entities("A", pageCount=9999))

    assert len(asked) == 2
    assert isinstance(found, Found)
    assert "nothing new" in found.cut_short


def test_a_listing_that_never_ends_is_given_up() -> None:
    endless = [answer({"entities": [{"id": uuid(n)}], "nextUri": "x"}) for n in range(LISTING_PAGES_MAX)]
    asked, found = played(listing("queues"), *endless)

    assert len(asked) == LISTING_PAGES_MAX
    assert isinstance(found, Found)
    assert len(found.entities) == LISTING_PAGES_MAX
    assert "does not end" in found.cut_short


def test_the_reason_of_a_failed_look_up_is_printable() -> None:
    _, found = played(listing("queues"), answer({"message": "\x1b[2J\nProven", "code": "x"}, 403))

    assert found == Unavailable("queues", r"403 x: \x1b[2J\nProven")


def test_an_entity_may_lack_its_name() -> None:
    _, found = played(listing("users"), answer({"entities": [{"id": "u", "name": None}, {"id": "v"}]}))

    assert found == Found("users", (Entity("u"), Entity("v")))


def test_users_are_looked_up_by_their_ids_deleted_ones_too() -> None:
    asked, found = played(users(["u1", "u2"]), entities("Ann"))

    params = {"id": "u1,u2", "state": "any", "pageSize": "100", "pageNumber": "1"}
    assert asked == [Request("GET", PATHS["users"], params)]
    assert isinstance(found, Found)


def test_users_by_id_are_read_to_the_last_page_where_the_server_cuts_them() -> None:
    asked, found = played(
        users(["u1", "u2", "u3"]), entities("A", "B", pageCount=2), entities("C", first=3, pageCount=2)
    )

    assert [request.params["pageNumber"] for request in asked] == ["1", "2"]
    assert isinstance(found, Found)
    assert len(found.entities) == 3


def test_only_users_are_looked_up_by_id_and_at_most_a_hundred_at_once() -> None:
    many = [uuid(number) for number in range(150)]

    [by_id], _ = played(look_up("users", many), entities())
    [whole], _ = played(look_up("queues", many), entities())

    assert by_id.params["id"] == ",".join(many[:100])
    assert "id" not in whole.params


def test_where_fewer_ids_are_taken_at_once_users_are_asked_for_in_smaller_batches() -> None:
    ids = [uuid(number) for number in range(1, 101)]
    refused = answer({"message": "Too many ids.", "code": "bad.request"}, 400)

    asked, found = played(users(ids), refused, entities("Ann"), entities("Ben", "Cid", first=2))

    assert [len(request.params["id"].split(",")) for request in asked] == [100, 50, 50]
    assert isinstance(found, Found)
    assert len(found.entities) == 3


def test_batches_of_users_are_halved_twice_at_most() -> None:
    """The API refuses 100, 50 and 25 ids; then names are given up."""
    refused = answer({"message": "No."}, 400)

    asked, found = played(users([uuid(number) for number in range(100)]), refused, refused, refused)

    assert [len(request.params["id"].split(",")) for request in asked] == [100, 50, 25]
    assert isinstance(found, Unavailable)


def test_batches_that_fail_later_keep_what_came_before() -> None:
    refused = answer({"message": "No."}, 400)

    _, found = played(users([uuid(n) for n in range(60)]), refused, entities("Ann"), answer(FORBIDDEN, 403))

    assert isinstance(found, Found)
    assert len(found.entities) == 1
    assert found.cut_short.startswith("cut short: 403")


# What is known


def test_a_look_up_that_was_cut_short_keeps_its_names_and_is_not_repeated() -> None:
    known = Names()
    known.learn(Found("queues", (Entity(uuid(1), "Sales"),), cut_short="cut short: 400"))

    assert known.name("queues", uuid(1)) == "Sales"
    assert known.wanted([("queues", uuid(2))]) == {}
    assert known.unavailable == {"queues": "cut short: 400"}


def test_secrets_are_removed_from_the_reason_of_a_look_up() -> None:
    def redact(text: str) -> str:
        return text.replace("hush", "...")

    assert Found("queues", (), "hush").redacted(redact) == Found("queues", (), "...")
    assert Unavailable("queues", "hush").redacted(redact) == Unavailable("queues", "...")


def test_a_found_id_has_a_name_and_one_asked_for_in_vain_has_none() -> None:
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
def test_an_id_that_is_no_uuid_is_never_looked_up(code: str) -> None:
    assert Names().wanted([("wrapupcodes", code)]) == {}


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5).map(uuid))))
def test_each_unknown_id_is_wanted_once_in_order(pairs: list[tuple[Kind, str]]) -> None:
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


def test_of_two_names_that_differ_in_case_the_exact_one_is_chosen() -> None:
    _, found = played(ids_named("queues", ["sales"]), entities("Sales", "sales"))

    assert found == [uuid(2)]


ANN = {"id": "u1", "name": "Ann", "email": "Ann@example.com"}


@pytest.mark.parametrize(("written", "name"), [("ann@EXAMPLE.com", "email"), ("ann", "name")])
def test_a_user_is_searched_for_by_name_or_address(written: str, name: str) -> None:
    [asked], found = played(ids_named("users", [written]), answer({"results": [ANN], "total": 1}))

    assert found == ["u1"]
    assert (asked.method, asked.path) == ("POST", "/api/v2/users/search")
    assert asked.json
    assert asked.json["query"][0] == {"type": "EXACT", "fields": [name], "value": written}


@pytest.mark.parametrize(
    "nothing", [answer({"results": []}), answer({}), answer([]), answer({}, 404), answer({}, 400), ServiceFailed("No.")]
)
def test_where_the_search_finds_nobody_users_are_listed(nothing: Response | EverycallError) -> None:
    _, found = played(ids_named("users", ["ann"]), nothing, answer({"entities": [ANN]}))

    assert found == ["u1"]


def test_users_are_listed_once_for_all_names_that_the_search_does_not_find() -> None:
    nobody = answer({"results": []})
    listed = answer({"entities": [ANN, {"id": "u2", "name": "Ben"}]})

    asked, found = played(ids_named("users", ["ann", "ben"]), nobody, listed, nobody)

    assert found == ["u1", "u2"]
    assert [request.method for request in asked] == ["POST", "GET", "POST"]


def test_an_ambiguous_name_is_refused_with_the_ids() -> None:
    with pytest.raises(UnknownName, match="The org has 2 queues called 'Sales'") as refused:
        played(ids_named("queues", ["Sales"]), entities("Sales", "Sales"))

    assert uuid(1) in refused.value.hint
    assert uuid(2) in refused.value.hint


@pytest.mark.parametrize("written", ["Salse", "sale", "Support DE"])
def test_an_unknown_name_is_refused_with_similar_ones(written: str) -> None:
    with pytest.raises(UnknownName, match=f"no queue called '{written}'") as refused:
        played(ids_named("queues", [written]), entities("Sales", "Support", "Billing"))

    assert refused.value.hint.startswith("Similar names: S")


def test_a_part_of_a_name_finds_what_contains_it() -> None:
    with pytest.raises(UnknownName) as refused:
        played(ids_named("queues", ["care"]), entities("Customer Care Team North America", "Billing"))

    assert refused.value.hint == "Similar names: Customer Care Team North America."


def test_where_no_name_is_similar_all_are_listed() -> None:
    with pytest.raises(UnknownName) as refused:
        played(ids_named("queues", ["zzz"]), entities(*(f"Queue {letter}" for letter in "ABCDEFGHIJ")))

    assert refused.value.hint.startswith("It has 10: Queue A, Queue B")
    assert refused.value.hint.endswith("...")


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_list_suggests_to_check_the_roles_of_the_oauth_client(kind: Kind) -> None:
    nobody = [answer({"results": []})] if kind == "users" else []
    with pytest.raises(UnknownName) as refused:
        played(ids_named(kind, ["x"]), *nobody, entities())

    assert f"sees no {SINGULAR[kind]} at all" in refused.value.hint


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(UnknownName):
        played(ids_named("users", [" "]), answer({"results": []}), entities("Ann"))


def test_where_names_cannot_be_looked_up_the_id_is_asked_for() -> None:
    with pytest.raises(UnknownName, match="queue 'Sales' cannot be looked up") as refused:
        played(ids_named("queues", ["Sales"]), answer(FORBIDDEN, 403))

    assert "Give the queue's id" in refused.value.hint
