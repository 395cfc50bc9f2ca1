"""The names of a window as JSON lines, and the newest of all windows."""

from pathlib import Path

import msgspec

from everycall.api.names import Entity, Found, Names
from everycall.sinks.interface import Batch
from everycall.sinks.names_form import Name, NamesForm, lines, newest

FORM = NamesForm()
USERS = [("users", f"0000000{number}-0000-4000-8000-000000000000") for number in range(3)]
(_, ANN), (_, BOB), (_, UNKNOWN) = USERS


def names(looked_up_at: str = "2026-01-05T08:00:00.000Z") -> Names:
    """Ann and Bob are known."""
    found = Names()
    division = {"id": "d1", "name": "Home"}
    ann, bob = Entity(ANN, "Ann", division=division, state="active"), Entity(BOB, "Bob")
    found.learn(Found("users", (ann, bob)).as_of(looked_up_at), [ANN, BOB, UNKNOWN])
    return found


def test_each_id_that_has_a_name_is_written_once(tmp_path: Path) -> None:
    writer = FORM.writer(tmp_path / "w.names")
    writer.write(Batch(mentioned=[("users", ANN), ("users", UNKNOWN)], names=names()))
    writer.write(Batch(mentioned=[("users", ANN), ("users", BOB)], names=names()))
    done = writer.close()

    at = "2026-01-05T08:00:00.000Z"
    expected = [Name("user", ANN, "Ann", "d1", "active", at), Name("user", BOB, "Bob", looked_up_at=at)]
    assert FORM.read(tmp_path / "w.names") == expected
    assert FORM.is_complete(tmp_path / "w.names", done)


def test_a_line_has_the_names_of_the_fields_in_camel_case() -> None:
    assert lines([Name("queues", "q", "Sales")]) == (
        b'{"kind":"queues","id":"q","name":"Sales","divisionId":null,"state":null,"lookedUpAt":null}\n'
    )


def test_of_several_look_ups_the_last_one_counts() -> None:
    old, new = (
        Name("user", ANN, "Ann", looked_up_at="2026-01-05"),
        Name("user", ANN, "Anne", looked_up_at="2026-01-06"),
    )

    assert newest([new, old]) == newest([old, new]) == [new]


def test_names_come_in_the_order_of_kind_and_id() -> None:
    one, two, three = Name("queues", "b", "B"), Name("users", "a", "A"), Name("queues", "a", "A")

    assert newest([two, one, three]) == [three, one, two]


def test_a_division_or_a_state_of_another_shape_is_left_out() -> None:
    odd = Entity(ANN, "Ann", division="d1", state=3)

    assert Name.of("users", odd) == Name("user", ANN, "Ann")


def test_a_queue_has_its_settings_and_other_names_have_none(tmp_path: Path) -> None:
    settings = {"memberCount": 3, "mediaSettings": {"call": {"enableAutoAnswer": True}}}
    known = Names()
    id_ = "00000000-0000-4000-8000-00000000000a"
    known.learn(Found("queues", (msgspec.convert({"id": id_, "name": "Sales", **settings}, Entity),)))
    writer = FORM.writer(tmp_path / "w.names")
    writer.write(Batch(mentioned=[("queues", id_)], names=known))
    writer.close()

    assert FORM.read(tmp_path / "w.names") == [Name("queue", id_, "Sales", settings=settings)]
    assert b"settings" not in lines([Name("user", "u", "Ann")])
