"""What the sandbox holds, to compare with what somebody else's client reads."""

from typing import Any

from everycall.sandbox import Sandbox


def listed(sandbox: Sandbox, kind: str) -> list[dict[str, Any]]:
    """What the sandbox's world holds of a kind and a listing shows."""
    entities = [entity for entity in sandbox.store.world.entities(kind) if is_listed(entity)]
    return sorted(entities, key=lambda entity: str(entity["name"]).casefold())


def is_listed(entity: dict[str, Any]) -> bool:
    """Whether a listing shows it without being asked for another state."""
    return entity.get("state", "active") in {"active", "ACTIVE"} and not entity.get("deleted")


def with_attributes(sandbox: Sandbox, interval: str) -> list[dict[str, Any]]:
    """The conversations of an interval as a job shows them."""
    world, now_ms = sandbox.store.world, sandbox.store.now_ms
    sketches = [world.locate(found["conversationId"], now_ms) for found in sandbox.store.conversations(interval)]
    return [world.with_attributes(sketch, now_ms) for sketch in sketches if sketch is not None]
