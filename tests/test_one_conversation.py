"""One conversation by its id, as an exchange."""

import pytest

import sampled
from everycall import PermissionMissing, QueryRefused
from everycall.api.exchange import BrokenAnswer, Request, Response, received
from everycall.api.one_conversation import one_conversation
from playing import answer, played

ID = "00000000-0000-4000-8000-000000000101"


def test_a_conversation_is_asked_for_by_its_id_and_kept_as_it_came() -> None:
    body = sampled.body("conversation_chat_2021")
    asked, found = played(one_conversation(ID), Response(200, {}, body))

    assert asked == [Request("GET", f"/api/v2/analytics/conversations/{ID}/details")]
    assert found is not None
    assert found.body == body
    assert found.conversation.conversation_id == sampled.tree("conversation_chat_2021")["conversationId"]


def test_an_unknown_id_is_nothing() -> None:
    assert played(one_conversation(ID), answer({"code": "not.found", "status": 404}, 404))[1] is None


@pytest.mark.parametrize(("status", "error"), [(403, PermissionMissing), (400, QueryRefused)])
def test_other_refusals_are_errors(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        played(one_conversation(ID), answer({"message": "no", "status": status}, status))


@pytest.mark.parametrize("body", [b"[]", b"{}", b"<html>", b'{"conversationId": 7'])
def test_what_is_no_conversation_is_a_broken_answer(body: bytes) -> None:
    asking = next(one_conversation(ID))
    with pytest.raises(BrokenAnswer):
        received(asking, Response(200, {}, body))
